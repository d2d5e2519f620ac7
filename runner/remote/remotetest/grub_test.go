package remotetest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const tried = "6.1.0-56-amd64"

// grubMachine has a second kernel, the older one as what GRUB has saved, and an entry of its own that boots the newer one.
func grubMachine(t *testing.T) *Machine {
	t.Helper()
	m, err := New(Options{Name: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	m.WriteFile("/boot/vmlinuz-"+tried, nil)
	m.WriteFile("/etc/default/grub", []byte("GRUB_DEFAULT=saved\n"))
	m.setGrub("saved_entry", "gnulinux-advanced-u-u-i-d>gnulinux-6.1.0-51-amd64-advanced-u-u-i-d")
	m.updateGrub()
	m.WriteFile(grubCustom, []byte("menuentry 'x' --id once {\n\tlinux\t/boot/vmlinuz-"+tried+" ro panic=30 try.it\n}\n"))
	return m
}

// boots reboots and waits; it returns the kernel that runs then, "" while none does.
func boots(m *Machine, wait time.Duration) string {
	m.Reboot()
	time.Sleep(wait)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sys == nil {
		return ""
	}
	return m.kernel
}

func TestGRUB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := grubMachine(t)
		if got := boots(m, time.Minute); got != "6.1.0-51-amd64" {
			t.Errorf("the saved entry is ignored: %s", got)
		}
		m.setGrub("next_entry", "once")
		if got := boots(m, time.Minute); got != tried || !strings.Contains(m.text("/proc/cmdline"), "try.it") || m.grub("next_entry") != "" {
			t.Errorf("the next entry: %s, %s, next %q", got, m.text("/proc/cmdline"), m.grub("next_entry"))
		}
		if got := boots(m, time.Minute); got != "6.1.0-51-amd64" {
			t.Errorf("after the next entry: %s", got)
		}
		m.WriteFile("/etc/default/grub", []byte("GRUB_DEFAULT=0\n"))
		m.updateGrub()
		if got := boots(m, time.Minute); got != tried {
			t.Errorf("by default the newest boots: %s", got)
		}
	})
}

func TestBrokenKernels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := grubMachine(t)
		m.BreakKernel(tried, KernelPanics)
		m.setGrub("next_entry", "once")
		if got := boots(m, 40*time.Second); got != "" {
			t.Errorf("a panic runs %s", got)
		}
		time.Sleep(time.Minute)
		if m.Kernel() != "6.1.0-51-amd64" || !strings.Contains(m.text("/sys/fs/pstore/dmesg-erst-1"), "Kernel panic") {
			t.Errorf("after the panic: %s", m.Kernel())
		}
		m.BreakKernel(tried, KernelHangs)
		m.setGrub("next_entry", "once")
		if got := boots(m, time.Hour); got != "" {
			t.Errorf("a hanging kernel runs %s", got)
		}
		m.PowerOff()
		m.PowerOn()
		time.Sleep(time.Minute)
		if got := m.Kernel(); got != "6.1.0-51-amd64" || m.sys == nil {
			t.Errorf("after the power cycle: %s", got)
		}
	})
}

// TestMuteKernelAndTimer: nobody hears the machine, and its timers run, those whose condition holds.
func TestMuteKernelAndTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := grubMachine(t)
		m.BreakKernel(tried, KernelMute)
		m.WriteFile("/etc/systemd/system/back.timer", []byte("[Unit]\nConditionKernelCommandLine=try.it\n[Timer]\nOnBootSec=300\n"))
		m.WriteFile("/etc/systemd/system/back.service", []byte("[Service]\nExecStart=-/usr/bin/timeout 9 /bin/sh -c 'echo back >/root/said; exit 1'\n"+
			"ExecStart=/bin/sh -c 'systemctl --no-block reboot'\n"))
		m.link("enable", "back.timer", nil)
		if got := boots(m, time.Hour); got != "6.1.0-51-amd64" || m.text("/root/said") != "" {
			t.Errorf("the timer ran in a boot that it isn't for: %s", got)
		}
		m.setGrub("next_entry", "once")
		if got := boots(m, 4*time.Minute); got != tried {
			t.Errorf("runs %s", got)
		}
		if conn, err := m.Dial(t.Context(), "tcp", "10.0.0.1:22"); err == nil {
			conn.Close()
			t.Error("a machine without network answers")
		}
		time.Sleep(3 * time.Minute)
		if m.Kernel() != "6.1.0-51-amd64" || m.text("/root/said") != "back\n" {
			t.Errorf("after the timer: %s, %q", m.Kernel(), m.text("/root/said"))
		}
	})
}
