package kube

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/fleetup/fleetup/kube/simulate"
)

// bigCluster is what the watches would know of a thousand nodes with thirty pods each, of 3,000 Deployments in 60 namespaces, each
// with a budget and a Service; a tenth of the pods have a volume of their own.
func bigCluster() (*Cluster, []string) {
	c := &Cluster{tables: newTables()}
	c.proof = newProof(c)
	var names []string
	for i := range 1000 {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%04d", i), Labels: map[string]string{corev1.LabelHostname: fmt.Sprintf("n%04d", i)}}}
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("32"), corev1.ResourcePods: resource.MustParse("110")}
		names = append(names, n.Name)
		c.nodes.set(n.Name, n)
	}
	for app := range 3000 {
		meta := metav1.ObjectMeta{Namespace: fmt.Sprintf("team-%d", app%60), Name: fmt.Sprintf("app-%d", app)}
		of := map[string]string{"app": meta.Name, appsv1.DefaultDeploymentUniqueLabelKey: "abc"}
		selector, one, key := &metav1.LabelSelector{MatchLabels: map[string]string{"app": meta.Name}}, intstr.FromInt32(1), keyOf(&meta)
		d := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: selector}}
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: &one}
		c.deployments.set(key, d)
		c.budgets.set(key, &policyv1.PodDisruptionBudget{ObjectMeta: meta, Spec: policyv1.PodDisruptionBudgetSpec{Selector: selector, MaxUnavailable: &one},
			Status: policyv1.PodDisruptionBudgetStatus{CurrentHealthy: 10, DesiredHealthy: 9, ExpectedPods: 10, DisruptionsAllowed: 1}})
		c.services.set(key, &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: selector.MatchLabels}})
		slice := &discoveryv1.EndpointSlice{ObjectMeta: meta}
		slice.Labels = map[string]string{discoveryv1.LabelServiceName: meta.Name}
		for i := range 10 {
			p := podOf("ReplicaSet")
			p.Namespace, p.Name, p.UID, p.Labels = meta.Namespace, fmt.Sprintf("%s-%d", meta.Name, i), types.UID(fmt.Sprintf("%s-%d", meta.Name, i)), of
			p.OwnerReferences[0].Name, p.OwnerReferences[0].UID = meta.Name+"-abc", types.UID(meta.Name)
			p.Spec.NodeName = names[(app*7+i*31)%len(names)]
			p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("900m")}}}}
			p.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
			if app%10 == 0 {
				p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: p.Name}}}}
				c.volumes.set(p.Name, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: p.Name},
					Spec: corev1.PersistentVolumeSpec{ClaimRef: &corev1.ObjectReference{Namespace: p.Namespace, Name: p.Name}, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}}})
			}
			c.pods.set(keyOf(p), p)
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{NodeName: &p.Spec.NodeName, TargetRef: &corev1.ObjectReference{Name: p.Name, UID: p.UID}})
		}
		c.slices.set(key, slice)
	}
	return c, names
}

// BenchmarkForesee plays a run over such a cluster, ten nodes at a time, by the drain's own rules.
func BenchmarkForesee(b *testing.B) {
	c, names := bigCluster()
	var turns []simulate.Turn
	for i, n := range names {
		turns = append(turns, simulate.Turn{Node: n, At: time.Duration(i/10) * 5 * time.Minute, Takes: 5 * time.Minute})
	}
	options := DrainOptions{IgnoreDaemonSets: true, DeleteEmptyDirData: true, GracePeriod: -1, LastEndpoint: LastSurge}
	for b.Loop() {
		w := c.World(func(string) DrainOptions { return options })
		if drains := simulate.Run(w, turns); len(drains) != len(names) || drains[0].Moves == 0 {
			b.Fatalf("%d drains: %+v", len(drains), drains[0])
		}
	}
}

// BenchmarkPlanDrain looks at each node's drain by itself.
func BenchmarkPlanDrain(b *testing.B) {
	c, names := bigCluster()
	options := DrainOptions{IgnoreDaemonSets: true, DeleteEmptyDirData: true, GracePeriod: -1, LastEndpoint: LastSurge}
	for b.Loop() {
		for _, n := range names {
			if d := c.PlanDrain(n, options); len(d.Evict) == 0 {
				b.Fatalf("%+v", d)
			}
		}
	}
}
