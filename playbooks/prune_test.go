package playbooks

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPrune: what the last run replaced stays on the machine, what the runs before it did goes.
func TestPrune(t *testing.T) {
	for _, kind := range []string{"apt", "dnf"} {
		t.Run(kind, func(t *testing.T) {
			m := newMachine(t, kind)
			names := map[string]string{"apt": "_V_amd64.deb", "dnf": "-V.amd64.rpm"}
			file := func(name, version string) string {
				end := names[kind]
				return name + end[:1] + version + end[2:]
			}
			kept := filepath.Join(m.root, "var/lib/fleetup/kept")
			months := time.Now().Add(-60 * 24 * time.Hour)
			for _, f := range []string{file("kubelet", "1.35.9"), file("kubelet", "1.36.4"), file("containerd", "2.1.3"), file("curl", "7.88"), file("zlib1g", "1.2")} {
				m.write("var/lib/fleetup/kept/"+f, "archive")
				m.must(os.Chtimes(filepath.Join(kept, f), months, months))
			}
			now := time.Now()
			m.must(os.Chtimes(filepath.Join(kept, file("curl", "7.88")), now, now)) // kept by this run's patches
			m.write("var/lib/fleetup/kept/containerd.0.before", "containerd 2.1.3 amd64\n")
			record := map[string]string{"kubelet.0": "kubelet 1.36.4 amd64 hold\nsource https://x/v1.36/ /etc/apt/x.list", "command.0": "anything", "own.0": ""}
			gone, err := Prune(t.Context(), m, record, time.Hour)
			m.must(err)
			want := []string{file("kubelet", "1.35.9"), file("zlib1g", "1.2")}
			if d := cmp.Diff(want, gone); d != "" {
				t.Error(d)
			}
			for _, f := range []string{file("kubelet", "1.36.4"), file("containerd", "2.1.3"), file("curl", "7.88")} {
				if _, err := os.Stat(filepath.Join(kept, f)); err != nil {
					t.Error(err)
				}
			}
			if again, err := Prune(t.Context(), m, record, time.Hour); err != nil || len(again) > 0 {
				t.Errorf("again: %v, %v", again, err)
			}
		})
	}
	m := newMachine(t, "apt")
	m.must(os.Remove(filepath.Join(m.root, "bin/apt-get")))
	if gone, err := Prune(t.Context(), m, nil, 0); err != nil || len(gone) > 0 {
		t.Errorf("without a package tool: %v, %v", gone, err)
	}
}
