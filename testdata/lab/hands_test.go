package lab_test

import (
	"strings"
	"testing"

	"github.com/fleetup/fleetup/testdata/lab"
)

const kured = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kured, namespace: kube-system}
spec:
  selector: {matchLabels: {app: kured}}
  template:
    metadata: {labels: {app: kured}}
    spec: {containers: [{name: c, image: ghcr.io/kubereboot/kured:1.21.0}]}
`

// Others who work on the same nodes by themselves: they are found, kept off while a node is claimed, and let go.
func TestOtherHands(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 1, DNF: 1})
	l.Apply(kured)
	l.Kubectl("rollout", "status", "-n", "kube-system", "daemonset/kured", "--timeout=60s")
	n1, d1 := l.Machines[0], l.Machines[1]
	d1.Must(`printf '[Service]\nType=oneshot\nExecStart=/usr/bin/touch /run/upgraded-by-itself\n' >/usr/lib/systemd/system/dnf-automatic.service; systemctl daemon-reload`)
	n1.Must(`mkdir -p /etc/systemd/system/apt-daily-upgrade.service.d
		printf '[Service]\nExecStartPre=\nExecStart=\nExecStart=/usr/bin/touch /run/upgraded-by-itself\nExecStop=\n' >/etc/systemd/system/apt-daily-upgrade.service.d/lab.conf; systemctl daemon-reload`)
	services := map[*lab.Machine]string{n1: "apt-daily-upgrade.service", d1: "dnf-automatic.service"}
	lock := func() string {
		return l.Kubectl("get", "ds", "-n", "kube-system", "kured", "-o", `jsonpath={.metadata.annotations.weave\.works/kured-node-lock}`)
	}
	itself := func(m *lab.Machine) bool {
		m.Must("rm -f /run/upgraded-by-itself; systemctl start " + services[m])
		return m.Must("test -e /run/upgraded-by-itself && echo yes || echo no") == "yes"
	}
	for m := range services {
		equal(t, m.Name+" upgrades itself", itself(m), true)
	}
	inventory := l.WriteInventory(l.Hosts("ops") + kubeletRebooted)
	says(t, fleetup(t, l, 0, "check", inventory), "kured runs here", "a run holds its lock, on daemonset kube-system/kured")
	release := n1.HoldDpkgLock()
	cmd, heard := begin(t, l, "n1  waiting for the package lock", "run", "--yes", inventory)
	equal(t, "n1 upgrades itself while it is upgraded", itself(n1), false)
	says(t, lock(), "fleetup 20")
	release()
	heard.until(t, "n1  start the kubelet")
	equal(t, "kept off after the reboot", n1.Must("for _ in $(seq 40); do ls /run/systemd/system/apt-daily-upgrade.service.d 2>/dev/null && exit; sleep 0.1; done"), "fleetup.conf")
	heard.until(t, "d1  step kubelet")
	equal(t, "d1 upgrades itself while it is upgraded", itself(d1), false)
	says(t, exit(t, cmd, heard, 0), "2 nodes done")
	equal(t, "kured's lock afterwards", lock(), "")
	for m := range services {
		equal(t, m.Name+" upgrades itself afterwards", itself(m), true)
		if left := m.Must("ls /run/systemd/system"); strings.Contains(left, services[m]) {
			t.Errorf("%s: left behind: %s", m.Name, left)
		}
	}
}
