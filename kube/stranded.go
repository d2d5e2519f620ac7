package kube

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// stranded follows the pods that come in place of those we evicted: while one of them finds no node, closing another
// would make it worse.
type stranded struct {
	mu     sync.Mutex
	owners map[types.UID]map[types.UID]bool // controllers we evicted from → their pods that had no node before that
}

// evicting is told before each eviction, with the pods that have no node now: those aren't our doing.
func (s *stranded) evicting(p pod, unplaced []pod) {
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owners == nil {
		s.owners = map[types.UID]map[types.UID]bool{}
	}
	if s.owners[owner.UID] != nil {
		return
	}
	before := map[types.UID]bool{}
	for _, other := range unplaced {
		if metav1.IsControlledBy(other, &metav1.ObjectMeta{UID: owner.UID}) {
			before[other.UID] = true
		}
	}
	s.owners[owner.UID] = before
}

// concerns says that p has no node and may be there in place of a pod that we evicted.
func (s *stranded) concerns(p pod) bool {
	if p == nil || p.Spec.NodeName != "" {
		return false
	}
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, ours := s.owners[owner.UID]
	return ours && !before[p.UID]
}

// Stranded lists the pods that came in place of those we evicted and that the scheduler can't place, each with what it
// says: "shop/web-x: 0/4 nodes are available: …". Pods that were unplaced before our first eviction don't count.
func (c *Cluster) Stranded() []string {
	var list []string
	for _, p := range c.pods.of(onNode("")) {
		if message, can := unschedulable(p); can && !ending(p) && c.stranded.concerns(p) {
			list = append(list, keyOf(p)+": "+message)
		}
	}
	slices.Sort(list)
	return list
}

func unschedulable(p pod) (message string, is bool) {
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
			return condition.Message, true
		}
	}
	return "", false
}
