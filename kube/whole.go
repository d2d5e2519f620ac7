package kube

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// nodeCritical pods belong to the node rather than to the cluster: the node isn't whole without them.
func nodeCritical(p pod) bool {
	owner := metav1.GetControllerOf(p)
	return isMirror(p) || owner != nil && isDaemonSet(owner) || p.Spec.PriorityClassName == "system-node-critical"
}

// unreadyCritical lists the node-critical pods that aren't ready, by who makes them: pods have other names afterwards.
func (c *Cluster) unreadyCritical(node string) string {
	var list []string
	for _, p := range c.podsOn(node) {
		if nodeCritical(p) && !podReady(p) && !finished(p) {
			list = appendNew(list, makerOf(p))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

// makerOf is "namespace/owner" of a pod, or its own name where it has none that outlives it.
func makerOf(p pod) string {
	if owner := metav1.GetControllerOf(p); owner != nil && owner.Kind != "Node" {
		return p.Namespace + "/" + owner.Name
	}
	return keyOf(p)
}

// notWhole says what the node lacks of what it was.
func (c *Cluster) notWhole(n *corev1.Node, before map[string]string) []string {
	excused := strings.Split(flatMap(n.Annotations[AnnotationState])[FactUnready], ",")
	var list []string
	makers := map[string]bool{}
	for _, p := range c.podsOn(n.Name) {
		maker := makerOf(p)
		makers[maker] = true
		if nodeCritical(p) && !podReady(p) && !finished(p) && !slices.Contains(excused, maker) {
			list = append(list, "node-critical pod "+keyOf(p)+" "+whyNotReady(p))
		}
	}
	for _, d := range c.daemonSets.all() {
		if !makers[keyOf(d)] && !slices.Contains(excused, keyOf(d)) && belongs(d, n) {
			list = append(list, "DaemonSet "+keyOf(d)+" has no pod here yet")
		}
	}
	slices.Sort(list)
	return append(list, lacking(before, n.Status.Allocatable)...)
}

// isResource tells a resource from the other facts of a claim, of which some look like a quantity too. Source: the
// Kubernetes API conventions for resource names; all but these few are qualified by a domain.
func isResource(name string) bool {
	switch corev1.ResourceName(name) {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods, corev1.ResourceEphemeralStorage:
		return true
	}
	return strings.Contains(name, "/") || strings.HasPrefix(name, corev1.ResourceHugePagesPrefix) ||
		strings.HasPrefix(name, corev1.ResourceAttachableVolumesPrefix)
}

// lacking compares allocatable resources with what they were.
func lacking(before map[string]string, now corev1.ResourceList) []string {
	var list []string
	for name, text := range before {
		was, err := resource.ParseQuantity(text)
		if err != nil || was.IsZero() || !isResource(name) {
			continue
		}
		is := now[corev1.ResourceName(name)]
		enough := was
		if name == string(corev1.ResourceMemory) {
			enough = *resource.NewQuantity(was.Value()/100*99, was.Format)
		}
		if is.Cmp(enough) < 0 {
			list = append(list, fmt.Sprintf("allocatable %s is %s and was %s", name, is.String(), text))
		}
	}
	slices.Sort(list)
	return list
}

// toleratedByAll are the taints that the controller lets every DaemonSet pod tolerate (AddOrUpdateDaemonPodTolerations).
var toleratedByAll = []string{
	corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeDiskPressure, corev1.TaintNodeMemoryPressure,
	corev1.TaintNodePIDPressure, corev1.TaintNodeUnschedulable, corev1.TaintNodeNetworkUnavailable,
}

// belongs says that the DaemonSet controller wants a pod on the node (pkg/controller/daemon, NodeShouldRunDaemonPod):
// selector and required affinity match, and every taint that keeps pods off is tolerated. Conditions' taints are always.
func belongs(d *appsv1.DaemonSet, n *corev1.Node) bool {
	s := d.Spec.Template.Spec
	if d.DeletionTimestamp != nil || s.NodeName != "" && s.NodeName != n.Name {
		return false
	}
	if ok, err := nodeaffinity.NewRequiredNodeAffinity(s.NodeSelector, s.Affinity).Match(n); !ok || err != nil {
		return false
	}
	for _, t := range n.Spec.Taints {
		if t.Effect != corev1.TaintEffectPreferNoSchedule && !slices.Contains(toleratedByAll, t.Key) && !tolerated(s.Tolerations, t) {
			return false
		}
	}
	return true
}

func tolerated(tolerations []corev1.Toleration, t corev1.Taint) bool {
	return helpers.TolerationsTolerateTaint(klog.Logger{}, tolerations, &t, false)
}

// notServing lists the pods placed on the node since then that aren't ready.
func notServing(pods []pod, since time.Time) []string {
	var list []string
	for _, p := range pods {
		if placedAt(p).Before(since.Truncate(time.Second)) || finished(p) || ending(p) || podReady(p) {
			continue
		}
		list = append(list, "pod "+keyOf(p)+" "+whyNotReady(p))
	}
	return list
}

// placedAt is when the scheduler chose the node, or when the pod was made.
func placedAt(p pod) time.Time {
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionTrue {
			return condition.LastTransitionTime.Time
		}
	}
	return p.CreationTimestamp.Time
}

var members = []string{"kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler"}

// memberIll says what is wrong with a control-plane member. One without static pods (its components are units of
// systemd) is judged by its node alone.
func memberIll(n *corev1.Node, pods []pod) []string {
	var ill []string
	if ready := readyCondition(n); ready.Status != corev1.ConditionTrue {
		ill = append(ill, "control-plane node "+n.Name+" isn't Ready: "+reasonOf(ready))
	}
	for _, p := range pods {
		if isMirror(p) && slices.Contains(members, p.Labels["component"]) && !podReady(p) {
			ill = append(ill, "control-plane pod "+keyOf(p)+" "+whyNotReady(p))
		}
	}
	return ill
}
