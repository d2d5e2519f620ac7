package playbooks

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	// Ascending, by deb-version(7).
	ascending := []string{"0.9", "1.0~rc1-1", "1.0-1", "1.0-1+b1", "1.0-2", "1.0-10", "1.0a-1", "1.0+dfsg-1", "1.2", "1.10", "1:0.1"}
	for i, a := range ascending {
		for j, b := range ascending {
			if got := compareVersions(a, b); got != sign(i-j) {
				t.Errorf("compareVersions(%s, %s) = %d", a, b, got)
			}
		}
	}
	if compareVersions("1.01", "1.1") != 0 || compareVersions("0:1", "1") != 0 {
		t.Error("leading zeros, or epoch 0, count")
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"1.37.2": true, "1.37.2-1.1": true, "1.37.2+x": true, "1.37.2~rc1": true, "5:1.37.2-1": true,
		"1.37.20-1.1": false, "1.37.2.1": false, "1.37": false, "1.37.1-1": false, "11.37.2-1": false,
	} {
		if matches(version, "1.37.2") != want {
			t.Errorf("matches(%s) isn't %v", version, want)
		}
	}
	if !matches("5:28.1-1", "5:28.1") || matches("4:28.1-1", "5:28.1") {
		t.Error("an epoch that is asked for counts")
	}
	if got := newest([]string{"1.37.2-1.1", "1.37.2-1.10", "1.37.20-1", "1.37.2-1.9"}, "1.37.2"); got != "1.37.2-1.10" {
		t.Errorf("newest = %s", got)
	}
}

func TestKubeadmStatus(t *testing.T) {
	t.Parallel()
	image := "    image: registry.k8s.io/kube-apiserver:v%s\n"
	tests := []struct {
		name     string
		target   Target
		manifest string
		kubelet  string
		mark     string
		clean    bool
		problem  string
		command  string
	}{
		{"first control plane", Target{ControlPlane: true, First: true}, "1.36.4", "1.36.4", "", false, "", "kubeadm upgrade apply -y v1.37.2"},
		{"second control plane", Target{ControlPlane: true}, "1.36.4", "1.36.4", "", false, "", "kubeadm upgrade node"},
		{"control plane, done", Target{ControlPlane: true, First: true}, "1.37.2", "1.36.4", "", true, "", ""},
		{"control plane, a patch", Target{ControlPlane: true, First: true}, "1.37.1", "1.37.1", "", false, "", "kubeadm upgrade apply -y v1.37.2"},
		{"a minor skipped", Target{ControlPlane: true, First: true}, "1.35.1", "1.35.1", "", false, "go to 1.36 first", "kubeadm upgrade apply -y v1.37.2"},
		{"backwards", Target{ControlPlane: true, First: true}, "1.38.0", "1.38.0", "", false, "kubeadm doesn't go back", "kubeadm upgrade apply -y v1.37.2"},
		{"no manifest", Target{ControlPlane: true, First: true}, "", "1.36.4", "", false, "no kube-apiserver image", "kubeadm upgrade apply -y v1.37.2"},
		{"the inventory doesn't say so", Target{}, "1.36.4", "1.36.4", "", false, "", "kubeadm upgrade node"},
		{"worker, a minor", Target{}, "", "1.36.4", "", false, "", "kubeadm upgrade node"},
		{"worker, a patch", Target{}, "", "1.37.1", "", true, "", ""},
		{"worker, done", Target{}, "", "1.36.4", "1.37.2", true, "", ""},
		{"worker, done for another", Target{}, "", "1.36.4", "1.37.1", false, "", "kubeadm upgrade node"},
	}
	for _, tt := range tests {
		m := newMachine(t, "apt", "kubelet "+tt.kubelet+"-1.1", "kubeadm 1.37.2-1.1")
		if tt.manifest != "" {
			m.write(apiserverManifest, fmt.Sprintf(image, tt.manifest))
		}
		if tt.mark != "" {
			m.write(kubeadmMark, tt.mark+"\n")
		}
		got := check(t, bind(t, "", "kubeadm", map[string]any{"version": "1.37.2"}, tt.target)[1], m)
		if got.Clean != tt.clean || strings.Join(got.Commands, "") != tt.command ||
			(len(got.Problems) > 0) != (tt.problem != "") || !strings.Contains(strings.Join(got.Problems, ""), tt.problem) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	m := newMachine(t, "apt", "kubelet 1.36.4-1.1", "kubeadm 1.37.2-1.1")
	m.write("state/kubeadm.fails", "")
	s := bind(t, "", "kubeadm", map[string]any{"version": "1.37.2"}, Target{})[1]
	if err := s.Apply(t.Context(), m, nil); err == nil || !strings.Contains(err.Error(), "error execution phase") {
		t.Errorf("Apply = %v", err)
	}
	if check(t, s, m).Clean {
		t.Error("clean after a failure")
	}
}

func TestService(t *testing.T) {
	t.Parallel()
	service := func(keys string) Step {
		return own(t, "[[steps]]\nservice = { name = \"chrony\", "+keys+" }", nil)[0]
	}
	m := newMachine(t, "apt")
	s := service(`state = "restarted", files = ["/etc/chrony.conf"]`)
	if s.Name() != "service chrony" {
		t.Errorf("name %q", s.Name())
	}
	if got := check(t, s, m); got.Clean || got.Commands[0] != "systemctl start chrony" {
		t.Errorf("stopped: %+v", got)
	}
	apply(t, s, m)
	m.write("etc/chrony.conf", "")
	past := time.Now().Add(-time.Hour)
	m.must(os.Chtimes(m.root+"/etc/chrony.conf", past, past))
	if got := check(t, s, m); !got.Clean {
		t.Errorf("started after its file: %+v", got)
	}
	m.must(os.Chtimes(m.root+"/state/unit/chrony.active", past.Add(-time.Hour), past.Add(-time.Hour)))
	if got := check(t, s, m); got.Clean || !strings.Contains(got.Changes[0], "chrony.conf changed since") {
		t.Errorf("its file changed: %+v", got)
	}
	apply(t, s, m)
	if got := check(t, s, m); !got.Clean || !strings.Contains(m.log(), "systemctl restart chrony") {
		t.Errorf("restarted: %+v", got)
	}
	stop := service(`state = "stopped", enabled = false`)
	apply(t, stop, m)
	if got := check(t, stop, m); !got.Clean || m.exists("state/unit/chrony.active") {
		t.Errorf("stopped: %+v", got)
	}
	m.write("state/unit/chrony.fails", "")
	start := service(`state = "started"`)
	if err := start.Apply(t.Context(), m, nil); err == nil || !strings.Contains(err.Error(), "the last line of the log") {
		t.Errorf("a unit that doesn't start: %v", err)
	}
	if err := start.Verify(t.Context(), m); err == nil {
		t.Error("Verify of a unit that doesn't run")
	}
	m.write("state/unit/chrony.missing", "")
	if got := check(t, start, m); len(got.Problems) == 0 {
		t.Errorf("no such unit: %+v", got)
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	source := `
[params]
image = { required = true }
[[steps]]
name     = "flash {{.node}}"
check    = "test -e /etc/flashed"
apply    = "echo flashing {{.image}}; cat {{.image}} >/dev/null && touch /etc/flashed"
verify   = "grep -q good /etc/selftest"
rollback = "rm /etc/flashed"
timeout  = "20m"
stop     = "kubelet"
`
	m := newMachine(t, "apt")
	s := own(t, source, map[string]any{"image": "/no such $(touch /etc/executed)"})[0]
	if s.Name() != "flash n1" || s.Traits() != (Traits{Playbook: "own", Disruptive: true, Stop: StopKubelet, Timeout: 20 * time.Minute}) {
		t.Errorf("%s: %+v", s.Name(), s.Traits())
	}
	err := s.Apply(t.Context(), m, nil)
	if code, ok := ExitStatus(err); !ok || code == 0 || !strings.Contains(err.Error(), "flash n1: apply") {
		t.Errorf("Apply = %v", err)
	}
	if m.exists("etc/executed") {
		t.Error("a parameter was run")
	}
	m.write("etc/image", "x")
	s = own(t, source, map[string]any{"image": m.root + "/etc/image"})[0]
	if said := apply(t, s, m); !strings.HasPrefix(said, "flashing ") {
		t.Errorf("said %q", said)
	}
	if err := s.Verify(t.Context(), m); err == nil {
		t.Error("Verify of a failed self-test")
	}
	m.write("etc/selftest", "good")
	if err := s.Verify(t.Context(), m); err != nil {
		t.Errorf("Verify = %v", err)
	}
	undo(t, s, "", m)
	if m.exists("etc/flashed") {
		t.Error("not taken back")
	}
}

// TestStepTimeout: a step ends when its own time is up.
func TestStepTimeout(t *testing.T) {
	t.Parallel()
	s := own(t, "[[steps]]\ncheck = \"false\"\napply = \"exec tail -f /dev/null\"\ntimeout = \"50ms\"\n", nil)[0]
	if err := s.Apply(t.Context(), newMachine(t, "apt"), nil); err == nil {
		t.Error("Apply went on")
	}
}

func TestReboot(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "apt")
	m.write("proc/uptime", fmt.Sprintf("%d.5 1\n", 13*24*3600))
	s := bind(t, "", "restart", map[string]any{"max_uptime": "14d"}, Target{})[0]
	if got := check(t, s, m); !got.Clean {
		t.Errorf("13 days: %+v", got)
	}
	m.write("proc/uptime", fmt.Sprintf("%d.5 1\n", 15*24*3600))
	if got := check(t, s, m); !got.Reboot || got.Changes[0] != "up for more than 14 days: reboot" {
		t.Errorf("15 days: %+v", got)
	}
	here := own(t, "[[steps]]\nreboot = {}\n", nil)[0]
	if got := check(t, here, m); !here.Traits().Reboots || got.Clean || !got.Reboot {
		t.Errorf("here: %+v, %+v", here.Traits(), got)
	}
}

// TestFault34FilesAreCompared: an upload that is there isn't sent again, one that differs is.
func TestFault34FilesAreCompared(t *testing.T) {
	t.Parallel()
	from := filepath.Join(t.TempDir(), "x")
	m := newMachine(t, "apt")
	s := own(t, "[params]\nfrom = {}\n[[steps]]\nupload = { from = \"{{.from}}\", to = \"/etc/x\", mode = \"0600\" }", map[string]any{"from": from})[0]
	if got := check(t, s, m); len(got.Problems) != 1 || got.Clean {
		t.Errorf("no such file here: %+v", got)
	}
	m.must(os.WriteFile(from, []byte("new"), 0o644))
	m.write("etc/x", "old")
	if got := check(t, s, m); got.Clean || len(got.Problems) > 0 {
		t.Errorf("another content: %+v", got)
	}
	apply(t, s, m)
	if info, err := os.Stat(m.root + "/etc/x"); err != nil || info.Mode().Perm() != 0o600 || m.read("etc/x") != "new" {
		t.Errorf("after: %v, %v", info, err)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	if !Interrupted(fmt.Errorf("x: %w", ErrInterrupted)) || Interrupted(context.Canceled) || Interrupted(nil) {
		t.Error("Interrupted")
	}
	if _, ok := ExitStatus(context.Canceled); ok {
		t.Error("ExitStatus of what has none")
	}
}

// TestCleanup: clean where there is little to free, and clean again after it was freed.
func TestCleanup(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "apt")
	m.write("bin/crictl", "#!/bin/sh\necho \"crictl $*\" >>\"$ROOT/state/log\"\n")
	m.must(os.Chmod(m.root+"/bin/crictl", 0o755))
	m.write("var/cache/apt/archives/x.deb", strings.Repeat("x", 3<<20))
	m.write("state/unneeded", "libold\n")
	params := map[string]any{"cache_mb": int64(1), "images_percent": int64(0)}
	for _, s := range bind(t, "", "cleanup", params, Target{}) {
		first := check(t, s, m)
		if first.Clean != (s.Name() == "journal" || s.Name() == "old kernels") || s.Traits().Disruptive {
			t.Errorf("%s at first: %+v", s.Name(), first)
		}
		if first.Clean {
			continue
		}
		if said := apply(t, s, m); !strings.Contains(said, ": freed ") {
			t.Errorf("%s said %q", s.Name(), said)
		}
		if got := check(t, s, m); !got.Clean {
			t.Errorf("%s after: %+v", s.Name(), got)
		}
	}
	if log := m.log(); !strings.Contains(log, "crictl rmi --prune") || !strings.Contains(log, "apt-get clean") {
		t.Errorf("log:\n%s", log)
	}
	for _, s := range bind(t, "", "cleanup", nil, Target{}) {
		if got := check(t, s, m); !got.Clean && s.Name() != "unused images" {
			t.Errorf("%s with the defaults: %+v", s.Name(), got)
		}
	}
}

// TestOldKernels: removed only on request, and never the one that runs, the one that boots, one that has no package, or what
// takes something else with it.
func TestOldKernels(t *testing.T) {
	t.Parallel()
	releases := []string{"6.1.0-49-amd64", "6.1.0-50-amd64", "6.1.0-51-amd64", "6.1.0-53-amd64", "6.1.0-54-amd64", "6.1.0-56-amd64"}
	for kind, packaged := range map[string]string{"apt": "linux-image-", "dnf": "kernel-core-"} {
		m := newMachine(t, kind)
		m.grub()
		var kernels strings.Builder
		for _, r := range releases {
			m.write("boot/vmlinuz-"+r, "kernel\n")
			if r != "6.1.0-49-amd64" { // somebody's own
				m.write("state/pkg/linux-image-"+r, "6.1.1-1 amd64 install installed\n")
				kernels.WriteString("kernel-core-" + r + "\n")
			}
		}
		m.write("state/kernels", kernels.String()+"kernel-headers-6.1.0-50-amd64\nkernel-tools-libs-6.1.0-54-amd64\n") // on which compilers depend
		m.do(m.prefix() + "-set-default 'a>gnulinux-6.1.0-53-amd64-advanced-u'")
		m.log()
		step := func(keep int64) Step {
			steps := bind(t, "", "cleanup", map[string]any{"kernels": keep}, Target{})
			return steps[len(steps)-1]
		}
		for _, keep := range []int64{0, 5, 6} {
			if got := check(t, step(keep), m); !got.Clean {
				t.Errorf("%s: %d stay: %+v", kind, keep, got)
			}
		}
		if kind == "apt" {
			m.write("state/takes", "linux-image-amd64\n")
			err := step(1).Apply(t.Context(), m, nil)
			if err == nil || !strings.Contains(err.Error(), "stays, since with it would go: linux-image-amd64") {
				t.Errorf("what depends on one: %v", err)
			}
			m.must(os.Remove(m.root + "/state/takes"))
		}
		if said := apply(t, step(1), m); strings.Count(said, "removed kernel ") != 2 || !strings.Contains(said, "freed ") {
			t.Errorf("%s said %q", kind, said)
		}
		for _, r := range releases {
			if gone := r == "6.1.0-54-amd64" || r == "6.1.0-50-amd64"; m.exists("boot/vmlinuz-"+r) == gone {
				t.Errorf("%s: kernel %s is gone: %v", kind, r, !gone)
			}
		}
		if got := check(t, step(1), m); !got.Clean {
			t.Errorf("%s afterwards: %+v", kind, got)
		}
		if log := m.log(); strings.Count(log, packaged) != 2 || strings.Contains(log, "headers") || strings.Contains(log, "tools") {
			t.Errorf("%s: %s", kind, log)
		}
	}
}

// TestDesignExample is the playbook that the documentation shows.
func TestDesignExample(t *testing.T) {
	t.Parallel()
	steps := own(t, `
description = "Flash NIC firmware"
[params]
image   = { required = true, help = "path of the image on this machine" }
version = { required = true }
[[steps]]
name   = "send the image"
upload = { from = "{{.image}}", to = "/var/tmp/nic.bin", mode = "0600" }     # SFTP: temporary name, fsync, POSIX rename
[[steps]]
name     = "flash"
check    = "nicfw version | grep -qx {{.version}}"                           # exit 0: clean
apply    = "nicfw flash /var/tmp/nic.bin"
verify   = "nicfw selftest"
rollback = "nicfw restore"
timeout  = "20m"
reboot   = true
disruptive = true
repeatable = true
`, map[string]any{"image": "nic $(x).bin", "version": "1.2 'beta'"})
	if len(steps) != 2 || steps[0].Traits().Disruptive || !steps[1].Traits().Disruptive || !steps[1].Traits().Repeatable {
		t.Fatalf("%+v", steps)
	}
	if flash := steps[1].(*command); flash.check != `nicfw version | grep -qx '1.2 '"'"'beta'"'"''` || !flash.reboot {
		t.Errorf("%+v", flash)
	}
	if from := steps[0].(*upload).from; !filepath.IsAbs(from) || filepath.Base(from) != "nic $(x).bin" {
		t.Errorf("from = %q", from)
	}
}
