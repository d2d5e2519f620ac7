package diagnose

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestGroupPodLog(t *testing.T) {
	got := GroupPodLog("shop/web", "2026-01-01T10:00:00.5Z GET /cart/17 took 20ms\n2026-01-01T10:00:02Z GET /cart/99 took 1ms\n2026-01-01T10:00:01Z started\nno time\n")
	if len(got) != 2 || got[0].Shape != "GET /cart/<n> took <n>ms" || got[0].Count != 2 || got[0].Last.Sub(got[0].First) != 1500*time.Millisecond || got[1].Shape != "started" {
		t.Errorf("%+v", got)
	}
}

// What goes to a machine is a shell's script whatever the words are, and says what is missing.
func TestSampleScripts(t *testing.T) {
	for name, script := range map[string]string{
		"perf": PerfScript(10*time.Second, 0), "perf of one": PerfScript(0, 7), "exec": ExecScript("shop", "web-0", "app", []string{"sh", "-c", `echo "it's" $HOME`}),
	} {
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", "-c", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s\n%s", name, err, out, script)
		}
	}
	if s := ExecScript("shop", "web-0", "", []string{"a b", "$(reboot)"}); !strings.Contains(s, `exec --sync --timeout 55 "$id" 'a b' '$(reboot)'`) {
		t.Errorf("words aren't quoted:\n%s", s)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", PerfScript(time.Second, 1<<30)).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "there is no process") {
		t.Errorf("a process that isn't there: %v: %s", err, out)
	}
}
