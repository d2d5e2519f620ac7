package playbooks

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// menu puts one of testdata/grub, a real machine's menu, into the machine.
func (m *machine) menu(name string) {
	m.t.Helper()
	text, err := os.ReadFile("testdata/grub/" + name)
	m.must(err)
	m.write("boot/grub/grub.cfg", string(text))
}

// TestMenus reads menus of real machines, and of one without submenus.
func TestMenus(t *testing.T) {
	t.Parallel()
	const debian, ubuntu = "2a8e3f1c-6a1b-4c8e-9d55-1ab000000001", "11111111-2222-3333-4444-555555555555"
	flat := func(m *machine) {
		text := m.read("boot/grub/grub.cfg")
		_, entries, _ := strings.Cut(text, "submenu ")
		_, entries, _ = strings.Cut(entries, "\n")
		m.write("boot/grub/grub.cfg", strings.ReplaceAll(entries, "\n\t", "\n"))
	}
	for _, tt := range []struct {
		name, menu string
		change     func(*machine)
		want       map[string]string
		saves      bool
	}{
		{"debian 12", "debian12.cfg", nil, map[string]string{
			"6.1.0-54-cloud-amd64": "gnulinux-advanced-" + debian + ">gnulinux-6.1.0-54-cloud-amd64-advanced-" + debian}, false},
		{"ubuntu 22.04", "ubuntu2204.cfg", nil, map[string]string{
			"5.15.0-105-generic": "gnulinux-advanced-" + ubuntu + ">gnulinux-5.15.0-105-generic-advanced-" + ubuntu,
			"5.15.0-94-generic":  "gnulinux-advanced-" + ubuntu + ">gnulinux-5.15.0-94-generic-advanced-" + ubuntu}, true},
		{"GRUB_DISABLE_SUBMENU", "debian12.cfg", flat, map[string]string{
			"6.1.0-54-cloud-amd64": "gnulinux-6.1.0-54-cloud-amd64-advanced-" + debian}, false},
	} {
		m := newMachine(t, "apt")
		m.grub()
		m.menu(tt.menu)
		if tt.change != nil {
			tt.change(m)
		}
		out, err := m.Run(t.Context(), lib(grubShell)+"grub_facts\n")
		must(t, tt.name, err)
		f := parseKernelFacts(out)
		if diff := cmp.Diff(tt.want, f.entries); diff != "" || f.saves != tt.saves || f.grub != "grub" || f.bootFS != "ext2" {
			t.Errorf("%s: %s\n%+v", tt.name, diff, f)
		}
	}
}

// TestTrialEntryOfRealMenus: a copy of the kernel's own entry, with the arguments at the end of its command line alone.
func TestTrialEntryOfRealMenus(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"debian12.cfg 6.1.0-54-cloud-amd64": {
			"\nmenuentry '6.1.0-54-cloud-amd64, tried once by fleetup' --id fleetup-trial {\n",
			"\tlinux\t/boot/vmlinuz-6.1.0-54-cloud-amd64 root=UUID=2a8e3f1c-6a1b-4c8e-9d55-1ab000000001 ro console=tty0 console=ttyS0 quiet " + trialArguments + "\n",
			"\tinitrd\t/boot/initrd.img-6.1.0-54-cloud-amd64\n", "\tinsmod ext2\n"},
		"ubuntu2204.cfg 5.15.0-94-generic": {"\t\tlinuxefi\t/vmlinuz-5.15.0-94-generic root=/dev/mapper/ubuntu--vg-ubuntu--lv ro  quiet splash $vt_handoff " + trialArguments + "\n"},
	} {
		m := newMachine(t, "apt")
		m.grub()
		menu, release, _ := strings.Cut(name, " ")
		m.menu(menu)
		_, err := m.Run(t.Context(), lib(grubShell, trialShell)+"set -e\ngrub_find\ntrial_entry "+release+"\n")
		must(t, name, err)
		got := m.read("boot/grub/custom.cfg")
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: no %q in\n%s", name, part, got)
			}
		}
		if strings.Count(got, trialArguments) != 1 || strings.Count(got, "{") != strings.Count(got, "}") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// TestNoEntry: what the menu hasn't got can't be made the default, nor tried.
func TestNoEntry(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "apt")
	m.grub()
	for _, script := range []string{"grub_default 6.1.0-99-amd64", "trial_entry 6.1.0-99-amd64"} {
		if _, err := m.Run(t.Context(), lib(grubShell, trialShell)+"set -e\ngrub_find\n"+script+"\n"); err == nil || !strings.Contains(err.Error(), "6.1.0-99-amd64") {
			t.Errorf("%s: %v", script, err)
		}
	}
	m.write("state/fails/grubenv", "")
	if _, err := m.Run(t.Context(), lib(grubShell)+"set -e\ngrub_find\ngrub_default "+oldKernel+"\n"); err == nil || !strings.Contains(err.Error(), "can't be set") {
		t.Errorf("an environment block that can't be written: %v", err)
	}
}

// TestEveryFileThatSetsTheDefault: cloud images of Debian and Ubuntu set GRUB_DEFAULT beside /etc/default/grub.
func TestEveryFileThatSetsTheDefault(t *testing.T) {
	t.Parallel()
	s, m := trialMachine(t, "apt")
	m.write("etc/default/grub.d/50-cloudimg.cfg", "GRUB_DEFAULT=0\nGRUB_TIMEOUT=0\n")
	apply(t, s, m)
	for _, file := range []string{"etc/default/grub", "etc/default/grub.d/50-cloudimg.cfg"} {
		if text := m.read(file); !strings.Contains(text, "GRUB_DEFAULT=saved\n") || strings.Contains(text, "GRUB_DEFAULT=0") {
			t.Errorf("%s:\n%s", file, text)
		}
	}
	if !strings.Contains(m.read("var/lib/fleetup/kept/default.grub"), "GRUB_DEFAULT=0") {
		t.Error("the file as it was isn't kept")
	}
	bare := newMachine(t, "apt")
	bare.grub()
	bare.write("etc/default/grub", "# nothing\n")
	_, err := bare.Run(t.Context(), lib(grubShell)+"set -e\ngrub_find\ngrub_save "+oldKernel+"\n")
	must(t, "grub_save", err)
	if !strings.HasSuffix(bare.read("etc/default/grub"), "\nGRUB_DEFAULT=saved\n") {
		t.Errorf("nothing set it before:\n%s", bare.read("etc/default/grub"))
	}
}
