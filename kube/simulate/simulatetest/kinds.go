package simulatetest

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The kinds of workloads. What becomes of each doesn't hang on which of several nodes the scheduler likes best.

// roomy can always move.
func roomy(w *World, r *rand.Rand) {
	n := 2 + r.IntN(4)
	w.deployment("roomy", n, 1)
	switch r.IntN(4) {
	case 0:
		w.budget("roomy", "roomy", fmt.Sprint(n-1), "")
	case 1:
		w.budget("roomy", "roomy", "", "1")
	case 2:
		w.budget("roomy", "roomy", "", "50%")
	}
	if r.IntN(2) == 0 {
		w.service("roomy")
	}
}

// strict never can.
func strict(w *World, r *rand.Rand) {
	n := 1 + r.IntN(3)
	w.deployment("strict", n, 1)
	if r.IntN(2) == 0 {
		w.budget("strict", "strict", "100%", "")
	} else {
		w.budget("strict", "strict", "", "0")
	}
}

// apart has a pod on each node, or on each but one, and never two on one.
func apart(w *World, r *rand.Rand) {
	w.deployment("apart", len(w.Nodes)-r.IntN(2), 1, func(s *corev1.PodSpec) {
		s.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			LabelSelector: selects("apart"), TopologyKey: corev1.LabelHostname}}}}
	})
	w.budget("apart", "apart", "", "1")
}

// pinned can run on one node alone.
func pinned(w *World, r *rand.Rand) {
	node := w.Nodes[r.IntN(len(w.Nodes))]
	w.deployment("pinned", 1+r.IntN(2), 1, func(s *corev1.PodSpec) { s.NodeSelector[corev1.LabelHostname] = node })
	if r.IntN(2) == 0 {
		w.budget("pinned", "pinned", "1", "")
	}
}

func stateful(w *World, r *rand.Rand) {
	w.statefulSet("stateful", 1+r.IntN(3), 1)
	if r.IntN(3) > 0 {
		w.budget("stateful", "stateful", "", "1")
	}
	if r.IntN(2) == 0 {
		w.service("stateful")
	}
}

// bare is a pod that nobody makes anew.
func bare(w *World, r *rand.Rand) {
	for i := range 1 + r.IntN(2) {
		name := fmt.Sprintf("bare-%d", i)
		t := w.template(name, 1)
		w.Objects = append(w.Objects, &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: w.meta(name), Spec: t.Spec})
		w.Pods, w.Ready = w.Pods+1, w.Ready+1
	}
}

// ill has a pod that is never ready beside those that are, under one budget.
func ill(w *World, r *rand.Rand) {
	w.deployment("ill", 2, 1)
	w.deployment("sick", 1, 1, func(s *corev1.PodSpec) { s.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: NeverReady}} })
	w.Ready--
	b := w.budget("ill", "ill", fmt.Sprint(1+r.IntN(2)), "")
	b.Spec.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{"ill", "sick"}}}}
	if r.IntN(2) == 0 {
		always := policyv1.AlwaysAllow
		b.Spec.UnhealthyPodEvictionPolicy = &always
	}
}

// full leaves no room for a pod of its own anywhere.
func full(w *World, r *rand.Rand) {
	each := 1 + r.IntN(2)
	w.deployment("full", each*len(w.Nodes), (w.Slots-5)/each)
	if r.IntN(3) > 0 {
		w.budget("full", "full", "", "1")
	}
}

func twoBudgets(w *World, r *rand.Rand) {
	w.deployment("double", 2+r.IntN(2), 1)
	w.budget("double", "double", "1", "")
	w.budget("again", "double", "", "1")
}

// single is a Service's only endpoint.
func single(w *World, r *rand.Rand) {
	if r.IntN(2) == 0 {
		w.deployment("single", 1, 1)
	} else {
		w.statefulSet("single", 1, 1)
	}
	w.service("single")
}

// zones are evenly in both zones.
func zones(w *World, r *rand.Rand) {
	w.RealScheduler = true
	w.deployment("zones", 4, 1, func(s *corev1.PodSpec) {
		s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: LabelZone,
			WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: selects("zones")}}
	})
	if r.IntN(2) == 0 {
		w.budget("zones", "zones", "", "1")
	}
}

// beside runs in the zone of another.
func beside(w *World, r *rand.Rand) {
	w.RealScheduler = true
	zone := []string{"a", "b"}[r.IntN(2)]
	w.deployment("anchor", 1, 1, func(s *corev1.PodSpec) { s.NodeSelector[LabelZone] = zone })
	w.deployment("beside", 2, 1, func(s *corev1.PodSpec) {
		s.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			LabelSelector: selects("anchor"), TopologyKey: LabelZone}}}}
	})
	w.budget("beside", "beside", "1", "")
}
