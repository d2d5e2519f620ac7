package lab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// virtual starts a lab of one virtual machine, for `make vm-test` alone.
func virtual(t *testing.T, options lab.Options) (*lab.Lab, *lab.VM) {
	t.Helper()
	if os.Getenv("FLEETUP_VM") == "" {
		t.Skip("FLEETUP_VM isn't set: make vm-test")
	}
	begin := time.Now()
	options.VMs = 1
	l := lab.Start(t, options)
	v := l.VMs[0]
	v.Boot = time.Since(begin)
	t.Logf("v1 is Ready after %v", v.Boot.Round(time.Second))
	v.Must("apt-get -q update") // as a timer does on an ordinary machine
	return l, v
}

// patient is a time that something takes on a quiet machine, or several boots where those take long just now.
func patient(v *lab.VM, quiet time.Duration) string {
	return max(quiet, 4*v.Boot).Round(time.Second).String()
}

// kernelRun is a run that wants a kernel on v1.
func kernelRun(l *lab.Lab, kernel, trial, reboot string) string {
	return l.WriteInventory(l.Hosts("ops") + fmt.Sprintf(
		"[upgrade]\nkernel = { version = %q, trial = %q }\n[reboot]\ntimeout = %q\n", kernel, trial, reboot))
}

// start starts fleetup; what it says comes line by line.
func start(t *testing.T, l *lab.Lab, arguments ...string) (*exec.Cmd, *said) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
	t.Cleanup(cancel)
	cmd, heard := l.FleetupCommand(ctx, arguments...), &said{}
	cmd.Stdout, cmd.Stderr = heard, heard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, heard
}

// hears waits until fleetup has said something.
func hears(t *testing.T, cmd *exec.Cmd, heard *said, what string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Minute); !strings.Contains(heard.String(), what); <-tick.C {
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			t.Fatalf("%q wasn't said:\n%s", what, heard)
		}
	}
}

// savedDefault is the kernel of GRUB's saved entry.
func savedDefault(v *lab.VM) string {
	entry := v.Must("grub-editenv - list | sed -n 's/^saved_entry=//p'")
	_, release, _ := strings.Cut(entry, ">gnulinux-")
	release, _, _ = strings.Cut(release, "-advanced-")
	return release
}

// untried wants nothing left of a trial.
func untried(t *testing.T, v *lab.VM) {
	t.Helper()
	equal(t, "next entry", v.Must("grub-editenv - list | grep -c next_entry=. || true"), "0")
	equal(t, "left of the trial", v.Must("ls /etc/systemd/system/fleetup-trial* /boot/grub/custom.cfg /var/lib/fleetup/kept/trial* 2>/dev/null || true"), "")
}

// appendTo adds to an inventory.
func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// wentBack wants the machine on the old kernel, its default, and nothing left of the trial; the node closed and Ready.
func wentBack(t *testing.T, l *lab.Lab, v *lab.VM, old string) {
	t.Helper()
	equal(t, "kernel", v.Must("uname -r"), old)
	equal(t, "saved default", savedDefault(v), old)
	untried(t, v)
	l.WaitReady(v.Machine, "")
	n := getNode(t, l, v.Name)
	equal(t, "cordoned", n.Spec.Unschedulable, true)
	if why := n.Annotations["fleetup.io/failed"]; !strings.Contains(why, "kernel") {
		t.Errorf("the node says %q", why)
	}
}

// tries is a run on a virtual machine that ends as wanted, and says so in these words, in their order.
func tries(t *testing.T, l *lab.Lab, want int, inventory string, words ...string) {
	t.Helper()
	begin := time.Now()
	cmd, heard := start(t, l, "run", "--yes", inventory)
	says(t, exit(t, cmd, heard, want), words...)
	t.Logf("%v\n%s", time.Since(begin).Round(time.Second), heard)
}

// TestVMKernelHangs tries kernels that leave the machine without a way in. Each is the newest that is installed, and would
// otherwise boot from then on.
func TestVMKernelHangs(t *testing.T) {
	t.Parallel()
	l, v := virtual(t, lab.Options{})
	k := l.Kernels()
	t.Run("hangs", func(t *testing.T) {
		tries(t, l, 1, kernelRun(l, k.Hang, "50s", patient(v, 100*time.Second)), "armed", "its power is cut and given back (BMC)", "back after",
			"kernel "+k.Hang+" didn't come up; the machine runs "+k.Old+" again")
		wentBack(t, l, v, k.Old)
	})
	t.Run("has no network", func(t *testing.T) { // and the timer runs out before the disk can be written to
		tries(t, l, 1, kernelRun(l, k.Mute, "8s", patient(v, 5*time.Minute)), "armed", "back after",
			"kernel "+k.Mute+" came up, and for 8s fleetup couldn't log in; the machine went back by itself to "+k.Old)
		wentBack(t, l, v, k.Old)
	})
}

// TestVMKernel tries a kernel that panics, and is the newest that is installed from then on; one with which the node isn't well,
// so that the run goes back; and the same one when it is.
func TestVMKernel(t *testing.T) {
	t.Parallel() // much of each is waiting
	l, v := virtual(t, lab.Options{})
	k := l.Kernels()
	t.Run("panics", func(t *testing.T) {
		tries(t, l, 1, kernelRun(l, k.Panic, "50s", patient(v, 5*time.Minute)), "armed", "back after",
			"kernel "+k.Panic+" didn't come up; the machine runs "+k.Old+" again", "Kernel panic - not syncing")
		wentBack(t, l, v, k.Old)
	})
	t.Run("is gone back from", func(t *testing.T) {
		inventory := kernelRun(l, k.New, patient(v, 5*time.Minute), "2h")
		appendTo(t, inventory, "[strategy]\non_failure = \"rollback\"\n[[hook]]\nat = \"after-uncordon\"\ncommand = [\"sh\", \"-c\", \"test -e $0 || { : >$0; exit 1; }\", \""+filepath.Join(t.TempDir(), "asked")+"\"]\n")
		tries(t, l, 1, inventory, "armed", "back after", "verified: it becomes the default", "FAILED in verify again", "goes back to what it ran before", "went back")
		equal(t, "kernel", v.Must("uname -r"), k.Old)
		equal(t, "saved default", savedDefault(v), k.Old)
		untried(t, v)
		l.WaitReady(v.Machine, "")
		equal(t, "cordoned", getNode(t, l, v.Name).Spec.Unschedulable, false)
	})
	t.Run("works", func(t *testing.T) {
		inventory := kernelRun(l, k.New, patient(v, 5*time.Minute), "2h")
		begin := time.Now()
		cmd, heard := start(t, l, "run", "--yes", inventory)
		hears(t, cmd, heard, "back after")
		trial := v.Must("uname -r; grep -o 'panic=30 rd.shell=0 rd.emergency=reboot fleetup.trial' /proc/cmdline")
		equal(t, "trial boot", trial, k.New+"\npanic=30 rd.shell=0 rd.emergency=reboot fleetup.trial")
		equal(t, "saved default in the trial", savedDefault(v), k.Old)
		says(t, exit(t, cmd, heard, 0), "verified: it becomes the default", "1 node done")
		t.Logf("%v\n%s", time.Since(begin).Round(time.Second), heard)
		equal(t, "saved default", savedDefault(v), k.New)

		before := v.BootID()
		_, _ = v.SSH("systemctl reboot")
		v.WaitLogin(before)
		equal(t, "a boot later", v.Must("uname -r; grep -c fleetup.trial /proc/cmdline || true"), k.New+"\n0")
		untried(t, v)
		equal(t, "GRUB_DEFAULT", v.Must("grep ^GRUB_DEFAULT= /etc/default/grub"), "GRUB_DEFAULT=saved")
		equal(t, "the old kernel", v.Must("ls /boot/vmlinuz-"+k.Old), "/boot/vmlinuz-"+k.Old)
		l.WaitReady(v.Machine, "")
		equal(t, "cordoned", getNode(t, l, v.Name).Spec.Unschedulable, false)
		tries(t, l, 0, inventory, "nothing to do")
	})
}
