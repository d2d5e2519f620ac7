package diagnose

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The script runs on this very machine, in its own shell with its own tools, and tells the truth about what can be checked.
func TestAskThisMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc")
	}
	run := func(ctx context.Context, script string) (string, error) {
		out, err := exec.CommandContext(ctx, "sh", "-c", script).Output()
		return string(out), err
	}
	raw, err := Ask(t.Context(), run, Questions{Pause: 100 * time.Millisecond, Since: time.Now().Add(-time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	l := Parse(raw, time.Now().Add(-time.Minute))
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

// An answer that is cut off is no answer.
func TestAskCutOff(t *testing.T) {
	run := func(context.Context, string) (string, error) { return "\n#fleetup clock\n1.0\n", nil }
	if _, err := Ask(t.Context(), run, Questions{}); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Error(err)
	}
}

// What comes from outside reaches the shell as one word.
func TestScriptQuotes(t *testing.T) {
	s := Questions{Peers: []string{"10.0.0.1", "$(reboot)"}}.script()
	if !strings.HasPrefix(s, "peers='10.0.0.1 $(reboot)'\nsince=\npause=1\n") {
		t.Error(s[:80])
	}
}
