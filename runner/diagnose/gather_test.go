package diagnose

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/runner/parts"
)

// The script runs on this very machine, in its own shell with its own tools, and tells the truth about what can be checked.
func TestAskThisMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc")
	}
	l := Parse(ask(t, Questions{Pause: 100 * time.Millisecond, Since: time.Now().Add(-time.Minute)}), time.Now().Add(-time.Minute))
	if l.Cores < 1 || l.Memory.Total < 64<<20 || l.Memory.Available <= 0 || l.Uptime <= 0 || l.Busy < 0 || l.Busy > 100.01 {
		t.Errorf("%d cores, memory %+v, up %s, busy %.1f %%", l.Cores, l.Memory, l.Uptime, l.Busy)
	}
	if l.Clock.Skew != 0 {
		t.Errorf("our own clock is %s off", l.Clock.Skew)
	}
	if len(l.Largest) == 0 || l.Files.Max == 0 {
		t.Errorf("largest %v, files %+v", l.Largest, l.Files)
	}
}

// What comes from outside reaches the shell as one word.
func TestScriptQuotes(t *testing.T) {
	s := Questions{Peers: []string{"10.0.0.1", "$(reboot)"}}.script()
	if !strings.HasPrefix(s, "peers='10.0.0.1 $(reboot)'\nsince=\npause=1\n") {
		t.Error(s[:80])
	}
}

// Of the processes that are near their own limit the nearest are told, not those that have most.
func TestDescriptorsByShare(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc")
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	hold := func(files int, script string) int {
		c := exec.CommandContext(t.Context(), "sh", "-c", script)
		for range files {
			c.ExtraFiles = append(c.ExtraFiles, null)
		}
		in, err := c.StdinPipe() // it ends with the test
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close(); _ = c.Wait() })
		if _, err := out.Read(make([]byte, 8)); err != nil { // "ready": its limit is set
			t.Fatal(err)
		}
		return c.Process.Pid
	}
	leak := hold(55, "ulimit -n 64; echo ready; exec cat")
	for range 6 {
		hold(100, "echo ready; exec cat")
	}
	top := parseDescriptors(partOf(t, ask(t, Questions{Pause: 10 * time.Millisecond}), "descriptors"))
	for _, f := range top {
		if f.PID == leak && f.Limit == 64 && f.Open >= 58 {
			return
		}
	}
	t.Errorf("%d has most of its files open, and isn't among %+v", leak, top)
}

// A journal that is longer than it may take to read tells the newest lines, and that others are missing.
func TestNewestOfAJournal(t *testing.T) {
	bin := t.TempDir()
	fake := `#!/bin/sh
case " $* " in *' -n 1 '*) echo x; exit ;; *' -k '*) ;; *) exit ;; esac
case " $* " in
*' -r '*) newest=2000000000 step=-1 ;;
*) newest=1000000000 step=1 ;;
esac
long=$(printf '%05000d' 7)
while :; do
	echo "$newest.000001 n1 kernel: I/O error, dev sda, line $newest $long"
	newest=$((newest + step))
	[ $newest -gt 1999999990 ] || sleep 100
done
`
	if err := os.WriteFile(filepath.Join(bin, "journalctl"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context, script string) (string, error) {
		script = strings.Replace(script, "timeout 15 journalctl -q -r", "timeout 3 journalctl -q -r", 1)
		c := exec.CommandContext(ctx, "sh", "-c", script)
		c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := c.Output()
		return string(out), err
	}
	raw, err := Ask(t.Context(), run, Questions{Pause: 10 * time.Millisecond, Since: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	text := partOf(t, raw, "journal")
	if !strings.Contains(text, "line 2000000000") {
		t.Errorf("the newest line isn't there: %.300s", text)
	}
	if len(text) > 20000 {
		t.Errorf("lines are not cut: %d bytes", len(text))
	}
	if l := Parse(raw, time.Time{}); !slices.Contains(l.Gaps, "journalctl took longer than 15 s: the oldest lines are missing") {
		t.Errorf("gaps: %q", l.Gaps)
	}
}

// The logs of pods that a node can't do without are read: of kube-system, of the network, and of static pods; of others where they
// are named.
func TestPodLogs(t *testing.T) {
	root := t.TempDir()
	for _, id := range []string{
		"kube-system_kube-proxy-abcde_1a2b3c4d-0000-0000-0000-000000000000", "calico-system_calico-node-x_1a2b3c4d-0000-0000-0000-000000000001",
		"ingress_edge-n1_0123456789abcdef0123456789abcdef", "storage_csi-n1_1a2b3c4d-0000-0000-0000-000000000002", "shop_web-0_1a2b3c4d-0000-0000-0000-000000000003",
	} {
		dir := filepath.Join(root, id, "app")
		line := "2026-01-01T10:00:00.5Z stderr F E0101 10:00:00.500000 1 app.go:7] \"Failed\"\n"
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "0.log"), []byte(strings.Repeat(line, 3)), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	run := func(ctx context.Context, script string) (string, error) {
		out, err := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(script, "/var/log/pods", root)).Output()
		return string(out), err
	}
	raw, err := Ask(t.Context(), run, Questions{Pause: 10 * time.Millisecond, Since: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	l := Parse(raw, time.Time{})
	slices.Sort(l.PodLogs)
	if got := strings.Join(l.PodLogs, " "); got != "calico-system/calico-node-x ingress/edge-n1 kube-system/kube-proxy-abcde" {
		t.Errorf("read by what the disk tells: %s", got)
	}
	more, err := AskPods(t.Context(), run, []string{"storage/csi-n1", "gone/x"}, time.Time{})
	if err != nil || len(more) != 1 || more[0].Source != "pod storage/csi-n1 app" || more[0].Count != 3 {
		t.Errorf("read by what the API tells: %+v, %v", more, err)
	}
}

func ask(t *testing.T, q Questions) Raw {
	t.Helper()
	raw, err := Ask(t.Context(), func(ctx context.Context, script string) (string, error) {
		out, err := exec.CommandContext(ctx, "sh", "-c", script).Output()
		return string(out), err
	}, q)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// partOf is what the first part of a name says.
func partOf(t *testing.T, raw Raw, name string) string {
	t.Helper()
	for _, p := range parts.Split(raw.Text) {
		if p.Name == name {
			return p.Text
		}
	}
	t.Fatalf("there is no part %s", name)
	return ""
}
