package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sh(script string) Command { return Command{Args: []string{"sh", "-c", script}} }

func TestRun(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		lines        []string
		err          string
	}{
		{"both streams, line by line", `echo one; echo two >&2; printf three`, []string{"one", "two", "three"}, ""},
		{"its exit code", `echo no; exit 3`, []string{"no"}, "sh: exit status 3"},
		{"control characters and empty lines", `printf 'a\033[31mb\tc\n\n \r\nd\n'`, []string{"a[31mb c", "d"}, ""},
		{"control characters of the second kind", `printf 'a\302\2332Jb\302\205c\377d é\n'`, []string{"a2Jbcd é"}, ""},
		{"a signal", `kill -9 $$`, nil, "sh: signal: killed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			err := sh(tc.script).Run(t.Context(), func(s string) { got = append(got, s) })
			if fmt.Sprint(got) != fmt.Sprint(tc.lines) || said(err) != tc.err {
				t.Errorf("%q, %v; want %q, %s", got, err, tc.lines, tc.err)
			}
		})
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestOutput(t *testing.T) {
	out, err := sh(`echo 0.5; echo looked >&2`).Output(t.Context())
	if out != "0.5\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	_, err = sh(`echo first >&2; echo "no such silence" >&2; exit 4`).Output(t.Context())
	var exit *exec.ExitError
	if said(err) != "sh: exit status 4: no such silence" || !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Error(err)
	}
	if out, err = sh(`head -c 200000 /dev/zero | tr '\0' x`).Output(t.Context()); len(out) != mostOutput || err != nil {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	if _, err = (Command{Args: []string{"/no/such/program"}}).Output(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err = (Command{}).Output(t.Context()); err == nil {
		t.Error("an empty command ran")
	}
	c := sh(`echo "$A $HOME"; pwd`)
	c.Env, c.Dir = []string{"A=1"}, "/"
	if out, err = c.Output(t.Context()); out != "1 \n/\n" || err != nil {
		t.Errorf("environment and folder: %q, %v", out, err)
	}
}

// TestBounded: a flood of lines, and a line without an end, are cut and the command still ends.
func TestBounded(t *testing.T) {
	var got []string
	if err := sh(`seq 1 2000; head -c 5000 /dev/zero | tr '\0' x`).Run(t.Context(), func(s string) { got = append(got, s) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != mostLines || got[mostLines-1] != "more than 499 lines; the others aren't kept" {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
	got = nil
	if err := sh(`head -c 5000 /dev/zero | tr '\0' x`).Run(t.Context(), func(s string) { got = append(got, s) }); err != nil || len(got) != 3 || len(got[0]) != longestLine {
		t.Errorf("%v, %d lines", err, len(got))
	}
}

// TestKilled: at the timeout, and at the context's end, nothing is left of the command's process group, even of a child
// that doesn't listen.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, why string }{{"timeout", "took longer than 3s and was killed"}, {"context", "cut off: asked to end"}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			pids := filepath.Join(t.TempDir(), "pid")
			c := sh(`sh -c 'trap "" TERM; echo $$ > ` + pids + `; echo begun; exec sleep 600' & wait`)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if tc.name == "timeout" {
				c.Timeout = 3 * time.Second
			}
			err := c.Run(ctx, func(string) {
				if tc.name == "context" {
					cancel(errors.New("asked to end"))
				}
			})
			if err == nil || !strings.HasSuffix(err.Error(), tc.why) {
				t.Error(err)
			}
			awaitGone(t, pids)
		})
	}
}

func awaitGone(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if syscall.Kill(pid, 0) != nil || err == nil && strings.Contains(string(state), ") Z ") {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

// TestBackground: a child that is left behind and holds the output doesn't keep the command from having ended.
func TestBackground(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	out, err := sh(`sleep 600 & echo $!`).Output(t.Context())
	var pid int
	if _, bad := fmt.Sscan(out, &pid); bad != nil || err != nil || time.Since(begun) > time.Minute {
		t.Errorf("%q, %v after %s", out, err, time.Since(begun))
	} else {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
