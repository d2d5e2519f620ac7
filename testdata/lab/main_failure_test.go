package lab_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// What stops a run, on real machines: each is named, exits as documented and leaves everything else alone.
func TestFailures(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 3, Bastions: 1})
	l.Apply(web)
	settled(l)
	t.Run("bad input", func(t *testing.T) { badInput(t, l) })
	t.Run("rights", func(t *testing.T) { rights(t, l) })
	goBack(t, l, l.Machines[0])
	t.Run("kubelet that doesn't start", func(t *testing.T) { brokenKubelet(t, l) })
	t.Run("host key", func(t *testing.T) { hostKey(t, l) })
}

// badInput is refused before anything is touched.
func badInput(t *testing.T, l *lab.Lab) {
	nodes, booted := getNodes(t, l), boots(l)
	good := l.Hosts("root")
	for _, test := range []struct {
		name, inventory string
		words           []string
	}{
		{"host absent from the cluster", good + "ghost = { address = \"10.213.0.201\" }\n[upgrade]\nkubelet = \"1.37.2\"\n", []string{"ghost", "no Node object"}},
		{"unreachable", strings.Replace(good, "10.213.0.12", "10.213.0.99", 1) + "[upgrade]\nkubelet = \"1.37.2\"\n", []string{"n2", "10.213.0.99"}},
		{"unknown version", good + "[upgrade]\nkubelet = \"1.37.9\"\n", []string{"kubelet 1.37.9", "1.37.3"}},
		{"newer than the API server", good + "[upgrade]\nkubelet = \"1.38.0\"\n", []string{"1.38", "1.37"}},
		{"wrong user", strings.Replace(good, `"root"`, `"nobody-here"`, 1) + "[upgrade]\nkubelet = \"1.37.2\"\n", []string{"nobody-here"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inventory := l.WriteInventory(test.inventory)
			for _, command := range []string{"check", "run"} {
				said := fleetup(t, l, 1, command, inventory)
				says(t, said, test.words...)
			}
		})
	}
	for _, m := range l.Machines[:3] {
		untouched(t, l, m, nodes[m.Name], booted[m.Name])
	}
}

// rights: each missing one is named with the rule to add, and with exactly these rules the run works.
func rights(t *testing.T, l *lab.Lab) {
	inventory := l.WriteInventory(strings.Replace(l.Hosts("root"), l.Kubeconfig, l.UserKubeconfig, 1) + "[upgrade]\nkubelet = \"1.37.2\"\n")
	said := fleetup(t, l, 1, "check", inventory)
	says(t, said, "nodes", "pods/eviction", "leases")
	says(t, fleetup(t, l, 1, "run", "--yes", inventory), "pods/eviction")
	grant(t, l, said)
	granted := time.Now()
	says(t, fleetup(t, l, 0, "check", inventory), "quotas would refuse isn't foreseen", "can attach isn't foreseen", "nothing stands against a run")
	fleetup(t, l, 0, "run", "--yes", "--limit", "n1", inventory)
	isReady(t, getNode(t, l, "n1"), "v1.37.2")
	sent := l.Audit().Of("fleetup")
	forecasts := []string{"resourcequotas", "csinodes", "horizontalpodautoscalers"} // go without them, as was said
	for _, q := range sent {
		if q.User == "fleetup" && q.Code == 403 && q.Received.After(granted) && !slices.Contains(forecasts, q.Resource) {
			t.Errorf("still forbidden: %s %s %s", q.Verb, q.Resource, q.Namespace)
		}
	}
}

// grant gives user fleetup exactly the rules that a message names, each where it says.
func grant(t *testing.T, l *lab.Lab, said string) {
	t.Helper()
	rules := map[string]string{}
	where := ""
	for line := range strings.Lines(said) {
		if _, to, ok := strings.Cut(line, "add to a "); ok {
			_, where, _ = strings.Cut(strings.TrimSuffix(strings.TrimSpace(to), " of this user:"), "in namespace ")
		} else if line = strings.TrimRight(line, "\n"); strings.Contains(line, ": [") {
			rules[where] += strings.TrimPrefix(line, "         ") + "\n"
		}
	}
	for namespace, list := range rules {
		kind, metadata := "ClusterRole", "{name: fleetup}"
		if namespace != "" {
			kind, metadata = "Role", "{name: fleetup, namespace: "+namespace+"}"
		}
		l.Apply("apiVersion: rbac.authorization.k8s.io/v1\nkind: " + kind + "\nmetadata: " + metadata + "\nrules:\n" + list +
			"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: " + kind + "Binding\nmetadata: " + metadata +
			"\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: " + kind + ", name: fleetup}\nsubjects: [{kind: User, name: fleetup, apiGroup: rbac.authorization.k8s.io}]\n")
	}
}

// brokenKubelet halts the run; with a version that works the next run finishes.
func brokenKubelet(t *testing.T, l *lab.Lab) {
	nodes, booted := getNodes(t, l), boots(l)
	inventory := l.WriteInventory(l.Hosts("ops") + "[upgrade]\nkubelet = \"1.37.3\"\n")
	said := fleetup(t, l, 1, "run", "--yes", inventory, "--set", "strategy.max_unavailable=1")
	t.Log(said)
	says(t, said, "FAILED in start", "restarted it", "lab: this version never starts", "1 failed, 2 left")
	n1 := getNode(t, l, "n1")
	equal(t, "cordoned", n1.Spec.Unschedulable, true)
	says(t, n1.Annotations["fleetup.io/failed"], "kubelet", "this version never starts")
	for _, taint := range n1.Spec.Taints {
		if strings.HasPrefix(taint.Key, "fleetup.io/") {
			t.Errorf("our taint stays, so its CNI pods can't come back: %v", taint)
		}
	}
	for _, m := range l.Machines[1:3] {
		untouched(t, l, m, nodes[m.Name], booted[m.Name])
	}
	says(t, fleetup(t, l, 0, "status", inventory), "n1", "failed")

	said = fleetup(t, l, 0, "run", "--yes", inventory, "--set", "upgrade.kubelet=1.37.2")
	t.Log(said)
	says(t, said, "n1", "3 nodes done")
	for _, m := range l.Machines[:3] {
		after := getNode(t, l, m.Name)
		isReady(t, after, "v1.37.2")
		asBefore(t, nodes[m.Name], after)
		stillHeld(t, m)
	}
}

// A budget that never allows: it is named at once, its node stays open all along, the others go on. The two tries that
// follow come a minute apart, so this test waits, beside others.
func TestBlockedDrain(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 3})
	l.Apply(`{apiVersion: v1, kind: Pod, metadata: {name: alone, labels: {app: alone}}, spec: {nodeName: n1, containers: [{name: c, image: i}]}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: alone}, spec: {minAvailable: 1, selector: {matchLabels: {app: alone}}}}`)
	l.Kubectl("wait", "--for=condition=Ready", "pod/alone", "--timeout=30s")
	n1 := l.Machines[0]
	before, boot := getNode(t, l, "n1"), n1.BootID()
	inventory := l.WriteInventory(l.Hosts("root") + "[upgrade]\nkubelet = \"1.37.2\"\n[drain]\ntimeout = \"3s\"\nforce = true\n")
	begun := time.Now()
	closings := closed(t, l, "n1")
	cmd, heard := begin(t, l, "n1  check", "run", "--yes", inventory)
	said := exit(t, cmd, heard, 1)
	equal(t, "how often n1 was seen closed", closings(), 0)
	t.Logf("after %v\n%s", time.Since(begun).Round(time.Second), said)
	if after := heard.when("n1  check waits").Sub(heard.when("n1  check")); after < 0 || after > 2*time.Second {
		t.Errorf("the budget is named %v after the node's check began", after)
	}
	says(t, said, "n1", "waits", "default/alone needs 1 healthy", "blocked", "n2  done", "n3  done", "2 nodes done")
	_, summary, _ := strings.Cut(said, "2 nodes done")
	equal(t, "the blocker in the summary", strings.Count(said[:len(said)-len(summary)], "n1 blocked"), 1)
	untouched(t, l, n1, before, boot)
	for _, name := range []string{"n2", "n3"} {
		isReady(t, getNode(t, l, name), "v1.37.2")
	}
}

// hostKey: a changed one is refused with both fingerprints.
func hostKey(t *testing.T, l *lab.Lab) {
	n3 := l.Machines[2]
	old := n3.Must("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2")
	n3.NewHostKey()
	now := n3.Must("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2")
	inventory := l.WriteInventory(l.Hosts("root") + "[upgrade]\nkubelet = \"1.37.3\"\n")
	for _, command := range []string{"check", "run"} {
		said := fleetup(t, l, 1, command, inventory)
		says(t, said, "n3", "changed", now, old)
	}
	says(t, fleetup(t, l, 64, "trust", inventory), "n3", old, now, "--yes")
	fleetup(t, l, 0, "trust", "--yes", inventory)
	says(t, fleetup(t, l, 0, "exec", "--limit", "n3", inventory, "--", "hostname"), "n3")
}
