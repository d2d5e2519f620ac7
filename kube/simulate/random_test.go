package simulate_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/simulate"
)

// strange is a cluster made by chance of all that is followed, and a run over it: more of it at once than any cluster has.
func strange(r *rand.Rand) (*cluster, []simulate.Turn) {
	chance := func(one int) bool { return r.IntN(one) == 0 }
	c := nodes(2 + r.IntN(8))
	name := func() string { return c.Nodes[r.IntN(len(c.Nodes))].Name }
	c.node(name(), dedicated)
	for i, n := range c.Nodes {
		n.Labels["pool"] = fmt.Sprint(i % 3)
		n.Spec.Unschedulable = chance(20)
	}
	for app := range 2 + r.IntN(8) {
		on := ""
		for range 1 + r.IntN(5) {
			on += name() + " "
		}
		c.pods(fmt.Sprintf("app-%d", app), []string{"100m", "500m", "900m", "1500m"}[r.IntN(4)], on, habits(r)...)
		if chance(2) {
			c.budget(fmt.Sprintf("app-%d", app), r.IntN(3))
		}
		if chance(2) {
			c.service(fmt.Sprintf("app-%d", app))
		}
	}
	if chance(3) {
		c.quota("pods", fmt.Sprint(len(c.Pods)))
	}
	c.attachable(1+r.IntN(3), name(), name())
	last := []string{"", "surge", "block", "allow"}[r.IntN(4)]
	c.rules(func(r *simulate.Rules) { r.Last = last })
	var turns []simulate.Turn
	for i, n := range c.Nodes {
		turns = append(turns, simulate.Turn{Node: n.Name, At: time.Duration(r.IntN(1+i*3)) * time.Minute, Takes: time.Duration(1+r.IntN(20)) * time.Minute,
			Keeps: chance(12), Opens: chance(20)})
	}
	return c, turns
}

// habits are some of what pods can be like.
func habits(r *rand.Rand) (chosen []func(*corev1.Pod)) {
	for _, h := range []func(*corev1.Pod){important(int32(r.IntN(4))), polite, apart(corev1.LabelHostname), apart(corev1.LabelTopologyZone),
		together(fmt.Sprintf("app-%d", r.IntN(5))), spread(corev1.LabelTopologyZone), picky("pool", "1"), tolerant, tolerateAll, listening("UDP", ""), bare, claiming, notReady,
		aloof, func(p *corev1.Pod) { p.Namespace = "other" },
		func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Requests["example.com/gpu"] = resource.MustParse("1")
		}} {
		if r.IntN(6) == 0 {
			chosen = append(chosen, h)
		}
	}
	return chosen
}

// aloof keeps one app of all namespaces off its node.
func aloof(p *corev1.Pod) {
	p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
		TopologyKey: corev1.LabelHostname, NamespaceSelector: &metav1.LabelSelector{}, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "app-1"}}}}}}
}

// TestCountsAreAsCountedAnew: whatever pods do, what is counted as they come and go is what is there; and each play ends.
func TestCountsAreAsCountedAnew(t *testing.T) {
	for seed := range uint64(150) {
		c, turns := strange(rand.New(rand.NewPCG(seed, 7)))
		if wrong := simulate.Miscounted(c.World, turns); wrong != "" {
			t.Fatalf("world %d: %s", seed, wrong)
		}
	}
}
