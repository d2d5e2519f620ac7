package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hand is somebody else who works on nodes by itself, known by the image of its pods: those are followed anyway, so
// finding it needs no right and no request.
type hand struct {
	name  string
	image string // its image's last part begins so
	does  string // to a node that is being worked on
	// A key that keeps it off a Node, with the value true, by its own documentation; "": it has none.
	label, annotation string
	todo              string // what a person can do; "": nothing is needed
}

// hands are those that are known to get into the way. kured's lock is on its DaemonSet: see kured.go. The label is medik8s' own, which its node-maintenance-operator sets for the same reason and
// both node-healthcheck-operator and self-node-remediation heed. The annotation is from the cluster-autoscaler's FAQ.
// OpenShift's MachineHealthCheck is paused as a whole (OpenShift, "Pausing a MachineHealthCheck resource"), which is for a
// person to decide; cluster-api's can be told of one Machine: see machines.go.
var hands = []hand{
	{name: handKured, image: "kured", does: "reboots, cordons and uncordons nodes"},
	{name: "the system-upgrade-controller", image: "system-upgrade-controller", does: "cordons, drains and upgrades nodes after its Plans",
		todo: "kubectl -n %[1]s scale deployment %[2]s --replicas=0, and back after the run"},
	{name: "medik8s' NodeHealthCheck", image: "node-healthcheck", does: "remediates nodes that aren't Ready", label: labelNoRemediation},
	{name: "medik8s' self node remediation", image: "self-node-remediation", does: "reboots nodes that aren't Ready", label: labelNoRemediation},
	{name: "OpenShift's MachineHealthCheck", image: "machine-healthcheck", does: "deletes machines whose node isn't Ready",
		todo: "kubectl annotate machinehealthcheck --all -n %[1]s cluster.x-k8s.io/paused=, and take that away after the run"},
	{name: "the cluster-autoscaler", image: "cluster-autoscaler", does: "removes nodes that are empty and adds some where pods find no room, which no forecast knows", annotation: annotationNoScaleDown},
	{name: "Karpenter", image: "karpenter", does: "removes nodes that are empty and adds some where pods find no room, which no forecast knows",
		todo: "set the disruption budgets of its NodePools to nodes: \"0\" for the time of the run"},
}

const (
	handKured             = "kured"
	labelNoRemediation    = "remediation.medik8s.io/exclude-from-remediation"
	annotationNoScaleDown = "cluster-autoscaler.kubernetes.io/scale-down-disabled"
)

func ofHand(name string) string { return "hand " + name }

// handsOf are the groups of a pod that one of the hands runs.
func handsOf(p pod) []string {
	var groups []string
	for _, h := range hands {
		if slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool { return strings.HasPrefix(imageName(c.Image), h.image) }) {
			groups = append(groups, ofHand(h.name))
		}
	}
	return groups
}

// imageName is "kured" of "ghcr.io/kubereboot/kured:1.21.0".
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	image = image[strings.LastIndexByte(image, '/')+1:]
	image, _, _ = strings.Cut(image, ":")
	return image
}

// OtherHands says who else works on this cluster's nodes by itself, what becomes of that in a run, and what to do. It
// asks the API for rights where that decides it.
func (c *Cluster) OtherHands(ctx context.Context) []string {
	var list []string
	for _, h := range hands {
		pods := c.pods.of(ofHand(h.name))
		if len(pods) == 0 {
			continue
		}
		p := slices.MinFunc(pods, func(a, b pod) int { return strings.Compare(keyOf(a), keyOf(b)) })
		list = append(list, c.handText(ctx, h, p))
	}
	return append(list, c.machinesText(ctx)...)
}

func (c *Cluster) handText(ctx context.Context, h hand, p pod) string {
	text := fmt.Sprintf("%s runs here (pod %s) and %s: ", h.name, keyOf(p), h.does)
	switch key := h.label + h.annotation; {
	case key != "":
		return text + "claimed nodes are kept from it by " + key
	case h.todo == "":
		return text + c.kuredText(ctx, kuredOf(p))
	}
	return text + fmt.Sprintf(h.todo, p.Namespace, deploymentOf(p))
}

// deploymentOf is the Deployment's name of a pod, as far as its ReplicaSet's tells it.
func deploymentOf(p pod) string {
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		return p.Name
	}
	if i := strings.LastIndexByte(owner.Name, '-'); owner.Kind == "ReplicaSet" && i > 0 {
		return owner.Name[:i]
	}
	return owner.Name
}

// keepOff are the keys that keep the hands that are here off a Node.
func (c *Cluster) keepOff() (labels, annotations []string) {
	for _, h := range hands {
		if len(c.pods.of(ofHand(h.name))) == 0 {
			continue
		}
		if h.label != "" && !slices.Contains(labels, h.label) {
			labels = append(labels, h.label)
		}
		if h.annotation != "" {
			annotations = append(annotations, h.annotation)
		}
	}
	return labels, annotations
}

// exempt puts the keys on n that it doesn't have, and returns those: a person's own stay when the node is given back.
func exempt(n *corev1.Node, labels, annotations []string) []string {
	var added []string
	for _, key := range labels {
		if _, ok := n.Labels[key]; !ok {
			n.Labels = withTrue(n.Labels, key)
			added = append(added, key)
		}
	}
	for _, key := range annotations {
		if _, ok := n.Annotations[key]; !ok {
			n.Annotations = withTrue(n.Annotations, key)
			added = append(added, key)
		}
	}
	return added
}

func withTrue(m map[string]string, key string) map[string]string {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]string{}
	}
	m[key] = "true"
	return m
}

// unexempt takes off what exempt put on.
func unexempt(n *corev1.Node, state map[string]string) {
	for _, key := range strings.Split(state[FactExempt], ",") {
		if slices.ContainsFunc(hands, func(h hand) bool { return key != "" && (h.label == key || h.annotation == key) }) {
			delete(n.Labels, key)
			delete(n.Annotations, key)
		}
	}
}
