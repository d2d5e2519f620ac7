package kube

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestListen(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddDeployment("shop", "web", 2, nil)) }, func(w *world) {
		w.must(w.Add(&corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "e1"}, Reason: "NodeNotReady", LastTimestamp: metav1.NewTime(time.Now())}))
		h, err := w.c.Listen(w.ctx)
		w.must(err)
		if len(h.Nodes) != 3 || len(h.Pods) < 2 || len(h.Events) != 1 || h.Events[0].Reason != "NodeNotReady" {
			t.Errorf("heard %d nodes, %d pods, %+v", len(h.Nodes), len(h.Pods), h.Events)
		}
		w.Refuse(true)
		if _, err := w.c.Listen(w.ctx); err == nil {
			t.Error("an API server that is away said something")
		}
	})
}
