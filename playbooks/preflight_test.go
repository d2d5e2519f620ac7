package playbooks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func (m *machine) remove(path string) { m.must(os.RemoveAll(filepath.Join(m.root, path))) }

func TestJudge(t *testing.T) {
	t.Parallel()
	fine := "tool apt\nsystemd yes\ncgroup cgroup2fs\nvar 90000000 /\nboot 900 /\n"
	k := Wanted{Kubelet: "1.37.2"}
	tests := []struct {
		name, output     string
		wanted           Wanted
		problem, warning string
	}{
		{"fine", fine, k, "", ""},
		{"no tool", strings.Replace(fine, "apt", "none", 1), k, "neither apt nor dnf", ""},
		{"no systemd", strings.Replace(fine, "systemd yes\n", "", 1), k, "systemd", ""},
		{"/var full", strings.Replace(fine, "90000000", "90000", 1), k, "/var has 87 MiB free", ""},
		{"/boot full", strings.Replace(fine, "900 /\n", "900 /boot\n", 1), k, "/boot has 0 MiB free", ""},
		{"interrupted", fine + "audit tzdata  time zones\n", k, "", "tzdata"},
		{"locked", fine + "holder apt-get (pid 3)\n", k, "", "apt-get (pid 3)"},
		{"automatic", fine + "automatic dnf-automatic.timer\n", k, "", "dnf-automatic.timer is active"},
		{"cgroup v1", strings.Replace(fine, "cgroup2fs", "tmpfs", 1), k, "cgroup v1", ""},
		{"cgroup v1, allowed", strings.Replace(fine, "cgroup2fs", "tmpfs\nfailcgroupv1 false", 1), k, "", ""},
		{"cgroup v1, 1.34", strings.Replace(fine, "cgroup2fs", "tmpfs", 1), Wanted{Kubelet: "1.34.9"}, "", ""},
		{"cgroup v1, kubelet stays", strings.Replace(fine, "cgroup2fs", "tmpfs", 1), Wanted{}, "", ""},
		{"flag", fine + "flags KUBELET_EXTRA_ARGS=--pod-infra-container-image=x\n", k, "--pod-infra-container-image", ""},
		{"flag, 1.34", fine + "flags KUBELET_EXTRA_ARGS=--pod-infra-container-image=x\n", Wanted{Kubelet: "1.34.1"}, "", ""},
		{"flag of kubeadm's", fine + "kubeadmflags KUBELET_KUBEADM_ARGS=\"--pod-infra-container-image=x\"\n", k, "--pod-infra-container-image", ""},
		{"flag of kubeadm's, and kubeadm runs", fine + "kubeadmflags KUBELET_KUBEADM_ARGS=\"--pod-infra-container-image=x\"\n", Wanted{Kubelet: "1.37.2", Kubeadm: true}, "", ""},
		{"longer flag", fine + "flags --container-runtime-endpoint=unix:///x\n", k, "", ""},
		{"old flag", fine + "flags /usr/bin/kubelet --container-runtime remote --v=2\n", k, "--container-runtime,", ""},
		{"containerd 1.5", fine + "containerd containerd github.com/containerd/containerd v1.5.9 abc\n", k, "needs 1.6 or later", ""},
		{"containerd 1.7", fine + "containerd containerd containerd.io 1.7.27 abc\n", k, "", "no longer with 1.38"},
		{"containerd 1.7, 1.35", fine + "containerd containerd containerd.io 1.7.27 abc\n", Wanted{Kubelet: "1.35.1"}, "", ""},
		{"containerd 1.7, 1.38", fine + "containerd containerd containerd.io 1.7.27 abc\n", Wanted{Kubelet: "1.38.0"}, "needs 2.0 or later", ""},
		{"containerd 1.7, replaced", fine + "containerd containerd containerd.io 1.7.27 abc\n", Wanted{Kubelet: "1.38.0", Containerd: "2.1.4"}, "", ""},
		{"containerd 2", fine + "containerd containerd github.com/containerd/containerd/v2 v2.1.4 abc\n", Wanted{Kubelet: "1.38.0"}, "", ""},
	}
	for _, tt := range tests {
		f := judge(parseSurvey(tt.output), tt.wanted)
		problems, warnings := strings.Join(f.Problems, "\n"), strings.Join(f.Warnings, "\n")
		if (problems == "") != (tt.problem == "") || !strings.Contains(problems, tt.problem) {
			t.Errorf("%s: problems %q, want %q", tt.name, problems, tt.problem)
		}
		if (warnings == "") != (tt.warning == "") || !strings.Contains(warnings, tt.warning) {
			t.Errorf("%s: warnings %q, want %q", tt.name, warnings, tt.warning)
		}
	}
}

// TestPreflightOnMachines asks the real scripts, and that they change nothing.
func TestPreflightOnMachines(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"apt", "dnf"} {
		m := newMachine(t, kind, "containerd 1.5.9-1", "kubelet 1.36.4-1.1")
		m.write("var/lib/kubelet/kubeadm-flags.env", "KUBELET_KUBEADM_ARGS=\"--pod-infra-container-image=x\"\n")
		m.write("state/unit/unattended-upgrades.active", "")
		m.write("var/lib/dpkg/updates/0001", "")
		f, err := Preflight(t.Context(), m, Wanted{Kubelet: "1.37.2"})
		if err != nil {
			t.Fatal(err)
		}
		problems, warnings := strings.Join(f.Problems, "\n"), strings.Join(f.Warnings, "\n")
		for _, want := range []string{"--pod-infra-container-image", "containerd 1.5.9 is too old"} {
			if !strings.Contains(problems, want) {
				t.Errorf("%s: problems lack %q:\n%s", kind, want, problems)
			}
		}
		if !strings.Contains(warnings, "unattended-upgrades.service is active") || kind == "apt" && !strings.Contains(warnings, "cut short") {
			t.Errorf("%s: warnings:\n%s", kind, warnings)
		}
		if since := time.Since(f.Time); since < 0 || since > time.Minute {
			t.Errorf("%s: time %v", kind, f.Time)
		}
		if log := m.log(); log != "" {
			t.Errorf("%s: something was done:\n%s", kind, log)
		}
	}
	bare := newMachine(t, "dnf")
	bare.remove("bin/dnf")
	if f, err := Preflight(t.Context(), bare, Wanted{}); err != nil || !strings.Contains(strings.Join(f.Problems, ""), "neither apt nor dnf") {
		t.Errorf("without a package tool: %+v, %v", f, err)
	}
}

// TestFault23FullDisks: too little room is found before anything is touched, in /boot and in /var.
func TestFault23FullDisks(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "apt", "linux-image-6.1.0-51-amd64 6.1.1-1")
	m.source("os", m.repository("os", "linux-image-6.1.0-56-amd64 6.1.9-1"))
	m.remove("bin/df")
	m.write("bin/df", "#!/bin/sh\nfor d in \"$@\"; do :; done\nd=/${d##*/}\necho Filesystem Blocks Used Available Capacity Mounted\necho x 1000000 980000 20000 98% $d\n")
	m.must(os.Chmod(m.root+"/bin/df", 0o755))
	f, err := Preflight(t.Context(), m, Wanted{})
	if problems := strings.Join(f.Problems, "\n"); err != nil || !strings.Contains(problems, "/var has 19 MiB free") || !strings.Contains(problems, "/boot has 19 MiB free") {
		t.Errorf("preflight: %+v, %v", f, err)
	}
	m.grub()
	status := check(t, bind(t, "", "kernel", map[string]any{"version": "6.1.0-56-amd64"}, Target{})[0], m)
	if len(status.Problems) != 1 || !strings.Contains(status.Problems[0], "/boot has 19 MiB free") {
		t.Errorf("kernel: %+v", status)
	}
}
