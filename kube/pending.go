package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// TaintPending is what nodes still to come carry, with the run as its value and the effect PreferNoSchedule: evicted pods
// rather go to nodes that are done, where they stay, than to one that they must leave again. It keeps nothing away.
const TaintPending = "fleetup.io/pending"

// Pend makes the soft taint stand on exactly these nodes, whoever put it where: an earlier process that was killed, or
// another run, for which there is no room beside the one that holds the lease. A claimed node never gets it. Where it
// stands right nothing is sent, so it is safe to repeat. It waits out an API server that doesn't answer until ctx ends,
// tries every node, and names the first that couldn't be changed. It is refused while the lease is in doubt.
func (c *Cluster) Pend(ctx context.Context, run string, nodes []string) error {
	if err := c.guard.check(); err != nil {
		return fmt.Errorf("taint %s: %w", TaintPending, err)
	}
	var sent sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	for _, n := range c.nodes.all() {
		wanted := ""
		if slices.Contains(nodes, n.Name) && n.Annotations[AnnotationRun] == "" {
			wanted = run
		}
		if pendingFor(n) == wanted {
			continue
		}
		sent.Go(func() {
			if err := c.pend(ctx, n, wanted); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
			}
		})
	}
	sent.Wait()
	if len(failed) == 0 {
		return nil
	}
	slices.SortFunc(failed, func(a, b error) int { return compareText(a, b) })
	if len(failed) > 1 {
		return fmt.Errorf("%w; and %d more nodes", failed[0], len(failed)-1)
	}
	return failed[0]
}

func compareText(a, b error) int {
	switch x, y := a.Error(), b.Error(); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// pend writes upon what the watch last told, which spares a question a node; where that is old it asks.
func (c *Cluster) pend(ctx context.Context, known *corev1.Node, run string) error {
	select {
	case c.sending <- true:
		defer func() { <-c.sending }()
	case <-ctx.Done():
		return fmt.Errorf("node %s: taint %s: %w", known.Name, TaintPending, context.Cause(ctx))
	}
	change := func(n *corev1.Node) error {
		setPending(n, run)
		return nil
	}
	attempt, cancel := context.WithTimeout(ctx, requestTimeout)
	err := c.write(attempt, known, change)
	cancel()
	if apierrors.IsConflict(err) || away(err) {
		err = c.edit(ctx, known.Name, "taint", change)
	}
	if err == nil || apierrors.IsNotFound(errors.Unwrap(err)) || apierrors.IsNotFound(err) {
		return nil // a node that was removed meanwhile carries nothing
	}
	return inNode(known.Name, "taint", err)
}

// pendingFor is the run that the node waits for; "" where it carries no such taint.
func pendingFor(n *corev1.Node) string {
	for _, t := range n.Spec.Taints {
		if t.Key == TaintPending {
			return t.Value
		}
	}
	return ""
}

// setPending puts the taint on for run, or takes it off for "". A node that was claimed meanwhile is at its turn.
func setPending(n *corev1.Node, run string) {
	n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == TaintPending })
	if run != "" && n.Annotations[AnnotationRun] == "" {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: TaintPending, Value: run, Effect: corev1.TaintEffectPreferNoSchedule})
	}
}
