package kube

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// OutOfService sets or takes off the taint node.kubernetes.io/out-of-service on a node that run holds. It makes Kubernetes
// free the volumes of pods that it still counts there and delete those pods, so it is only for a machine that is surely off.
// Safe to repeat.
func (c *Cluster) OutOfService(ctx context.Context, node, run string, on bool) error {
	return c.edit(ctx, node, "out of service", func(n *corev1.Node) error {
		c.holdings.putBack(n, run)
		if err := mustHold(n, run); err != nil {
			return err
		}
		n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeOutOfService })
		if on {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute})
		}
		return nil
	})
}
