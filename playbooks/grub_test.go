package playbooks

import (
	"os"
	"path/filepath"
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

// TestProbeFails: what isn't known is no plain partition: GRUB might never forget a trial that it can't write away.
func TestProbeFails(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"apt", "dnf"} {
		s, m := trialMachine(t, kind)
		m.must(os.Remove(filepath.Join(m.root, "state/grub.fs")))
		got := strings.Join(check(t, s, m).Problems, "\n")
		if !strings.Contains(got, "whether GRUB can clear its environment block isn't known ("+m.prefix()+"-probe: error: cannot find a device") {
			t.Errorf("%s: %q", kind, got)
		}
		if err := s.Arm(t.Context(), m); err == nil || m.env("next_entry") != "" {
			t.Errorf("%s: Arm: %v, next entry %q", kind, err, m.env("next_entry"))
		}
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
	torn := newMachine(t, "apt")
	torn.grub()
	torn.write("etc/default/grub", "GRUB_TIMEOUT=5\nGRUB_TERMINAL=console") // by an editor that ends no last line
	_, err = torn.Run(t.Context(), lib(grubShell)+"set -e\ngrub_find\ngrub_save "+oldKernel+"\n")
	must(t, "grub_save", err)
	if !strings.HasSuffix(torn.read("etc/default/grub"), "\nGRUB_TERMINAL=console\nGRUB_DEFAULT=saved\n") {
		t.Errorf("a last line without an end:\n%s", torn.read("etc/default/grub"))
	}
}

// redhat is a machine of Red Hat's with its menu made anew after a change.
func redhat(t *testing.T, change func(*machine)) *machine {
	t.Helper()
	m := newMachine(t, "dnf", "kernel-core 0:6.1.0-51")
	m.write("state/running", "6.1.0-51.amd64\n")
	m.grub()
	change(m)
	return m
}

// edit changes a file as sed does.
func (m *machine) edit(file, from, to string) {
	m.t.Helper()
	text := m.read(file)
	if !strings.Contains(text, from) {
		m.t.Fatalf("%s has no %q:\n%s", file, from, text)
	}
	m.write(file, strings.ReplaceAll(text, from, to))
}

// TestRedHatMenus: which kernel is which entry, and whether the saved one boots, on the many forms of Red Hat's boot menu. What counts
// is the menu that boots, not what /etc/default/grub would make of it.
func TestRedHatMenus(t *testing.T) {
	t.Parallel()
	const release, own = "6.1.0-51.amd64", "boot/loader/entries/abc-6.1.0-51.amd64.conf"
	copied := func(name string) func(*machine) {
		return func(m *machine) { m.write("boot/loader/entries/"+name+".conf", m.read(own)) }
	}
	save := func(name string) func(*machine) {
		return func(m *machine) { m.do("grub2-set-default '" + name + "'") }
	}
	with := func(changes ...func(*machine)) func(*machine) {
		return func(m *machine) {
			for _, change := range changes {
				change(m)
			}
		}
	}
	without := func(m *machine) { m.edit("etc/default/grub", "GRUB_ENABLE_BLSCFG=true", "GRUB_ENABLE_BLSCFG=false") }
	anew := func(m *machine) { m.do("grub2-mkconfig -o /boot/grub2/grub.cfg") }
	for _, tt := range []struct {
		name   string
		change func(*machine)
		entry  string
		saves  bool
	}{
		{"as installed", func(*machine) {}, "abc-" + release, true},
		{"an entry that grubby added is the saved one", with(copied("abc-"+release+"~custom"), save("abc-"+release+"~custom")), "abc-" + release + "~custom", true},
		{"it isn't", copied("abc-" + release + "~custom"), "abc-" + release, true},
		{"an entry of another machine-id", copied("000-" + release), "abc-" + release, true},
		{"none is saved", with(copied("zzz-"+release), save("")), "abc-" + release, true},
		{"the rescue kernel is saved", save("abc-0-rescue"), "abc-" + release, true},
		{"the saved one is gone", save("abc-5.14.0"), "abc-" + release, true},
		{"no boot loader specification, from the next menu on", without, "abc-" + release, true},
		{"no boot loader specification", with(without, anew), "gnulinux-" + release + "-advanced-u-u-i-d", true},
		{"saved, from the next menu on", with(func(m *machine) { m.edit("etc/default/grub", "GRUB_DEFAULT=saved", "GRUB_DEFAULT=0") }, anew,
			func(m *machine) { m.edit("etc/default/grub", "GRUB_DEFAULT=0", "GRUB_DEFAULT=saved") }), "abc-" + release, false},
		{"UEFI of release 8", uefi8, "abc-" + release, true},
		{"UEFI of release 8, which was told to boot the first", with(uefi8, func(m *machine) { m.edit("boot/efi/EFI/redhat/grub.cfg", "${saved_entry}", "0") }), "abc-" + release, false},
	} {
		m := redhat(t, tt.change)
		out, err := m.Run(t.Context(), lib(grubShell)+"grub_facts\n")
		must(t, tt.name, err)
		f := parseKernelFacts(out)
		if f.entries[release] != tt.entry || f.saves != tt.saves || !f.custom || f.grub != "grub2" {
			t.Errorf("%s: entry %q, saves %v, in\n%s", tt.name, f.entries[release], f.saves, out)
		}
		was := m.env("saved_entry")
		_, err = m.Run(t.Context(), lib(grubShell)+"set -e\ngrub_find\ngrub_save "+release+"\n")
		must(t, tt.name+": grub_save", err)
		if got := m.env("saved_entry"); was == tt.entry && got != was {
			t.Errorf("%s: the saved entry was right, and is %q now", tt.name, got)
		}
		if got, _ := m.entry(m.defaultEntry()); got != release {
			t.Errorf("%s: saved, it boots %q", tt.name, got)
		}
	}
}

// uefi8 moves the menu and the environment block to where Red Hat 8 has them with UEFI.
func uefi8(m *machine) {
	m.t.Helper()
	m.write("sys/firmware/efi/x", "")
	m.do("mkdir -p /boot/efi/EFI/redhat; mv /boot/grub2/grub.cfg /boot/grub2/grubenv /boot/efi/EFI/redhat/")
	m.must(os.Symlink("../efi/EFI/redhat/grubenv", m.root+"/boot/grub2/grubenv"))
	m.must(os.Symlink("../boot/efi/EFI/redhat/grub.cfg", m.root+"/etc/grub2-efi.cfg"))
	m.must(os.Symlink("../boot/grub2/grub.cfg", m.root+"/etc/grub2.cfg")) // of a package for BIOS: it leads nowhere
}

// TestEnvironmentBlock: GRUB can clear it where it lies, which needn't be where /boot does.
func TestEnvironmentBlock(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*machine)
		why    string
	}{
		"on LVM, with /boot":                   {func(*machine) {}, "lies on LVM"},
		"on the EFI system partition, a plain": {uefi8, ""},
	} {
		m := redhat(t, tt.change)
		m.write("state/grub.abstraction", "lvm\n")
		out, err := m.Run(t.Context(), lib(grubShell)+"grub_facts\n")
		must(t, name, err)
		f := parseKernelFacts(out)
		if why := f.blocked(); (why == "") != (tt.why == "") || !strings.Contains(why, tt.why) {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// TestTrialWithoutBLS: Red Hat's menu of entries, whose password nobody is there to give: the copy needs none either.
func TestTrialWithoutBLS(t *testing.T) {
	t.Parallel()
	s, m := trialMachine(t, "dnf")
	m.edit("etc/default/grub", "GRUB_ENABLE_BLSCFG=true", "GRUB_ENABLE_BLSCFG=false")
	m.do("rm /boot/loader/entries/*; grub2-mkconfig -o /boot/grub2/grub.cfg")
	ctx := t.Context()
	apply(t, s, m)
	must(t, "Arm", s.Arm(ctx, m))
	if custom := m.read("boot/grub2/custom.cfg"); !strings.Contains(custom, "tried once by fleetup' --unrestricted --id fleetup-trial {\n") {
		t.Errorf("custom.cfg:\n%s", custom)
	}
	if tried := m.boot(); tried[0] != s.version || !strings.Contains(m.read("proc/cmdline"), trialArguments) {
		t.Errorf("booted %v with %s", tried, m.read("proc/cmdline"))
	}
	must(t, "Landed", s.Landed(ctx, m))
	must(t, "Keep", s.Keep(ctx, m))
	nothingLeft(t, m)
	if tried := m.boot(); tried[0] != s.version || m.exists("boot/grub2/custom.cfg") {
		t.Errorf("a boot later: %v", tried)
	}
}

// TestTrialOfAnEntryWithoutOptions: GRUB takes its own default_kernelopts for it, so the trial's arguments go behind these.
func TestTrialOfAnEntryWithoutOptions(t *testing.T) {
	t.Parallel()
	s, m := trialMachine(t, "dnf")
	apply(t, s, m)
	file := "boot/loader/entries/abc-" + s.version + ".conf"
	options := ""
	for line := range strings.Lines(m.read(file)) {
		if strings.HasPrefix(line, "options") {
			options = line
		}
	}
	m.edit(file, options, "")
	must(t, "Arm", s.Arm(t.Context(), m))
	if tried := m.boot(); tried[0] != s.version || !strings.Contains(m.read("proc/cmdline"), "root=/dev/mapper/rl-root ro "+trialArguments) {
		t.Errorf("booted %v with %s", tried, m.read("proc/cmdline"))
	}
}
