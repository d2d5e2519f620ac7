package remotetest

import (
	"fmt"
	"maps"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// programs are all programs of the machine.
func programs(m *Machine) map[string]shell.Program {
	all := map[string]shell.Program{}
	for _, set := range []map[string]shell.Program{
		processPrograms(), filePrograms(), textPrograms(), m.systemPrograms(), m.servicePrograms(), m.packagePrograms(), m.kubePrograms(), m.hardwarePrograms(),
		m.grubPrograms(),
	} {
		maps.Copy(all, set)
	}
	return all
}

// systemPrograms tell about the machine and its users, or end its boot.
func (m *Machine) systemPrograms() map[string]shell.Program {
	say := func(f func() string) shell.Program {
		return func(p *shell.Proc) int { p.Printf("%s\n", f()); return 0 }
	}
	return map[string]shell.Program{
		"uname": m.uname, "id": m.id, "whoami": say1(func(p *shell.Proc) string { return m.userByID(p.Cred.UID).Name }),
		"ping": m.ping, "hostname": say(m.Name), "nproc": say(func() string { return "2" }), "df": m.df, "date": date, "sudo": m.sudo,
		"uptime":  say(func() string { return fmt.Sprintf(" up %s", m.Uptime().Round(time.Second)) }),
		"findmnt": findmnt, "mount": mountProgram, "umount": func(*shell.Proc) int { return 0 }, "reboot": m.reboot, "shutdown": m.shutdown,
		"fuser": m.fuser, "lslocks": m.lslocks, "getent": m.getent, "arch": say(func() string { return "x86_64" }),
		"timedatectl": say(func() string { return "NTP=yes\nNTPSynchronized=yes" }),
		"swapon":      func(*shell.Proc) int { return 0 }, "modprobe": func(*shell.Proc) int { return 0 }, "sysctl": func(*shell.Proc) int { return 0 },
	}
}

func say1(f func(*shell.Proc) string) shell.Program {
	return func(p *shell.Proc) int { p.Printf("%s\n", f(p)); return 0 }
}

// install puts a Debian or Red Hat machine on the disk.
func (m *Machine) install() {
	root := vfs.Cred{}
	for _, dir := range []string{
		"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/etc", "/boot", "/dev", "/proc", "/sys", "/run", "/root", "/home", "/opt",
		"/var/lib", "/var/log", "/var/cache", "/etc/systemd/system", "/usr/lib/systemd/system", "/etc/default", "/lib/modules", "/etc/kubernetes/manifests", "/var/lib/kubelet",
	} {
		m.FS.MkdirAll(root, dir, 0o755)
	}
	for _, dir := range []string{"/tmp", "/var/tmp"} {
		m.FS.Mkdir(root, dir, 0o777)
		m.FS.Chmod(root, dir, 0o777|os.ModeSticky)
	}
	m.FS.Symlink(root, "/run", "/var/run")
	m.FS.Chmod(root, "/root", 0o700)
	for _, u := range m.o.Users {
		m.FS.Mkdir(root, u.home(), 0o700)
		m.FS.Chown(root, u.home(), u.cred())
	}
	m.FS.Device("/dev/null", os.ModeDevice|os.ModeCharDevice|0o666, func() []byte { return nil })
	for name := range programs(m) {
		shell.Install(m.FS, path.Join("/usr/bin", name), name)
	}
	shell.Install(m.FS, "/bin/sh", "sh")
	m.WriteFile("/etc/hostname", []byte(m.o.Name+"\n"))
	m.WriteFile("/etc/machine-id", []byte(strings.ReplaceAll(newBootID(), "-", "")+"\n"))
	m.WriteFile("/etc/os-release", []byte(osRelease[m.o.Distro]))
	m.WriteFile(kubeletConfig, []byte(kubeadmConfig))
	m.WriteFile("/var/lib/kubelet/kubeadm-flags.env", []byte("KUBELET_KUBEADM_ARGS=\"\"\n"))
	m.installPackages()
}

var osRelease = map[string]string{
	"debian": "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n",
	"redhat": "NAME=\"Rocky Linux\"\nVERSION=\"9.6\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.6\"\n",
}

func (m *Machine) uname(p *shell.Proc) int {
	opts, _ := options(p.Args[1:], "")
	parts := []struct{ flag, value string }{
		{"s", "Linux"}, {"n", m.o.Name}, {"r", m.Kernel()}, {"v", "#1 SMP PREEMPT_DYNAMIC"}, {"m", "x86_64"}, {"o", "GNU/Linux"},
	}
	var out []string
	for _, part := range parts {
		if has(opts, part.flag, "a") || len(opts) == 0 && part.flag == "s" {
			out = append(out, part.value)
		}
	}
	p.Printf("%s\n", strings.Join(out, " "))
	return 0
}

func (m *Machine) id(p *shell.Proc) int {
	opts, _ := options(p.Args[1:], "")
	u := m.userByID(p.Cred.UID)
	switch {
	case has(opts, "n"):
		p.Printf("%s\n", u.Name)
	case has(opts, "u", "g", "G"):
		p.Printf("%d\n", u.UID)
	default:
		p.Printf("uid=%d(%s) gid=%d(%s) groups=%d(%s)\n", u.UID, u.Name, u.UID, u.Name, u.UID, u.Name)
	}
	return 0
}

func (m *Machine) getent(p *shell.Proc) int {
	if len(p.Args) == 3 && p.Args[1] == "ahosts" {
		p.Printf("192.0.2.1       STREAM %s\n", p.Args[2])
		return 0
	}
	if len(p.Args) < 3 || p.Args[1] != "passwd" {
		return 2
	}
	u, ok := m.user(p.Args[2])
	if !ok {
		return 2
	}
	p.Printf("%s:x:%d:%d::%s:/bin/sh\n", u.Name, u.UID, u.UID, u.home())
	return 0
}

// date prints the time, in UTC, by a strftime format.
func date(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "d date r")
	at := time.Now().UTC()
	if d := opts["d"] + opts["date"]; strings.HasPrefix(d, "@") {
		n, _ := strconv.ParseInt(d[1:], 10, 64)
		at = time.Unix(n, 0).UTC()
	}
	format := "+%a %b %e %H:%M:%S UTC %Y"
	if len(args) > 0 {
		format = args[0]
	}
	if has(opts, "I", "iso-8601") {
		format = "+%Y-%m-%d"
	}
	p.Printf("%s\n", strftime(at, strings.TrimPrefix(format, "+")))
	return 0
}

func strftime(at time.Time, format string) string {
	return strings.NewReplacer("%s", strconv.FormatInt(at.Unix(), 10), "%N", fmt.Sprintf("%09d", at.Nanosecond()), "%Y", at.Format("2006"),
		"%m", at.Format("01"), "%d", at.Format("02"), "%H", at.Format("15"), "%M", at.Format("04"), "%S", at.Format("05"),
		"%a", at.Format("Mon"), "%b", at.Format("Jan"), "%e", at.Format("_2"), "%z", "+0000", "%Z", "UTC", "%F", at.Format("2006-01-02"),
		"%T", at.Format("15:04:05"), "%%", "%").Replace(format)
}

// df shows one file system for each path; one that was filled has nothing left.
func (m *Machine) df(p *shell.Proc) int {
	opts, paths := options(p.Args[1:], "B output")
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	const size = 40 << 20 // KiB
	unit := 1
	if has(opts, "m") || opts["B"] == "M" || opts["B"] == "1M" {
		unit = 1024
	}
	p.Printf("Filesystem     1024-blocks    Used Available Capacity Mounted on\n")
	return each(p, "access", paths, func(name string) error {
		if _, err := p.Sys.FS.Stat(p.Cred, name); err != nil {
			return err
		}
		avail := size / 2
		if m.FS.Full(name) {
			avail = 0
		}
		dev, at := "/dev/sda1", "/"
		if name == "/boot" || strings.HasPrefix(name, "/boot/") {
			dev, at = "/dev/sda2", "/boot"
		}
		p.Printf("%-14s %d %d %d %d%% %s\n", dev, size/unit, (size-avail)/unit, avail/unit, 100-100*avail/size, at)
		return nil
	})
}

func findmnt(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "o t output types T target")
	table := mountTable
	found := 1
	for _, line := range strings.Split(strings.TrimSpace(table), "\n") {
		f := strings.Fields(line)
		types := opts["t"] + opts["types"]
		if types != "" && !strings.Contains(","+types+",", ","+f[2]+",") || len(args) > 0 && args[0] != f[1] && args[0] != f[0] {
			continue
		}
		found = 0
		columns := strings.ToUpper(opts["o"] + opts["output"])
		if columns == "" {
			columns = "TARGET,SOURCE,FSTYPE,OPTIONS"
		}
		var cells []string
		for _, c := range strings.Split(columns, ",") {
			cells = append(cells, map[string]string{"TARGET": f[1], "SOURCE": f[0], "FSTYPE": f[2], "OPTIONS": f[3]}[c])
		}
		p.Printf("%s\n", strings.Join(cells, " "))
	}
	return found
}

func mountProgram(p *shell.Proc) int {
	if len(p.Args) > 1 {
		return 0
	}
	for _, line := range strings.Split(strings.TrimSpace(mountTable), "\n") {
		f := strings.Fields(line)
		p.Printf("%s on %s type %s (%s)\n", f[0], f[1], f[2], f[3])
	}
	return 0
}

func (m *Machine) reboot(p *shell.Proc) int {
	if p.Cred.UID != 0 {
		return p.Fail(1, "Call to Reboot failed: Access denied")
	}
	m.restartAfter(rebootGrace)
	return 0
}

// rebootGrace is how long processes go on after the order to reboot.
const rebootGrace = 300 * time.Millisecond

func (m *Machine) shutdown(p *shell.Proc) int {
	opts, args := options(p.Args[1:], "")
	if p.Cred.UID != 0 {
		return p.Fail(1, "Access denied")
	}
	delay := time.Minute
	if len(args) > 0 {
		switch minutes, err := strconv.Atoi(strings.TrimPrefix(args[0], "+")); {
		case args[0] == "now":
			delay = 0
		case err == nil:
			delay = time.Duration(minutes) * time.Minute
		}
	}
	if has(opts, "r") {
		m.restartAfter(delay + rebootGrace)
		return 0
	}
	m.spawn(func() {
		if m.pause(delay + rebootGrace) {
			m.PowerOff()
		}
	})
	return 0
}
