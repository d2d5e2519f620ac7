package kubetest

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// disruptedFor is how long an eviction whose pod stays counts, as DeletionTimeout of the disruption controller.
const disruptedFor = 2 * time.Minute

// syncBudget computes a budget's status as kubernetes/pkg/controller/disruption does.
func (s *Server) syncBudget(at key) {
	r := s.tables[budgets].get(at)
	if r == nil {
		return
	}
	selected := sortedPods(s.members[string(r.obj.GetUID())])
	expected, desired := s.expected(&r.obj.(*policyv1.PodDisruptionBudget).Spec, selected)
	s.change(budgets, at, func(o Object) {
		b := o.(*policyv1.PodDisruptionBudget)
		s.keepDisrupted(b, selected)
		healthy := int32(0)
		for _, p := range selected {
			if _, going := b.Status.DisruptedPods[p.Name]; !going && p.DeletionTimestamp == nil && ready(p) {
				healthy++
			}
		}
		b.Status.ExpectedPods, b.Status.DesiredHealthy, b.Status.CurrentHealthy = expected, desired, healthy
		b.Status.DisruptionsAllowed = max(0, healthy-desired)
		if expected <= 0 {
			b.Status.DisruptionsAllowed = 0
		}
		b.Status.ObservedGeneration = b.Generation
		updateAllowedCondition(b)
	})
}

// keepDisrupted forgets evictions whose pod is ending, gone, or has stayed for too long.
func (s *Server) keepDisrupted(b *policyv1.PodDisruptionBudget, selected []*corev1.Pod) {
	kept := map[string]metav1.Time{}
	for _, p := range selected {
		since, ok := b.Status.DisruptedPods[p.Name]
		if !ok || p.DeletionTimestamp != nil {
			continue
		}
		if left := time.Until(since.Add(disruptedFor)); left > 0 {
			kept[p.Name] = since
			s.work.after(left, runBudget, keyOf(b))
		}
	}
	b.Status.DisruptedPods = kept
	if len(kept) == 0 {
		b.Status.DisruptedPods = nil
	}
}

// expected returns how many pods there should be, and how many of them must be healthy.
func (s *Server) expected(spec *policyv1.PodDisruptionBudgetSpec, selected []*corev1.Pod) (expected, desired int32) {
	switch {
	case spec.MaxUnavailable != nil:
		expected = s.expectedScale(selected)
		n, _ := intstr.GetScaledValueFromIntOrPercent(spec.MaxUnavailable, int(expected), true)
		return expected, max(0, expected-int32(n))
	case spec.MinAvailable == nil:
		return 0, 0
	case spec.MinAvailable.Type == intstr.Int:
		return int32(len(selected)), spec.MinAvailable.IntVal
	}
	expected = s.expectedScale(selected)
	n, _ := intstr.GetScaledValueFromIntOrPercent(spec.MinAvailable, int(expected), true)
	return expected, int32(n)
}

// expectedScale sums up the replicas of the pods' controllers.
func (s *Server) expectedScale(selected []*corev1.Pod) (sum int32) {
	seen := map[types.UID]bool{}
	for _, p := range selected {
		ref := metav1.GetControllerOfNoCopy(p)
		if ref == nil || seen[ref.UID] {
			continue
		}
		seen[ref.UID] = true
		sum += s.replicasOf(p.Namespace, ref)
	}
	return sum
}

// replicasOf looks through a ReplicaSet at its Deployment, whose number holds during a rollout.
func (s *Server) replicasOf(ns string, ref *metav1.OwnerReference) int32 {
	switch ref.Kind {
	case "ReplicaSet":
		r := s.tables[replicaSets].get(key{ns, ref.Name})
		if r == nil {
			return 0
		}
		if up := metav1.GetControllerOfNoCopy(r.obj); up != nil && up.Kind == "Deployment" {
			if d := s.tables[deployments].get(key{ns, up.Name}); d != nil {
				return *d.obj.(*appsv1.Deployment).Spec.Replicas
			}
		}
		return *r.obj.(*appsv1.ReplicaSet).Spec.Replicas
	case "StatefulSet":
		if r := s.tables[statefulSets].get(key{ns, ref.Name}); r != nil {
			return *r.obj.(*appsv1.StatefulSet).Spec.Replicas
		}
	}
	return 0
}
