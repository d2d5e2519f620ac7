package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func fence(run string, epoch int64) Fence { return Fence{Run: run, Epoch: epoch} }

func TestStepResult(t *testing.T) {
	needs(t, "flock", "setsid")
	b := newBench(t)
	b.machine("n1:22")
	h := b.host(Login{Name: "n1"}, fence("run1", 1))
	var lines []string
	out, err := h.Do(t.Context(), "hello", "echo a; echo b >&2; printf c; cat", func(l string) { lines = append(lines, l) })
	if err != nil || out != "a\nb\nc" || strings.Join(lines, "|") != "a|b|c" {
		t.Fatalf("%q %q %v", out, lines, err)
	}
	for _, name := range []string{"script", "epoch", "boot_id", "output", "rc"} {
		if !exists(filepath.Join(b.base, "run1", "hello", name)) {
			t.Errorf("no %s", name)
		}
	}
	info, err := os.Stat(filepath.Join(b.base, "run1", "hello"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	out, err = h.Do(t.Context(), "hello", "echo another", nil)
	if err != nil || out != "a\nb\nc" {
		t.Errorf("the result of what ran before: %q, %v", out, err)
	}
	_, err = h.Do(t.Context(), "fail", "echo broken; exit 4", nil)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Status != 4 {
		t.Fatal(err)
	}
	mustContain(t, err.Error(), `step "fail"`, "exit status 4", "broken")
}

// slowStep counts to ten, and at each of the lines given waits until goOn says so, or the test is over.
func (b *bench) slowStep(waits string) string {
	return "for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; case $i in " + waits + ") while [ -d " + b.home + " ] && ! [ -e " + b.home + "/go$i ]; do sleep 0.02; done ;; esac; done"
}

// goOn lets slowStep go on after the line.
func (b *bench) goOn(line string) {
	write(b.t, b.home+"/go"+strings.TrimPrefix(line, "line "), "", 0o600)
}

var slowLines = func() string {
	var s string
	for i := range 10 {
		s += fmt.Sprintf("line %d\n", i+1)
	}
	return s
}()

func TestFault19StepSurvivesLostConnections(t *testing.T) {
	needs(t, "flock", "setsid")
	b := newBench(t)
	s := b.machine("n1:22")
	h := b.host(Login{Name: "n1"}, fence("r", 1))
	var lines []string
	out, err := h.Do(t.Context(), "count", b.slowStep("3 | 7"), func(l string) {
		lines = append(lines, l)
		if l == "line 3" || l == "line 7" {
			go func() { s.cut(); b.goOn(l) }()
		}
	})
	if err != nil || out != slowLines {
		t.Errorf("%v:\n%s", err, out)
	}
	if got := strings.Join(lines, "\n") + "\n"; got != slowLines {
		t.Errorf("lines lost or doubled:\n%s", got)
	}
	if s.logins.Load() < 3 {
		t.Errorf("%d logins: nothing was cut", s.logins.Load())
	}
}

func TestStepAnotherProcessAttaches(t *testing.T) {
	needs(t, "flock", "setsid")
	b := newBench(t)
	b.machine("n1:22")
	count := filepath.Join(b.home, "count")
	script := "echo begun >>" + count + "\n" + b.slowStep("2")
	ctx, stop := context.WithCancel(t.Context())
	_, err := b.host(Login{Name: "n1"}, fence("r", 1)).Do(ctx, "s", script, func(l string) {
		if l == "line 2" {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	mustContain(t, err.Error(), "goes on there by itself", b.base+"/r/s")
	other := New(b.net.o)
	defer other.Close()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			out, err := other.Host(Login{Name: "n1", User: "root"}, fence("r", 2)).Do(t.Context(), "s", script, b.goOn)
			if err != nil || out != slowLines {
				t.Errorf("%q %v", out, err)
			}
		})
	}
	wg.Wait()
	if text, _ := os.ReadFile(count); string(text) != "begun\n" {
		t.Errorf("it ran more than once: %q", text)
	}
}

func TestStepInterrupted(t *testing.T) {
	needs(t, "flock", "setsid")
	for _, test := range []struct{ name, why string }{{"gone", "process is gone"}, {"rebooted", "rebooted"}} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			b.machine("n1:22")
			dir := filepath.Join(b.base, "r", "s")
			h := b.host(Login{Name: "n1"}, fence("r", 1))
			_, err := h.Do(t.Context(), "s", "echo half; kill -9 $PPID; exit 1", nil)
			if test.name == "rebooted" {
				write(t, filepath.Join(dir, "boot_id"), "another\n", 0o600)
				_, err = b.net.Host(h.login, h.fence).Do(t.Context(), "s", "true", nil)
			}
			var cut *InterruptedError
			if !errors.As(err, &cut) || !cut.Interrupted() {
				t.Fatal(err)
			}
			mustContain(t, err.Error(), "host n1", `step "s"`, test.why, "half")
			_, err = b.net.Host(h.login, h.fence).Do(t.Context(), "s", "true", nil)
			if !errors.As(err, &cut) {
				t.Errorf("another process must be told too: %v", err)
			}
			out, err := b.net.Host(h.login, h.fence).Do(t.Context(), "never", "echo x", nil)
			if err != nil || out != "x\n" {
				t.Errorf("%q %v", out, err)
			}
			h.told["s"] = true
			out, err = h.Do(t.Context(), "s", "echo anew", nil)
			if err != nil || out != "anew\n" {
				t.Errorf("%q %v", out, err)
			}
		})
	}
}

func TestStepFenced(t *testing.T) {
	needs(t, "flock", "setsid")
	b := newBench(t)
	b.machine("n1:22")
	if _, err := b.host(Login{Name: "n1"}, fence("r", 9)).Run(t.Context(), "true"); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(b.home, "mark")
	_, err := b.host(Login{Name: "n1"}, fence("r", 8)).Do(t.Context(), "s", "touch "+mark, nil)
	var fenced *FencedError
	if !errors.As(err, &fenced) || exists(mark) || exists(filepath.Join(b.base, "r", "s")) {
		t.Errorf("%v, done: %v", err, exists(mark))
	}
}

func TestFault38StepNames(t *testing.T) {
	needs(t, "flock", "setsid")
	b := newBench(t)
	b.machine("n1:22")
	mark := filepath.Join(b.home, "mark")
	h := b.host(Login{Name: "n1"}, fence("run $(touch "+mark+")", 1))
	for _, name := range []string{"a b", "$(touch " + mark + ")", "../../x", "'", "a\nb", strings.Repeat("long", 100), "-n", "a/b"} {
		out, err := h.Do(t.Context(), name, "echo 'it is' \"$(echo me)\"", nil)
		if err != nil || out != "it is me\n" {
			t.Errorf("%q: %q %v", name, out, err)
		}
	}
	if exists(mark) {
		t.Error("a name was executed")
	}
	if safeName("a/b") == safeName("a_b") || safeName("a b") == safeName("a\nb") {
		t.Error("two names share a folder")
	}
}

const fakeSystemdRun = `
for a; do case $a in --unit=*) unit=${a#--unit=};; --*) ;; *) break;; esac; shift; done
cat >/dev/null
setsid "$@" >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
echo $! >"$UNITS/$unit"
`

const fakeSystemctl = `
[ "$1" = is-active ] && kill -0 "$(cat "$UNITS/$2")" && echo active || { echo inactive; exit 3; }
`

func TestStepUnderSystemd(t *testing.T) {
	needs(t, "flock", "setsid")
	units := t.TempDir()
	b := newBench(t, func(o *Options) { o.systemdDir = units })
	s := b.machine("n1:22")
	s.program("systemd-run", "UNITS="+units+fakeSystemdRun)
	s.program("systemctl", "UNITS="+units+fakeSystemctl)
	h := b.host(Login{Name: "n1"}, fence("r", 1))
	out, err := h.Do(t.Context(), "s", b.slowStep("2"), func(l string) {
		if l == "line 2" {
			go func() { s.cut(); b.goOn(l) }()
		}
	})
	if err != nil || out != slowLines || !exists(filepath.Join(units, "fleetup-r-s")) || s.logins.Load() < 2 {
		t.Errorf("%q %v, %d logins", out, err, s.logins.Load())
	}
	s.program("systemd-run", "echo no bus >&2; exit 1")
	_, err = h.Do(t.Context(), "unlucky", "true", nil)
	if err == nil || exists(filepath.Join(b.base, "r", "unlucky")) {
		t.Errorf("%v; a step that never started must leave no claim", err)
	}
	mustContain(t, fmt.Sprint(err), "no bus", "could not be started")
}

func TestSweep(t *testing.T) {
	needs(t, "flock", "setsid")
	b := newBench(t)
	b.machine("n1:22")
	ctx := t.Context()
	old, busy := b.host(Login{Name: "n1"}, fence("old", 1)), b.host(Login{Name: "n1"}, fence("busy", 1))
	if _, err := old.Do(ctx, "s", "true", nil); err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithCancel(ctx)
	_, _ = busy.Do(short, "s", b.slowStep("1"), func(string) { stop() })
	defer waitFor(t, func() bool { b.goOn("1"); return exists(b.base + "/busy/s/rc") })
	h := b.host(Login{Name: "n1"}, fence("new", 2))
	if _, err := h.Do(ctx, "s", "true", nil); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(b.base+"/kept/sources", 0o700); err != nil { // what playbooks keep for going back
		t.Fatal(err)
	}
	if err := h.Sweep(ctx, "new"); err != nil {
		t.Fatal(err)
	}
	if !exists(b.base+"/kept/sources") || exists(b.base+"/old") || !exists(b.base+"/busy") || !exists(b.base+"/new") || !exists(b.base+"/epoch") {
		t.Error("the wrong folders went")
	}
}

func TestFollowerKeepsTheEnd(t *testing.T) {
	f := &follower{}
	for range 3 * maxOutput / 1000 {
		f.Write(append(make([]byte, 999), '\n'))
	}
	f.Write([]byte("the end\n"))
	if text := f.text(); len(text) > maxOutput+10 || !strings.HasSuffix(text, "the end\n") || !strings.HasPrefix(text, "…") {
		t.Errorf("%d bytes", len(text))
	}
}

// A progress bar that only ever returns the carriage is one line, however long it goes on: its end is what counts.
func TestLineWithoutEnd(t *testing.T) {
	var said []string
	f := &follower{line: func(l string) { said = append(said, l) }}
	bar := []byte(strings.Repeat("=", 1023) + "\r")
	began := time.Now()
	for range 20_000 {
		if n, err := f.Write(bar); n != len(bar) || err != nil {
			t.Fatal(n, err)
		}
		if cap(f.rest) > 64<<10 {
			t.Fatalf("%d bytes are kept of a line", cap(f.rest))
		}
	}
	_, _ = f.Write([]byte("100 %\nnext\nla"))
	_, _ = f.Write([]byte("st"))
	f.flush()
	if len(said) != 3 || len(said[0]) > maxLine || !strings.HasSuffix(said[0], "\r100 %") || said[1] != "next" || said[2] != "last" {
		t.Errorf("%d lines, the first of %d bytes, then %q", len(said), len(said[0]), said[1:])
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("20 MB took %s", took)
	}
}

// A step whose process has ended, and that nobody has waited for, doesn't run: in a container, or below a process 1 that is no
// init, it may stand there for ever.
func TestStepOfAZombie(t *testing.T) {
	c := exec.Command("true")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = c.Wait() }()
	stat := ""
	for !strings.HasPrefix(stat, " Z ") {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
		if err != nil {
			t.Skip(err)
		}
		stat = string(b[bytes.LastIndexByte(b, ')')+1:])
		time.Sleep(time.Millisecond)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	alive := func(pid int, start string) bool {
		write(t, filepath.Join(dir, "boot_id"), string(boot), 0o600)
		write(t, filepath.Join(dir, "pid"), fmt.Sprintln(pid, start), 0o600)
		return exec.Command("sh", "-c", stateScript+`alive "$1" unit /nonexistent`, "sh", dir).Run() == nil
	}
	if alive(c.Process.Pid, strings.Fields(stat)[19]) {
		t.Error("a zombie counts as a step that runs")
	}
	own, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	if !alive(os.Getpid(), strings.Fields(string(own[bytes.LastIndexByte(own, ')')+1:]))[19]) {
		t.Error("this process doesn't count as one that runs")
	}
}
