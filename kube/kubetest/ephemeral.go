package kubetest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// claimVolumes makes the claims of a pod's generic ephemeral volumes, which end with the pod, and binds each to a free
// volume of its class. It returns "" or, in the scheduler's words, why the pod must wait.
func (s *Server) claimVolumes(p *corev1.Pod) string {
	for _, v := range p.Spec.Volumes {
		if v.Ephemeral == nil || v.Ephemeral.VolumeClaimTemplate == nil {
			continue
		}
		at := key{p.Namespace, p.Name + "-" + v.Name}
		r := s.tables[claims].get(at)
		if r == nil {
			claim := &corev1.PersistentVolumeClaim{Spec: v.Ephemeral.VolumeClaimTemplate.Spec}
			claim.Namespace, claim.Name = at.ns, at.name
			claim.OwnerReferences = []metav1.OwnerReference{controls(p, pods)}
			var err error
			if r, err = s.create(claims, claim, false); err != nil {
				return fmt.Sprintf("waiting for ephemeral volume controller to create the persistentvolumeclaim %q", at.name)
			}
		}
		if !s.bindClaim(r.obj.(*corev1.PersistentVolumeClaim)) {
			return fmt.Sprintf("0/%d nodes are available: pod has unbound immediate PersistentVolumeClaims.", len(s.tables[nodes].list("")))
		}
	}
	return ""
}

// bindClaim gives a claim a volume of its class that nobody has; true if it has one.
func (s *Server) bindClaim(claim *corev1.PersistentVolumeClaim) bool {
	if claim.Spec.VolumeName != "" {
		return true
	}
	for _, r := range s.tables[volumes].list("") {
		v := r.obj.(*corev1.PersistentVolume)
		if v.Spec.ClaimRef != nil || claim.Spec.StorageClassName == nil || v.Spec.StorageClassName != *claim.Spec.StorageClassName {
			continue
		}
		s.change(volumes, keyOf(v), func(o Object) {
			o.(*corev1.PersistentVolume).Spec.ClaimRef = &corev1.ObjectReference{Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID}
		})
		s.change(claims, keyOf(claim), func(o Object) {
			c := o.(*corev1.PersistentVolumeClaim)
			c.Spec.VolumeName, c.Status.Phase = v.Name, corev1.ClaimBound
		})
		return true
	}
	return false
}
