package kube

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A kubelet that comes back from a reboot finds in the API that its pods are ready: they were. It says otherwise once it
// has looked at each, and only what it says then is worth anything.

// factBootID is the claim's record of the boot in which it was made, by the machine.
const factBootID = "boot_id"

// stalePatience is how long a Ready from before a reboot is mistrusted. A kubelet looks at all its pods within seconds of its
// start; one that leaves a Ready as it was for longer means it.
const stalePatience = 20 * time.Second

// criticalFacts are what a claim records of the node-critical pods.
func (c *Cluster) criticalFacts(node string) map[string]string {
	facts := map[string]string{}
	if unready := c.unreadyCritical(node); unready != "" {
		facts[FactUnready] = unready
	}
	var last time.Time
	for _, p := range c.podsOn(node) {
		if at := readyAt(p); nodeCritical(p) && at.After(last) {
			last = at
		}
	}
	if !last.IsZero() {
		facts[FactReady] = last.UTC().Format(time.RFC3339)
	}
	return facts
}

// readyAt is when the pod became ready, by its node's clock; zero where it isn't.
func readyAt(p pod) time.Time {
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return condition.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// notYetReady are the node-critical pods whose Ready is from before the node's reboot.
func (c *Cluster) notYetReady(n *corev1.Node, before map[string]string, waited time.Duration) []string {
	last, err := time.Parse(time.RFC3339, before[FactReady])
	boot := before[factBootID]
	if err != nil || waited > stalePatience || boot == "" || n.Status.NodeInfo.BootID == "" || n.Status.NodeInfo.BootID == boot {
		return nil
	}
	var list []string
	for _, p := range c.podsOn(n.Name) {
		if at := readyAt(p); nodeCritical(p) && !at.IsZero() && !at.After(last) {
			list = append(list, "node-critical pod "+keyOf(p)+" to be looked at by its kubelet: its Ready is from before the reboot")
		}
	}
	slices.Sort(list)
	return list
}
