package kube

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Carried counts the pods that run on each node and that could as well run on another one: neither DaemonSets' nor static.
func (c *Cluster) Carried() map[string]int {
	carried := map[string]int{}
	for _, p := range c.pods.all() {
		if p.Status.Phase == corev1.PodRunning && !ending(p) && portable(p) {
			carried[p.Spec.NodeName]++
		}
	}
	return carried
}

// portable reports whether a pod is bound to no node by what it is.
func portable(p pod) bool {
	owner := metav1.GetControllerOf(p)
	return !isMirror(p) && (owner == nil || !isDaemonSet(owner))
}
