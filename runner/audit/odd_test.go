package audit

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TestASpareMayBeOff: no run is refused for a spare that can't be logged into, as it is for any other host.
func TestASpareMayBeOff(t *testing.T) {
	f := facts(node("n1"), node("s1"))
	f.Hosts = []Host{{Node: "n1"}, {Node: "s1", Spare: true}}
	f.Machines = map[string]Machine{"n1": {Error: "no route to host"}, "s1": {Error: "no route to host"}}
	if got := rulesFound(f, "unreachable"); got != "warning unreachable node n1: no route to host" {
		t.Error(got)
	}
}

// TestOddObjects: objects that lack all that they may lack, or have more of it than anybody can have, are looked at as all others.
func TestOddObjects(t *testing.T) {
	if found := Find(&Facts{}); len(found) != 0 {
		t.Errorf("of nothing: %+v", found)
	}
	f := &Facts{Now: time.Now()}
	huge := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("9E"), corev1.ResourceMemory: resource.MustParse("8Ei")}
	odd := intstr.FromString("x%")
	yes, minus := true, int32(-1)
	f.Nodes = append(f.Nodes, corev1.Node{}, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Status: corev1.NodeStatus{Capacity: huge, Allocatable: huge}})
	f.Kubelets = map[string]Kubelet{"": {}, "n1": {}, "gone": {}}
	f.Pods = append(f.Pods, corev1.Pod{}, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p", OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Controller: &yes}}}},
		corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "q"}, Spec: corev1.PodSpec{NodeName: "gone", RestartPolicy: corev1.RestartPolicyAlways,
			Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: huge, Limits: huge}}}}})
	for _, spec := range []appsv1.DeploymentSpec{{}, {Replicas: &minus}, {Strategy: appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{}}},
		{Strategy: appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &odd, MaxUnavailable: &odd}}},
		{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}, PodAntiAffinity: &corev1.PodAntiAffinity{}},
			Containers: []corev1.Container{{Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{}}, Resources: corev1.ResourceRequirements{Requests: huge}}}}}}} {
		f.Deployments = append(f.Deployments, appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "d"}, Spec: spec})
	}
	f.StatefulSets = append(f.StatefulSets, appsv1.StatefulSet{})
	f.DaemonSets = append(f.DaemonSets, appsv1.DaemonSet{})
	f.ReplicaSets = append(f.ReplicaSets, appsv1.ReplicaSet{})
	f.Services = append(f.Services, corev1.Service{}, corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Spec: corev1.ServiceSpec{Selector: map[string]string{}}})
	for _, spec := range []policyv1.PodDisruptionBudgetSpec{{}, {Selector: &metav1.LabelSelector{}}, {Selector: &metav1.LabelSelector{}, MinAvailable: &odd}, {Selector: &metav1.LabelSelector{}, MaxUnavailable: &odd}} {
		f.Budgets = append(f.Budgets, policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "b"}, Spec: spec})
	}
	f.Quotas = append(f.Quotas, corev1.ResourceQuota{}, corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Spec: corev1.ResourceQuotaSpec{Hard: huge}})
	f.LimitRanges = append(f.LimitRanges, corev1.LimitRange{}, corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{}}}})
	f.Namespaces = append(f.Namespaces, corev1.Namespace{}, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
	f.Volumes = append(f.Volumes, corev1.PersistentVolume{})
	f.Hosts = []Host{{}, {Node: "n1"}}
	if len(Find(f)) == 0 {
		t.Error("nothing is found")
	}
}
