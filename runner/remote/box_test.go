package remote

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// simulated runs a test in virtual time on a machine of remotetest, n1, with its own sudo, systemd and reboots.
func simulated(t *testing.T, test func(t *testing.T, b *bench, m *remotetest.Machine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		m, err := remotetest.New(remotetest.Options{Name: "n1", AuthorizedKeys: []ssh.PublicKey{b.user.PublicKey()}})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		b.net.o.Dial, b.net.o.Base, b.net.o.systemdDir = m.Dial, "/var/lib/fleetup", "/run/systemd/system"
		defer b.net.Close()
		b.know(knownhosts.Line([]string{"n1:22"}, m.HostKey()))
		test(t, b, m)
	})
}

func TestStepEndIsNoticedPromptly(t *testing.T) {
	simulated(t, func(t *testing.T, b *bench, _ *remotetest.Machine) {
		for i, takes := range []time.Duration{300 * time.Millisecond, time.Minute} {
			begin := time.Now()
			script := fmt.Sprintf("sleep %g", takes.Seconds())
			if _, err := b.host(Login{Name: "n1"}, fence("r", 1)).Do(t.Context(), fmt.Sprint("s", i), script, nil); err != nil || time.Since(begin) > takes+time.Second {
				t.Errorf("%v, after %s one of %s", err, time.Since(begin), takes)
			}
		}
	})
}

// TestSimulatedMachine runs everything on it.
func TestSimulatedMachine(t *testing.T) {
	simulated(t, func(t *testing.T, b *bench, m *remotetest.Machine) {
		ctx := t.Context()
		for i, user := range []string{"root", "ops"} {
			h := b.host(Login{Name: "n1", User: user}, fence("run-"+user, int64(i+1)))
			if out, err := h.Run(ctx, "id -u; cat"); err != nil || out != "0\n" {
				t.Fatalf("%s: %q, %v", user, out, err)
			}
			out, err := h.Do(ctx, "step", "for i in 1 2 3; do echo $i; sleep 20; done; exit 3", func(l string) {
				if l == "2" {
					m.Drop()
				}
			})
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Status != 3 || out != "1\n2\n3\n" {
				t.Errorf("%s: %q, %v", user, out, err)
			}
			from, data := randomFile(t, 100_000)
			if err := h.Upload(ctx, from, "/opt/file", 0o644); err != nil {
				t.Errorf("%s: %v", user, err)
			}
			if got, err := m.ReadFile("/opt/file"); err != nil || string(got) != string(data) {
				t.Errorf("%s: %d bytes, %v", user, len(got), err)
			}
			if err := h.Download(ctx, "/opt/file", from+".back"); err != nil {
				t.Errorf("%s: %v", user, err)
			}
			if got, err := os.ReadFile(from + ".back"); err != nil || string(got) != string(data) {
				t.Errorf("%s: %d bytes, %v", user, len(got), err)
			}
			if err := h.Sweep(ctx, "run-"+user); err != nil {
				t.Errorf("%s: %v", user, err)
			}
			before, err := h.BootID(ctx)
			if err != nil || before != m.BootID() {
				t.Errorf("%s: %q, %v", user, before, err)
			}
			if err := h.Reboot(ctx, before); err != nil || m.BootID() == before {
				t.Errorf("%s: %v", user, err)
			}
		}
		h := b.host(Login{Name: "n1"}, fence("again", 5))
		go func() {
			time.Sleep(30 * time.Second)
			m.Reboot()
		}()
		_, err := h.Do(ctx, "cut short", "echo begun; sleep 600", nil)
		var cut *InterruptedError
		if !errors.As(err, &cut) {
			t.Error(err)
		}
	})
}

// TestOutputIsWhole: sshd may send a command's exit status before its output. Where the connection is lost, or the network
// stands still, between the two, the command has not ended: no half of an output is taken for all of it.
func TestOutputIsWhole(t *testing.T) {
	between := func(d time.Duration, then func(m *remotetest.Machine)) func(*remotetest.Machine) {
		return func(m *remotetest.Machine) { time.Sleep(d); then(m) }
	}
	for name, happens := range map[string]func(*remotetest.Machine){
		"lost":         between(time.Millisecond, (*remotetest.Machine).Drop),
		"stands still": between(time.Millisecond, func(m *remotetest.Machine) { m.Freeze(20 * time.Second) }),
		"late":         between(5*time.Second, func(*remotetest.Machine) {}),
	} {
		for i, user := range []string{"root", "ops"} {
			t.Run(name+" "+user, func(t *testing.T) {
				simulated(t, func(t *testing.T, b *bench, m *remotetest.Machine) {
					ctx, h := t.Context(), b.host(Login{Name: "n1", User: user}, fence("run", int64(i+1)))
					for n := range 2 { // the first command finds out how to become root
						m.Overtake(1, func() { happens(m) })
						if out, err := h.Run(ctx, fmt.Sprintf("echo %d; echo said >&2", n)); err != nil || out != fmt.Sprintf("%d\n", n) {
							t.Errorf("Run: %q, %v", out, err)
						}
					}
					m.Overtake(1, func() { happens(m) })
					var exit *ExitError
					if _, err := h.Run(ctx, "echo why >&2; exit 3"); !errors.As(err, &exit) || exit.Status != 3 || exit.Stderr != "why\n" {
						t.Errorf("a script that fails: %v", err)
					}
					m.Overtake(1, func() { happens(m) })
					if out, err := h.Do(ctx, "step", "echo done; exit 4", nil); !errors.As(err, &exit) || exit.Status != 4 || out != "done\n" {
						t.Errorf("Do: %q, %v", out, err)
					}
					m.Overtake(1, func() { happens(m) })
					if id, err := h.BootID(ctx); err != nil || id != m.BootID() {
						t.Errorf("BootID: %q, %v", id, err)
					}
				})
			})
		}
	}
}

// TestExecIsWholeOrLost: what a user's own command says comes whole, or the error says that it may not have.
func TestExecIsWholeOrLost(t *testing.T) {
	simulated(t, func(t *testing.T, b *bench, m *remotetest.Machine) {
		h := b.host(Login{Name: "n1"})
		out, errw := buffers()
		m.Overtake(1, func() { time.Sleep(time.Millisecond); m.Freeze(8 * time.Second) })
		if err := h.Exec(t.Context(), "echo all", nil, out, errw); err != nil || out.String() != "all\n" {
			t.Errorf("%q, %v", out, err)
		}
		m.Overtake(1, func() { time.Sleep(time.Millisecond); m.Freeze(time.Hour) })
		if err := h.Exec(t.Context(), "echo all", nil, out, errw); !errors.Is(err, errLost) {
			t.Errorf("a network that stays away: %v", err)
		}
	})
}
