package kube

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

type deployment = *appsv1.Deployment

// deploymentFor is the Deployment that a pod belongs to. Its ReplicaSet is named after it and the template's hash, which
// the pod has as a label (pkg/controller/deployment, getNewReplicaSet), so ReplicaSets needn't be followed.
func (c *Cluster) deploymentFor(p pod) (deployment, bool) {
	owner := metav1.GetControllerOf(p)
	hash := p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	if owner == nil || owner.Kind != "ReplicaSet" || hash == "" {
		return nil, false
	}
	name, ok := strings.CutSuffix(owner.Name, "-"+hash)
	if !ok {
		return nil, false
	}
	d, ok := c.deployments.get(p.Namespace + "/" + name)
	if !ok || !selects(d.Spec.Selector, p.Labels) {
		return nil, false
	}
	return d, true
}

// makerName is "Deployment shop/web", "StatefulSet shop/db", …; "" for a bare pod.
func (c *Cluster) makerName(p pod) string {
	if d, ok := c.deploymentFor(p); ok {
		return "Deployment " + keyOf(d)
	}
	if owner := metav1.GetControllerOf(p); owner != nil {
		return owner.Kind + " " + p.Namespace + "/" + owner.Name
	}
	return ""
}

// makerOfPod says who makes a pod anew, and whether that can be done before it goes.
func (c *Cluster) makerOfPod(p pod, run string) maker {
	if d, ok := c.deploymentFor(p); ok {
		rigid := rigidStrategy(d)
		if rigid == "" {
			rigid = c.rigidVolume(p)
		}
		return maker{name: c.makerName(p), rigid: rigid, surging: d.Annotations[AnnotationRestarted] == restartMark(run, p)}
	}
	name := c.makerName(p)
	switch {
	case name == "":
		return maker{rigid: "no controller makes pod " + keyOf(p) + " anew"}
	case strings.HasPrefix(name, "StatefulSet "):
		return maker{name: name, rigid: name + " ends a pod before it makes it anew"}
	}
	return maker{name: name, rigid: name + " can't make a new pod before the old one goes"}
}

// rigidStrategy says why a rollout wouldn't make a new pod before it ends the last old one, as the controller resolves
// the strategy (pkg/controller/deployment/util, ResolveFenceposts); "" where it would.
func rigidStrategy(d deployment) string {
	name, want := "Deployment "+keyOf(d), 1
	if d.Spec.Replicas != nil {
		want = int(*d.Spec.Replicas)
	}
	rolling := d.Spec.Strategy.RollingUpdate
	switch {
	case d.Spec.Paused:
		return name + " is paused"
	case d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		return name + " has the strategy Recreate, which ends a pod before it makes it anew"
	case rolling == nil:
		return name + " has no rolling update"
	}
	surge, unavailable := resolved(rolling.MaxSurge, want, true), resolved(rolling.MaxUnavailable, want, false)
	switch {
	case surge == 0:
		return name + " has maxSurge 0, so a pod ends before the new one is made"
	case want-unavailable < 1:
		return fmt.Sprintf("%s has maxUnavailable %s, which lets a rollout end its last pod", name, rolling.MaxUnavailable)
	}
	return ""
}

func resolved(v *intstr.IntOrString, of int, up bool) int {
	n, err := intstr.GetScaledValueFromIntOrPercent(v, of, up)
	if err != nil {
		return 0 // absent or unreadable, which the API server lets nobody store
	}
	return n
}

// rigidVolume says which volume of a pod can't be used by a second one on another node; "" for none.
func (c *Cluster) rigidVolume(p pod) string {
	claims := sharedClaims(p)
	if len(claims) == 0 {
		return ""
	}
	var list []string
	for _, v := range c.volumesOf(claims) {
		switch claim := claimOf(v); {
		case v.Spec.Local != nil || v.Spec.HostPath != nil:
			list = append(list, fmt.Sprintf("volume %s (claim %s) is local to this node", v.Name, claim))
		case !inTwoPlaces(v.Spec.AccessModes):
			list = append(list, fmt.Sprintf("volume %s (claim %s) is %s: it can't be in two places", v.Name, claim, modesOf(v.Spec.AccessModes)))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// sharedClaims are the claims that every pod of the template uses; a generic ephemeral volume is each pod's own.
func sharedClaims(p pod) []string {
	var claims []string
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			claims = append(claims, p.Namespace+"/"+v.PersistentVolumeClaim.ClaimName)
		}
	}
	return claims
}

func inTwoPlaces(modes []corev1.PersistentVolumeAccessMode) bool {
	return slices.Contains(modes, corev1.ReadWriteMany) || slices.Contains(modes, corev1.ReadOnlyMany)
}

func modesOf(modes []corev1.PersistentVolumeAccessMode) string {
	var names []string
	for _, m := range modes {
		names = append(names, string(m))
	}
	return strings.Join(names, ", ")
}
