package lab_test

import (
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// firmwareSays prints the entry that the firmware has booted from, whether BootNext is set, and how many entries of fleetup's the
// firmware would boot by itself.
const firmwareSays = `set -e
current=$(efibootmgr | sed -n 's/^BootCurrent: //p')
own=$(efibootmgr | sed -n 's/^Boot\(....\)[* ] fleetup-trial.*/\1/p')
echo "from $(efibootmgr | sed -n "s/^Boot$current[* ] \([^[:space:]]*\).*/\1/p")"
echo "next $(efibootmgr | sed -n 's/^BootNext: //p')"
echo "of its own accord $(efibootmgr | sed -n 's/^BootOrder: //p' | grep -c -w -F -e "${own:-none}" || :)"
`

// forgotten wants nothing of a trial in the firmware, or on the EFI system partition; GRUB is what has booted.
func forgotten(t *testing.T, v *lab.VM) {
	t.Helper()
	untried(t, v)
	equal(t, "the firmware", v.Must(firmwareSays+"efibootmgr | grep -c fleetup || :"), "from debian\nnext \nof its own accord 0\n0")
	equal(t, "left on the EFI system partition", v.Must("ls /boot/efi/EFI"), "debian")
}

// TestVMKernelBootNext tries kernels on a machine whose GRUB can't clear its environment block, since /boot lies on LVM: the
// firmware starts the new one itself, once. One works, and is what boots from then on; one, newer still, panics, and the machine
// is back on it by itself.
func TestVMKernelBootNext(t *testing.T) {
	t.Parallel()
	l, v := virtual(t, lab.Options{UEFI: true})
	k := l.Kernels()
	equal(t, "before", v.Must("uname -r; grub-probe --target=abstraction /boot/grub; "+firmwareSays), k.Old+"\nlvm\nfrom debian\nnext \nof its own accord 0")
	t.Run("works", func(t *testing.T) {
		begin := time.Now()
		cmd, heard := start(t, l, "run", "--yes", kernelRun(l, k.New, patient(v, 5*time.Minute), "2h"))
		hears(t, cmd, heard, "back after")
		equal(t, "trial boot", v.Must("uname -r; grep -o 'panic=30 rd.shell=0 rd.emergency=reboot fleetup.trial' /proc/cmdline; "+firmwareSays+"grub-editenv - list | grep -c next_entry=. || :"),
			k.New+"\npanic=30 rd.shell=0 rd.emergency=reboot fleetup.trial\nfrom fleetup-trial\nnext \nof its own accord 0\n0")
		equal(t, "saved default in the trial", savedDefault(v), k.Old)
		says(t, exit(t, cmd, heard, 0), "armed", "back after", "verified: it becomes the default", "1 node done")
		t.Logf("%v\n%s", time.Since(begin).Round(time.Second), heard)
		equal(t, "kernel", v.Must("uname -r"), k.New)
		equal(t, "saved default", savedDefault(v), k.New)
		equal(t, "left of the trial", v.Must("efibootmgr | grep -c fleetup || :; ls /boot/efi/EFI"), "0\ndebian")
		equal(t, "cordoned", getNode(t, l, v.Name).Spec.Unschedulable, false)
	})
	t.Run("panics", func(t *testing.T) {
		tries(t, l, 1, kernelRun(l, k.Panic, "50s", patient(v, 5*time.Minute)), "armed", "back after",
			"kernel "+k.Panic+" didn't come up; the machine runs "+k.New+" again", "Kernel panic - not syncing")
		wentBack(t, l, v, k.New)
		equal(t, "command line", v.Must("grep -c fleetup.trial /proc/cmdline || :"), "0")
		forgotten(t, v)
	})
}
