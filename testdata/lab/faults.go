package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Each fault returns what undoes it. All of them end with the lab.

// Cut takes the machine off the network without a word to either side: half-open connections stay.
func (m *Machine) Cut() (heal func()) {
	m.port("set", m.portName(), "down")
	return func() { m.port("set", m.portName(), "up") }
}

// Slow limits what the machine receives to a rate as tc writes it, "64kbit". (netem, which could delay as well, is
// missing from some kernels.)
func (m *Machine) Slow(rate string) (heal func()) {
	m.must(m.lab.Command(m.lab.ctx, "tc", "qdisc", "replace", "dev", m.portName(), "root", "tbf", "rate", rate, "burst", "4kb", "limit", "1mb"))
	return func() { m.must(m.lab.Command(m.lab.ctx, "tc", "qdisc", "delete", "dev", m.portName(), "root")) }
}

// Lose drops a share of what reaches the machine, from 0 to 1, at random.
func (m *Machine) Lose(share float64) (heal func()) {
	return m.firewall("-m", "statistic", "--mode", "random", "--probability", strconv.FormatFloat(share, 'f', 3, 64), "-j", "DROP")
}

// portName is the bridge's side of the machine's network cable. A reboot replaces it, and ends a Cut or a Slow.
func (m *Machine) portName() string {
	if m.vm != nil {
		return "tap-" + m.Name
	}
	return "vb-" + m.Name + "-" + filepath.Base(m.lab.Dir)
}

func (m *Machine) port(arguments ...string) {
	m.must(m.lab.Command(m.lab.ctx, "ip", append([]string{"link"}, arguments...)...))
}

// OnlyFrom lets the machine take SSH connections from another one alone, so that a jump is needed. Until a reboot.
func (m *Machine) OnlyFrom(jump *Machine) (heal func()) {
	return m.firewall("-p", "tcp", "--dport", "22", "!", "-s", jump.IP, "-j", "REJECT")
}

// firewall adds a rule for what the machine receives. A reboot forgets it.
func (m *Machine) firewall(rule ...string) (remove func()) {
	change := func(action string) {
		init, err := m.init()
		if err != nil {
			m.lab.fail("%v", err)
		}
		m.must(exec.CommandContext(m.lab.ctx, "nsenter", append([]string{"--target", strconv.Itoa(init), "--net", "--",
			"iptables", "-w", action, "INPUT"}, rule...)...))
	}
	change("-I")
	return func() { change("-D") }
}

// Freeze stops every process of the machine where it is: it answers nothing, and its connections stay open.
func (m *Machine) Freeze() (thaw func()) {
	write := func(state string) {
		dir, err := m.lab.cgroup(m.Name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "cgroup.freeze"), []byte(state), 0o644)
		}
		if err != nil {
			m.lab.fail("lab: %s: freeze: %v", m.Name, err)
		}
	}
	write("1")
	return func() { write("0") }
}

// HoldDpkgLock keeps dpkg's lock on the machine by a process called "holder".
func (m *Machine) HoldDpkgLock() (release func()) {
	m.Must(`cat >/run/holder <<'END'
#!/usr/bin/perl
use Fcntl; open my $f, '+>>', '/var/lib/dpkg/lock-frontend' or die; my $l = pack 's s l! l! i', F_WRLCK, 0, 0, 0, 0;
fcntl $f, F_SETLK, $l or die "held by another: $!"; $0 = 'holder'; open my $r, '>', '/run/holder.held' or die; sleep
END
chmod +x /run/holder; rm -f /run/holder.held; systemd-run --quiet --unit=holder /run/holder
for _ in $(seq 100); do [ -e /run/holder.held ] && exit; sleep 0.05; done; exit 1`)
	return func() { m.Must("systemctl stop holder") }
}

// Fill leaves no byte free in a folder of the machine, which becomes a small file system of its own with what was in it.
func (m *Machine) Fill(folder string) (empty func()) {
	m.Must("cp -a " + folder + " /run/fill && size=$(du -sk /run/fill | cut -f1) && " +
		"mount -t tmpfs -o size=$((size + 1024))k fill " + folder + " && cp -a /run/fill/. " + folder + " && rm -r /run/fill && " +
		"{ cat /dev/zero >" + folder + "/full 2>/dev/null || true; }")
	return func() { m.Must("rm " + folder + "/full") }
}

// NewHostKey gives the machine another ed25519 host key than [Lab.KnownHosts] has, as a reinstalled machine would have.
func (m *Machine) NewHostKey() {
	path := filepath.Join(m.lab.Dir, m.Name+".newkey")
	_, err := writeSSHKey(path)
	if err != nil {
		m.lab.fail("lab: %s: new host key: %v", m.Name, err)
	}
	for _, suffix := range []string{"", ".pub"} {
		data, err := os.ReadFile(path + suffix)
		if err == nil {
			err = os.WriteFile(m.path("etc/ssh/ssh_host_ed25519_key"+suffix), data, 0o600)
		}
		if err != nil {
			m.lab.fail("lab: %s: new host key: %v", m.Name, err)
		}
	}
	m.Must("systemctl restart ssh")
}

func (m *Machine) must(cmd *exec.Cmd) {
	if err := run(cmd); err != nil {
		m.lab.fail("lab: %s: %v", m.Name, err)
	}
}
