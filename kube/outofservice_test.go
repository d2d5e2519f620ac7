package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestOutOfService: set and taken off on a node that we hold, and on no other; both are safe to repeat.
func TestOutOfService(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		if err := w.c.OutOfService(w.ctx, "n1", "run-1", true); err == nil {
			t.Error("set on a node that nobody holds")
		}
		if _, err := w.c.Claim(w.ctx, "n1", "run-1", nil); err != nil {
			t.Fatal(err)
		}
		for _, on := range []bool{true, true, false, false} {
			if err := w.c.OutOfService(w.ctx, "n1", "run-1", on); err != nil {
				t.Fatal(err)
			}
			taints := w.node("n1").Spec.Taints
			n := 0
			for _, taint := range taints {
				if taint == (corev1.Taint{Key: "node.kubernetes.io/out-of-service", Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}) {
					n++
				}
			}
			if n != map[bool]int{true: 1, false: 0}[on] {
				t.Errorf("told %v: %v", on, taints)
			}
		}
		if err := w.c.OutOfService(w.ctx, "n1", "run-2", true); err == nil {
			t.Error("set on a node that another run holds")
		}
	})
}
