package playbooks

import (
	"strings"
	"testing"
	"time"
)

func TestInsurance(t *testing.T) {
	t.Parallel()
	well := kernelFacts{running: oldKernel, needKiB: 100 << 10, bootFacts: bootFacts{
		grub: "grub", systemd: true, custom: true, bootFS: "ext2", entries: map[string]string{oldKernel: "a>b"},
	}}
	for _, tt := range []struct {
		name   string
		change func(*kernelFacts)
		how    method
		why    string
	}{
		{"Debian", func(*kernelFacts) {}, byGRUB, ""},
		{"xfs", func(f *kernelFacts) { f.bootFS = "xfs" }, byGRUB, ""},
		{"secure boot", func(f *kernelFacts) { f.efi, f.secureBoot = true, true }, byGRUB, ""},
		{"systemd-boot", func(f *kernelFacts) { f.grub = "" }, "", "no GRUB"},
		{"no systemd", func(f *kernelFacts) { f.systemd = false }, "", "no systemd"},
		{"a kernel of one's own", func(f *kernelFacts) { f.entries = nil }, "", "no entry for the running kernel " + oldKernel},
		{"no custom.cfg", func(f *kernelFacts) { f.custom = false }, "", "41_custom"},
		{"LVM", func(f *kernelFacts) { f.abstraction = "lvm" }, "", "lies on LVM, and there is no UEFI"},
		{"RAID", func(f *kernelFacts) { f.abstraction = "diskfilter mdraid1x" }, "", "lies on software RAID"},
		{"LUKS", func(f *kernelFacts) { f.abstraction = "cryptodisk luks2" }, "", "lies on an encrypted disk"},
		{"btrfs", func(f *kernelFacts) { f.bootFS = "btrfs" }, "", "lies on btrfs"},
		{"a probe that fails", func(f *kernelFacts) { f.bootFS, f.unprobed = "", "grub-probe: error: disk `lvmid/x' not found." }, "",
			"whether GRUB can clear its environment block isn't known (grub-probe: error: disk `lvmid/x' not found.), and there is no UEFI"},
		{"a probe that fails, UEFI", func(f *kernelFacts) { f.bootFS, f.efi, f.esp, f.espKiB = "", true, "/boot/efi", 400<<10 }, byFirmware, ""},
		{"LVM, UEFI", func(f *kernelFacts) { f.abstraction, f.efi, f.esp, f.espKiB = "lvm", true, "/boot/efi", 400<<10 }, byFirmware, ""},
		{"LVM, UEFI, no custom.cfg", func(f *kernelFacts) {
			f.abstraction, f.efi, f.esp, f.espKiB, f.custom = "lvm", true, "/boot/efi", 400<<10, false
		}, byFirmware, ""},
		{"LVM, UEFI without a tool", func(f *kernelFacts) { f.abstraction, f.efi = "lvm", true }, "", "install efibootmgr"},
		{"LVM, full ESP", func(f *kernelFacts) { f.abstraction, f.efi, f.esp = "lvm", true, "/boot/efi" }, "", "the EFI system partition has 0 MiB free"},
		{"LVM, small ESP", func(f *kernelFacts) { f.abstraction, f.efi, f.esp, f.espKiB = "lvm", true, "/boot/efi", 50<<10 }, "", "has 50 MiB free, a kernel needs about 125"},
		{"LVM, secure boot", func(f *kernelFacts) {
			f.abstraction, f.efi, f.esp, f.espKiB, f.secureBoot = "lvm", true, "/boot/efi", 400<<10, true
		}, "", "secure boot would reject"},
	} {
		f := well
		tt.change(&f)
		how, why := f.insurance()
		if how != tt.how || (why == "") != (tt.why == "") || !strings.Contains(why, tt.why) {
			t.Errorf("%s: %q, %q", tt.name, how, why)
		}
		if why != "" && !strings.Contains(why, "insurance = false") {
			t.Errorf("%s: the way out is missing: %q", tt.name, why)
		}
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, to, state, trialBoot, running, boot string
		want                                      verdict
	}{
		{"nothing", "", "", "", oldKernel, "1", noTrial},
		{"armed", newKernel, "armed", "1", oldKernel, "1", notYet},
		{"up", newKernel, "armed", "1", newKernel, "2", cameUp},
		{"up, and known", newKernel, "running", "2", newKernel, "2", cameUp},
		{"panicked", newKernel, "armed", "1", oldKernel, "3", goneBack},
		{"another kernel altogether", newKernel, "armed", "1", "5.10", "3", goneBack},
		{"a power cut after it was up", newKernel, "running", "2", oldKernel, "3", unlucky},
	} {
		var f kernelFacts
		f.running, f.boot = tt.running, tt.boot
		f.trial.to, f.trial.state, f.trial.boot = tt.to, tt.state, tt.trialBoot
		if got := f.judge(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Second: "1m30s", 100 * time.Minute: "1h40m", 20 * time.Second: "20s", 70 * time.Minute: "1h10m",
	} {
		if got := short(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}

// TestTrialTimes: a third of the reboot's timeout, ten minutes at most, and never more than half of it.
func TestTrialTimes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reboot time.Duration
		given  string
		want   time.Duration
	}{
		{0, "", 10 * time.Minute}, {30 * time.Minute, "", 10 * time.Minute}, {9 * time.Minute, "", 3 * time.Minute}, {30 * time.Minute, "15m", 15 * time.Minute},
	} {
		book, err := Load("", "kernel")
		must(t, "load", err)
		steps, err := book.Bind(map[string]any{"version": newKernel, "trial": tt.given}, Target{RebootTimeout: tt.reboot})
		must(t, "bind", err)
		if got := steps[0].(*kernel).patient; got != tt.want {
			t.Errorf("reboot.timeout %s, trial %q: %s", tt.reboot, tt.given, got)
		}
		if _, err := book.Bind(map[string]any{"version": newKernel, "trial": "16m"}, Target{RebootTimeout: 30 * time.Minute}); err == nil || !strings.Contains(err.Error(), "more than half") {
			t.Errorf("16m of 30m: %v", err)
		}
	}
}

// TestSecureBoot: what isn't signed is refused, by its image where that is there, else by where its package comes from.
func TestSecureBoot(t *testing.T) {
	t.Parallel()
	secure := func(kind string) (*kernel, *machine) {
		s, m := trialMachine(t, kind)
		m.write("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "\x06\x00\x00\x00\x01")
		return s, m
	}
	s, m := secure("apt")
	if got := check(t, s, m).Problems; len(got) != 1 || !strings.Contains(got[0], "would reject kernel "+newKernel+": its package comes from its own source") {
		t.Errorf("unsigned package: %q", got)
	}
	m.write("state/source/linux-image-"+newKernel, "linux-signed-amd64 (6.1.9+1)\n")
	if got := check(t, s, m).Problems; len(got) != 0 {
		t.Errorf("signed package: %q", got)
	}
	m.tool("sbverify")
	if err := s.Apply(t.Context(), m, nil); err == nil || !strings.Contains(err.Error(), "bears no signature") {
		t.Errorf("Apply of an unsigned image: %v", err)
	}
	m.write("boot/vmlinuz-"+newKernel, "signature 1\n")
	apply(t, s, m)
	d, dm := secure("dnf")
	if got := check(t, d, dm).Problems; len(got) != 0 {
		t.Errorf("the same vendor: %q", got)
	}
	dm.write("state/vendor", "ELRepo\n")
	if got := check(t, d, dm).Problems; len(got) != 1 || !strings.Contains(got[0], "its vendor is ELRepo, that of the running one Rocky") {
		t.Errorf("another vendor: %q", got)
	}
}
