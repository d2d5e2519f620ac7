package lab_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// toMinor points a machine's package source at another Kubernetes minor, as a user would by hand.
const (
	aptMinor = "sed -i s/v1.36/v1.37/ /etc/apt/sources.list.d/kubernetes.list && apt-get -q update >/dev/null"
	dnfMinor = "sed -i s/v1.36/v1.37/ /etc/yum.repos.d/kubernetes.repo"
)

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func ssh(t *testing.T, m *lab.Machine, script string) string {
	t.Helper()
	out, err := m.SSH(script)
	if err != nil {
		t.Fatalf("%s: %v", m.Name, err)
	}
	return out
}

func TestComesUp(t *testing.T) {
	begin := time.Now()
	l := lab.Start(t, lab.Options{Machines: 4})
	t.Logf("up in %v", time.Since(begin).Round(10*time.Millisecond))
	nodes, err := l.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "nodes", len(nodes), 4)
	boots := map[string]bool{}
	for _, m := range l.Machines {
		equal(t, m.Name+" Ready", nodes[m.Name].Ready, true)
		equal(t, m.Name+" version", nodes[m.Name].Version, "v1.36.4")
		equal(t, m.Name+" host name", ssh(t, m, "hostname"), m.Name)
		equal(t, m.Name+" kubelet", ssh(t, m, "kubelet --version"), "Kubernetes v1.36.4")
		equal(t, m.Name+" kubeadm", ssh(t, m, "kubeadm version -o short"), "v1.36.4")
		equal(t, m.Name+" cgroup", ssh(t, m, "stat -fc %T /sys/fs/cgroup"), "cgroup2fs")
		equal(t, m.Name+" held", ssh(t, m, "apt-mark showhold | xargs"), "containerd kubeadm kubectl kubelet")
		equal(t, m.Name+" failed units", ssh(t, m, "systemctl --failed --plain --no-legend"), "")
		boots[m.BootID()] = true
	}
	equal(t, "distinct boot ids", len(boots), 4)
	if out, err := l.TryKubectl("--kubeconfig="+l.UserKubeconfig, "get", "nodes"); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("user fleetup should have no rights: %q, %v", out, err)
	}
}

func TestLogins(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 1, Bastions: 1})
	n1, b1 := l.Machines[0], l.Machines[1]
	as := func(user, script string) string {
		t.Helper()
		out, err := n1.SSHAs(user, script)
		if err != nil {
			t.Error(err)
		}
		return out
	}
	equal(t, "root", as("root", "id -un"), "root")
	equal(t, "ops", as("ops", "sudo -n id -un"), "root")
	equal(t, "pw", as("pw", "echo lab-secret | sudo -S -p '' id -un"), "root")
	if _, err := n1.SSHAs("pw", "sudo -n true"); err == nil {
		t.Error("pw needs no password for sudo")
	}

	client := func(arguments ...string) error {
		arguments = append([]string{"-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
			"-o", "UserKnownHostsFile=" + l.KnownHosts}, arguments...)
		out, err := l.Command(t.Context(), "ssh", arguments...).CombinedOutput()
		t.Logf("ssh: %s", out)
		return err
	}
	if err := client("-i", l.Certificate, "root@"+n1.IP, "true"); err != nil { // ssh finds the certificate beside its key
		t.Errorf("certificate: %v", err)
	}
	if err := client("-i", l.Certificate, "-o", "CertificateFile=/dev/null", "root@"+n1.IP, "true"); err == nil {
		t.Error("the certified key is accepted without its certificate")
	}

	n1.OnlyFrom(b1)
	if _, err := n1.SSH("true"); err == nil {
		t.Error("a login past the bastion")
	}
	jump := strings.Join([]string{"ssh", "-F", "none", "-i", l.Key, "-o", "UserKnownHostsFile=" + l.KnownHosts, "-W", "%h:%p", "root@" + b1.IP}, " ")
	if err := client("-i", l.Key, "-o", "ProxyCommand="+jump, "root@"+n1.IP, "true"); err != nil {
		t.Errorf("through the bastion: %v", err)
	}
}

func TestUpgradeByApt(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 1})
	n1 := l.Machines[0]
	const install = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --allow-change-held-packages install "
	ssh(t, n1, aptMinor)
	ssh(t, n1, install+"kubelet=1.37.2-1.1")
	l.WaitReady(n1, "v1.37.2")

	// A masked kubelet stays down while its package is replaced: the installation alone would start it.
	ssh(t, n1, "systemctl stop kubelet && systemctl mask --runtime kubelet && "+install+"--allow-downgrades kubelet=1.37.2-1.1 --reinstall")
	equal(t, "masked", ssh(t, n1, "systemctl is-active kubelet || true"), "inactive")
	ssh(t, n1, "systemctl unmask --runtime kubelet && systemctl start kubelet")

	ssh(t, n1, install+"containerd=2.1.4-1")
	equal(t, "containerd", ssh(t, n1, "systemctl is-active containerd; containerd --version | cut -d' ' -f3"), "active\nv2.1.4")
	ssh(t, n1, install+"containerd=2.1.5-1")
	equal(t, "broken containerd", ssh(t, n1, "systemctl start containerd 2>/dev/null; echo $?"), "1")
	ssh(t, n1, install+"kubelet=1.37.3-1.1")
	equal(t, "broken kubelet", ssh(t, n1, "sleep 0.5; systemctl show -p SubState --value kubelet"), "auto-restart")
	if log := ssh(t, n1, "journalctl -u kubelet -n 20"); !strings.Contains(log, "this version never starts") {
		t.Errorf("the journal doesn't say why: %s", log)
	}

	equal(t, "to upgrade", ssh(t, n1, "apt-get -s dist-upgrade | awk '/^Inst/ {print $2}' | sort | xargs"), "labextra labpatch")
	order := ssh(t, n1, "cut -d' ' -f2- /var/log/runtime.log")
	for _, line := range []string{"kubelet 1.37.2 start", "kubelet stop", "containerd 2.1.4 start", "containerd stop"} {
		if !strings.Contains(order, line) {
			t.Errorf("runtime.log lacks %q:\n%s", line, order)
		}
	}
}

func TestUpgradeByDNF(t *testing.T) {
	l := lab.Start(t, lab.Options{DNF: 1})
	d1 := l.Machines[0]
	equal(t, "apt-get", ssh(t, d1, "command -v apt-get dpkg dpkg-query || echo none"), "none")
	equal(t, "locked", ssh(t, d1, "dnf -q versionlock list | grep -c kubelet-0:1.36.4"), "1")
	ssh(t, d1, dnfMinor)
	if out, err := d1.SSH("dnf -q -y --disableexcludes=kubernetes install kubelet-1.37.2 && rpm -q kubelet"); err == nil && out != "kubelet-1.36.4-1.1.x86_64" {
		t.Errorf("versionlock let %s through", out)
	}
	ssh(t, d1, "dnf -q versionlock delete kubelet && dnf -q -y --disableexcludes=kubernetes install kubelet-1.37.2")
	equal(t, "installed", ssh(t, d1, "rpm -q kubelet"), "kubelet-1.37.2-1.1.x86_64")
	ssh(t, d1, "systemctl restart kubelet")
	l.WaitReady(d1, "v1.37.2")
	ssh(t, d1, "sed -i s/v1.37/v1.36/ /etc/yum.repos.d/kubernetes.repo && dnf -q -y --disableexcludes=kubernetes downgrade kubelet-1.36.4")
	ssh(t, d1, "systemctl restart kubelet")
	l.WaitReady(d1, "v1.36.4")

	ssh(t, d1, "dnf -q -y --security upgrade")
	equal(t, "security updates", ssh(t, d1, "rpm -q labpatch labextra | xargs"), "labpatch-1.1-1.x86_64 labextra-1.0-1.x86_64")
	equal(t, "reboot wanted", ssh(t, d1, "dnf -q needs-restarting -r >/dev/null; echo $?"), "0")
	ssh(t, d1, "printf '[reboot]\\nname=reboot\\nbaseurl=file:///srv/repo/reboot/rpm/\\ngpgcheck=0\\n' >/etc/yum.repos.d/reboot.repo")
	ssh(t, d1, "dnf -q -y install linux-firmware")
	equal(t, "reboot wanted after a firmware package", ssh(t, d1, "dnf -q needs-restarting -r >/dev/null; echo $?"), "1")
}

func TestReboot(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 1})
	n1 := l.Machines[0]
	first := n1.BootID()
	begin := time.Now()
	_, _ = n1.SSH("systemctl reboot") // the connection may end before the answer
	n1.WaitLogin(first)
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("reboot took %v", took)
	} else {
		t.Logf("reboot took %v", took.Round(10*time.Millisecond))
	}
	l.WaitReady(n1, "v1.36.4")

	second := n1.BootID()
	n1.Kill()
	if _, err := n1.Exec("true"); err == nil {
		t.Error("a machine without power answers")
	}
	equal(t, "boot id while off", n1.BootID(), "")
	n1.Start()
	n1.WaitLogin(second)

	_, _ = n1.SSH("systemctl poweroff") // off by itself, it stays off
	n1.WaitOff()
	n1.Start()
	n1.WaitLogin(second)
}

func TestLeavesNothing(t *testing.T) {
	state := func() string {
		t.Helper()
		out, err := exec.Command("sh", "-c", `ip netns; grep fleetup-lab/labs /proc/self/mountinfo; ls /run/systemd/nspawn/propagate /run/systemd/nspawn/locks
			find /sys/fs/cgroup -name 'flab-*'`).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	before := state()
	for range 2 {
		t.Run("lab", func(t *testing.T) { lab.Start(t, lab.Options{Machines: 2, DNF: 1, Bastions: 1}) })
		equal(t, "left behind", state(), before)
	}
}
