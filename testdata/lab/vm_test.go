package lab_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// virtual starts a lab of one virtual machine, for `make vm-test` alone.
func virtual(t *testing.T) (*lab.Lab, *lab.VM) {
	t.Helper()
	if os.Getenv("FLEETUP_VM") == "" {
		t.Skip("FLEETUP_VM isn't set: make vm-test")
	}
	begin := time.Now()
	l := lab.Start(t, lab.Options{VMs: 1})
	t.Logf("v1 is Ready after %v", time.Since(begin).Round(time.Second))
	l.VMs[0].Must("apt-get -q update") // as a timer does on an ordinary machine
	return l, l.VMs[0]
}

// kernelRun is a run that wants a kernel on v1.
func kernelRun(l *lab.Lab, kernel, trial, reboot string) string {
	return l.WriteInventory(l.Hosts("ops") + fmt.Sprintf(
		"[upgrade]\nkernel = { version = %q, trial = %q }\n[reboot]\ntimeout = %q\n", kernel, trial, reboot))
}

// start starts fleetup; what it says comes line by line.
func start(t *testing.T, l *lab.Lab, arguments ...string) (*exec.Cmd, *said) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
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

// wentBack wants the machine on the old kernel, its default, and nothing left of the trial; the node closed and Ready.
func wentBack(t *testing.T, l *lab.Lab, v *lab.VM, old string) {
	t.Helper()
	equal(t, "kernel", v.Must("uname -r"), old)
	equal(t, "saved default", savedDefault(v), old)
	equal(t, "next entry", v.Must("grub-editenv - list | grep -c next_entry=. || true"), "0")
	equal(t, "left of the trial", v.Must("ls /etc/systemd/system/fleetup-trial* /boot/grub/custom.cfg /var/lib/fleetup/kept/trial* 2>/dev/null || true"), "")
	l.WaitReady(v.Machine, "")
	n := getNode(t, l, v.Name)
	equal(t, "cordoned", n.Spec.Unschedulable, true)
	if why := n.Annotations["fleetup.io/failed"]; !strings.Contains(why, "kernel") {
		t.Errorf("the node says %q", why)
	}
}

// TestVMKernel tries kernels on a machine that has a real one: three that can't be kept, each of which is the newest that
// is installed and would otherwise boot from then on, and one that can.
func TestVMKernel(t *testing.T) {
	l, v := virtual(t)
	k := l.Kernels()
	run := func(t *testing.T, want int, inventory string, words ...string) {
		t.Helper()
		begin := time.Now()
		cmd, heard := start(t, l, "run", "--yes", inventory)
		says(t, exit(t, cmd, heard, want), words...)
		t.Logf("%v\n%s", time.Since(begin).Round(time.Second), heard)
	}
	t.Run("panics", func(t *testing.T) {
		run(t, 1, kernelRun(l, k.Panic, "3m", "10m"), "armed", "back after",
			"kernel "+k.Panic+" didn't come up; the machine runs "+k.Old+" again", "Kernel panic - not syncing")
		wentBack(t, l, v, k.Old)
	})
	t.Run("hangs", func(t *testing.T) {
		run(t, 1, kernelRun(l, k.Hang, "1m", "3m"), "armed", "its power is cut and given back (BMC)", "back after",
			"kernel "+k.Hang+" didn't come up; the machine runs "+k.Old+" again")
		wentBack(t, l, v, k.Old)
	})
	t.Run("has no network", func(t *testing.T) {
		run(t, 1, kernelRun(l, k.Mute, "75s", "10m"), "armed", "back after",
			"kernel "+k.Mute+" came up, and for 1m15s fleetup couldn't log in; the machine went back by itself to "+k.Old)
		wentBack(t, l, v, k.Old)
	})
	t.Run("works", func(t *testing.T) {
		inventory := kernelRun(l, k.New, "5m", "10m")
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
		equal(t, "left of the trial", v.Must("ls /etc/systemd/system/fleetup-trial* /boot/grub/custom.cfg /var/lib/fleetup/kept/trial* 2>/dev/null || true"), "")
		equal(t, "GRUB_DEFAULT", v.Must("grep ^GRUB_DEFAULT= /etc/default/grub"), "GRUB_DEFAULT=saved")
		equal(t, "the old kernel", v.Must("ls /boot/vmlinuz-"+k.Old), "/boot/vmlinuz-"+k.Old)
		l.WaitReady(v.Machine, "")
		equal(t, "cordoned", getNode(t, l, v.Name).Spec.Unschedulable, false)
		cmd, heard = start(t, l, "run", "--yes", inventory)
		says(t, exit(t, cmd, heard, 0), "nothing to do")
	})
}
