package lab_test

import (
	"strings"
	"testing"

	"github.com/fleetup/fleetup/testdata/lab"
)

// The control plane goes first, with `kubeadm upgrade apply` on one of its nodes and before any kubelet; everybody else
// is asked for `kubeadm upgrade node`.
func TestKubeadm(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 3})
	l.Kubectl("label", "nodes", "n2", "n3", "node-role.kubernetes.io/control-plane=")
	hosts := strings.NewReplacer(`n2 = { `, `n2 = { groups = ["control-plane"], `, `n3 = { `, `n3 = { groups = ["control-plane"], `).Replace(l.Hosts("ops"))
	inventory := l.WriteInventory(hosts + "[upgrade]\nkubeadm = \"1.37.2\"\nkubelet = \"1.37.2\"\n[strategy]\nmax_unavailable = 3\n")
	for _, m := range l.Machines[1:] { // what kubeadm left there; the lab's API server runs beside the machines
		m.Must("mkdir -p /etc/kubernetes/manifests && echo '    image: registry.k8s.io/kube-apiserver:v1.36.4' >/etc/kubernetes/manifests/kube-apiserver.yaml")
	}
	nodes := getNodes(t, l)
	said := fleetup(t, l, 0, "run", "--yes", inventory)
	says(t, said, "n2  cordon", "n2  done", "n3  cordon", "n3  done", "n1  cordon", "n1  done")
	for _, m := range l.Machines {
		after := getNode(t, l, m.Name)
		isReady(t, after, "v1.37.2")
		asBefore(t, nodes[m.Name], after)
		stillHeld(t, m)
		upgrade := m.Must("grep -o ' 1.37.2 upgrade .*' /var/log/kubeadm.log | grep -v ' plan'")
		want := "upgrade node"
		if m.Name == "n2" {
			want = "upgrade apply"
		}
		says(t, upgrade, want)
		if strings.Contains(upgrade, "apply") != (m.Name == "n2") {
			t.Errorf("%s: kubeadm was asked for %s", m.Name, upgrade)
		}
		order := m.Must("{ sed 's/^\\([0-9.]*\\) .* upgrade .*/\\1 kubeadm upgrade/; / upgrade$/!d' /var/log/kubeadm.log; grep 'kubelet 1.37.2 start' /var/log/runtime.log; } | sort -n | cut -d' ' -f2- | uniq")
		says(t, order, "kubeadm upgrade", "kubelet 1.37.2 start")
		equal(t, m.Name+" packages", m.Must("dpkg-query -W -f '${Version} ' kubeadm kubectl kubelet"), "1.37.2-1.1 1.37.2-1.1 1.37.2-1.1")
	}
	says(t, fleetup(t, l, 0, "run", "--yes", inventory), "nothing to do")
}
