package kube

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

// Capacity is what a node offers, what asks for it, and what binds pods to it: plain values, for comparing pools. Amounts
// are millicores of cpu, and whole units of all else (bytes, pods).
type Capacity struct {
	Labels       map[string]string
	Taints       []string // "key=value:Effect", without the node's own conditions and ours
	Architecture string   // "amd64"
	Allocatable  map[string]int64
	Moving       map[string]int64 // requests of the pods that could run elsewhere
	Staying      map[string]int64 // of DaemonSets' and static pods
	// Bound are the pods with a volume of this very node, "namespace/name: volume".
	Bound []string
}

// Capacity is the node's, as the watches know it; ok is false where the cluster has no such node.
func (c *Cluster) Capacity(node string) (capacity Capacity, ok bool) {
	n, ok := c.nodes.get(node)
	if !ok {
		return Capacity{}, false
	}
	capacity = Capacity{Labels: n.Labels, Taints: taintsOf(n), Architecture: n.Status.NodeInfo.Architecture,
		Allocatable: amounts(n.Status.Allocatable), Moving: map[string]int64{}, Staying: map[string]int64{}}
	for _, p := range c.podsOn(node) {
		if finished(p) || ending(p) {
			continue
		}
		to := capacity.Moving
		if !portable(p) {
			to = capacity.Staying
		}
		for name, amount := range requestsOf(p) {
			to[name] += amount
		}
		if !portable(p) { // it need not move
			continue
		}
		for _, v := range c.localVolumes(p) {
			capacity.Bound = append(capacity.Bound, keyOf(p)+": "+v)
		}
	}
	return capacity, true
}

// taintsOf are the taints that somebody put on the node, sorted.
func taintsOf(n *corev1.Node) []string {
	var taints []string
	for _, t := range n.Spec.Taints {
		if !ownTaint(t.Key) {
			taints = append(taints, t.Key+"="+t.Value+":"+string(t.Effect))
		}
	}
	slices.Sort(taints)
	return taints
}

// ownTaint reports whether a taint tells of a node's condition, or of a run, rather than of its purpose.
func ownTaint(key string) bool {
	return strings.HasPrefix(key, ours) || strings.HasPrefix(key, conditions)
}

// conditions begin the taints that the control plane itself puts on nodes and takes off.
const conditions = "node.kubernetes.io/"

// requestsOf is what a pod asks for, as the scheduler counts, and itself as one of "pods".
func requestsOf(p pod) map[string]int64 {
	sum := amounts(resource.PodRequests(p, resource.PodResourcesOptions{}))
	sum[string(corev1.ResourcePods)]++
	return sum
}

func amounts(list corev1.ResourceList) map[string]int64 {
	out := map[string]int64{}
	for name, quantity := range list {
		out[string(name)] = quantity.Value()
		if name == corev1.ResourceCPU {
			out[string(name)] = quantity.MilliValue()
		}
	}
	return out
}
