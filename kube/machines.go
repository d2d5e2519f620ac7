package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// cluster-api's words. It writes the first two on the Node of a Machine; the third, on the Machine, keeps every
// MachineHealthCheck off it (cluster-api.sigs.k8s.io, "Configure a MachineHealthCheck", "Skipping remediation").
const (
	machineGroup       = "cluster.x-k8s.io"
	annotationMachine  = "cluster.x-k8s.io/machine"
	annotationMachines = "cluster.x-k8s.io/cluster-namespace"
	annotationSkip     = "cluster.x-k8s.io/skip-remediation"
	skippedByUs        = "fleetup" // its value where we wrote it; any will do
)

// machineRule is the right that keeping MachineHealthChecks off takes.
var machineRule = Rule{Group: machineGroup, Resource: "machines", Verbs: []string{"get", "patch"}, Why: "keep MachineHealthChecks off claimed nodes"}

var errNoMachine = errors.New("its Machine isn't in this cluster")

// machineOf is the API's path of a Node's Machine, behind the group's version; false where cluster-api didn't make it.
func machineOf(n *corev1.Node) (path string, ok bool) {
	ns, name := n.Annotations[annotationMachines], n.Annotations[annotationMachine]
	return "namespaces/" + ns + "/machines/" + name, ns != "" && name != ""
}

// SkipRemediation tells MachineHealthChecks to leave the Machine of a node alone, or takes that off again where we wrote
// it: a person's own stays. A node without a Machine, one whose Machine is in another cluster, and a right that is
// missing are no errors: OtherHands has said so. Safe to repeat.
func (c *Cluster) SkipRemediation(ctx context.Context, node string, skip bool) error {
	n, ok := c.nodes.get(node)
	if !ok {
		return nil
	}
	path, ok := machineOf(n)
	if !ok {
		return nil
	}
	err := c.persist(ctx, "node "+node+": keep MachineHealthChecks off", func(ctx context.Context) error {
		err := c.skipOnce(ctx, path, skip)
		if apierrors.IsForbidden(err) || errors.Is(err, errNoMachine) {
			return nil // waiting for it would not end
		}
		return err
	})
	if err != nil {
		return inNode(node, "keep MachineHealthChecks off", err)
	}
	return nil
}

func (c *Cluster) skipOnce(ctx context.Context, path string, skip bool) error {
	path, has, err := c.skipped(ctx, path)
	var value any
	switch {
	case err != nil:
		return err
	case skip && has == nil:
		value = skippedByUs
	case skip || has == nil || *has != skippedByUs:
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotationSkip: value}}})
	if err != nil {
		return err
	}
	if err := c.guard.check(); err != nil {
		return err
	}
	return c.core.RESTClient().Patch(types.MergePatchType).AbsPath(path).Body(patch).Do(ctx).Error()
}

// skipped looks for a Machine: where it is in full, and what its annotation says, nil where it has none.
func (c *Cluster) skipped(ctx context.Context, path string) (full string, value *string, err error) {
	var group metav1.APIGroup
	if err := c.raw(ctx, "/apis/"+machineGroup, &group); err != nil {
		return "", nil, err
	}
	full = "/apis/" + group.PreferredVersion.GroupVersion + "/" + path
	var machine metav1.PartialObjectMetadata
	if err := c.raw(ctx, full, &machine); err != nil {
		return "", nil, err
	}
	if v, ok := machine.Annotations[annotationSkip]; ok {
		value = &v
	}
	return full, value, nil
}

func (c *Cluster) raw(ctx context.Context, path string, into any) error {
	data, err := c.core.RESTClient().Get().AbsPath(path).DoRaw(ctx)
	if apierrors.IsNotFound(err) {
		return errNoMachine
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// machinesText speaks of nodes that cluster-api made: its controllers, MachineHealthChecks among them, may run in
// another cluster, where nothing of them is seen.
func (c *Cluster) machinesText(ctx context.Context) []string {
	var names []string
	path := ""
	for _, n := range c.nodes.all() {
		if n.Annotations[annotationMachine] != "" {
			names = append(names, n.Name)
			path, _ = machineOf(n)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	text := fmt.Sprintf("%d nodes (%s, …) belong to Machines of cluster-api: a MachineHealthCheck may replace one while it is being worked on; ", len(names), names[0])
	if c.looks {
		return []string{text + "a run keeps claimed nodes from it where its account may " + strings.Join(machineRule.Verbs, " and ") + " Machines"}
	}
	_, _, err := c.skipped(ctx, path)
	if may, _ := c.allowed(ctx, machineRule, "patch"); err == nil && may {
		return []string{text + "claimed nodes are kept from it by " + annotationSkip + " on their Machine"}
	}
	byHand := "where there is one: kubectl annotate machine NAME " + annotationSkip + "=, in the management cluster, for the time of the run"
	if !errors.Is(err, errNoMachine) {
		byHand += "; a run does so by itself where it " + strings.Replace(machineRule.missing(), "may not", "may", 1)
	}
	return []string{text + byHand}
}
