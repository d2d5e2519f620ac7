package kubetest

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A taint PreferNoSchedule sends pods to nodes without it, however crowded, and keeps none from a node where all have it.
func TestSoftTaint(t *testing.T) {
	mild := func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "mild", Effect: corev1.TaintEffectPreferNoSchedule})
	}
	in(t, 2, func(t *testing.T, b *bench) {
		s := b.Server
		must(t, Change(s, "", "n1", mild))
		must(t, s.AddDeployment("shop", "web", 6, nil))
		time.Sleep(5 * time.Second)
		for _, p := range List[*corev1.Pod](s, "shop") {
			if p.Spec.NodeName != "n2" {
				t.Errorf("%s is on %q", p.Name, p.Spec.NodeName)
			}
		}
		must(t, Change(s, "", "n2", mild))
		must(t, s.AddDeployment("shop", "api", 4, nil))
		time.Sleep(5 * time.Second)
		on := map[string]int{}
		for _, p := range List[*corev1.Pod](s, "shop") {
			on[p.Spec.NodeName]++
		}
		if on[""] > 0 || on["n1"] == 0 {
			t.Errorf("pods on %v", on)
		}
	})
}
