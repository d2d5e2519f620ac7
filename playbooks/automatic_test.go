package playbooks

import (
	"slices"
	"strings"
	"testing"
)

// TestAutomaticUpgradesAreKeptOff: those that are there, whatever starts them, once, and let go again.
func TestAutomaticUpgradesAreKeptOff(t *testing.T) {
	t.Parallel()
	for kind, services := range map[string][]string{"apt": {"apt-daily", "apt-daily-upgrade"}, "dnf": {"dnf-automatic", "dnf5-automatic"}} {
		m := newMachine(t, kind)
		for _, s := range services {
			m.write("state/unit/"+s+".enabled", "")
		}
		keep := func(want ...string) {
			t.Helper()
			if busy, err := KeepOff(t.Context(), m); err != nil || !slices.Equal(busy, want) {
				t.Errorf("%s: busy %q, %v", kind, busy, err)
			}
		}
		reloads := func(want int) {
			t.Helper()
			if got := strings.Count(m.read("state/reloads"), "\n"); got != want {
				t.Errorf("%s: %d reloads, want %d", kind, got, want)
			}
		}
		keep()
		for _, s := range services {
			if text := m.read("run/systemd/system/" + s + ".service.d/fleetup.conf"); !strings.Contains(text, "ConditionPathExists=/") {
				t.Errorf("%s isn't kept off: %q", s, text)
			}
		}
		if m.exists("run/systemd/system/kubelet.service.d") || m.exists("run/systemd/system/dnf-automatic-install.service.d") {
			t.Error("what isn't there or isn't meant is kept off too")
		}
		reloads(1)
		m.write("state/unit/"+services[1]+".active", "")
		keep(services[1] + ".service")
		reloads(1)
		for range 2 {
			m.must(LetGo(t.Context(), m))
		}
		reloads(2)
		if m.exists("run/systemd/system/" + services[0] + ".service.d/fleetup.conf") {
			t.Errorf("%s isn't let go", services[0])
		}
	}
}
