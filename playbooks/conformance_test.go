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
}

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
	"patches, apt": {kind: "package", steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt", "libc6 2.36-1", "containerd 2.1.3-1")
		m.source("os", m.repository("os", "libc6 2.36-2", "containerd 2.1.4-1"))
		return bind(t, "", "os-patches", nil, Target{})[0], m
	}},
	"patches, dnf": {kind: "package", steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "dnf", "glibc 0:2.36-1", "containerd 0:2.1.3-1")
		m.source("os", m.repository("os", "glibc 0:2.36-2", "containerd 0:2.1.4-1"))
		m.write("var/cache/dnf/os/repodata/repomd.xml", "")
		return bind(t, "", "os-patches", nil, Target{})[0], m
	}},
	"kernel": {kind: "kernel", staged: true, steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt", "linux-image-6.1.0-51-amd64 6.1.1-1")
		m.source("os", m.repository("os", "linux-image-6.1.0-56-amd64 6.1.9-1"))
		return bind(t, "", "kernel", map[string]any{"version": "6.1.0-56-amd64"}, Target{})[0], m
	}, reboot: func(m *machine) { m.write("state/running", "6.1.0-56-amd64\n") }},
	"reboot": {kind: "reboot", staged: true, steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt")
		m.write("proc/uptime", "8640000.12 1.0\n")
		return bind(t, "", "restart", nil, Target{})[0], m
	}, reboot: func(m *machine) { m.write("proc/uptime", "9.12 1.0\n") }},
	"kubeadm, control plane": {kind: "kubeadm", steps: func(t *testing.T) (Step, *machine) {
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
	"command": {kind: "command", steps: func(t *testing.T) (Step, *machine) {
		return own(t, "[[steps]]\ncheck = \"test -e /etc/done\"\napply = \"touch /etc/done\"\n", nil)[0], newMachine(t, "apt")
	}},
	"command that waits for the reboot": {kind: "command", staged: true, steps: func(t *testing.T) (Step, *machine) {
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
	"download": {kind: "download", steps: func(t *testing.T) (Step, *machine) {
		m := newMachine(t, "apt")
		m.write("var/log/x", "log")
		return own(t, "[params]\nto = {}\n[[steps]]\ndownload = { from = \"/var/log/x\", to = \"{{.to}}-{{.node}}\" }", map[string]any{"to": filepath.Join(t.TempDir(), "x")})[0], m
	}},
}

// TestConformance is what every type of step promises: Check changes nothing; after Apply it is clean, or staged until
// the reboot; applying again does no harm, and where it is Repeatable needs no Check before.
func TestConformance(t *testing.T) {
	tested := []string{"power"} // refused by name
	for name, c := range conformance {
		tested = append(tested, c.kind)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, m := c.steps(t)
			first := check(t, s, m)
			if first.Clean || len(first.Changes) == 0 || len(first.Problems) > 0 {
				t.Fatalf("at first: %+v", first)
			}
			if log := m.log(); log != "" {
				t.Fatalf("Check changed something:\n%s", log)
			}
			for range 2 {
				apply(t, s, m)
				if got := check(t, s, m); got.Clean == c.staged || got.Staged != c.staged || got.Reboot != c.staged {
					t.Fatalf("after Apply: %+v", got)
				}
			}
			if c.staged {
				c.reboot(m)
				if got := check(t, s, m); !got.Clean {
					t.Fatalf("after the reboot: %+v", got)
				}
			}
			if err := s.Verify(t.Context(), m); err != nil {
				t.Errorf("Verify: %v", err)
			}
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
