package kubetest

import (
	"cmp"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// syncReplicaSet keeps as many pods as are wanted; those that are ending or have ended don't count.
func (s *Server) syncReplicaSet(at key) {
	r := s.tables[replicaSets].get(at)
	if r == nil || r.obj.GetDeletionTimestamp() != nil {
		return
	}
	set := r.obj.(*appsv1.ReplicaSet)
	active := activePods(s.owners.podsOf(set.UID))
	for i := len(active); i < int(*set.Spec.Replicas); i++ {
		p := podFrom(set, replicaSets, &set.Spec.Template)
		p.GenerateName = set.Name + "-"
		if _, err := s.create(pods, p, false); err != nil {
			s.work.after(retryRefused, runReplicaSet, at)
			break
		}
	}
	if surplus := len(active) - int(*set.Spec.Replicas); surplus > 0 {
		slices.SortStableFunc(active, leastUseful)
		for _, p := range active[:surplus] {
			_, _, _ = s.delete(pods, keyOf(p), metav1.DeleteOptions{}, false)
		}
	}
	active = activePods(s.owners.podsOf(set.UID))
	s.change(replicaSets, at, func(o Object) {
		set := o.(*appsv1.ReplicaSet)
		set.Status.ObservedGeneration, set.Status.Replicas = set.Generation, int32(len(active))
		set.Status.FullyLabeledReplicas, set.Status.ReadyReplicas = int32(len(active)), countReady(active)
		set.Status.AvailableReplicas = set.Status.ReadyReplicas
	})
}

// leastUseful sorts the pods that may go first: without a node, not Ready, then the youngest.
func leastUseful(a, b *corev1.Pod) int {
	rank := func(p *corev1.Pod) int {
		switch {
		case p.Spec.NodeName == "":
			return 0
		case !ready(p):
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), b.CreationTimestamp.Compare(a.CreationTimestamp.Time))
}

func activePods(all []*corev1.Pod) []*corev1.Pod {
	return slices.DeleteFunc(all, func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil || finished(p) })
}

func countReady(all []*corev1.Pod) (n int32) {
	for _, p := range all {
		if ready(p) {
			n++
		}
	}
	return n
}

// podFrom makes a pod of an owner's template.
func podFrom(owner Object, k *kind, template *corev1.PodTemplateSpec) *corev1.Pod {
	template = template.DeepCopy()
	p := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	p.Namespace = owner.GetNamespace()
	p.OwnerReferences = []metav1.OwnerReference{controls(owner, k)}
	return p
}

func controls(owner Object, k *kind) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{
		APIVersion: k.apiVersion(), Kind: k.name, Name: owner.GetName(), UID: owner.GetUID(), Controller: &yes, BlockOwnerDeletion: &yes,
	}
}

// collect deletes what a deleted owner controlled.
func (s *Server) collect(uid string) {
	for at, r := range s.owners[types.UID(uid)] {
		if r.obj.GetDeletionTimestamp() == nil {
			_, _, _ = s.delete(at.kind, at.key, metav1.DeleteOptions{}, false)
		}
	}
}
