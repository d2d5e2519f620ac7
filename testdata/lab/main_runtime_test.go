package lab_test

import (
	"strings"
	"testing"

	"github.com/fleetup/fleetup/testdata/lab"
)

// The runtime and the machines' patches, by apt (n1, n2) and by dnf (d1, d2).
func TestRuntimeAndPatches(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 2, DNF: 2})
	n1, n2, d1, d2 := l.Machines[0], l.Machines[1], l.Machines[2], l.Machines[3]
	inventory := l.WriteInventory(l.Hosts("ops") + "[upgrade]\ncontainerd = \"2.1.4\"\n")

	t.Run("runtime that doesn't start", func(t *testing.T) {
		nodes, booted := getNodes(t, l), boots(l)
		for _, m := range []*lab.Machine{n2, d2} {
			said := fleetup(t, l, 1, "run", "--yes", "--limit", m.Name+",n1,d1", inventory, "--set", "upgrade.containerd=2.1.5",
				"--set", "strategy.max_unavailable=1", "--limit", m.Name)
			says(t, said, m.Name, "FAILED", "never starts", "1 failed")
			after := getNode(t, l, m.Name)
			equal(t, m.Name+" cordoned", after.Spec.Unschedulable, true)
			says(t, after.Annotations["fleetup.io/failed"], "containerd")
			for _, other := range []*lab.Machine{n1, d1} {
				untouched(t, l, other, nodes[other.Name], booted[other.Name])
			}
			fleetup(t, l, 0, "run", "--yes", inventory, "--limit", m.Name)
			after = getNode(t, l, m.Name)
			isReady(t, after, "v1.36.4")
			asBefore(t, nodes[m.Name], after)
		}
	})
	t.Run("runtime", func(t *testing.T) {
		nodes, booted := getNodes(t, l), boots(l)
		for _, m := range []*lab.Machine{n1, d1} {
			m.Must(": >/var/log/runtime.log")
		}
		fleetup(t, l, 0, "run", "--yes", inventory)
		for _, m := range []*lab.Machine{n1, d1} {
			order := m.Must("cut -d' ' -f2- /var/log/runtime.log")
			says(t, order, "kubelet stop", "containerd stop", "containerd 2.1.4 start", "kubelet 1.36.4 start")
			equal(t, m.Name+" starts of the kubelet", strings.Count(order, "kubelet 1.36.4 start"), 1)
			says(t, m.Must("containerd --version"), "v2.1.4")
			after := getNode(t, l, m.Name)
			asBefore(t, nodes[m.Name], after)
			equal(t, m.Name+" boot id", m.BootID(), booted[m.Name]) // nothing wanted a reboot
		}
		stillHeld(t, n1)
		locked := d1.Must("dnf -q versionlock list | sed 's/-0:.*//' | sort | xargs")
		equal(t, "d1 locked", locked, allHeld)
	})
	t.Run("patches", func(t *testing.T) { patches(t, l, n1, n2, d1, d2) })
}

// patches installs what is pending but Kubernetes and the runtime, and reboots where that is required.
func patches(t *testing.T, l *lab.Lab, n1, n2, d1, d2 *lab.Machine) {
	versions := func(m *lab.Machine) string {
		return m.Must("if command -v dpkg-query >/dev/null; then for p in kubelet containerd labpatch labextra; do dpkg-query -W -f '${Version} ' $p; done; " +
			"else rpm -q --qf '%{VERSION}-%{RELEASE} ' kubelet containerd labpatch labextra; fi")
	}
	for _, m := range []*lab.Machine{n2, d2} { // another minor's packages are there to be had, and must not be taken
		m.Must("sed -i s/v1.36/v1.37/ /etc/apt/sources.list.d/kubernetes.list /etc/yum.repos.d/kubernetes.repo 2>/dev/null || true")
	}
	booted := boots(l)
	security := l.WriteInventory(l.Hosts("ops") + "[upgrade]\nos-patches = { security_only = true }\n")
	fleetup(t, l, 0, "run", "--yes", security)
	for _, m := range l.Machines {
		equal(t, m.Name+" after security_only", versions(m), "1.36.4-1.1 2.1.4-1 1.1-1 1.0-1")
	}
	exclude := l.WriteInventory(l.Hosts("ops") + "[upgrade]\nos-patches = { exclude = [\"labextra\"] }\n")
	says(t, fleetup(t, l, 0, "run", "--yes", exclude), "nothing to do")
	n1.Must("apt-get -q -y install labpatch && touch /run/reboot-required")
	d1.Must("printf '[reboot]\\nname=reboot\\nbaseurl=file:///srv/repo/reboot/rpm/\\ngpgcheck=0\\n' >/etc/yum.repos.d/reboot.repo && dnf -q -y install linux-firmware")
	all := l.WriteInventory(l.Hosts("ops") + "[upgrade]\nos-patches = {}\n")
	fleetup(t, l, 0, "run", "--yes", all)
	for _, m := range l.Machines {
		equal(t, m.Name+" after all", versions(m), "1.36.4-1.1 2.1.4-1 1.1-1 1.1-1")
		required := m == n1 || m == d1
		equal(t, m.Name+" rebooted", m.BootID() != booted[m.Name], required)
	}
	stillHeld(t, n1)
	stillHeld(t, n2)
	says(t, fleetup(t, l, 0, "run", "--yes", all), "nothing to do")
}
