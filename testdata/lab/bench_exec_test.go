package lab_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// many are addresses that all lead to one sshd: those of 10.214.0.0/16, which are the bastion's own. It has two: Debian's
// at port 22, and at 2222 one that any number of logins may be under way at, since nothing but the client is to be measured.
type many struct {
	l       *lab.Lab
	dir     string
	hostKey string
	port    int
}

const benchSSHD = `Port 2222
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/bench_keys
UsePAM no
MaxStartups 2000
PidFile none
LogLevel ERROR
`

func startMany(t *testing.T) *many {
	t.Helper()
	l := lab.Start(t, lab.Options{Bastions: 1})
	ssh(t, l.Machines[0], `mkdir /tmp/empty && useradd --create-home --skel /tmp/empty --shell /bin/sh bench && usermod -p '*' bench
cp /root/.ssh/authorized_keys /etc/ssh/bench_keys && chmod 644 /etc/ssh/bench_keys
cat >/etc/ssh/bench.conf <<'END'
`+benchSSHD+`END
ip route add local 10.214.0.0/16 dev lo && mkdir -p /run/sshd && systemd-run -q --unit=bench-sshd /usr/sbin/sshd -D -f /etc/ssh/bench.conf`)
	if out, err := l.Command(t.Context(), "ip", "route", "add", "10.214.0.0/16", "via", l.Machines[0].IP).CombinedOutput(); err != nil {
		t.Fatalf("route: %v: %s", err, out)
	}
	known, err := os.ReadFile(l.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(strings.TrimSpace(string(known)), " ")
	return &many{l: l, dir: t.TempDir(), hostKey: key, port: 2222}
}

func addresses(count int) []string {
	list := make([]string, count)
	for i := range list {
		list[i] = fmt.Sprintf("10.214.%d.%d", i/250, 1+i%250)
	}
	return list
}

// inventory lists the addresses, and beside it lies a known_hosts with a line for each.
func (m *many) inventory(count int, ssh string) string {
	var hosts, known strings.Builder
	for i, address := range addresses(count) {
		fmt.Fprintf(&hosts, "h%04d = { address = %q }\n", i, address)
		if m.port != 22 {
			address = fmt.Sprintf("[%s]:%d", address, m.port)
		}
		fmt.Fprintf(&known, "%s %s\n", address, m.hostKey)
	}
	fmt.Fprintf(&known, "%s %s\n", m.l.Machines[0].IP, m.hostKey)
	if err := os.WriteFile(m.knownHosts(), []byte(known.String()), 0o600); err != nil {
		panic(err)
	}
	return m.l.WriteInventory(fmt.Sprintf("[ssh]\nport = %d\nidentity_files = [%q]\nknown_hosts = [%q]\n%s\n[hosts]\n%s",
		m.port, m.l.Key, m.knownHosts(), ssh, hosts.String()))
}

func (m *many) knownHosts() string { return filepath.Join(m.dir, "known_hosts") }

func (m *many) fleetup(ctx context.Context, inventory string) *exec.Cmd {
	return m.l.FleetupCommand(ctx, "exec", inventory, "--", "true")
}

func (m *many) bare(ctx context.Context, program string, count int) *exec.Cmd {
	arguments := []string{"-user", "bench", "-key", m.l.Key, "-host-key", m.hostKey}
	for _, address := range addresses(count) {
		arguments = append(arguments, fmt.Sprintf("%s:%d", address, m.port))
	}
	return m.l.Command(ctx, program, arguments...)
}

func (m *many) clush(ctx context.Context, count int) *exec.Cmd {
	cmd := m.l.Command(ctx, "clush", "-f", "64", "-l", "bench", "-w", strings.Join(addresses(count), ","), "-S", "-o", m.sshOptions(), "true")
	cmd.Env = m.environment()
	return cmd
}

func (m *many) ansible(t *testing.T, count int) *exec.Cmd {
	t.Helper()
	list := filepath.Join(m.dir, "ansible.hosts")
	if err := os.WriteFile(list, []byte(strings.Join(addresses(count), "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := m.l.Command(t.Context(), "ansible", "all", "-i", list, "-u", "bench", "-m", "raw", "-a", "true", "-f", "50")
	// ControlPersist would let the second run find the first one's connections.
	cmd.Env = append(m.environment(), "ANSIBLE_SSH_ARGS=-o ControlMaster=no "+m.sshOptions())
	return cmd
}

func (m *many) sshOptions() string {
	return fmt.Sprintf("-F none -p %d -i %s -o IdentitiesOnly=yes -o UserKnownHostsFile=%s", m.port, m.l.Key, m.knownHosts())
}

func (m *many) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + m.dir, "LC_ALL=C.UTF-8"}
}

func buildBare(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bare")
	timed(t, exec.Command("go", "build", "-o", path, "./bare"))
	return path
}

func TestBenchExec(t *testing.T) {
	benchOnly(t)
	m, bare := startMany(t), buildBare(t)
	for _, count := range []int{200, 1000} {
		inventory := m.inventory(count, `user = "bench"`)
		contenders := []contender{
			{"fleetup", func() time.Duration { return timed(t, m.fleetup(t.Context(), inventory)) }},
			{"bare", func() time.Duration { return timed(t, m.bare(t.Context(), bare, count)) }},
		}
		if count == 200 { // with a thousand they take minutes, and say nothing new
			contenders = append(contenders,
				contender{"clush", func() time.Duration { return timed(t, m.clush(t.Context(), count)) }},
				contender{"ansible", func() time.Duration { return timed(t, m.ansible(t, count)) }})
		}
		took := alternate(t, contenders...)
		var peers []string
		for _, name := range slices.Sorted(maps.Keys(took)) {
			if name != "fleetup" {
				peers = append(peers, name+" "+seconds(took[name]))
			}
		}
		atMost(t, fmt.Sprintf("exec -- true on %d addresses", count), took["fleetup"], took["bare"]*12/10, peers...)
	}
}

// TestBenchJump reaches 256 hosts through one sshd of Debian's, which drops logins at random when more than ten are under
// way: its own, and here those of the hosts too, since they are the same machine.
func TestBenchJump(t *testing.T) {
	benchOnly(t)
	m := startMany(t)
	m.port = 22
	inventory := m.inventory(256, fmt.Sprintf("user = \"ops\"\njump = [\"ops@%s\"]", m.l.Machines[0].IP))
	took := alternate(t, contender{"fleetup", func() time.Duration { return timed(t, m.fleetup(t.Context(), inventory)) }})
	dropped := ssh(t, m.l.Machines[0], "journalctl -u ssh --no-pager | grep -ci 'MaxStartups\\|drop connection' || true")
	figure(t, "hosts of 256 dropped by sshd through one jump host", dropped, "0", dropped != "0", "took "+seconds(took["fleetup"]))
}
