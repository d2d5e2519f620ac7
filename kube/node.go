package kube

import (
	"encoding/json"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Node is a node as the watch last told of it, in plain values.
type Node struct {
	Name          string
	Labels        map[string]string
	Ready         bool
	ReadyReason   string // the Ready condition's reason and message; "no Ready condition" where there is none
	Unschedulable bool
	ControlPlane  bool
	// Run and Failed are the annotations fleetup.io/run and fleetup.io/failed: whose claim it is, and why it failed.
	Run, Failed string
	// Stray is the run whose taint keeps pods off although no run claims the node: its annotations were taken off while
	// nobody worked on it, or came from a backup.
	Stray string
	// State is what the claim recorded, Last what the last finished run left; nil where there is none.
	State, Last map[string]string

	// Addresses are its IP addresses.
	Addresses []string

	KubeletVersion, Kernel, OSImage, Runtime, BootID string
	Allocatable                                      map[string]string
}

// Names of all that a claim puts on a Node.
const (
	AnnotationRun    = "fleetup.io/run"
	AnnotationState  = "fleetup.io/state"
	AnnotationFailed = "fleetup.io/failed"
	AnnotationLast   = "fleetup.io/last"
	TaintMaintenance = "fleetup.io/maintenance"
	LabelExcludeLB   = corev1.LabelNodeExcludeBalancers
)

var controlPlaneLabels = []string{"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"}

// Nodes is a snapshot of all nodes by name.
func (c *Cluster) Nodes() map[string]Node {
	all := c.nodes.all()
	nodes := make(map[string]Node, len(all))
	for _, n := range all {
		nodes[n.Name] = plainNode(n)
	}
	return nodes
}

// Node is one node; ok is false where the cluster has none of that name.
func (c *Cluster) Node(name string) (node Node, ok bool) {
	n, ok := c.nodes.get(name)
	if !ok {
		return Node{}, false
	}
	return plainNode(n), true
}

func plainNode(n *corev1.Node) Node {
	info := n.Status.NodeInfo
	node := Node{
		Name: n.Name, Labels: n.Labels, Unschedulable: n.Spec.Unschedulable, ControlPlane: isControlPlane(n),
		Run: n.Annotations[AnnotationRun], Failed: n.Annotations[AnnotationFailed],
		State: flatMap(n.Annotations[AnnotationState]), Last: flatMap(n.Annotations[AnnotationLast]),
		KubeletVersion: info.KubeletVersion, Kernel: info.KernelVersion, OSImage: info.OSImage,
		Runtime: info.ContainerRuntimeVersion, BootID: info.BootID, Allocatable: map[string]string{},
	}
	for name, quantity := range n.Status.Allocatable {
		node.Allocatable[string(name)] = quantity.String()
	}
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP || a.Type == corev1.NodeExternalIP {
			node.Addresses = append(node.Addresses, a.Address)
		}
	}
	for _, t := range n.Spec.Taints {
		if t.Key == TaintMaintenance && node.Run == "" {
			node.Stray = t.Value
		}
	}
	ready := readyCondition(n)
	node.Ready, node.ReadyReason = ready.Status == corev1.ConditionTrue, reasonOf(ready)
	return node
}

func isControlPlane(n *corev1.Node) bool {
	for _, label := range controlPlaneLabels {
		if _, ok := n.Labels[label]; ok {
			return true
		}
	}
	return false
}

func readyCondition(n *corev1.Node) corev1.NodeCondition {
	for _, condition := range n.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition
		}
	}
	return corev1.NodeCondition{}
}

func reasonOf(c corev1.NodeCondition) string {
	switch {
	case c.Type == "":
		return "no Ready condition"
	case c.Message == "":
		return c.Reason
	case c.Reason == "":
		return c.Message
	}
	return c.Reason + ": " + c.Message
}

// flatMap reads one of our annotations; nil where it is absent or not ours to understand.
func flatMap(text string) map[string]string {
	if text == "" {
		return nil
	}
	var m map[string]string
	if json.Unmarshal([]byte(text), &m) != nil {
		return nil
	}
	return m
}

// StateOf is what the claim of a node recorded; nil where there is none.
func StateOf(n *corev1.Node) map[string]string { return flatMap(n.Annotations[AnnotationState]) }

func flatText(m map[string]string) string {
	text, err := json.Marshal(m) // keys come sorted: the same map is the same text
	if err != nil {
		return "{}" // a map of strings always marshals
	}
	return string(text)
}

// Changed returns a channel that is closed at the next change of a node (its heartbeats aside) or of what keeps our
// evicted pods from being placed. Ask for it before looking, then wait on it.
func (c *Cluster) Changed() <-chan struct{} { return c.changes.wait() }

// hook connects the tables to all that follows them event by event.
func (c *Cluster) hook() {
	c.nodes.hook = c.nodeChanged
	c.pods.hook = c.podChanged
	c.slices.hook, c.slices.relist = c.proof.sliceChanged, c.proof.slicesReplaced
	c.services.hook = c.proof.serviceChanged
}

func (c *Cluster) nodeChanged(before, now *corev1.Node) {
	if before != nil && now != nil && reflect.DeepEqual(plainNode(before), plainNode(now)) {
		return
	}
	c.changes.fire()
}

func (c *Cluster) podChanged(before, now pod) {
	if before != nil && (now == nil || now.UID != before.UID) {
		c.left(before)
	}
	if c.stranded.concerns(before) || c.stranded.concerns(now) || newTrouble(before, now) {
		c.changes.fire()
	}
}

// heartbeat is what a living kubelet changes.
type heartbeat struct {
	beat, transition time.Time
	bootID           string
}

func heartbeatOf(n *corev1.Node) heartbeat {
	ready := readyCondition(n)
	return heartbeat{ready.LastHeartbeatTime.Time, ready.LastTransitionTime.Time, n.Status.NodeInfo.BootID}
}
