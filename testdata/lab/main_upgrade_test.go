package lab_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

const kubeletRebooted = `
[upgrade]
kubelet = "1.37.2"
reboot = "always"
`

// The main job: four machines from one minor to the next, one by one and two at a time.
func TestUpgradeFleet(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 4})
	l.Apply(web)
	settled(l)
	inventory := l.WriteInventory(l.Hosts("root") + kubeletRebooted)
	n4 := l.Machines[3]

	t.Run("one by one", func(t *testing.T) {
		upgradeAll(t, l, inventory, "1")
		tellsStory(t, l)
	})
	t.Run("nothing to do", func(t *testing.T) { nothingToDo(t, l, inventory) })
	t.Run("cordoned by hand", func(t *testing.T) {
		goBack(t, l, l.Machines...)
		l.Kubectl("cordon", "n4")
		before, boot := getNode(t, l, "n4"), n4.BootID()
		said := fleetup(t, l, 0, "run", "--yes", inventory, "--set", "strategy.max_unavailable=2")
		says(t, said, "n4", "cordoned")
		untouched(t, l, n4, before, boot)
		for _, m := range l.Machines[:3] {
			isReady(t, getNode(t, l, m.Name), "v1.37.2")
		}
		fleetup(t, l, 0, "run", "--yes", inventory, "--set", "strategy.cordoned=upgrade")
		after := getNode(t, l, "n4")
		isReady(t, after, "v1.37.2")
		asBefore(t, before, after)
		equal(t, "n4 still cordoned", after.Spec.Unschedulable, true)
		l.Kubectl("uncordon", "n4")
	})
	t.Run("two at a time", func(t *testing.T) {
		goBack(t, l, l.Machines...)
		upgradeAll(t, l, inventory, "2")
	})
}

// upgradeAll runs and wants every machine upgraded, rebooted and given back as it was, and the workload whole all along.
func upgradeAll(t *testing.T, l *lab.Lab, inventory, maxUnavailable string) {
	t.Helper()
	before, booted, least := getNodes(t, l), boots(l), leastReady(t, l, "web")
	said := fleetup(t, l, 0, "run", "--yes", inventory, "--set", "strategy.max_unavailable="+maxUnavailable)
	if n := least(); n < 3 {
		t.Errorf("only %d of 4 endpoints were ready, and the budget asks for 3:\n%s", n, said)
	}
	says(t, said, "4 nodes done", "zero downtime: yes", "default/web had ")
	after := getNodes(t, l)
	for _, m := range l.Machines {
		isReady(t, after[m.Name], "v1.37.2")
		asBefore(t, before[m.Name], after[m.Name])
		says(t, after[m.Name].Annotations["fleetup.io/last"], `"kubelet":"v1.36.4"`)
		equal(t, m.Name+" packages", m.Must("dpkg-query -W -f '${Version} ' kubelet kubectl"), "1.37.2-1.1 1.37.2-1.1")
		stillHeld(t, m)
		if m.BootID() == booted[m.Name] {
			t.Errorf("%s was not rebooted", m.Name)
		}
	}
	agents := l.Kubectl("get", "daemonset", "agent", "-o", "jsonpath={.status.numberReady} {.status.desiredNumberScheduled}")
	equal(t, "DaemonSet pods", agents, "4 4")
}

// nothingToDo wants a second run to look and to do nothing else.
func nothingToDo(t *testing.T, l *lab.Lab, inventory string) {
	begin := time.Now()
	said := fleetup(t, l, 0, "run", "--yes", inventory)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	says(t, said, "n1 up to date", "n4 up to date", "nothing to do")
	sent := l.Audit().Since(begin).Of("fleetup")
	equal(t, "evictions", sent.Count("create", "pods/eviction"), 0)
	equal(t, "changes of nodes", sent.Count("patch", "nodes")+sent.Count("update", "nodes"), 0)
}

// tellsStory wants each node's Events in the order in which things happened.
func tellsStory(t *testing.T, l *lab.Lab) {
	t.Helper()
	for _, m := range l.Machines {
		_, events, _ := strings.Cut(l.Kubectl("describe", "node", m.Name), "Events:")
		says(t, events, "FleetupClaimed", "FleetupDrained", "FleetupUpgraded", "FleetupReboot", "FleetupDone")
	}
}
