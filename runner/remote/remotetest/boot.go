package remotetest

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/memnet"
	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// boot brings the machine up: a new boot id, an empty /run, the kernel that the boot loader chooses, the services that
// are enabled.
func (m *Machine) boot() {
	m.FS.Clear("/run")
	m.FS.Clear("/proc")
	m.FS.Clear("/tmp")
	release, args := m.choose()
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.seq++
	m.boots++
	seq, fault := m.seq, m.faults[release]
	if fault == KernelPanics || fault == KernelHangs {
		m.mu.Unlock()
		if fault == KernelPanics {
			m.panics(release, args, seq)
		}
		return
	}
	m.bootID, m.booted, m.kernel = newBootID(), time.Now(), release
	m.cmdline = "BOOT_IMAGE=/boot/vmlinuz-" + release + " " + args
	m.sys = shell.NewSystem(m.FS, programs(m), m.began)
	sys := m.sys
	m.mu.Unlock()
	m.mountProc()
	m.mountSys()
	sys.Home("root", "/root")
	for _, u := range m.o.Users {
		sys.Home(u.Name, u.home())
	}
	m.startEnabled(fault == KernelMute)
	m.mu.Lock()
	m.sshd = fault != KernelMute
	m.mu.Unlock()
}

// down ends every process and connection at once, as a lost power line does; dpkg is left as it stood.
func (m *Machine) down() {
	m.mu.Lock()
	sys := m.sys
	m.sys, m.sshd = nil, false
	m.mu.Unlock()
	if sys == nil {
		return
	}
	m.stopAll()
	m.Drop()
	sys.Halt()
}

// Reboot reboots at once; the machine is away for RebootTime.
func (m *Machine) Reboot() { m.restartAfter(0) }

// A machine that is on its way down takes no second request: systemd has the job already.
func (m *Machine) restartAfter(delay time.Duration) {
	m.mu.Lock()
	already := m.restarting
	m.restarting = true
	m.mu.Unlock()
	if already {
		return
	}
	m.spawn(func() {
		defer m.restarted()
		if !m.pause(delay) {
			return
		}
		m.down()
		if !m.pause(m.o.RebootTime) {
			return
		}
		m.mu.Lock()
		stays := m.noBoot || m.powerOff
		m.mu.Unlock()
		if !stays {
			m.boot()
		}
	})
}

func (m *Machine) restarted() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restarting = false
}

// pause waits for d and reports false once the machine is closed.
func (m *Machine) pause(d time.Duration) bool {
	if d <= 0 {
		return m.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-m.ctx.Done():
		return false
	}
}

// PowerOff cuts the power, PowerOn gives it back; the machine is up RebootTime after that.
func (m *Machine) PowerOff() {
	m.mu.Lock()
	m.powerOff = true
	m.seq++
	m.mu.Unlock()
	m.down()
}

// PowerOn boots a machine that is off; one that is up is left alone.
func (m *Machine) PowerOn() {
	m.mu.Lock()
	m.powerOff = false
	m.seq++
	up := m.sys != nil
	m.mu.Unlock()
	if up {
		return
	}
	m.spawn(func() {
		if m.pause(m.o.RebootTime) {
			m.boot()
		}
	})
}

// Powered reports whether the machine has power, be it up or on its way.
func (m *Machine) Powered() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.powerOff
}

// Up reports whether its sshd answers.
func (m *Machine) Up() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sshd
}

// shutdownTime is how long services take to end in an orderly shutdown.
const shutdownTime = 5 * time.Second

// Shutdown presses the power button: the machine stops what runs on it and turns itself off. One that is down, or whose
// operating system doesn't listen (IgnoreButton), stays as it is.
func (m *Machine) Shutdown() { m.shutDownAfter(shutdownTime) }

func (m *Machine) shutDownAfter(delay time.Duration) {
	m.mu.Lock()
	listens := m.sys != nil && !m.deaf
	m.mu.Unlock()
	if listens {
		m.spawn(func() {
			if m.pause(delay) {
				m.PowerOff()
			}
		})
	}
}

// IgnoreButton makes the machine's operating system ignore its power button.
func (m *Machine) IgnoreButton() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf = true
}

// FailBoot makes the machine stay away after its next reboot, until PowerOn.
func (m *Machine) FailBoot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noBoot = true
}

// Drop cuts every connection; what runs on the machine goes on.
func (m *Machine) Drop() {
	m.mu.Lock()
	conns := maps.Clone(m.conns)
	m.mu.Unlock()
	for c := range conns {
		sever(c)
	}
}

func sever(c net.Conn) {
	if mem, ok := c.(*memnet.Conn); ok {
		mem.Cut()
		return
	}
	c.Close()
}

// Freeze keeps back every byte of connections in memory, old and new, for d: the network is away, the machine isn't.
func (m *Machine) Freeze(d time.Duration) {
	m.mu.Lock()
	m.frozen = time.Now().Add(d)
	conns := maps.Clone(m.conns)
	m.mu.Unlock()
	for c := range conns {
		if mem, ok := c.(*memnet.Conn); ok {
			mem.Freeze()
		}
	}
	m.spawn(func() {
		m.pause(d)
		m.thaw()
	})
}

func (m *Machine) thaw() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Now().Before(m.frozen) && !m.closed {
		return // frozen anew
	}
	for c := range m.conns {
		if mem, ok := c.(*memnet.Conn); ok {
			mem.Thaw()
		}
	}
}

// FillDisk leaves no byte free under dir.
func (m *Machine) FillDisk(dir string) { m.FS.Fill(dir) }

func newBootID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (m *Machine) began(p *shell.Proc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, p.Command())
}

// mountProc fills /proc, /dev and /sys with what scripts look at.
func (m *Machine) mountProc() {
	root := vfs.Cred{}
	for _, dir := range []string{"/proc/sys/kernel/random", "/proc/self", "/proc/net", "/proc/pressure", "/proc/sys/fs", "/proc/sys/net/netfilter", "/dev", "/sys/fs/cgroup", "/run/systemd/system", "/run/lock"} {
		m.FS.MkdirAll(root, dir, 0o755)
	}
	for name, gen := range m.procFiles() {
		m.FS.Device(name, 0o444, func() []byte { return []byte(gen()) })
	}
	m.FS.WriteFile(root, "/sys/fs/cgroup/cgroup.controllers", []byte("cpuset cpu io memory hugetlb pids rdma misc\n"), 0o444)
}

func (m *Machine) procFiles() map[string]func() string {
	return map[string]func() string{
		"/proc/sys/kernel/random/boot_id":            func() string { return m.BootID() + "\n" },
		"/proc/sys/kernel/osrelease":                 func() string { return m.Kernel() + "\n" },
		"/proc/uptime":                               func() string { s := m.Uptime().Seconds(); return fmt.Sprintf("%.2f %.2f\n", s, 2*s) },
		"/proc/loadavg":                              func() string { return "0.10 0.12 0.09 1/123 4567\n" },
		"/proc/cmdline":                              func() string { m.mu.Lock(); defer m.mu.Unlock(); return m.cmdline + "\n" },
		"/proc/version":                              func() string { return "Linux version " + m.Kernel() + "\n" },
		"/proc/filesystems":                          func() string { return "nodev\tcgroup2\n\text4\n" },
		"/proc/mounts":                               func() string { return mountTable },
		"/proc/self/mounts":                          func() string { return mountTable },
		"/proc/meminfo":                              func() string { return meminfo },
		"/proc/stat":                                 m.procStat,
		"/proc/cpuinfo":                              func() string { return "processor\t: 0\n\nprocessor\t: 1\n\n" },
		"/proc/locks":                                m.procLocks,
		"/proc/diskstats":                            m.diskStats,
		"/proc/net/dev":                              m.netDev,
		"/proc/net/snmp":                             func() string { return snmp },
		"/proc/vmstat":                               func() string { return "nr_free_pages 2250000\noom_kill 0\n" },
		"/proc/pressure/cpu":                         func() string { return pressure },
		"/proc/pressure/memory":                      func() string { return pressure },
		"/proc/pressure/io":                          func() string { return pressure },
		"/proc/sys/kernel/pid_max":                   func() string { return "4194304\n" },
		"/proc/sys/kernel/threads-max":               func() string { return "127000\n" },
		"/proc/sys/fs/file-nr":                       func() string { return "2016\t0\t1600000\n" },
		"/proc/sys/net/netfilter/nf_conntrack_count": func() string { return "310\n" },
		"/proc/sys/net/netfilter/nf_conntrack_max":   func() string { return "262144\n" },
	}
}

// Show makes a file of /proc read as text, until the machine boots anew: what a test puts there is found there.
func (m *Machine) Show(name, text string) {
	m.FS.Device(name, 0o444, func() []byte { return []byte(text) })
}

const (
	snmp = `Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors
Tcp: 1 200 120000 -1 900 120 3 9 12 90000 80000 21 0 17 0
`
	pressure = `some avg10=0.00 avg60=0.12 avg300=0.08 total=81234
full avg10=0.00 avg60=0.00 avg300=0.00 total=1234
`
)

func (m *Machine) diskStats() string {
	text := ""
	for i, d := range m.seen().Disks {
		text += fmt.Sprintf("   8  %d %s 1000 0 80000 500 2000 0 160000 900 0 1200 1400\n", 16*i, d.Name)
	}
	return text
}

func (m *Machine) netDev() string {
	text := "Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
	for _, n := range m.seen().NICs {
		text += fmt.Sprintf("%6s: 900000 1000 0 0 0 0 0 0 800000 900 0 0 0 0 0 0\n", n.Name)
	}
	return text
}

const mountTable = `/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0
tmpfs /run tmpfs rw,nosuid,nodev 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime 0 0
/dev/sda2 /boot ext4 rw,relatime 0 0
`

const meminfo = `MemTotal:       16384000 kB
MemFree:         9000000 kB
MemAvailable:   12000000 kB
SwapTotal:             0 kB
SwapFree:              0 kB
`

// Uptime is how long the machine has been up.
func (m *Machine) Uptime() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Since(m.booted)
}

func (m *Machine) procStat() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprintf("cpu  1000 0 500 %d 10 0 5 0 0 0\ncpu0 0\ncpu1 0\nbtime %d\nprocesses 1234\n",
		time.Since(m.booted).Milliseconds()/5, m.booted.Unix())
}
