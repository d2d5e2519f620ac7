package main

import (
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScript runs the scripts of testdata/script: each is a short session of a user with fleetup, and says what is
// printed and which code it exits with. `fleetup 65 run inventory.toml` expects exit code 65; what goes before it
// (`box 3`, `break-host n2`) makes the data centre that it works on, as hall_test.go explains. Each script has a
// bubble of virtual time to itself, in which a reboot takes its 20 seconds and the script a few milliseconds.
func TestScript(t *testing.T) {
	for _, file := range scripts(t, "*.txtar") {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if !strings.HasPrefix(name, "fault") {
			t.Run(name, func(t *testing.T) { runScript(t, file) })
		}
	}
}

// The faults of faults.md that a script can show, by their numbers.
func TestFault05TwoRuns(t *testing.T)       { fault(t, "05-two-runs") }
func TestFault13BlockedDrain(t *testing.T)  { fault(t, "13-blocked-drain") }
func TestFault17HumanCordon(t *testing.T)   { fault(t, "17-human-cordon") }
func TestFault19SSHDrops(t *testing.T)      { fault(t, "19-ssh-drops") }
func TestFault25OldKernel(t *testing.T)     { fault(t, "25-old-kernel") }
func TestFault27NewHostKey(t *testing.T)    { fault(t, "27-new-host-key") }
func TestFault28HungKernel(t *testing.T)    { fault(t, "28-hung-kernel") }
func TestFault30BrokenKubelet(t *testing.T) { fault(t, "30-broken-kubelet") }
func TestFault30Rollback(t *testing.T)      { fault(t, "30-rollback") }
func TestFault31NewerKubelet(t *testing.T)  { fault(t, "31-newer-kubelet") }
func TestFault33WrongSudo(t *testing.T)     { fault(t, "33-wrong-sudo-password") }
func TestFault36SSHDLimits(t *testing.T)    { fault(t, "36-sshd-limits") }
func TestFault39MissingRight(t *testing.T)  { fault(t, "39-missing-right") }

func fault(t *testing.T, script string) { runScript(t, scripts(t, "fault"+script+".txtar")[0]) }

// scripts lists those that match.
func scripts(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "script", pattern))
	if err != nil || len(files) == 0 {
		t.Fatal("no script ", pattern, err)
	}
	return files
}

func runScript(t *testing.T, file string) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		testscript.RunT(bubble{t}, testscript.Params{
			Files: []string{file}, WorkdirRoot: t.TempDir(), Setup: setUp, Cmds: scriptCommands(),
		})
	})
}

// bubble is a test whose script runs in the test's own goroutine: a bubble of virtual time has no subtests.
type bubble struct{ *testing.T }

func (b bubble) Run(_ string, f func(testscript.T)) { f(b) }
func (b bubble) Parallel()                          {}
func (b bubble) Verbose() bool                      { return testing.Verbose() }

// setUp gives a script its own home for state and its own hall.
func setUp(env *testscript.Env) error {
	env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
	s := &hall{dir: env.WorkDir, began: time.Now()}
	env.Values[hallKey{}] = s
	env.Defer(s.close)
	return nil
}

// runFleetup is the command `fleetup CODE ARGUMENT...`: the program in this process, with the box as its network.
func runFleetup(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: fleetup EXIT-CODE ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("fleetup %s: the expected exit code comes first", args[0])
	}
	if got := hallOf(ts).fleetup(ts, "", ts.Stdout(), ts.Stderr(), args[1:]); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// fleetup runs one command line and returns its exit code.
func (s *hall) fleetup(ts *testscript.TestScript, identity string, out, errs io.Writer, args []string) int {
	a := &app{
		out: out, err: &locked{w: errs}, getenv: ts.Getenv,
		identity: identity,
		notify:   s.notify,
		boottime: func() time.Duration { return time.Since(s.began) },
	}
	if s.box != nil {
		a.dial = s.dial
	}
	defer a.ending.Wait()
	return a.main(s.context(), absolute(ts, args))
}

// absolute makes the arguments that name files independent of the working directory, which all scripts share.
func absolute(ts *testscript.TestScript, args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if arg == "--" {
			break
		}
		flag, file, joined := strings.Cut(arg, "=")
		ext := filepath.Ext(arg)
		switch {
		case ext != ".toml" && ext != ".plan" && !strings.HasSuffix(arg, "-fleet"):
		case joined && strings.HasPrefix(flag, "-"):
			args[i] = flag + "=" + ts.MkAbs(file)
		default:
			args[i] = ts.MkAbs(arg)
		}
	}
	return args
}
