package lab_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/audit"
	"github.com/fleetup/fleetup/runner/finding"
	"github.com/fleetup/fleetup/testdata/lab"
)

// TestKubeletConfig: what audit finds in real kubelets is set right by the lines that it prints, as the kubelets themselves say;
// rollback puts back exactly what was. A kubelet that doesn't take its configuration fails the node, until it does.
func TestKubeletConfig(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Kubelets: 2})
	k1, k2 := l.Machines[0], l.Machines[1]
	k2.Must(`mkdir -p /etc/systemd/system/kubelet.service.d /etc/kubelet.d
printf '[Service]\nEnvironment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml --config-dir=/etc/kubelet.d"\n' >/etc/systemd/system/kubelet.service.d/30-site.conf
printf 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncontainerLogMaxFiles: 7\n' >/etc/kubelet.d/10-site.conf
systemctl daemon-reload; systemctl restart kubelet`)
	before, beside := configz(t, l, k1), configz(t, l, k2)

	found, lines := kubeletFindings(t, l, l.WriteInventory(l.Hosts("ops")))
	if want := []string{"eviction-soft k1", "eviction-soft k2", "kube-reserved k1", "kube-reserved k2", "system-reserved k1", "system-reserved k2"}; !slices.Equal(found, want) {
		t.Fatalf("audit finds %q, want %q", found, want)
	}
	mended := l.WriteInventory(l.Hosts("ops") + lines)
	stdout, stderr, exit := l.Fleetup("run", "--yes", mended)
	if exit != 0 {
		t.Fatalf("run: exit %d\n%s%s", exit, stdout, stderr)
	}
	if found, _ := kubeletFindings(t, l, mended); len(found) > 0 {
		t.Errorf("after audit's own lines there is %q", found)
	}
	if stdout, stderr, exit = l.Fleetup("run", "--yes", mended); exit != 0 || !strings.Contains(stdout, "nothing to do") {
		t.Errorf("run again: exit %d\n%s%s", exit, stdout, stderr)
	}
	answer := configz(t, l, k2)
	if !bytes.Contains(answer, []byte(`"containerLogMaxFiles":7`)) {
		t.Errorf("what the site's own drop-in set is no longer so:\n%s", answer)
	}
	set, err := audit.ParseConfigz(answer)
	if err != nil {
		t.Fatal(err)
	}
	for field, has := range map[string]map[string]string{"kube_reserved": set.KubeReserved, "system_reserved": set.SystemReserved, "eviction_hard": set.EvictionHard,
		"eviction_soft": set.EvictionSoft, "eviction_soft_grace_period": set.EvictionSoftGracePeriod} {
		if diff := cmp.Diff(named(lines, field), has); diff != "" {
			t.Errorf("%s (-audit's line +the kubelet):\n%s", field, diff)
		}
	}
	if stdout, stderr, exit = l.Fleetup("rollback", "--yes", mended); exit != 0 {
		t.Fatalf("rollback: exit %d\n%s%s", exit, stdout, stderr)
	}
	for m, before := range map[*lab.Machine][]byte{k1: before, k2: beside} {
		if after := configz(t, l, m); !bytes.Equal(before, after) {
			t.Errorf("rolled back, and %s answers\n%s\nrather than\n%s", m.Name, after, before)
		}
	}

	// Whatever starts this kubelet adds a flag of its own, which nothing but the kubelet tells.
	k1.Must(`printf '#!/bin/sh\nexec /usr/bin/kubelet "$@" --max-pods=40\n' >/usr/local/sbin/start && chmod +x /usr/local/sbin/start
mkdir -p /etc/systemd/system/kubelet.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/local/sbin/start $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n' >/etc/systemd/system/kubelet.service.d/30-site.conf
systemctl daemon-reload; systemctl restart kubelet`)
	configz(t, l, k1)
	more := l.WriteInventory(l.Hosts("ops") + "[upgrade.kubelet-config]\nmax_pods = 60\n")
	stdout, stderr, exit = l.Fleetup("run", "--yes", "--limit", "k1", more)
	if want := "maxPods is 40, wanted 60; a flag or another file outranks what was set"; exit != 1 || !strings.Contains(stdout+stderr, want) {
		t.Errorf("a kubelet that runs with something else: exit %d, want 1 and %q\n%s%s", exit, want, stdout, stderr)
	}
	k1.Must("rm -r /etc/systemd/system/kubelet.service.d && systemctl daemon-reload && systemctl restart kubelet")
	configz(t, l, k1)
	if stdout, stderr, exit = l.Fleetup("run", "--yes", "--limit", "k1", more); exit != 0 {
		t.Errorf("without that flag: exit %d\n%s%s", exit, stdout, stderr)
	}
	if nodes, err := l.Nodes(t.Context()); err != nil || nodes["k1"].Unschedulable || nodes["k1"].Tainted {
		t.Errorf("%v, %v", nodes["k1"], err)
	}
}

// kubeletFindings are what audit finds in kubelets' configurations, as "RULE NODE", sorted, and the inventory lines that it prints for one.
func kubeletFindings(t *testing.T, l *lab.Lab, inventory string) (names []string, lines string) {
	t.Helper()
	out, stderr, exit := l.Fleetup("audit", inventory, "--output", "json")
	var told struct{ Findings []finding.Finding }
	if err := json.Unmarshal([]byte(out), &told); err != nil || exit != 0 {
		t.Fatalf("audit: exit %d, %v\n%s%s", exit, err, out, stderr)
	}
	for _, f := range told.Findings {
		if strings.HasPrefix(f.Command, "[upgrade.kubelet-config]") {
			names, lines = append(names, f.Rule+" "+strings.TrimPrefix(f.Object, "node ")), f.Command
		}
	}
	slices.Sort(names)
	return names, lines
}

// named are a line's pairs.
func named(lines, key string) map[string]string {
	pairs := map[string]string{}
	for line := range strings.Lines(lines) {
		if value, is := strings.CutPrefix(line, key+" = "); is {
			for pair := range strings.SplitSeq(strings.Trim(strings.TrimSpace(value), `"`), ",") {
				at := strings.IndexAny(pair, "=<")
				pairs[pair[:at]] = pair[at+1:]
			}
		}
	}
	return pairs
}
