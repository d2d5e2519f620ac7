package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
)

// Open lets pods onto a node that run holds, whatever was found there: a spare is cordoned by whoever owns it, and serves
// all the same while the run lasts. What Claim recorded stays, so that Release gives the node back as it was. On a node that
// run doesn't hold it changes nothing, so it is safe to repeat.
func (c *Cluster) Open(ctx context.Context, node, run string) error {
	return c.edit(ctx, node, "open", func(n *corev1.Node) error {
		c.holdings.putBack(n, run)
		if n.Annotations[AnnotationRun] != run {
			return nil
		}
		n.Spec.Unschedulable = false
		if flatMap(n.Annotations[AnnotationState])[FactExcluded] == "false" {
			delete(n.Labels, LabelExcludeLB)
		}
		dropTaint(n)
		return nil
	})
}
