package lab_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fleetup/fleetup/testdata/lab"
)

// A run taken back on an apt machine (n1) and a dnf machine (d1), with their mirrors gone meanwhile: kubelet, containerd,
// the repository's minor, the kubelet's configuration, and a playbook of the user's own in reverse order.
func TestRollback(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 1, DNF: 1})
	both := l.Machines
	inventory := l.WriteInventory(l.Hosts("ops") + "[upgrade]\ncontainerd = \"2.1.4\"\nkubelet = \"1.37.2\"\nsettings = {}\nfirmware = {}\n[strategy]\nmax_unavailable = 2\n")
	writePlaybook(t, inventory, "settings", settings)
	writePlaybook(t, inventory, "firmware", firmware)
	before, were := getNodes(t, l), map[string]string{}
	for _, m := range both {
		m.Must("echo '# mine' >>/etc/default/kubelet")
		were[m.Name] = runs(m)
	}
	says(t, fleetup(t, l, 0, "plan", inventory), "no way back: firmware: it has no rollback command (")
	fleetup(t, l, 0, "run", "--yes", inventory)
	for _, m := range both {
		isReady(t, getNode(t, l, m.Name), "v1.37.2")
		if now := runs(m); now == were[m.Name] || !strings.Contains(now, "v1.37") {
			t.Fatalf("%s wasn't upgraded: %s", m.Name, now)
		}
		m.Must("echo '# of the new one' >>/etc/default/kubelet; mount -t tmpfs none /srv/repo")
	}
	says(t, fleetup(t, l, 64, "rollback", inventory), "--yes")

	said := fleetup(t, l, 0, "rollback", "--yes", inventory)
	says(t, said, "back to what ran before run", "stays as it is: firmware: it has no rollback command", "2 nodes done", "zero downtime: yes")
	for _, m := range both {
		after := getNode(t, l, m.Name)
		isReady(t, after, "v1.36.4")
		asBefore(t, before[m.Name], after)
		says(t, after.Annotations["fleetup.io/last"], `"back":`)
		equal(t, m.Name+" runs", runs(m), were[m.Name])
		equal(t, m.Name+" settings", m.Must("xargs </var/log/settings"), "apply one apply two back two back one")
		says(t, m.Must("containerd --version"), "v2.1.3")
	}
	says(t, fleetup(t, l, 0, "rollback", "--yes", inventory), "nothing to roll back")

	for _, m := range both {
		m.Must("umount /srv/repo")
	}
	fleetup(t, l, 0, "run", "--yes", inventory)
	for _, m := range both {
		isReady(t, getNode(t, l, m.Name), "v1.37.2")
	}
}

// runs is what a machine runs as far as a rollback has to bring it back: versions, holds, package sources, configuration.
func runs(m *lab.Machine) string {
	return m.Must(`if command -v dpkg-query >/dev/null; then
		dpkg-query -W -f '${Package} ${Version}\n' kubelet kubectl kubeadm containerd
		apt-mark showhold | xargs
		cat /etc/apt/sources.list.d/kubernetes.list
	else
		rpm -q kubelet kubectl kubeadm containerd
		dnf -q --disablerepo='*' versionlock list | sort
		cat /etc/yum.repos.d/kubernetes.repo
	fi
	cat /etc/default/kubelet 2>/dev/null || :`)
}

const settings = `
description = "Two settings, one on the other"
[[steps]]
name     = "one"
check    = "test -e /etc/one"
apply    = "touch /etc/one; echo apply one >>/var/log/settings"
rollback = "rm /etc/one; echo back one >>/var/log/settings"
[[steps]]
name     = "two"
check    = "test -e /etc/two"
apply    = "touch /etc/two; echo apply two >>/var/log/settings"
rollback = "rm /etc/two; echo back two >>/var/log/settings"
`

const firmware = `
description = "What can't be taken back"
[[steps]]
name  = "firmware"
check = "test -e /etc/firmware"
apply = "touch /etc/firmware"
`

// writePlaybook puts a playbook beside an inventory.
func writePlaybook(t *testing.T, inventory, name, text string) {
	t.Helper()
	dir := filepath.Join(filepath.Dir(inventory), "playbooks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
