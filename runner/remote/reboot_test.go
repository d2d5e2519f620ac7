package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

// rebooter is a machine that answers the scripts of a reboot from memory, so that virtual time can pass.
type rebooter struct {
	*server
	bench   *bench
	boot    string
	reboots int
	down    time.Duration // from the reboot to sshd
	nologin time.Duration // after that, logins are refused
	hang    bool          // goes down without a word, rather than with a reset
	up      time.Time     // when a login was possible again
}

func newRebooter(b *bench) *rebooter {
	r := &rebooter{server: b.machine("n1:22"), bench: b, boot: "boot-1"}
	r.server.run = r.answer
	return r
}

func (r *rebooter) answer(cmd string, ch ssh.Channel) int {
	script, _ := io.ReadAll(ch)
	if _, rest, ok := strings.Cut(cmd, "echo "); ok {
		fmt.Fprintln(ch, strings.FieldsFunc(rest, func(c rune) bool { return c == ';' })[0])
	}
	if !strings.Contains(string(script), "reboot") {
		fmt.Fprintln(ch, r.boot)
		return 0
	}
	if strings.Contains(string(script), " = "+r.boot+" ]") {
		r.reboots++
		r.wg.Go(r.goDown)
	}
	return 0
}

// goDown takes two seconds to shut down, and comes back.
func (r *rebooter) goDown() {
	time.Sleep(2 * time.Second)
	r.bench.set("n1:22", nil)
	if r.hang {
		r.freeze()
	} else {
		r.cut()
	}
	time.Sleep(r.down)
	r.cut()
	r.mu.Lock()
	keys := r.users
	r.users = map[string][]ssh.PublicKey{}
	r.boot = fmt.Sprintf("boot-%d", r.reboots+1)
	r.mu.Unlock()
	r.bench.set("n1:22", r.server)
	time.Sleep(r.nologin)
	r.mu.Lock()
	r.users, r.up = keys, time.Now()
	r.mu.Unlock()
}

// rebooting is a test in virtual time with such a machine and the way to it. What is still open is closed afterwards.
func rebooting(t *testing.T, test func(t *testing.T, r *rebooter, h *Host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := newRebooter(b)
		test(t, r, b.host(Login{Name: "n1"}))
		b.net.Close()
		r.cut()
		r.wg.Wait()
	})
}

func TestFault24RebootIsDoneWhenTheBootIDIsAnother(t *testing.T) {
	for _, test := range []struct {
		name          string
		down, nologin time.Duration
		hang          bool
		late          time.Duration
	}{
		{"quick", 0, 0, false, time.Second},
		{"twelve minutes", 12 * time.Minute, 0, false, time.Second},
		{"without a word", time.Minute, 0, true, time.Second},
		{"fault 26, pam_nologin", time.Minute, 30 * time.Second, false, 5500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			rebooting(t, func(t *testing.T, r *rebooter, h *Host) {
				r.down, r.nologin, r.hang = test.down, test.nologin, test.hang
				ctx, stop := context.WithTimeout(t.Context(), 30*time.Minute)
				defer stop()
				before, err := h.BootID(ctx)
				if err != nil || before != "boot-1" {
					t.Fatal(before, err)
				}
				if err := h.Reboot(ctx, before); err != nil {
					t.Fatal(err)
				}
				if late := time.Since(r.up); late > test.late {
					t.Errorf("noticed %s after a login was possible", late)
				}
				if err := h.Reboot(ctx, before); err != nil || r.reboots != 1 {
					t.Errorf("a second call: %v, %d reboots", err, r.reboots)
				}
			})
		})
	}
}

func TestRebootNeverReturns(t *testing.T) {
	rebooting(t, func(t *testing.T, r *rebooter, h *Host) {
		r.down = time.Hour
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
		defer stop()
		err := h.Reboot(ctx, "boot-1")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		mustContain(t, err.Error(), "host n1", "refused")
	})
}

func TestRefusedLoginsAreFiveSecondsApart(t *testing.T) {
	rebooting(t, func(t *testing.T, r *rebooter, h *Host) {
		r.nologin = 60 * time.Second
		dials := r.dials.Load()
		if err := h.Reboot(t.Context(), "boot-1"); err != nil {
			t.Fatal(err)
		}
		if n := r.dials.Load() - dials; n > 60/5+4 {
			t.Errorf("%d logins in a minute: sshd would shut us out", n)
		}
	})
}

func TestFault35HalfOpenConnectionIsNoticed(t *testing.T) {
	rebooting(t, func(t *testing.T, r *rebooter, h *Host) {
		if _, err := h.BootID(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if r.logins.Load() != 1 {
			t.Errorf("an idle connection was given up: %d logins", r.logins.Load())
		}
		begin := time.Now()
		r.freeze()
		if _, err := h.BootID(t.Context()); err != nil || time.Since(begin) > 16*time.Second || r.logins.Load() != 2 {
			t.Errorf("%v after %s, %d logins", err, time.Since(begin), r.logins.Load())
		}
	})
}

func TestConnectTimeoutCoversTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := b.machine("n1:22")
		b.net.o.Dial = func(ctx context.Context, n, addr string) (c net.Conn, err error) {
			c, err = b.Dial(ctx, n, addr)
			s.freeze()
			return c, err
		}
		begin := time.Now()
		err := b.ok(Login{Name: "n1", ConnectTimeout: 7 * time.Second})
		mustContain(t, fmt.Sprint(err), "host n1", "no answer within 7s")
		if time.Since(begin) != 7*time.Second {
			t.Errorf("after %s", time.Since(begin))
		}
		s.cut()
		s.wg.Wait()
	})
}

func TestNewSessionThatHangsEndsWithTheContext(t *testing.T) {
	rebooting(t, func(t *testing.T, r *rebooter, h *Host) {
		if _, err := h.BootID(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.freeze()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := h.BootID(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestExpectTriesTheFirstLoginUntilTheContextEnds(t *testing.T) {
	rebooting(t, func(t *testing.T, r *rebooter, h *Host) {
		r.bench.set("n1:22", nil)
		if _, err := h.BootID(t.Context()); err == nil {
			t.Fatal("nobody was there")
		}
		if err := h.Expect(); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(3 * time.Minute)
			r.bench.set("n1:22", r.server)
		}()
		if id, err := h.BootID(t.Context()); err != nil || id != "boot-1" {
			t.Errorf("%q, %v", id, err)
		}
	})
}
