package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// TestOpenSpare: a spare that its owner keeps cordoned serves while it is lent, and is cordoned again when it is given back.
func TestOpenSpare(t *testing.T) {
	for name, cordoned := range map[string]bool{"a spare that is kept cordoned": true, "one that isn't": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.must(kubetest.Change(w.Server, "", "n1", func(n *corev1.Node) { n.Spec.Unschedulable = cordoned }))
				_, err := w.c.Claim(w.ctx, "n1", "run-1", map[string]string{"power": "off"})
				w.must(err)
				w.must(w.c.Open(w.ctx, "n1", "run-2"))
				if !w.node("n1").Spec.Unschedulable {
					t.Error("another run opened it")
				}
				w.must(w.c.Open(w.ctx, "n1", "run-1"))
				w.must(w.c.Open(w.ctx, "n1", "run-1"))
				n := w.node("n1")
				if _, excluded := n.Labels[LabelExcludeLB]; n.Spec.Unschedulable || len(n.Spec.Taints) > 0 || excluded {
					t.Errorf("not open: %+v, labels %v", n.Spec, n.Labels)
				}
				if state := flatMap(n.Annotations[AnnotationState]); state["power"] != "off" || n.Annotations[AnnotationRun] != "run-1" {
					t.Errorf("the record is gone: %v", n.Annotations)
				}
				_, err = w.c.Claim(w.ctx, "n1", "run-1", nil)
				w.must(err)
				w.must(w.c.Release(w.ctx, "n1", "run-1", nil))
				n = w.node("n1")
				if n.Spec.Unschedulable != cordoned || len(n.Annotations) > 0 {
					t.Errorf("not as it was found: %+v, %v", n.Spec, n.Annotations)
				}
			})
		})
	}
}
