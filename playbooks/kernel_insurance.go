package playbooks

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// method is what boots a kernel once.
type method string

// GRUB, which forgets its next entry as it boots it; or the firmware's BootNext, where GRUB can't write.
const (
	byGRUB     method = "grub"
	byFirmware method = "bootnext"
)

// insurance says how this machine can boot a kernel once, or why it can't.
func (f *kernelFacts) insurance() (method, string) {
	switch {
	case f.grub == "":
		return "", uninsurable("this machine has no GRUB (grub-editenv)")
	case !f.systemd:
		return "", uninsurable("this machine has no systemd, whose timer would reboot it")
	case f.entries[f.running] == "":
		return "", uninsurable("GRUB's menu has no entry for the running kernel " + f.running + " (update-grub or grub2-mkconfig may mend that)")
	}
	why := f.blocked()
	switch {
	case why == "" && !f.custom:
		return "", uninsurable("GRUB's menu doesn't read custom.cfg: make /etc/grub.d/41_custom executable and run update-grub")
	case why == "":
		return byGRUB, ""
	case !f.efi:
		return "", uninsurable(why + ", and there is no UEFI, whose BootNext could do it")
	case f.secureBoot:
		return "", uninsurable(why + ", and by UEFI's BootNext secure boot would reject the kernel, which only GRUB's shim vouches for")
	case f.esp == "":
		return "", uninsurable(why + "; for UEFI's BootNext install efibootmgr, and mount the EFI system partition, a plain partition and no RAID")
	case f.espKiB < f.need():
		return "", uninsurable(fmt.Sprintf("%s, and for UEFI's BootNext the EFI system partition has %d MiB free, a kernel needs about %d", why, f.espKiB>>10, f.need()>>10))
	}
	return byFirmware, ""
}

// blocked says why GRUB can't clear its environment block, which is what ends a trial: it writes to plain partitions and
// simple file systems alone (00_header of grub-mkconfig leaves it out for the same ones).
func (f *kernelFacts) blocked() string {
	what := map[string]string{"btrfs": "btrfs", "zfs": "ZFS", "squash4": "squashfs", "f2fs": "F2FS"}[f.bootFS]
	switch a := f.abstraction; {
	case strings.Contains(a, "lvm"):
		what = "LVM"
	case strings.Contains(a, "mdraid") || strings.Contains(a, "diskfilter"):
		what = "software RAID"
	case strings.Contains(a, "cryptodisk") || strings.Contains(a, "luks"):
		what = "an encrypted disk"
	case a != "":
		what = a
	}
	switch {
	case what == "" && f.bootFS == "":
		return "whether GRUB can clear its environment block isn't known (" + f.unprobed + ")"
	case what == "":
		return ""
	}
	return "GRUB can't clear its environment block, since /boot lies on " + what
}

func uninsurable(why string) string {
	return why + `: a kernel that doesn't boot could not be gone back from. Without that, kernel = { version = "…", insurance = false } upgrades plainly`
}

// insure puts into the status what stands against the insurance, or what it consists of.
func (s *kernel) insure(f kernelFacts, want string, status *Status) {
	how, problem := f.insurance()
	if problem != "" {
		status.Problems = append(status.Problems, problem)
		return
	}
	through := "GRUB"
	if how == byFirmware {
		through = "UEFI's BootNext"
	}
	status.Notes = append(status.Notes, fmt.Sprintf("kernel %s is booted once, through %s; %s stays the default until the node is verified: "+
		"a panic goes back to it after 30 s, a boot without a login after %s", want, through, f.running, short(s.patient)))
	if !f.saves {
		status.Notes = append(status.Notes, "GRUB_DEFAULT=saved is set in /etc/default/grub and stays: from then on a kernel that is installed boots only once it is made the default")
	}
	status.Commands = append(status.Commands, "keep "+f.running+" as what boots by default", "boot "+want+" once, with "+trialArguments)
}

// trialArguments are what a trial boot's command line has more, as trial.sh writes it.
const trialArguments = "panic=30 rd.shell=0 rd.emergency=reboot fleetup.trial"

// short is 10m of 10m0s, 1h of 1h0m0s.
func short(d time.Duration) string {
	text := d.Round(time.Second).String()
	if rest, ok := strings.CutSuffix(text, "m0s"); ok {
		text = rest + "m"
	}
	if rest, ok := strings.CutSuffix(text, "h0m"); ok {
		text = rest + "h"
	}
	return text
}

// unsigned asks whether secure boot would reject the kernel: the image itself where it is there, else where its package
// comes from.
func (s *kernel) unsigned(ctx context.Context, h Host, want string) ([]string, error) {
	out, err := h.Run(ctx, withTool(grubShells()+"kernel_signed "+words(want)+"\n"))
	if err != nil {
		return nil, err
	}
	if why, ok := strings.CutPrefix(strings.TrimSpace(out), "unsigned "); ok {
		return []string{"secure boot is on and would reject kernel " + want + ": " + why}, nil
	}
	return nil, nil
}
