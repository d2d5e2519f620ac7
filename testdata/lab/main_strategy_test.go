package lab_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// goesBad lets the shop's requests fail a while after a condition on the nodes holds.
func goesBad(t *testing.T, l *lab.Lab, bad *atomic.Bool, when func() bool, after time.Duration) {
	t.Helper()
	go func() {
		for t.Context().Err() == nil && !when() {
			time.Sleep(200 * time.Millisecond)
		}
		time.Sleep(after)
		bad.Store(true)
	}()
}

// stands is a node's version, and whether it is open, by kubectl.
func stands(l *lab.Lab, node string) string {
	return l.Kubectl("get", "node", node, "-o", "jsonpath={.status.nodeInfo.kubeletVersion} closed={.spec.unschedulable}")
}

const open137 = "v1.37.2 closed="

// upgradedOf are those nodes of the lab that run the new version.
func upgradedOf(l *lab.Lab) (names []string) {
	for _, m := range l.Machines {
		if strings.HasPrefix(stands(l, m.Name), "v1.37.2") {
			names = append(names, m.Name)
		}
	}
	return names
}

// A gate that goes bad in the soak of a canary's first wave: with on_failure = "rollback" its node goes back to what it ran, Ready
// and open; with "stop" the run halts where it is. No other node is touched by either, and once the gate is good the run ends.
func TestCanary(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 3})
	l.Apply(web)
	settled(l)
	address, bad := shop(t, l)
	_, stop := l.Prometheus(address)
	defer stop()
	const canary = "[strategy]\nkind = \"canary\"\nwaves = [\"1\", \"100%\"]\nsoak = \"40s\"\non_failure = \"rollback\"\n"
	inventory := l.WriteInventory(l.Hosts("ops") + gatedShop + canary)
	before, were, boot := getNodes(t, l), map[string]string{}, boots(l)
	for _, m := range l.Machines {
		were[m.Name] = runs(m)
	}
	inSoak := func() bool { // open again for a while: its order is over by then
		for _, m := range l.Machines {
			if stands(l, m.Name) == open137 {
				return true
			}
		}
		return false
	}

	t.Run("rolled back", func(t *testing.T) {
		reads(t, l, inventory, "0.1")
		least := leastReady(t, l, "web")
		goesBad(t, l, bad, inSoak, 8*time.Second)
		said := patiently(t, l, 3, "run", "--yes", inventory)
		says(t, said, "wave 1 of 2 soaks for 40s", "turning back: gate \"shop\" is bad: 50 is more than max = 1", "goes back to what it ran before", "went back: ", "halted: ", "went back", "zero downtime: yes")
		touched := 0
		for _, m := range l.Machines {
			after := getNode(t, l, m.Name)
			isReady(t, after, "v1.36.4")
			equal(t, m.Name+" runs", runs(m), were[m.Name])
			if strings.Contains(after.Annotations["fleetup.io/last"], `"back":`) {
				touched++
				asBefore(t, before[m.Name], after)
				continue
			}
			untouched(t, l, m, before[m.Name], boot[m.Name])
		}
		equal(t, "nodes that went back", touched, 1)
		if n := least(); n < 3 {
			t.Errorf("the Service had %d ready endpoints at the least, and its budget wants 3", n)
		}
	})
	t.Run("halted", func(t *testing.T) {
		bad.Store(false)
		reads(t, l, inventory, "0.1")
		goesBad(t, l, bad, inSoak, 8*time.Second)
		said := patiently(t, l, 3, "run", "--yes", inventory, "--set", "strategy.on_failure=stop")
		says(t, said, "wave 1 of 2 soaks for 40s", `halted: gate "shop" is bad: 50 is more than max = 1`)
		saysNot(t, said, "turning back")
		equal(t, "nodes upgraded", len(upgradedOf(l)), 1)
	})
	t.Run("grows", func(t *testing.T) {
		bad.Store(false)
		reads(t, l, inventory, "0.1")
		says(t, patiently(t, l, 0, "run", "--yes", inventory), "wave 2 of 2 has soaked", "zero downtime: yes")
		equal(t, "nodes upgraded", len(upgradedOf(l)), 3)
	})
}

// greedy is a Deployment of three pods, one a node, each of which wants most of a node's memory.
const greedy = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: greedy}
spec:
  replicas: 3
  selector: {matchLabels: {app: greedy}}
  template:
    metadata: {labels: {app: greedy}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: greedy, resources: {requests: {memory: %d}}}]}
`

// Four machines in two pools: refused with the sum while one pool can't hold everything; switched and, for a bad gate, switched back
// with nothing upgraded on the pool that serves; at last switched for good. The Service is never at zero.
func TestBlueGreen(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 4})
	l.Apply(web)
	settled(l)
	address, bad := shop(t, l)
	_, stop := l.Prometheus(address)
	defer stop()
	hosts := l.Hosts("ops")
	for node, pool := range map[string]string{"n1": "blue", "n2": "blue", "n3": "green", "n4": "green"} {
		hosts = strings.Replace(hosts, node+" = { ", node+" = { groups = [\""+pool+"\"], ", 1)
	}
	inventory := l.WriteInventory(hosts + gatedShop + "[strategy]\nkind = \"blue-green\"\npools = [\"blue\", \"green\"]\nsoak = \"40s\"\n")
	blue, green, before, boot := l.Machines[:2], l.Machines[2:], getNodes(t, l), boots(l)

	t.Run("no room", func(t *testing.T) {
		free := before["n1"].Status.Allocatable
		l.Apply(fmt.Sprintf(greedy, free.Memory().Value()*7/10))
		l.Kubectl("rollout", "status", "deployment/greedy", "--timeout=60s")
		reads(t, l, inventory, "0.1")
		says(t, patiently(t, l, 1, "run", "--yes", inventory), "room: pool blue can't hold everything: memory: the pods of both pools ask for ", "is free there")
		for _, m := range l.Machines {
			untouched(t, l, m, before[m.Name], boot[m.Name])
		}
		l.Kubectl("delete", "deployment", "greedy", "--cascade=foreground", "--timeout=60s")
	})
	least := leastReady(t, l, "web")
	t.Run("switched back", func(t *testing.T) {
		goesBad(t, l, bad, func() bool { return strings.HasSuffix(stands(l, "n1"), "closed=true") && stands(l, "n3") == open137 }, 0)
		said := patiently(t, l, 3, "run", "--yes", inventory)
		says(t, said, "turning back: gate \"shop\" is bad: 50 is more than max = 1", "halted: ", "went back", "zero downtime: yes")
		for _, m := range blue {
			isReady(t, getNode(t, l, m.Name), "v1.36.4")
			equal(t, m.Name, stands(l, m.Name), "v1.36.4 closed=")
			equal(t, m.Name+" boot", boots(l)[m.Name], boot[m.Name])
		}
		for _, m := range green {
			equal(t, m.Name, stands(l, m.Name), "v1.37.2 closed=true")
		}
	})
	t.Run("switched", func(t *testing.T) {
		bad.Store(false)
		reads(t, l, inventory, "0.1")
		says(t, patiently(t, l, 0, "run", "--yes", inventory), "has soaked", "4 nodes done", "zero downtime: yes")
		for _, m := range l.Machines {
			after := getNode(t, l, m.Name)
			isReady(t, after, "v1.37.2")
			asBefore(t, before[m.Name], after)
		}
	})
	if n := least(); n < 1 {
		t.Errorf("the Service had %d ready endpoints at the least, by the test's own watch", n)
	}
}
