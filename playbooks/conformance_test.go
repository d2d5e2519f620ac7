package playbooks

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// conforming is one step type on a machine where it has something to do.
type conforming struct {
	kind  string
	steps func(t *testing.T) (Step, *machine)
	// staged: Check isn't clean but staged after Apply, until reboot has been called.
	staged bool
	reboot func(m *machine)
	// back is how it is taken back.
	back way
	// backStaged: its undo is staged too, until this reboot.
	backStaged func(m *machine)
}

// way is how a type of step is taken back.
type way int

const (
	byUndo  way = iota // Undo returns a step that does it
	nothing            // there is nothing to take back
	stays              // it can't be
)

var conformance = map[string]conforming{
	"package, apt": {kind: "package", steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt", "kubelet 1.36.4-1.1")
		m.source("k", m.repository("v1.36/deb", "kubelet 1.36.4-1.1"))
		m.repository("v1.37/deb", "kubelet 1.37.2-1.1")
		return bind(t, "", "kubelet", map[string]any{"version": "1.37.2"}, Target{})[0], m
	}},
	"package, dnf": {kind: "package", steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "dnf", "kubelet 0:1.36.4-1.1")
		m.source("kubernetes", m.repository("v1.36/rpm", "kubelet 0:1.36.4-1.1"))
		m.repository("v1.37/rpm", "kubelet 0:1.37.2-1.1")
		return bind(t, "", "kubelet", map[string]any{"version": "1.37.2"}, Target{})[0], m
	}},
	"patches, apt": {kind: "package", back: stays, steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt", "libc6 2.36-1", "containerd 2.1.3-1")
		m.source("os", m.repository("os", "libc6 2.36-2", "containerd 2.1.4-1"))
		return bind(t, "", "os-patches", nil, Target{})[0], m
	}},
	"patches, dnf": {kind: "package", back: stays, steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "dnf", "glibc 0:2.36-1", "containerd 0:2.1.3-1")
		m.source("os", m.repository("os", "glibc 0:2.36-2", "containerd 0:2.1.4-1"))
		m.write("var/cache/dnf/os/repodata/repomd.xml", "")
		return bind(t, "", "os-patches", nil, Target{})[0], m
	}},
	"kernel, apt": {kind: "kernel", staged: true, steps: func(t *testing.T) (Step, *machine) {
		return trialMachine(t, "apt")
	}, reboot: func(m *machine) { m.boot() }, backStaged: func(m *machine) { m.boot() }},
	"kernel, dnf": {kind: "kernel", staged: true, steps: func(t *testing.T) (Step, *machine) {
		return trialMachine(t, "dnf")
	}, reboot: func(m *machine) { m.boot() }, backStaged: func(m *machine) { m.boot() }},
	"kernel, uninsured": {kind: "kernel", staged: true, steps: func(t *testing.T) (Step, *machine) {
		return trialMachine(t, "apt", "insurance", false)
	}, reboot: func(m *machine) { m.boot() }, backStaged: func(m *machine) { m.boot() }},
	"reboot": {kind: "reboot", back: nothing, staged: true, steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt")
		m.write("proc/uptime", "8640000.12 1.0\n")
		return bind(t, "", "restart", nil, Target{})[0], m
	}, reboot: func(m *machine) { m.write("proc/uptime", "9.12 1.0\n") }},
	"kubeadm, control plane": {kind: "kubeadm", back: stays, steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt", "kubeadm 1.37.2-1.1")
		m.write("etc/kubernetes/manifests/kube-apiserver.yaml", "    image: registry.k8s.io/kube-apiserver:v1.36.4\n")
		return bind(t, "", "kubeadm", map[string]any{"version": "1.37.2"}, Target{ControlPlane: true, First: true})[1], m
	}},
	"kubeadm, worker": {kind: "kubeadm", steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt", "kubeadm 1.37.2-1.1", "kubelet 1.36.4-1.1")
		return bind(t, "", "kubeadm", map[string]any{"version": "1.37.2"}, Target{})[1], m
	}},
	"service": {kind: "service", steps: func(t *testing.T) (Step, *machine) {
		return own(t, "[[steps]]\nservice = { name = \"chrony\", state = \"started\", enabled = true }", nil)[0], newMachine(t, "apt")
	}},
	"package that wasn't there, apt": {kind: "package", steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt")
		m.source("os", m.repository("os", "chrony 4.3-2"))
		return own(t, "[[steps]]\npackage = { names = [\"chrony\"], version = \"4.3\", hold = true, files = [\"/etc/chrony.conf\"] }", nil)[0], m
	}},
	"package that wasn't there, dnf": {kind: "package", steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "dnf")
		m.source("os", m.repository("os", "chrony 0:4.3-2"))
		return own(t, "[[steps]]\npackage = { names = [\"chrony\"], version = \"4.3\", hold = true }", nil)[0], m
	}},
	"package that is only held": {kind: "package", steps: func(t *testing.T) (Step, *machine) {
		return kubelet(t, "1.37.2"), newMachine(t, "apt", "kubelet 1.37.2-1.1")
	}},
	"service that is stopped": {kind: "service", steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt")
		m.write("state/unit/chrony.active", "")
		m.write("state/unit/chrony.enabled", "enabled\n")
		return own(t, "[[steps]]\nservice = { name = \"chrony\", state = \"stopped\", enabled = false }", nil)[0], m
	}},
	"command with its rollback": {kind: "command", steps: func(t *testing.T) (Step, *machine) {
		return own(t, "[[steps]]\ncheck = \"test -e /etc/done\"\napply = \"touch /etc/done\"\nrollback = \"rm -f /etc/done\"\n", nil)[0], newMachine(t, "apt")
	}},
	"command whose rollback waits for the reboot": {kind: "command", staged: true, steps: func(t *testing.T) (Step, *machine) {
		return own(t, "[[steps]]\ncheck = \"test -e /etc/done\"\napply = \"true\"\nrollback = \"true\"\nreboot = true\n", nil)[0], newMachine(t, "apt")
	}, reboot: func(m *machine) {
		m.write("etc/done", "")
		m.write("proc/sys/kernel/random/boot_id", "boot-2\n")
	}, backStaged: func(m *machine) {
		m.must(os.Remove(m.root + "/etc/done"))
		m.write("proc/sys/kernel/random/boot_id", "boot-3\n")
	}},
	"upload over a file": {kind: "upload", steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt")
		m.write("etc/nic/it's a file", "old")
		m.must(os.Chmod(m.root+"/etc/nic/it's a file", 0o640))
		from := filepath.Join(t.TempDir(), "x")
		m.must(os.WriteFile(from, []byte("new"), 0o600))
		return own(t, "[params]\nfrom = {}\n[[steps]]\nupload = { from = \"{{.from}}\", to = \"/etc/nic/it's a file\" }", map[string]any{"from": from})[0], m
	}},
	"kubelet's configuration": {kind: "kubelet_config", steps: func(t *testing.T) (Step, *machine) {
		m := reservingMachine(t, "1.37.2-1.1")
		return bind(t, "", "kubelet-config", map[string]any{"kube_reserved": "cpu=100m,memory=1Gi"}, Target{})[0], m
	}},
	"command": {kind: "command", back: stays, steps: func(t *testing.T) (Step, *machine) {
		return own(t, "[[steps]]\ncheck = \"test -e /etc/done\"\napply = \"touch /etc/done\"\n", nil)[0], newMachine(t, "apt")
	}},
	"command that waits for the reboot": {kind: "command", back: stays, staged: true, steps: func(t *testing.T) (Step, *machine) {
		return own(t, "[[steps]]\ncheck = \"test -e /etc/done\"\napply = \"true\"\nreboot = true\n", nil)[0], newMachine(t, "apt")
	}, reboot: func(m *machine) {
		m.write("etc/done", "")
		m.write("proc/sys/kernel/random/boot_id", "boot-2\n")
	}},
	"upload": {kind: "upload", steps: func(t *testing.T) (Step, *machine) {
		from := filepath.Join(t.TempDir(), "it's a file")
		if err := os.WriteFile(from, []byte("image"), 0o600); err != nil {
			t.Fatal(err)
		}
		return own(t, "[params]\nfrom = {}\n[[steps]]\nupload = { from = \"{{.from}}\", to = \"/var/tmp/n i'c\" }", map[string]any{"from": from})[0], newMachine(t, "apt")
	}},
	"download": {kind: "download", back: nothing, steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt")
		m.write("var/log/x", "log")
		return own(t, "[params]\nto = {}\n[[steps]]\ndownload = { from = \"/var/log/x\", to = \"{{.to}}-{{.node}}\" }", map[string]any{"to": filepath.Join(t.TempDir(), "x")})[0], m
	}},
}

// TestConformance is what every type of step promises: Check changes nothing; after Apply it is clean, or staged until
// the reboot; applying again does no harm, and where it is Repeatable needs no Check before. And Before changes nothing that
// anybody uses; Undo finds nothing to do where nothing was applied, takes back what was, is safe to repeat, and leaves the
// machine so that Check says what it said at first and Apply works again.
func TestConformance(t *testing.T) {
	tested := []string{"power"} // whose Apply is hands'
	for name, c := range conformance {
		tested = append(tested, c.kind)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, m := c.steps(t)
			first := check(t, s, m)
			if first.Clean || len(first.Changes) == 0 || len(first.Problems) > 0 {
				t.Fatalf("at first: %+v", first)
			}
			record := c.before(t, s, m)
			if log := m.log(); log != "" {
				t.Fatalf("Check or Before changed something:\n%s", log)
			}
			c.forward(t, s, m)
			if err := s.Verify(t.Context(), m); err != nil {
				t.Errorf("Verify: %v", err)
			}
			c.backward(t, s, m, record, first)
			for _, do := range m.done {
				if strings.ContainsAny(do, " /'") {
					t.Errorf("name of a detached script: %q", do)
				}
			}
		})
	}
	for kind := range types {
		if !slices.Contains(tested, kind) {
			t.Errorf("step type %s isn't in this table", kind)
		}
	}
}

// before notes how the machine is, twice, and wants nothing to take back yet.
func (c conforming) before(t *testing.T, s Step, m *machine) string {
	t.Helper()
	record := keep(t, s, m)
	if again := keep(t, s, m); again != record {
		t.Fatalf("Before noted\n%s\nand then\n%s", record, again)
	}
	if back := s.Undo(record); c.back == byUndo {
		if status := check(t, back, m); !status.Clean {
			t.Fatalf("Undo of what was never applied: %+v", status)
		}
	}
	return record
}

// forward applies the step, twice.
func (c conforming) forward(t *testing.T, s Step, m *machine) {
	t.Helper()
	for range 2 {
		apply(t, s, m)
		if got := check(t, s, m); got.Clean == c.staged || got.Staged != c.staged || got.Reboot != c.staged {
			t.Fatalf("after Apply: %+v", got)
		}
	}
	b, tries := s.(Booter)
	if tries {
		must(t, "Landed", b.Landed(t.Context(), m))
		must(t, "Arm", b.Arm(t.Context(), m))
	}
	if c.staged {
		c.reboot(m)
	}
	if tries {
		must(t, "Landed", b.Landed(t.Context(), m))
		must(t, "Keep", b.Keep(t.Context(), m))
		must(t, "CallOff", b.CallOff(t.Context(), m))
	}
	if got := check(t, s, m); c.staged && !got.Clean {
		t.Fatalf("after the reboot: %+v", got)
	}
}

// backward takes it back, twice, and applies it anew.
func (c conforming) backward(t *testing.T, s Step, m *machine, record string, first Status) {
	t.Helper()
	if why := s.Undoable(); (why != "") != (c.back == stays) {
		t.Fatalf("can't be taken back: %q", why)
	}
	if c.back == stays {
		return
	}
	back := s.Undo(record)
	if (back != nil) != (c.back == byUndo) {
		t.Fatalf("Undo returned %v", back)
	}
	if back == nil {
		return
	}
	if status := check(t, back, m); status.Clean || status.Staged || len(status.Changes) == 0 || len(status.Problems) > 0 {
		t.Fatalf("before it is taken back: %+v", status)
	}
	if back.Undoable() == "" {
		t.Error("what takes back can be taken back")
	}
	for range 2 {
		apply(t, back, m)
		if got := check(t, back, m); got.Clean == (c.backStaged != nil) || got.Staged != (c.backStaged != nil) || got.Reboot != got.Staged {
			t.Fatalf("taken back: %+v\n%s", got, m.log())
		}
	}
	if c.backStaged != nil {
		c.backStaged(m)
		if got := check(t, back, m); !got.Clean {
			t.Fatalf("taken back, after the reboot: %+v", got)
		}
	}
	if err := back.Verify(t.Context(), m); err != nil {
		t.Errorf("Verify of what takes back: %v", err)
	}
	if got := check(t, s, m); !slices.Equal(got.Changes, first.Changes) || got.Clean {
		t.Errorf("Check said %q at first, and %q once it was taken back", first.Changes, got.Changes)
	}
	apply(t, s, m)
	if got := check(t, s, m); !got.Clean && !got.Staged {
		t.Errorf("applied anew: %+v", got)
	}
}
