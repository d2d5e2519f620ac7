package playbooks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// trialMachine runs the old kernel, has GRUB and can install the new one. The step wants that one.
func trialMachine(t *testing.T, kind string, params ...any) (*kernel, *machine) {
	t.Helper()
	wanted := newKernel
	var m *machine
	if kind == "dnf" {
		wanted = "6.1.0-56.amd64"
		m = newMachine(t, kind, "kernel-core 0:6.1.0-51")
		m.write("state/running", "6.1.0-51.amd64\n")
		m.source("os", m.repository("os", "kernel 0:6.1.0-56", "kernel-core 0:6.1.0-56"))
	} else {
		m = newMachine(t, kind, "linux-image-"+oldKernel+" 6.1.1-1")
		m.source("os", m.repository("os", "linux-image-"+newKernel+" 6.1.9-1"))
	}
	m.grub()
	with := map[string]any{"version": wanted}
	for i := 0; i < len(params); i += 2 {
		with[params[i].(string)] = params[i+1]
	}
	return bind(t, "", "kernel", with, Target{RebootTimeout: 30 * time.Minute})[0].(*kernel), m
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// nothingLeft wants no trace of a trial on the machine.
func nothingLeft(t *testing.T, m *machine) {
	t.Helper()
	for _, path := range []string{"boot/grub/custom.cfg", "boot/loader/entries/fleetup-trial.conf", "etc/systemd/system/fleetup-trial.timer",
		"etc/systemd/system/fleetup-trial.service", "var/lib/fleetup/kept/trial", "var/lib/fleetup/kept/trial.expired", "var/lib/fleetup/kept/sysconfig.kernel"} {
		if m.exists(path) {
			t.Errorf("left behind: %s", path)
		}
	}
	if next := m.env("next_entry"); next != "" {
		t.Errorf("next_entry is %q", next)
	}
	if m.kind == "dnf" && !strings.Contains(m.read("etc/sysconfig/kernel"), "UPDATEDEFAULT=yes") {
		t.Error("UPDATEDEFAULT isn't what it was")
	}
}

// TestTrialSucceeds: the old kernel is the default until Keep; the trial's arguments are in its boot alone.
func TestTrialSucceeds(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"apt", "dnf"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, m := trialMachine(t, kind)
			ctx, old := t.Context(), m.running()
			said := apply(t, s, m)
			if kind == "apt" && !strings.Contains(said, "/etc/default/grub now, and stays") {
				t.Errorf("what was set up isn't said: %q", said)
			}
			if release, _ := m.entry(m.defaultEntry()); release != old {
				t.Errorf("installed, the default is %s", release)
			}
			if st := check(t, s, m); !st.Staged || !st.Reboot || st.Trial {
				t.Errorf("installed: %+v", st)
			}
			must(t, "Landed before the boot", s.Landed(ctx, m))
			must(t, "Arm", s.Arm(ctx, m))
			must(t, "Landed, armed", s.Landed(ctx, m))
			if timer := m.read("etc/systemd/system/fleetup-trial.timer"); !strings.Contains(timer, "OnBootSec=600\n") || !strings.Contains(timer, "ConditionKernelCommandLine=fleetup.trial\n") {
				t.Errorf("the timer:\n%s", timer)
			}
			tried := m.boot()
			if len(tried) != 1 || tried[0] != s.version || !strings.Contains(m.read("proc/cmdline"), trialArguments) {
				t.Errorf("booted %v with %s", tried, m.read("proc/cmdline"))
			}
			if st := check(t, s, m); !st.Trial || st.Clean || st.Reboot {
				t.Errorf("in the trial: %+v", st)
			}
			must(t, "Landed", s.Landed(ctx, m))
			if m.exists("etc/systemd/system/fleetup-trial.timer") {
				t.Error("the timer is still there")
			}
			if release, _ := m.entry(m.defaultEntry()); release != old {
				t.Errorf("in the trial the default is %s", release)
			}
			must(t, "Verify", s.Verify(ctx, m))
			must(t, "Keep", s.Keep(ctx, m))
			must(t, "Keep again", s.Keep(ctx, m))
			nothingLeft(t, m)
			if st := check(t, s, m); !st.Clean {
				t.Errorf("kept: %+v", st)
			}
			if tried := m.boot(); tried[0] != s.version || strings.Contains(m.read("proc/cmdline"), "panic=") {
				t.Errorf("a boot later: %v with %s", tried, m.read("proc/cmdline"))
			}
		})
	}
}

// TestTrialPanics: the machine comes back with the old kernel, and says why as far as something was left.
func TestTrialPanics(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"apt", "dnf"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, m := trialMachine(t, kind)
			old := m.running()
			apply(t, s, m)
			must(t, "Arm", s.Arm(t.Context(), m))
			if tried := m.boot(s.version); len(tried) != 2 || tried[1] != old {
				t.Fatalf("booted %v", tried)
			}
			m.write("sys/fs/pstore/dmesg-erst-1", "Panic#1 Part1\n<0>[    3.141592] Kernel panic - not syncing: VFS: Unable to mount root fs\n<4>[    3.2] CPU: 0\n")
			err := s.Landed(t.Context(), m)
			for _, want := range []string{"kernel " + s.version + " didn't come up", "runs " + old + " again", "left: Kernel panic - not syncing: VFS: Unable to mount root fs"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Landed = %v, want %q in it", err, want)
				}
			}
			nothingLeft(t, m)
			must(t, "Landed again", s.Landed(t.Context(), m))
			if tried := m.boot(s.version); tried[0] != old {
				t.Errorf("a boot later: %v", tried)
			}
			apply(t, s, m) // a human tries again
			must(t, "Arm again", s.Arm(t.Context(), m))
			if tried := m.boot(); tried[0] != s.version {
				t.Errorf("tried again: %v", tried)
			}
		})
	}
}

// TestEvidence: the firmware of UEFI keeps a crash log in pieces of a kilobyte, the newest first, and systemd puts them together in
// folders of their own. What was there before the trial says nothing of it.
func TestEvidence(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"sys/fs/pstore/dmesg-efi-17000000000", "var/lib/systemd/pstore/1700000000/001/dmesg-efi-17000000000"} {
		s, m := trialMachine(t, "apt")
		m.write("var/lib/systemd/pstore/1600000000/001/dmesg.txt", "<0>[    3.1] Kernel panic - not syncing: an old one\n")
		longAgo := time.Now().Add(-time.Hour)
		m.must(os.Chtimes(filepath.Join(m.root, "var/lib/systemd/pstore/1600000000/001/dmesg.txt"), longAgo, longAgo))
		apply(t, s, m)
		must(t, "Arm", s.Arm(t.Context(), m))
		m.boot(s.version)
		m.write(dir+"1001", "Panic#1 Part1\n<4>[    3.2]  ret_from_fork+0x1f/0x30\n<4>[    3.2]  </TASK>\n")
		m.write(dir+"2001", "Panic#1 Part2\n<0>[    3.141592] Kernel panic - not syncing: No working init found.\n<4>[    3.2] CPU: 0\n")
		err := s.Landed(t.Context(), m)
		if err == nil || !strings.Contains(err.Error(), "left: Kernel panic - not syncing: No working init found.") || strings.Contains(err.Error(), "old one") {
			t.Errorf("%s: Landed = %v", dir, err)
		}
	}
}

// TestTrialOfTheMute: nobody logged in, and the timer's time ran out, on a boot so slow that / wasn't there to be written to.
func TestTrialOfTheMute(t *testing.T) {
	t.Parallel()
	s, m := trialMachine(t, "apt", "trial", "4m")
	apply(t, s, m)
	must(t, "Arm", s.Arm(t.Context(), m))
	m.boot()
	kept := filepath.Join(m.root, "var/lib/fleetup/kept")
	must(t, "take the disk away", os.Rename(kept, kept+"-later"))
	m.write("state/meanwhile", "mv "+kept+"-later "+kept+"; rm \"$state/meanwhile\"")
	for _, line := range strings.Split(m.read("etc/systemd/system/fleetup-trial.service"), "\n") {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			_, err := m.Run(t.Context(), strings.TrimPrefix(command, "-"))
			must(t, "the timer's service: "+command, err)
		}
	}
	m.boot()
	err := s.Landed(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), "came up, and for 4m fleetup couldn't log in") {
		t.Errorf("Landed = %v", err)
	}
	nothingLeft(t, m)
}

// TestTrialAfterACrash: fleetup was away after the machine had come up, and the power failed: that is no verdict.
func TestTrialAfterACrash(t *testing.T) {
	t.Parallel()
	s, m := trialMachine(t, "apt")
	ctx := t.Context()
	apply(t, s, m)
	must(t, "Arm", s.Arm(ctx, m))
	must(t, "Arm again", s.Arm(ctx, m))
	m.boot()
	must(t, "Landed", s.Landed(ctx, m))
	must(t, "Landed again", s.Landed(ctx, m))
	if tried := m.boot(); tried[0] != oldKernel {
		t.Fatalf("after the power cut: %v", tried)
	}
	must(t, "Landed after the power cut", s.Landed(ctx, m))
	nothingLeft(t, m)
	must(t, "Arm once more", s.Arm(ctx, m))
	if tried := m.boot(); tried[0] != newKernel {
		t.Errorf("tried again: %v", tried)
	}
	must(t, "Landed", s.Landed(ctx, m))
	must(t, "Keep", s.Keep(ctx, m))
	nothingLeft(t, m)
}

// TestQuietWhileInstalling: what Red Hat's packages do with a new kernel is as it was, also where the installation fails or is cut off.
func TestQuietWhileInstalling(t *testing.T) {
	t.Parallel()
	s, m := trialMachine(t, "dnf")
	ctx := t.Context()
	m.write("state/fails/kernel-core", "")
	if err := s.Apply(ctx, m, nil); err == nil || !strings.Contains(err.Error(), "failed in postinst") {
		t.Fatalf("Apply = %v", err)
	}
	nothingLeft(t, m)
	m.write("var/lib/fleetup/kept/sysconfig.kernel", m.read("etc/sysconfig/kernel")) // the power failed
	m.edit("etc/sysconfig/kernel", "UPDATEDEFAULT=yes", "UPDATEDEFAULT=no")
	must(t, "CallOff", s.CallOff(ctx, m))
	nothingLeft(t, m)
}

// TestTrialCalledOff: the node is given back, and what is wanted may change; nothing may reboot the machine later.
func TestTrialCalledOff(t *testing.T) {
	t.Parallel()
	s, m := trialMachine(t, "apt")
	ctx := t.Context()
	must(t, "CallOff of nothing", s.CallOff(ctx, m))
	apply(t, s, m)
	must(t, "Arm", s.Arm(ctx, m))
	before := bind(t, "", "kernel", map[string]any{"version": oldKernel}, Target{})[0]
	st := check(t, before, m)
	if st.Clean || !st.Trial || !strings.Contains(strings.Join(st.Changes, ""), "kernel "+newKernel+" is called off") {
		t.Errorf("another kernel is wanted now: %+v", st)
	}
	apply(t, before, m)
	nothingLeft(t, m)
	if st := check(t, before, m); !st.Clean {
		t.Errorf("called off by Apply: %+v", st)
	}
	apply(t, s, m)
	must(t, "Arm", s.Arm(ctx, m))
	m.boot()
	must(t, "CallOff", s.CallOff(ctx, m))
	nothingLeft(t, m)
	if tried := m.boot(); tried[0] != oldKernel {
		t.Errorf("a boot later: %v", tried)
	}
}

// TestCustomMenu: what a user has in custom.cfg stays.
func TestCustomMenu(t *testing.T) {
	t.Parallel()
	s, m := trialMachine(t, "apt")
	const own = "menuentry 'memory test' {\n\tlinux16 /boot/memtest86+x64.bin\n}\n"
	m.write("boot/grub/custom.cfg", own)
	apply(t, s, m)
	if !strings.HasPrefix(m.read("boot/grub/custom.cfg"), own) {
		t.Errorf("custom.cfg:\n%s", m.read("boot/grub/custom.cfg"))
	}
	must(t, "end", s.end(t.Context(), m))
	if got := m.read("boot/grub/custom.cfg"); got != own {
		t.Errorf("custom.cfg afterwards:\n%s", got)
	}
}

// firmwareMachine is a trialMachine with UEFI and /boot on LVM, where GRUB can't write.
func firmwareMachine(t *testing.T) (*kernel, *machine) {
	t.Helper()
	s, m := trialMachine(t, "apt")
	m.write("state/grub.abstraction", "lvm\n")
	m.write("sys/firmware/efi/x", "")
	m.write("boot/efi/EFI/debian/grubx64.efi", "")
	m.write("sys/devices/pci0/sda/sda1/partition", "1\n")
	must(t, "mkdir", os.MkdirAll(filepath.Join(m.root, "sys/class/block"), 0o755))
	must(t, "symlink", os.Symlink("../../devices/pci0/sda/sda1", filepath.Join(m.root, "sys/class/block/sda1")))
	m.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz-6.1.0-51-amd64 root=/dev/mapper/vg-root ro quiet\n")
	m.write("state/efi", "BootCurrent: 0004\nTimeout: 1 seconds\nBootOrder: 0004,0000\nBoot0000* UEFI: Built-in EFI Shell\nBoot0003  fleetup-trial\n"+
		"Boot0004* debian	HD(1,GPT,0b1c)/File(\\EFI\\debian\\shimx64.efi)\nBoot0007* fleetup-trial	HD(1,GPT,0b1c)/File(\\EFI\\fleetup\\vmlinuz.efi)\n"+
		"Boot0008* fleetup-trials of mine\n") // 3 and 7 were left by earlier tries, one of which the firmware has made inactive
	return s, m
}

// TestNotArmed: a trial that could not be armed is none, and no later boot is taken for its end.
func TestNotArmed(t *testing.T) {
	t.Parallel()
	s, m := firmwareMachine(t)
	m.write("state/fails/efi", "")
	apply(t, s, m)
	if err := s.Arm(t.Context(), m); err == nil || !strings.Contains(err.Error(), "No space left on device") {
		t.Errorf("Arm = %v", err)
	}
	nothingLeft(t, m)
	m.write("proc/sys/kernel/random/boot_id", "boot-9\n") // by whoever made room in the firmware
	must(t, "Landed", s.Landed(t.Context(), m))
	m.must(os.Remove(filepath.Join(m.root, "state/fails/efi")))
	must(t, "Arm", s.Arm(t.Context(), m))
}

// TestTrialByFirmware: where GRUB can't write, UEFI starts the kernel once, from copies.
func TestTrialByFirmware(t *testing.T) {
	t.Parallel()
	s, m := firmwareMachine(t)
	ctx := t.Context()
	for _, elsewhere := range []string{"/dev/md127\n", "", "/dev/mapper/vg-efi\n"} { // a mirror, not mounted, LVM
		m.write("state/findmnt", elsewhere)
		if problems := strings.Join(check(t, s, m).Problems, "\n"); !strings.Contains(problems, "a plain partition and no RAID") {
			t.Errorf("the EFI system partition is %q: %q", elsewhere, problems)
		}
	}
	m.write("state/findmnt", "/dev/sda1\n")
	st := check(t, s, m)
	if len(st.Problems) > 0 || !strings.Contains(strings.Join(st.Notes, ""), "through UEFI's BootNext") {
		t.Fatalf("%+v", st)
	}
	apply(t, s, m)
	if st := check(t, s, m); !st.Staged {
		t.Fatalf("installed: %+v", st)
	}
	m.log()
	must(t, "Arm", s.Arm(ctx, m))
	log := m.log()
	for _, want := range []string{`initrd=\EFI\fleetup\initrd root=/dev/mapper/vg-root ro quiet `, trialArguments, "--disk /dev/sda --part 1", "--bootnext 0007"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in:\n%s", want, log)
		}
	}
	if efi := m.read("state/efi"); strings.Count(efi, " fleetup-trial") != 2 || strings.Contains(efi, "Boot0003") {
		t.Errorf("what earlier tries left is still there:\n%s", efi)
	}
	if strings.Contains(log, "grub-reboot") || !m.exists("boot/efi/EFI/fleetup/vmlinuz.efi") {
		t.Errorf("armed by:\n%s", log)
	}
	m.write("state/running", newKernel+"\n")
	m.write("proc/sys/kernel/random/boot_id", "boot-9\n")
	must(t, "Landed", s.Landed(ctx, m))
	must(t, "Keep", s.Keep(ctx, m))
	nothingLeft(t, m)
	if efi := m.read("state/efi"); m.exists("boot/efi/EFI/fleetup") || strings.Contains(efi, "Boot0007") || strings.Contains(efi, "BootNext") ||
		!strings.Contains(efi, "fleetup-trials of mine") || !strings.Contains(efi, "Boot0004* debian") {
		t.Errorf("the firmware knows:\n%s", efi)
	}
	if release, _ := m.entry(m.defaultEntry()); release != newKernel {
		t.Errorf("the default is %s", release)
	}
}

// TestUninsured: a plain upgrade, also of a machine that has been told to boot what is saved.
func TestUninsured(t *testing.T) {
	t.Parallel()
	s, m := trialMachine(t, "apt", "insurance", false)
	ctx := t.Context()
	if st := check(t, s, m); len(st.Problems) > 0 || !strings.Contains(strings.Join(st.Notes, ""), "no boot fallback") {
		t.Errorf("%+v", st)
	}
	apply(t, s, m)
	must(t, "Arm", s.Arm(ctx, m))
	if strings.Contains(m.read("etc/default/grub"), "saved") {
		t.Error("GRUB_DEFAULT was changed")
	}
	if tried := m.boot(); tried[0] != newKernel {
		t.Errorf("booted %v", tried)
	}
	if st := check(t, s, m); !st.Clean {
		t.Errorf("%+v", st)
	}

	insured, m := trialMachine(t, "apt")
	apply(t, insured, m)
	must(t, "Arm", insured.Arm(ctx, m))
	m.boot(newKernel)
	_ = insured.Landed(ctx, m)
	if st := check(t, s, m); st.Staged || !st.Reboot {
		t.Errorf("the saved entry is another: %+v", st)
	}
	apply(t, s, m)
	if st := check(t, s, m); !st.Staged {
		t.Errorf("%+v", st)
	}
	if tried := m.boot(); tried[0] != newKernel {
		t.Errorf("booted %v", tried)
	}
}
