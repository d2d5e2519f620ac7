package playbooks

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const reversed = `
[[steps]]
name = "a file"
upload = { from = "x", to = "/etc/x" }
[[steps]]
name = "its service"
service = { name = "x", state = "restarted" }
[[steps]]
name = "first"
check = "false"
apply = "true"
rollback = "true"
[[steps]]
name = "second"
check = "false"
apply = "true"
rollback = "true"
`

const halfway = `
[[steps]]
name = "image"
upload = { from = "x", to = "/etc/x" }
[[steps]]
name = "flash"
check = "false"
apply = "true"
[[steps]]
name = "settings"
check = "false"
apply = "true"
rollback = "true"
`

// TestBackOrder: in reverse, services last, and no further than to what can't be taken back.
func TestBackOrder(t *testing.T) {
	t.Parallel()
	record := func(ids ...string) map[string]string {
		all := map[string]string{}
		for _, id := range ids {
			all[id] = ""
		}
		return all
	}
	kubeadm := bind(t, "", "kubeadm", map[string]any{"version": "1.37.2"}, Target{ControlPlane: true})
	worker := bind(t, "", "kubeadm", map[string]any{"version": "1.37.2"}, Target{})
	tests := []struct {
		name        string
		steps       []Step
		record      map[string]string
		back, stays []string
	}{
		{"all", own(t, reversed, nil), record("own.0", "own.1", "own.2", "own.3"), []string{"second", "first", "a file", "its service"}, nil},
		{"what was changed", own(t, reversed, nil), record("own.0", "own.2"), []string{"first", "a file"}, nil},
		{"as far as it can", own(t, halfway, nil), record("own.0", "own.1", "own.2"), []string{"settings"},
			[]string{`image: "flash", which came after it and rests on it, stays`, "flash: it has no rollback command"}},
		{"what stays wasn't changed", own(t, halfway, nil), record("own.0", "own.2"), []string{"settings", "image"}, nil},
		{"control plane", append(kubeadm, kubelet(t, "1.37.2")), record("kubeadm.0", "kubeadm.1", "kubelet.0"), []string{"kubelet"},
			[]string{`kubeadm package: "kubeadm upgrade", which came after it and rests on it, stays`, "kubeadm upgrade: " + noControlPlaneBack}},
		{"worker", append(worker, kubelet(t, "1.37.2")), record("kubeadm.0", "kubeadm.1", "kubelet.0"), []string{"kubelet", "kubeadm upgrade", "kubeadm package"}, nil},
		{"patches", bind(t, "", "os-patches", nil, Target{}), record("os-patches.0"), nil, []string{"os-patches: patches of the operating system stay: going back would open again what they closed"}},
		{"reboot and download", own(t, "[[steps]]\nreboot = {}\n[[steps]]\ndownload = { from = \"/x\", to = \"y\" }\n", nil), record("own.0", "own.1"), nil, nil},
		{"gone from the inventory", nil, record("b.0", "a.0"), nil, []string{
			"a.0: its playbook isn't in the inventory's [upgrade] any more, or was changed: with it, it could be taken back",
			"b.0: its playbook isn't in the inventory's [upgrade] any more, or was changed: with it, it could be taken back"}},
		{"nothing", own(t, reversed, nil), nil, nil, nil},
	}
	for _, tt := range tests {
		back, left := Back(tt.steps, tt.record)
		var names, stays []string
		for _, s := range back {
			names = append(names, s.Name())
		}
		for _, s := range left {
			stays = append(stays, s.Step+": "+s.Why)
		}
		if d := cmp.Diff(tt.back, names) + cmp.Diff(tt.stays, stays); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

// TestUndoKeepsRecordsApart: each step's record by its own ID, and none with a trailing line.
func TestUndoKeepsRecordsApart(t *testing.T) {
	t.Parallel()
	m := kubeletMachine(t, "apt")
	m.write("var/lib/kubelet/config.yaml", "cgroupDriver: systemd\n")
	steps := append(bind(t, "", "kubeadm", map[string]any{"version": "1.37.2"}, Target{}), kubelet(t, "1.37.2"))
	record, err := Keep(t.Context(), m, steps)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("cgroupDriver: systemd\n"))
	want := "kubelet 1.36.4-1.1 amd64 hold\nkubectl 1.36.4-1.1 amd64 hold\nsource file:/repo/core:/stable:/v1.36/deb/ /etc/apt/sources.list.d/kubernetes.list\n" +
		fmt.Sprintf("file 644:%d:%d %x /var/lib/kubelet/config.yaml\n", os.Getuid(), os.Getgid(), sum) +
		"nofile /var/lib/kubelet/kubeadm-flags.env\nnofile /etc/default/kubelet\nnofile /etc/sysconfig/kubelet"
	if d := cmp.Diff(want, strings.ReplaceAll(record["kubelet.0"], m.root, "")); d != "" {
		t.Errorf("kubelet: %s", d)
	}
	if len(record) != 3 || !strings.Contains(record["kubeadm.1"], "nofile") {
		t.Errorf("record %q", record)
	}
}

// TestUndoOfConfiguration: what the kubelet was configured with comes back with its package, whatever became of it.
func TestUndoOfConfiguration(t *testing.T) {
	t.Parallel()
	m := kubeletMachine(t, "apt")
	m.write("var/lib/kubelet/config.yaml", "old\n")
	m.must(os.Chmod(m.root+"/var/lib/kubelet/config.yaml", 0o600))
	s := kubelet(t, "1.37.2")
	record := keep(t, s, m)
	apply(t, s, m)
	m.write("var/lib/kubelet/config.yaml", "new\n")
	m.write("etc/default/kubelet", "KUBELET_EXTRA_ARGS=--new\n")
	back := s.Undo(record)
	changes := strings.Join(check(t, back, m).Changes, "\n")
	for _, want := range []string{"kubelet 1.37.2-1.1 → 1.36.4-1.1", "config.yaml as it was", "/etc/default/kubelet: removed", "kubernetes.list: v1.37 → v1.36"} {
		if !strings.Contains(changes, want) {
			t.Errorf("changes lack %q:\n%s", want, changes)
		}
	}
	said := apply(t, back, m)
	info, err := os.Stat(m.root + "/var/lib/kubelet/config.yaml")
	if err != nil || m.read("var/lib/kubelet/config.yaml") != "old\n" || info.Mode().Perm() != 0o600 || m.exists("etc/default/kubelet") {
		t.Errorf("not as it was: %v %v, said:\n%s", info, err, said)
	}
	m.must(os.RemoveAll(m.root + "/var/lib/fleetup/kept/files"))
	m.write("var/lib/kubelet/config.yaml", "newer\n")
	if got := check(t, back, m); len(got.Problems) != 1 || !strings.Contains(got.Problems[0], "its copy is gone") {
		t.Errorf("without the copy: %+v", got)
	}
}

// TestUndoWithoutArchive is found before anything is touched, and said by the archive's name; plan says beforehand where
// the archive couldn't be kept.
func TestUndoWithoutArchive(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"apt", "dnf"} {
		m := kubeletMachine(t, kind)
		s := kubelet(t, "1.37.2")
		if got := check(t, s, m); len(got.Stays) > 0 {
			t.Errorf("%s: while the repository has it: %q", kind, got.Stays)
		}
		record := keep(t, s, m)
		apply(t, s, m)
		archives, _ := os.ReadDir(m.root + "/var/lib/fleetup/kept")
		for _, a := range archives {
			if strings.HasPrefix(a.Name(), "kubectl") {
				m.must(os.Remove(m.root + "/var/lib/fleetup/kept/" + a.Name()))
			}
		}
		back := s.Undo(record)
		got := check(t, back, m)
		if len(got.Problems) != 1 || !strings.Contains(got.Problems[0], "kubectl") || !strings.Contains(got.Problems[0], "/kept/kubectl") {
			t.Errorf("%s: problems %q", kind, got.Problems)
		}
		m.log()
		if err := back.Apply(t.Context(), m, nil); err == nil || m.log() != "" {
			t.Errorf("%s: something was done all the same: %v", kind, err)
		}
		m = newMachine(t, kind, map[string]string{"apt": "kubelet 1.36.2-1.1", "dnf": "kubelet 0:1.36.2-1.1"}[kind])
		m.source("kubernetes", m.repository("v1.37", map[string]string{"apt": "kubelet 1.37.2-1.1", "dnf": "kubelet 0:1.37.2-1.1"}[kind]))
		if got := check(t, s, m); len(got.Stays) != 1 || !strings.Contains(got.Stays[0], "1.36.2-1.1: no repository") {
			t.Errorf("%s: a version that nobody has any more: %q", kind, got.Stays)
		}
	}
}

// TestUndoOfABrokenPackage: a package that can't be configured is replaced, not finished.
func TestUndoOfABrokenPackage(t *testing.T) {
	t.Parallel()
	m := kubeletMachine(t, "apt")
	s := kubelet(t, "1.37.2")
	record := keep(t, s, m)
	m.write("state/fails/kubelet", "")
	if err := s.Apply(t.Context(), m, nil); err == nil {
		t.Fatal("installed")
	}
	m.must(os.Remove(m.root + "/state/fails/kubelet"))
	m.write("state/unconfigurable", "")
	back := s.Undo(record)
	if got := check(t, back, m); got.Clean {
		t.Fatalf("half-configured: %+v", got)
	}
	said := apply(t, back, m)
	if !check(t, back, m).Clean || !m.held("kubelet") || !strings.Contains(said, "is replaced") {
		t.Errorf("%s\nsaid:\n%s", m.read("state/pkg/kubelet"), said)
	}
}

// TestUndoFailsHeld: whatever going back comes to, what was held is held.
func TestUndoFailsHeld(t *testing.T) {
	t.Parallel()
	m := kubeletMachine(t, "apt")
	s := kubelet(t, "1.37.2")
	record := keep(t, s, m)
	apply(t, s, m)
	m.write("state/fails/kubelet", "")
	err := s.Undo(record).Apply(t.Context(), m, nil)
	if err == nil || !strings.Contains(err.Error(), "failed in postinst") || !m.held("kubelet") || !m.held("kubectl") {
		t.Errorf("err %v, %s", err, m.read("state/pkg/kubelet"))
	}
}

// TestUndoLeavesASourceOfOthers: one that somebody has pointed elsewhere since isn't ours to change.
func TestUndoLeavesASourceOfOthers(t *testing.T) {
	t.Parallel()
	m := kubeletMachine(t, "apt")
	s := kubelet(t, "1.37.2")
	record := keep(t, s, m)
	apply(t, s, m)
	m.write("etc/apt/sources.list.d/kubernetes.list", "deb [trusted=yes] file:/srv/mine/v1.37/deb/ /\n")
	apply(t, s.Undo(record), m)
	if got := m.read("etc/apt/sources.list.d/kubernetes.list"); !strings.Contains(got, "/srv/mine/v1.37/") {
		t.Errorf("it is %s", got)
	}
}

// TestUndoOfACutCommand: begun is enough to be taken back, and taken back it is once.
func TestUndoOfACutCommand(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "apt")
	s := own(t, "[[steps]]\nname = \"flash\"\ncheck = \"false\"\napply = \"echo half >>/etc/flash; exit 3\"\nrollback = \"echo back >>/etc/flash\"\n", nil)[0]
	back := s.Undo(keep(t, s, m))
	if err := s.Apply(t.Context(), m, nil); err == nil {
		t.Fatal("applied")
	}
	if got := check(t, back, m); got.Clean || !slices.Equal(got.Commands, []string{"echo back >>" + "/etc/flash"}) {
		t.Errorf("begun: %+v", got)
	}
	undo(t, s, "", m)
	if got := m.read("etc/flash"); got != "half\nback\n" {
		t.Errorf("it says %q", got)
	}
	failing := own(t, "[[steps]]\ncheck = \"false\"\napply = \"true\"\nrollback = \"exit 4\"\n", nil)[0]
	apply(t, failing, m)
	err := failing.Undo("").Apply(context.Background(), m, nil)
	if code, _ := ExitStatus(err); code != 4 || check(t, failing.Undo(""), m).Clean {
		t.Errorf("a rollback that fails: %v", err)
	}
}

// TestUndoOfAnUnknownControlPlane: one that the inventory takes for a worker is found by its manifest, and refused.
func TestUndoOfAnUnknownControlPlane(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "apt", "kubeadm 1.37.2-1.1", "kubelet 1.36.4-1.1")
	m.write(apiserverManifest, "    image: registry.k8s.io/kube-apiserver:v1.36.4\n")
	s := bind(t, "", "kubeadm", map[string]any{"version": "1.37.2"}, Target{})[1]
	if got := check(t, s.Undo(keep(t, s, m)), m); len(got.Problems) != 1 || got.Problems[0] != noControlPlaneBack {
		t.Errorf("%+v", got)
	}
}
