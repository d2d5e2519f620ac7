package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Facts that a claim records by itself, beside those it is given.
const (
	FactCordoned = "cordoned" // "true": it was cordoned when we came, so it stays so
	FactExcluded = "excluded" // "true": it had the load balancers' label already
	FactExempt   = "exempt"   // keys we added that keep other controllers off the node, separated by commas
	FactReady    = "ready"    // when the last of its node-critical pods became ready, by the node's clock
	FactUnready  = "unready"  // the node-critical pods that weren't ready: nobody waits for them afterwards
)

// ClaimedError says that another run holds the node.
type ClaimedError struct{ Node, Run string }

func (e *ClaimedError) Error() string {
	return fmt.Sprintf("node %s: claim: run %s holds it; `fleetup run INVENTORY` picks that run up, `fleetup abort INVENTORY` gives its nodes back", e.Node, e.Run)
}

// ClaimedBy is the run that holds the node.
func (e *ClaimedError) ClaimedBy() string { return e.Run }

// Claim makes the node ours in one update: annotations, cordon, taint, load balancers' label. It returns what was
// recorded: facts and what it found. On a node that run holds already it makes all of it so again and returns the state
// recorded first; on another run's it is a *ClaimedError and changes nothing, unless that run failed on the node and left it.
func (c *Cluster) Claim(ctx context.Context, node, run string, facts map[string]string) (map[string]string, error) {
	var state map[string]string
	critical := c.criticalFacts(node)
	labels, annotations := c.keepOff()
	err := c.edit(ctx, node, "claim", func(n *corev1.Node) error {
		c.holdings.putBack(n, run)
		var err error
		if state, err = claim(n, run, facts, critical); err == nil {
			state = keepClaimed(n, state, labels, annotations)
		}
		return err
	})
	if err == nil {
		c.holdings.keep(node, run, state)
	}
	return state, err
}

// claim is what Claim does to the object.
func claim(n *corev1.Node, run string, facts, critical map[string]string) (map[string]string, error) {
	switch holder := n.Annotations[AnnotationRun]; {
	case holder != "" && holder != run && n.Annotations[AnnotationFailed] == "":
		return nil, &ClaimedError{Node: n.Name, Run: holder}
	case holder != "" && holder != run && flatMap(n.Annotations[AnnotationState]) != nil:
		setAnnotation(n, AnnotationState, flatText(inherited(flatMap(n.Annotations[AnnotationState]), facts)))
	case holder == "" || flatMap(n.Annotations[AnnotationState]) == nil: // without a record the cordon counts as somebody's
		setAnnotation(n, AnnotationState, flatText(found(n, facts, critical)))
	}
	setAnnotation(n, AnnotationRun, run)
	delete(n.Annotations, AnnotationFailed)
	n.Spec.Unschedulable = true
	setPending(n, "")
	setTaint(n, run)
	if n.Labels == nil {
		n.Labels = map[string]string{}
	}
	if _, ok := n.Labels[LabelExcludeLB]; !ok {
		n.Labels[LabelExcludeLB] = ""
	}
	return flatMap(n.Annotations[AnnotationState]), nil
}

// keepClaimed keeps other controllers off a node that was claimed, and adds to its state what that took.
func keepClaimed(n *corev1.Node, state map[string]string, labels, annotations []string) map[string]string {
	added := exempt(n, labels, annotations)
	if len(added) == 0 {
		return state
	}
	for _, key := range strings.Split(state[FactExempt], ",") {
		if key != "" && !slices.Contains(added, key) {
			added = append(added, key)
		}
	}
	state[FactExempt] = strings.Join(added, ",")
	setAnnotation(n, AnnotationState, flatText(state))
	return state
}

// found is what a first claim records.
func found(n *corev1.Node, facts, critical map[string]string) map[string]string {
	state := maps.Clone(facts)
	if state == nil {
		state = map[string]string{}
	}
	_, excluded := n.Labels[LabelExcludeLB]
	state[FactCordoned] = fmt.Sprint(n.Spec.Unschedulable)
	state[FactExcluded] = fmt.Sprint(excluded)
	maps.Copy(state, critical)
	return state
}

// inherited is the record of a node that an earlier run failed on and left: what that run found stays, for it is how
// the node was before anybody touched it, and what this one says of itself is added.
func inherited(state, facts map[string]string) map[string]string {
	merged := maps.Clone(facts)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, state)
	for _, own := range []string{"inventory", "changes", "order"} {
		if v, ok := facts[own]; ok {
			merged[own] = v
		}
	}
	return merged
}

// Note adds facts to what our claim records. It is an error where run doesn't hold the node.
func (c *Cluster) Note(ctx context.Context, node, run string, facts map[string]string) error {
	var state map[string]string
	err := c.edit(ctx, node, "note", func(n *corev1.Node) error {
		c.holdings.putBack(n, run)
		if err := mustHold(n, run); err != nil {
			return err
		}
		if state = flatMap(n.Annotations[AnnotationState]); state == nil {
			state = map[string]string{}
		}
		maps.Copy(state, facts)
		setAnnotation(n, AnnotationState, flatText(state))
		return nil
	})
	if err == nil {
		c.holdings.keep(node, run, state)
	}
	return err
}

// Untaint takes our taint off: DaemonSet pods don't tolerate it, and without them the node isn't whole. The cordon stays.
func (c *Cluster) Untaint(ctx context.Context, node, run string) error {
	return c.edit(ctx, node, "untaint", func(n *corev1.Node) error {
		c.holdings.putBack(n, run)
		if n.Annotations[AnnotationRun] == run {
			dropTaint(n)
		}
		return nil
	})
}

// Release gives the node back in one update: it removes what Claim added, and the cordon if Claim set it. last, unless
// nil, stays as the annotation fleetup.io/last. On a node that run doesn't hold it changes nothing, so it is safe to repeat;
// one that this process claimed, and that lost its annotations since, it still gives back as it was found.
func (c *Cluster) Release(ctx context.Context, node, run string, last map[string]string) error {
	err := c.edit(ctx, node, "release", func(n *corev1.Node) error {
		c.holdings.putBack(n, run)
		if n.Annotations[AnnotationRun] == run {
			release(n, last)
		}
		return nil
	})
	if err == nil {
		c.holdings.forget(node, run)
	}
	return err
}

func release(n *corev1.Node, last map[string]string) {
	state := flatMap(n.Annotations[AnnotationState])
	if state[FactCordoned] == "false" { // unreadable: nobody knows whose cordon it is, so it stays
		n.Spec.Unschedulable = false
	}
	if state[FactExcluded] == "false" {
		delete(n.Labels, LabelExcludeLB)
	}
	unexempt(n, state)
	dropTaint(n)
	for _, key := range []string{AnnotationRun, AnnotationState, AnnotationFailed} {
		delete(n.Annotations, key)
	}
	if last != nil {
		setAnnotation(n, AnnotationLast, flatText(last))
	}
}

// Remember leaves last on a node, as Release does, without a claim: for what is changed while the node stays open.
func (c *Cluster) Remember(ctx context.Context, node string, last map[string]string) error {
	return c.edit(ctx, node, "remember", func(n *corev1.Node) error {
		setAnnotation(n, AnnotationLast, flatText(last))
		return nil
	})
}

// Recorded is what the claim on a node recorded, and what the last run left there; nil where there is nothing.
func (c *Cluster) Recorded(node string) (state, last map[string]string) {
	n, _ := c.Node(node)
	return n.State, n.Last
}

// Fail writes why the node failed. Cordon and claim stay; the taint goes, or its CNI pods couldn't come back.
func (c *Cluster) Fail(ctx context.Context, node, run, why string) error {
	return c.edit(ctx, node, "mark as failed", func(n *corev1.Node) error {
		c.holdings.putBack(n, run)
		if err := mustHold(n, run); err != nil {
			return err
		}
		setAnnotation(n, AnnotationFailed, why)
		dropTaint(n)
		return nil
	})
}

// Uncordoned says that somebody else took the cordon off a node that run holds.
func (c *Cluster) Uncordoned(node, run string) bool {
	n, ok := c.nodes.get(node)
	return ok && n.Annotations[AnnotationRun] == run && !n.Spec.Unschedulable
}

func mustHold(n *corev1.Node, run string) error {
	if holder := n.Annotations[AnnotationRun]; holder != "" && holder != run {
		return &ClaimedError{Node: n.Name, Run: holder}
	} else if holder == "" {
		return fmt.Errorf("node %s: run %s doesn't hold it: somebody took the claim off", n.Name, run)
	}
	return nil
}

func setAnnotation(n *corev1.Node, key, value string) {
	if n.Annotations == nil {
		n.Annotations = map[string]string{}
	}
	n.Annotations[key] = value
}

func setTaint(n *corev1.Node, run string) {
	for i, t := range n.Spec.Taints {
		if t.Key == TaintMaintenance && t.Effect == corev1.TaintEffectNoSchedule {
			n.Spec.Taints[i].Value = run
			return
		}
	}
	n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: TaintMaintenance, Value: run, Effect: corev1.TaintEffectNoSchedule})
}

func dropTaint(n *corev1.Node) {
	n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(t corev1.Taint) bool { return strings.HasPrefix(t.Key, ours) })
}

// edit reads the node and writes what change made of it, with the resourceVersion that it read, again after a conflict.
// It waits out an API server that doesn't answer and a lease in doubt. A change that leaves the node as it is sends nothing.
func (c *Cluster) edit(ctx context.Context, node, operation string, change func(*corev1.Node) error) error {
	err := c.persist(ctx, "node "+node+": "+operation, func(ctx context.Context) error { return c.editOnce(ctx, node, change) })
	if err != nil {
		return inNode(node, operation, err)
	}
	return nil
}

func (c *Cluster) editOnce(ctx context.Context, node string, change func(*corev1.Node) error) error {
	before, err := c.core.Nodes().Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return err
	}
	return c.write(ctx, before, change)
}

// write sends the difference that change makes to the node, decided upon the version that before is.
func (c *Cluster) write(ctx context.Context, before *corev1.Node, change func(*corev1.Node) error) error {
	after := before.DeepCopy()
	if err := change(after); err != nil {
		return err
	}
	patch := nodePatch(before, after)
	if patch == nil {
		return nil
	}
	if err := c.guard.check(); err != nil { // last: the wait for an answer may have outlasted the lease
		return err
	}
	written, err := c.core.Nodes().Patch(ctx, before.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "fleetup"})
	if err == nil {
		c.nodes.trim(written)
		c.nodes.put(written)
	}
	return err
}

// nodePatch is the difference as a merge patch, nil where there is none. A patch, because a whole object written by an
// older client-go drops the fields of a newer API server; with the resourceVersion in it, it is refused like an update.
func nodePatch(before, after *corev1.Node) []byte {
	metadata, spec := map[string]any{}, map[string]any{}
	if d := mapPatch(before.Annotations, after.Annotations); d != nil {
		metadata["annotations"] = d
	}
	if d := mapPatch(before.Labels, after.Labels); d != nil {
		metadata["labels"] = d
	}
	if before.Spec.Unschedulable != after.Spec.Unschedulable {
		spec["unschedulable"] = nilUnless(after.Spec.Unschedulable, after.Spec.Unschedulable)
	}
	if !equality.Semantic.DeepEqual(before.Spec.Taints, after.Spec.Taints) {
		spec["taints"] = nilUnless(after.Spec.Taints, len(after.Spec.Taints) > 0)
	}
	if len(metadata) == 0 && len(spec) == 0 {
		return nil
	}
	metadata["resourceVersion"] = before.ResourceVersion
	patch := map[string]any{"metadata": metadata}
	if len(spec) > 0 {
		patch["spec"] = spec
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return nil // strings, booleans and taints always marshal
	}
	return text
}

func nilUnless(value any, wanted bool) any {
	if wanted {
		return value
	}
	return nil
}

func mapPatch(before, after map[string]string) map[string]any {
	var patch map[string]any
	set := func(key string, value any) {
		if patch == nil {
			patch = map[string]any{}
		}
		patch[key] = value
	}
	for key, value := range after {
		if old, ok := before[key]; !ok || old != value {
			set(key, value)
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			set(key, nil)
		}
	}
	return patch
}

// inNode says where an error happened, unless it says so itself.
func inNode(node, operation string, err error) error {
	if text := err.Error(); strings.HasPrefix(text, "node "+node+":") {
		return err
	}
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("node %s: %s: the cluster has no such node: %w", node, operation, err)
	}
	return fmt.Errorf("node %s: %s: %w", node, operation, explain("", err))
}
