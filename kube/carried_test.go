package kube

import "testing"

// TestCarried: what a node carries is what could as well run elsewhere.
func TestCarried(t *testing.T) {
	fill := func(w *world) {
		w.must(w.AddDeployment("shop", "web", 3, nil))
		w.must(w.AddDaemonSet("kube-system", "cni", nil))
	}
	inWorld(t, fill, func(w *world) {
		total := 0
		for _, n := range w.c.Carried() {
			total += n
		}
		if total != 3 {
			t.Errorf("%d pods, want the Deployment's 3: %v", total, w.c.Carried())
		}
	})
}
