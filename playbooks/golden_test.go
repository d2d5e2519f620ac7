package playbooks

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var writeGolden = flag.Bool("update", false, "write testdata/bind.golden anew")

// TestBuiltinsBind pins what each built-in playbook makes of its parameters: names, traits, what is stopped.
func TestBuiltinsBind(t *testing.T) {
	t.Parallel()
	bindings := []struct {
		name   string
		params map[string]any
		target Target
	}{
		{"kubeadm", map[string]any{"version": "1.37.2"}, Target{Node: "cp1", ControlPlane: true, First: true}},
		{"kubeadm", map[string]any{"version": "1.37.2"}, Target{Node: "cp2", ControlPlane: true}},
		{"os-patches", nil, Target{}},
		{"containerd", map[string]any{"version": "2.1.4"}, Target{}},
		{"docker", map[string]any{"version": "28.5.1"}, Target{}},
		{"docker", map[string]any{"version": "28.5.1", "containerd": "2.1.4", "cri_dockerd": "0.4.0"}, Target{}},
		{"kubelet", map[string]any{"version": "1.37.2"}, Target{}},
		{"cleanup", nil, Target{}},
		{"kernel", map[string]any{"version": "latest"}, Target{}},
		{"restart", map[string]any{"max_uptime": "14d"}, Target{}},
	}
	var b strings.Builder
	stops := []string{"nothing", "kubelet", "runtime"}
	for _, x := range bindings {
		fmt.Fprintf(&b, "%s %v\n", x.name, x.params)
		for _, s := range bind(t, "", x.name, x.params, x.target) {
			traits := s.Traits()
			if traits.Playbook != x.name {
				t.Errorf("%s: the step %s says it comes from %q", x.name, s.Name(), traits.Playbook)
			}
			fmt.Fprintf(&b, "  %-30s disruptive %-5v running %-5v repeatable %-5v stops %-7s within %v", s.Name(), traits.Disruptive, traits.Running, traits.Repeatable, stops[traits.Stop], traits.Timeout)
			if k, ok := s.(*kubeadm); ok {
				fmt.Fprintf(&b, ": %s", k.command())
			}
			if p, ok := s.(*pkg); ok {
				fmt.Fprintf(&b, ": %v %v %v %s hold %v repository %s starts %s keeps %v", p.names, p.oneOf, p.optional, p.version, p.hold, p.repository, p.starts, p.alsoKept)
			}
			b.WriteByte('\n')
		}
	}
	const file = "testdata/bind.golden"
	if *writeGolden {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("go test -update, if that is meant (-want +got):\n%s", diff)
	}
}
