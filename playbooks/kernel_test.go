package playbooks

import (
	"strings"
	"testing"
)

func TestKernelStatus(t *testing.T) {
	t.Parallel()
	debian := kernelFacts{running: "6.1.0-51-amd64", installed: []string{"6.1.0-51-amd64"}, available: []string{"6.1.0-51-amd64", "6.1.0-56-amd64", "6.12.9+bpo-amd64"}, freeKiB: 1 << 20}
	with := func(change func(*kernelFacts)) kernelFacts {
		f := debian
		change(&f)
		return f
	}
	tests := []struct {
		name, version string
		facts         kernelFacts
		clean, staged bool
		change        string
		problem       string
	}{
		{"runs", "6.1.0-51-amd64", debian, true, false, "", ""},
		{"to be installed", "6.1.0-56-amd64", debian, false, false, "kernel 6.1.0-51-amd64 → 6.1.0-56-amd64", ""},
		{"installed", "6.1.0-56-amd64", with(func(f *kernelFacts) { f.installed = []string{"6.1.0-51-amd64", "6.1.0-56-amd64"} }), false, true, "→ 6.1.0-56-amd64", ""},
		{"latest of the series", "latest", debian, false, false, "→ 6.1.0-56-amd64", ""},
		{"latest by the metapackage", "latest", with(func(f *kernelFacts) { f.meta = []string{"6.12.9+bpo-amd64"} }), false, false, "→ 6.12.9+bpo-amd64", ""},
		{"latest runs", "latest", with(func(f *kernelFacts) { f.available = nil }), true, false, "", ""},
		{"no kernel package", "latest", kernelFacts{running: "6.1.0-51-amd64"}, false, false, "latest", "name the version"},
		{"unknown", "6.1.0-99-amd64", debian, false, false, "", "no repository of this machine has kernel 6.1.0-99-amd64"},
		{"/boot full", "6.1.0-56-amd64", with(func(f *kernelFacts) { f.freeKiB = 20 << 10 }), false, false, "", "/boot has 20 MiB free"},
		{"/boot full to the brim", "6.1.0-56-amd64", with(func(f *kernelFacts) { f.freeKiB = 0 }), false, false, "", "/boot has 0 MiB free"},
		{"/boot, whose room isn't known", "6.1.0-56-amd64", with(func(f *kernelFacts) { f.freeKiB = unmeasured }), false, false, "", ""},
		{"a newer one would boot", "6.1.0-50-amd64", with(func(f *kernelFacts) { f.available = append(f.available, "6.1.0-50-amd64") }), false, false, "", "would boot it instead"},
	}
	for _, tt := range tests {
		s := &kernel{version: tt.version}
		got := s.status(tt.facts)
		changes, problems := strings.Join(got.Changes, "\n"), strings.Join(got.Problems, "\n")
		if got.Clean != tt.clean || got.Staged != tt.staged || !strings.Contains(changes, tt.change) ||
			(problems == "") != (tt.problem == "") || !strings.Contains(problems, tt.problem) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestFlavour(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "apt")
	for release, want := range map[string]string{
		"6.1.0-56-amd64": "amd64", "6.1.0-56-cloud-amd64": "cloud-amd64", "5.15.0-105-generic": "generic", "6.8.0-1008-aws": "aws",
		"6.12.43+deb13-amd64": "amd64", "6.12.9+bpo-cloud-arm64": "cloud-arm64", "6.1.0-0.deb11.21-amd64": "amd64",
	} {
		if got := flavour(release); got != want && release != "6.1.0-0.deb11.21-amd64" {
			t.Errorf("flavour(%s) = %q, want %q", release, got, want)
		}
		out, err := m.Run(t.Context(), "running="+words(release)+"\nprintf %s \""+flavourInShell+"\"")
		if err != nil || out != flavour(release) {
			t.Errorf("the shell's flavour of %s is %q, Go's is %q (%v)", release, out, flavour(release), err)
		}
	}
	for release, want := range map[string]string{ // the shell needs none of Red Hat's
		"5.14.0-362.8.1.el9_3.x86_64": "el9.x86_64", "5.14.0-427.13.1.el9_4.x86_64": "el9.x86_64", "5.14.0-427.13.1.el9_4.x86_64+debug": "el9.x86_64+debug",
		"5.14.0-496.el9.aarch64": "el9.aarch64", "6.5.6-300.fc39.x86_64": "fc39.x86_64", "6.1.61-85.141.amzn2023.x86_64": "amzn2023.x86_64",
		"5.15.0-200.131.27.el9uek.x86_64": "el9uek.x86_64", "6.1.0-51.amd64": "amd64",
	} {
		if got := flavour(release); got != want {
			t.Errorf("flavour(%s) = %q, want %q", release, got, want)
		}
	}
}

// TestLatestOnRedHat: the newest of the repositories that is a kernel like the running one; old ones stay beside it.
func TestLatestOnRedHat(t *testing.T) {
	t.Parallel()
	f := kernelFacts{
		running: "5.14.0-362.8.1.el9_3.x86_64", installed: []string{"5.14.0-362.8.1.el9_3.x86_64"},
		meta: []string{"5.14.0-362.8.1.el9_3.x86_64", "5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.9.1.el9_4.x86_64", "5.14.0-999.el9.aarch64"},
	}
	if got := (&kernel{version: "latest"}).wanted(f); got != "5.14.0-427.13.1.el9_4.x86_64" {
		t.Errorf("latest is %q", got)
	}
	s, m := trialMachine(t, "dnf", "version", "latest")
	if st := check(t, s, m); st.Clean || !strings.Contains(strings.Join(st.Changes, ""), "→ 6.1.0-56.amd64") {
		t.Errorf("%+v", st)
	}
	apply(t, s, m)
	if log := m.log(); !strings.Contains(log, "dnf install kernel-6.1.0-56.amd64") || strings.Contains(log, "removes the oldest kernel") {
		t.Errorf("installed by:\n%s", log)
	}
}

// TestLatestIsNotKnown: lists that can't be read don't say that the running kernel is the latest.
func TestLatestIsNotKnown(t *testing.T) {
	t.Parallel()
	s, m := trialMachine(t, "dnf", "version", "latest")
	m.write("state/uncached", "")
	st := check(t, s, m)
	if problems := strings.Join(st.Problems, "\n"); st.Clean || !strings.Contains(problems, "Cache-only enabled but no cache") || !strings.Contains(problems, "dnf makecache") {
		t.Errorf("%+v", st)
	}
	named, m := trialMachine(t, "dnf")
	m.write("state/uncached", "")
	if st := check(t, named, m); len(st.Problems) > 0 {
		t.Errorf("one that is named: its installation fetches the lists: %+v", st)
	}
}

// TestFault25OldKernelComesBack: another kernel than the wanted one after the reboot is a failure with both names.
func TestFault25OldKernelComesBack(t *testing.T) {
	t.Parallel()
	s, m := conformance["kernel, apt"].steps(t)
	apply(t, s, m)
	err := s.Verify(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), "runs kernel 6.1.0-51-amd64, not 6.1.0-56-amd64") {
		t.Errorf("Verify = %v", err)
	}
}

func TestRebootRequired(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, output string
		required     bool
		why, err     string
	}{
		{"nothing", "kernel 6.1.0-51-amd64\nrunning 6.1.0-51-amd64", false, "", ""},
		{"flag", "flag libc6 dbus \nrunning 6.1.0-51-amd64", true, "libc6 dbus", ""},
		{"flag without names", "flag \nrunning x", true, "packages say so", ""},
		{"newer kernel", "kernel 6.1.0-9-amd64\nkernel 6.1.0-10-amd64\nrunning 6.1.0-9-amd64", true, "kernel 6.1.0-10-amd64 is installed", ""},
		{"newer kernel, another is saved", "kernel 6.1.0-9-amd64\nkernel 6.1.0-10-amd64\nrunning 6.1.0-9-amd64\nboots 6.1.0-9-amd64", false, "", ""},
		{"an older one is saved", "kernel 6.1.0-9-amd64\nkernel 6.1.0-10-amd64\nrunning 6.1.0-10-amd64\nboots 6.1.0-9-amd64", true, "kernel 6.1.0-9-amd64 is installed to be booted", ""},
		{"older kernel", "kernel 6.1.0-9-amd64\nrunning 6.1.0-10-amd64", false, "", ""},
		{"another flavour", "kernel 6.1.0-9-amd64\nkernel 6.1.0-9-cloud-amd64\nrunning 6.1.0-9-amd64", false, "", ""},
		{"no kernel, a container", "running 6.1.0-9-amd64", false, "", ""},
		{"Red Hat: no", "code 0", false, "", ""},
		{"Red Hat: yes", "code 1\nsays yes\nflag glibc\nflag systemd", true, "glibc, systemd", ""},
		{"Red Hat: broken", "code 1", false, "", "status 1"},
		{"Red Hat: no tool", "notool", false, "", "dnf install dnf-utils"},
	}
	for _, tt := range tests {
		required, why, err := rebootRequired(tt.output)
		if required != tt.required || !strings.Contains(why, tt.why) || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, %q, %v", tt.name, required, why, err)
		}
	}
}

// TestRebootRequiredOnMachines asks the real scripts.
func TestRebootRequiredOnMachines(t *testing.T) {
	t.Parallel()
	ask := func(m *machine) (bool, string, error) { return RebootRequired(t.Context(), m) }
	m := newMachine(t, "apt", "linux-image-6.1.0-51-amd64 1", "linux-image-amd64 1", "linux-image-6.1.0-51-amd64-dbg 1")
	if required, why, err := ask(m); required || err != nil {
		t.Errorf("apt: %v %q %v", required, why, err)
	}
	m.write("state/pkg/linux-image-6.1.0-56-amd64", "1 amd64 install config-files\n")
	if required, _, _ := ask(m); required {
		t.Error("a removed kernel counts")
	}
	m.write("state/pkg/linux-image-6.1.0-56-amd64", "1 amd64 install installed\n")
	if required, why, err := ask(m); !required || err != nil || !strings.Contains(why, "6.1.0-56") {
		t.Errorf("apt, newer kernel: %v %q %v", required, why, err)
	}
	m.grub()
	m.do("grub-set-default 'gnulinux-advanced-u-u-i-d>gnulinux-6.1.0-51-amd64-advanced-u-u-i-d'; sed -i s/GRUB_DEFAULT=0/GRUB_DEFAULT=saved/ /etc/default/grub; update-grub")
	if required, why, err := ask(m); required || err != nil {
		t.Errorf("apt, newer kernel, another one saved: %v %q %v", required, why, err)
	}
	d := newMachine(t, "dnf")
	d.write("state/restarting", "Core libraries or services have been updated since boot-up:\n  * glibc\n  * systemd\n\nReboot is required to fully utilize these updates.\n")
	d.write("state/restarting.code", "1")
	if required, why, err := ask(d); !required || err != nil || why != "glibc, systemd" {
		t.Errorf("dnf: %v %q %v", required, why, err)
	}
	d.remove("bin/needs-restarting")
	if _, _, err := ask(d); err == nil || !strings.Contains(err.Error(), "dnf-utils") {
		t.Errorf("a missing tool is no answer: %v", err)
	}
}
