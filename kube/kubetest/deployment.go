package kubetest

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const hashLabel = "pod-template-hash"

// syncDeployment keeps one ReplicaSet for the template as it is now, and moves the pods to it as surge and unavailability
// allow.
func (s *Server) syncDeployment(at key) {
	r := s.tables[deployments].get(at)
	if r == nil || r.obj.GetDeletionTimestamp() != nil {
		return
	}
	d := r.obj.(*appsv1.Deployment)
	current, old := s.replicaSetsOf(d)
	if current == nil {
		if current = s.newReplicaSet(d, len(old) == 0); current == nil {
			return
		}
	}
	s.roll(d, current, old)
	s.showDeployment(at, d, current)
}

func (s *Server) replicaSetsOf(d *appsv1.Deployment) (current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) {
	hash := templateHash(&d.Spec.Template)
	for at, r := range s.owners[d.UID] {
		if at.kind != replicaSets {
			continue
		}
		if set := r.obj.(*appsv1.ReplicaSet); set.Labels[hashLabel] == hash {
			current = set
		} else {
			old = append(old, set)
		}
	}
	slices.SortFunc(old, func(a, b *appsv1.ReplicaSet) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return current, old
}

func templateHash(t *corev1.PodTemplateSpec) string {
	h := fnv.New32a()
	_, _ = h.Write(encode(t))
	return fmt.Sprintf("%08x", h.Sum32())
}

// newReplicaSet starts with all replicas if it is the Deployment's first.
func (s *Server) newReplicaSet(d *appsv1.Deployment, first bool) *appsv1.ReplicaSet {
	hash := templateHash(&d.Spec.Template)
	replicas := int32(0)
	if first {
		replicas = *d.Spec.Replicas
	}
	template := d.Spec.Template.DeepCopy()
	template.Labels = with(template.Labels, hashLabel, hash)
	selector := d.Spec.Selector.DeepCopy()
	if selector == nil {
		selector = &metav1.LabelSelector{}
	}
	selector.MatchLabels = with(selector.MatchLabels, hashLabel, hash)
	set := &appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Replicas: &replicas, Selector: selector, Template: *template}}
	set.Name, set.Namespace, set.Labels = d.Name+"-"+hash, d.Namespace, with(d.Labels, hashLabel, hash)
	set.OwnerReferences = []metav1.OwnerReference{controls(d, deployments)}
	r, err := s.create(replicaSets, set, false)
	if err != nil {
		return nil
	}
	return r.obj.(*appsv1.ReplicaSet)
}

// with returns a copy of labels with one more.
func with(labels map[string]string, name, value string) map[string]string {
	labels = maps.Clone(labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[name] = value
	return labels
}

// roll scales the ReplicaSets one step towards all pods in the current one.
func (s *Server) roll(d *appsv1.Deployment, current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) {
	want := int(*d.Spec.Replicas)
	surge, unavailable := budgetOfRollout(d)
	total, up := int(*current.Spec.Replicas), s.upOf(current)
	for _, set := range old {
		total += int(*set.Spec.Replicas)
		up += s.upOf(set)
	}
	now := int(*current.Spec.Replicas)
	target := min(want, now+max(0, want+surge-total))
	if len(old) == 0 || now > want {
		target = want
	}
	s.scale(current, target)
	spare := up - (want - unavailable)
	for _, set := range old {
		has := int(*set.Spec.Replicas)
		pending := has - s.upOf(set)
		less := min(has, pending+max(0, spare))
		spare -= max(0, less-pending)
		s.scale(set, has-less)
	}
}

// upOf counts Ready pods, without those that an order to scale down has yet to end.
func (s *Server) upOf(set *appsv1.ReplicaSet) int {
	return int(min(*set.Spec.Replicas, countReady(activePods(s.owners.podsOf(set.UID)))))
}

// budgetOfRollout resolves maxSurge (rounded up) and maxUnavailable (rounded down) as the real controller does.
func budgetOfRollout(d *appsv1.Deployment) (surge, unavailable int) {
	want := int(*d.Spec.Replicas)
	rolling := d.Spec.Strategy.RollingUpdate
	if rolling == nil {
		return 0, want
	}
	surge, _ = intstr.GetScaledValueFromIntOrPercent(rolling.MaxSurge, want, true)
	unavailable, _ = intstr.GetScaledValueFromIntOrPercent(rolling.MaxUnavailable, want, false)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

func (s *Server) scale(set *appsv1.ReplicaSet, to int) {
	s.change(replicaSets, keyOf(set), func(o Object) {
		replicas := int32(to)
		o.(*appsv1.ReplicaSet).Spec.Replicas = &replicas
	})
}

func (s *Server) showDeployment(at key, d *appsv1.Deployment, current *appsv1.ReplicaSet) {
	var all []*corev1.Pod
	for child, r := range s.owners[d.UID] {
		if child.kind == replicaSets {
			all = append(all, activePods(s.owners.podsOf(r.obj.GetUID()))...)
		}
	}
	updated := activePods(s.owners.podsOf(current.UID))
	s.change(deployments, at, func(o Object) {
		status := &o.(*appsv1.Deployment).Status
		status.ObservedGeneration = o.GetGeneration()
		status.Replicas, status.UpdatedReplicas = int32(len(all)), int32(len(updated))
		status.ReadyReplicas, status.AvailableReplicas = countReady(all), countReady(all)
		status.UnavailableReplicas = max(0, *d.Spec.Replicas-status.AvailableReplicas)
	})
}
