package kube

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Trouble is something that went wrong on a node that no run works on, since Start: whoever sees it had better change
// nothing else for a while.
type Trouble struct {
	Node string
	What string    // "turned NotReady", "pod shop/web was evicted: …"
	At   time.Time // by the API server's clock
}

// inTrouble is the group of pods that were evicted by a kubelet, or killed for want of memory.
const inTrouble = "trouble"

// loops is the number of restarts from which on a container that runs out of memory is no news.
const loops = 3

// Troubles lists nodes that turned NotReady, pods that a kubelet evicted and containers that ran out of memory since the
// watches began, the newest first. Nodes that a run has claimed don't count: what happens there is its own doing. Neither
// do nodes that were left failed, nor containers that run out of memory again and again.
func (c *Cluster) Troubles() []Trouble {
	claimed := map[string]bool{}
	var list []Trouble
	add := func(node, what string, at time.Time) {
		if at.After(c.started) && !claimed[node] {
			list = append(list, Trouble{node, what, at})
		}
	}
	for _, n := range c.nodes.all() {
		if n.Annotations[AnnotationRun] != "" || n.Annotations[AnnotationFailed] != "" {
			claimed[n.Name] = true
			continue
		}
		for _, condition := range n.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionTrue {
				add(n.Name, "turned NotReady", condition.LastTransitionTime.Time)
			}
		}
	}
	for _, p := range c.pods.of(inTrouble) {
		what, at := troubleOf(p)
		add(p.Spec.NodeName, what, at)
	}
	slices.SortFunc(list, func(a, b Trouble) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Node, b.Node), cmp.Compare(a.What, b.What))
	})
	return list
}

// troubleOf is what befell a pod, and when; "" where nothing did.
func troubleOf(p pod) (what string, at time.Time) {
	if p.Status.Phase == corev1.PodFailed && p.Status.Reason == "Evicted" {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
				at = c.LastTransitionTime.Time
			}
		}
		return fmt.Sprintf("pod %s was evicted: %s", keyOf(p), p.Status.Message), at
	}
	for _, s := range p.Status.ContainerStatuses {
		for _, t := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if t != nil && t.Reason == oomKilled && s.RestartCount < loops && t.FinishedAt.After(at) {
				what, at = fmt.Sprintf("container %s of pod %s ran out of memory", s.Name, keyOf(p)), t.FinishedAt.Time
			}
		}
	}
	return what, at
}

const oomKilled = "OOMKilled"

// newTrouble reports whether something befell a pod just now.
func newTrouble(before, now pod) bool {
	if now == nil {
		return false
	}
	what, at := troubleOf(now)
	if what == "" || before == nil {
		return what != ""
	}
	_, then := troubleOf(before)
	return !at.Equal(then)
}
