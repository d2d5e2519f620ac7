package kubetest

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// syncStatefulSet keeps one pod for each ordinal: under its old name with a new UID, and only once the old one is gone.
func (s *Server) syncStatefulSet(at key) {
	r := s.tables[statefulSets].get(at)
	if r == nil || r.obj.GetDeletionTimestamp() != nil {
		return
	}
	set := r.obj.(*appsv1.StatefulSet)
	revision := set.Name + "-" + templateHash(&set.Spec.Template)
	s.fillOrdinals(set, revision)
	s.trimOrdinals(set)
	s.updateOrdinals(set, revision)
	all := activePods(s.owners.podsOf(set.UID))
	s.change(statefulSets, at, func(o Object) {
		status := &o.(*appsv1.StatefulSet).Status
		status.ObservedGeneration, status.Replicas = o.GetGeneration(), int32(len(all))
		status.ReadyReplicas, status.AvailableReplicas = countReady(all), countReady(all)
		status.UpdateRevision, status.UpdatedReplicas = revision, countRevision(all, revision)
		if status.UpdatedReplicas == *set.Spec.Replicas || status.CurrentRevision == "" {
			status.CurrentRevision = revision
		}
		status.CurrentReplicas = countRevision(all, status.CurrentRevision)
	})
}

func (s *Server) ordinal(set *appsv1.StatefulSet, i int) *corev1.Pod {
	return asPod(s.tables[pods].get(key{set.Namespace, fmt.Sprintf("%s-%d", set.Name, i)}))
}

// fillOrdinals makes the pods that miss; in order, each after its predecessor is Ready, unless the policy is Parallel.
func (s *Server) fillOrdinals(set *appsv1.StatefulSet, revision string) {
	ordered := set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
	for i := range int(*set.Spec.Replicas) {
		p := s.ordinal(set, i)
		if p != nil && finished(p) && p.DeletionTimestamp == nil {
			_, _, _ = s.delete(pods, keyOf(p), metav1.DeleteOptions{}, false)
			p = s.ordinal(set, i)
		}
		if p == nil {
			p = s.createOrdinal(set, i, revision)
		}
		if ordered && (p == nil || !ready(p) || p.DeletionTimestamp != nil) {
			return
		}
	}
}

func (s *Server) createOrdinal(set *appsv1.StatefulSet, i int, revision string) *corev1.Pod {
	p := podFrom(set, statefulSets, &set.Spec.Template)
	p.Name = fmt.Sprintf("%s-%d", set.Name, i)
	p.Labels = with(p.Labels, appsv1.StatefulSetPodNameLabel, p.Name)
	p.Labels[appsv1.PodIndexLabel] = fmt.Sprint(i)
	p.Labels[appsv1.ControllerRevisionHashLabelKey] = revision
	p.Spec.Hostname, p.Spec.Subdomain = p.Name, set.Spec.ServiceName
	for _, template := range set.Spec.VolumeClaimTemplates {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: template.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: s.claimFor(set, &template, p.Name)},
		}})
	}
	r, err := s.create(pods, p, false)
	if err != nil {
		s.work.after(retryRefused, runStatefulSet, keyOf(set))
		return nil
	}
	return r.obj.(*corev1.Pod)
}

// claimFor makes the claim of one ordinal, which stays when the pod goes.
func (s *Server) claimFor(set *appsv1.StatefulSet, template *corev1.PersistentVolumeClaim, pod string) string {
	claim := template.DeepCopy()
	claim.Name, claim.Namespace = template.Name+"-"+pod, set.Namespace
	if s.tables[claims].get(keyOf(claim)) == nil {
		_, _ = s.create(claims, claim, false)
	}
	return claim.Name
}

// trimOrdinals ends the highest ordinal above the wanted number.
func (s *Server) trimOrdinals(set *appsv1.StatefulSet) {
	for i := int(*set.Spec.Replicas); ; i++ {
		p := s.ordinal(set, i)
		if p == nil {
			return
		}
		if s.ordinal(set, i+1) == nil && p.DeletionTimestamp == nil {
			_, _, _ = s.delete(pods, keyOf(p), metav1.DeleteOptions{}, false)
		}
	}
}

// updateOrdinals ends the highest pod of an older template, once all pods are Ready.
func (s *Server) updateOrdinals(set *appsv1.StatefulSet, revision string) {
	if set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		return
	}
	all := activePods(s.owners.podsOf(set.UID))
	if countReady(all) < *set.Spec.Replicas {
		return
	}
	for i := int(*set.Spec.Replicas) - 1; i >= 0; i-- {
		if p := s.ordinal(set, i); p != nil && p.Labels[appsv1.ControllerRevisionHashLabelKey] != revision {
			_, _, _ = s.delete(pods, keyOf(p), metav1.DeleteOptions{}, false)
			return
		}
	}
}

func countRevision(all []*corev1.Pod, revision string) (n int32) {
	for _, p := range all {
		if p.Labels[appsv1.ControllerRevisionHashLabelKey] == revision {
			n++
		}
	}
	return n
}
