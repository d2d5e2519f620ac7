package kube

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// asking is a container that asks for cpu and memory.
func asking(cpu, memory string) corev1.Container {
	c := corev1.Container{Name: "c"}
	c.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	return c
}

// TestRequestsOf counts as the scheduler does.
func TestRequestsOf(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	sidecar := asking("100m", "64Mi")
	sidecar.RestartPolicy = &always
	const mi = 1 << 20
	for name, tt := range map[string]struct {
		spec corev1.PodSpec
		want map[string]int64
	}{
		"nothing":                         {corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}, map[string]int64{"pods": 1}},
		"the sum of its containers":       {corev1.PodSpec{Containers: []corev1.Container{asking("1", "1Gi"), asking("500m", "1Gi")}}, map[string]int64{"cpu": 1500, "memory": 2048 * mi, "pods": 1}},
		"an init container that is more":  {corev1.PodSpec{Containers: []corev1.Container{asking("1", "1Gi")}, InitContainers: []corev1.Container{asking("2", "512Mi")}}, map[string]int64{"cpu": 2000, "memory": 1024 * mi, "pods": 1}},
		"a sidecar runs beside":           {corev1.PodSpec{Containers: []corev1.Container{asking("1", "1Gi")}, InitContainers: []corev1.Container{sidecar}}, map[string]int64{"cpu": 1100, "memory": 1088 * mi, "pods": 1}},
		"an init container after sidecar": {corev1.PodSpec{Containers: []corev1.Container{asking("1", "1Gi")}, InitContainers: []corev1.Container{sidecar, asking("2", "1Mi")}}, map[string]int64{"cpu": 2100, "memory": 1088 * mi, "pods": 1}},
		"overhead":                        {corev1.PodSpec{Containers: []corev1.Container{asking("1", "1Gi")}, Overhead: asking("250m", "0").Resources.Requests}, map[string]int64{"cpu": 1250, "memory": 1024 * mi, "pods": 1}},
	} {
		p := &corev1.Pod{Spec: tt.spec}
		trimPod(p) // what isn't kept can't be counted
		if diff := cmp.Diff(tt.want, requestsOf(p)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// TestCapacityBound: a pod is bound to its node by a volume that no other node can use, whoever provides it; one that stays
// anyhow, as a DaemonSet's, keeps nobody from moving.
func TestCapacityBound(t *testing.T) {
	claim := func(w *world, namespace, name, node string, local bool) {
		w.must(kubetest.Change(w.Server, namespace, name, func(p *corev1.Pod) {
			v := corev1.Volume{Name: "v"}
			v.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}
			p.Spec.Volumes = append(p.Spec.Volumes, v)
		}))
		pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "of-" + name}}
		pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: namespace, Name: name}
		pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
		}}}}
		if local {
			pv.Spec.Local = &corev1.LocalVolumeSource{Path: "/mnt"}
		}
		w.must(w.Add(pv))
	}
	inWorld(t, func(w *world) {
		w.must(w.AddStatefulSet("shop", "db", 1, nil))
		w.must(w.AddDaemonSet("kube-system", "cache", nil))
	}, func(w *world) {
		node := kubetest.Get[*corev1.Pod](w.Server, "shop", "db-0").Spec.NodeName
		claim(w, "shop", "db-0", node, false)
		for _, p := range kubetest.List[*corev1.Pod](w.Server, "kube-system") {
			if p.Spec.NodeName == node {
				claim(w, "kube-system", p.Name, node, true)
			}
		}
		time.Sleep(time.Second)
		if c, _ := w.c.Capacity(node); !cmp.Equal(c.Bound, []string{"shop/db-0: of-db-0"}) {
			t.Errorf("bound: %q", c.Bound)
		}
	})
}

// TestCapacity: what moves and what stays of a node, and the taints that say what it is for.
func TestCapacity(t *testing.T) {
	fill := func(w *world) {
		w.must(w.AddDeployment("shop", "web", 3, nil))
		w.must(w.AddDaemonSet("kube-system", "cni", nil))
		w.must(kubetest.Change(w.Server, "", "n1", func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectPreferNoSchedule}, {Key: "node.kubernetes.io/unschedulable", Effect: corev1.TaintEffectNoSchedule}}
		}))
	}
	inWorld(t, fill, func(w *world) {
		moving, staying := int64(0), int64(0)
		for _, name := range []string{"n1", "n2", "n3"} {
			c, ok := w.c.Capacity(name)
			if !ok || c.Allocatable["cpu"] != 8000 || c.Allocatable["pods"] != 110 {
				t.Errorf("%s: %v, %v", name, ok, c.Allocatable)
			}
			moving, staying = moving+c.Moving["pods"], staying+c.Staying["pods"]
		}
		if moving != 3 || staying != 3 {
			t.Errorf("%d pods move, %d stay", moving, staying)
		}
		if c, _ := w.c.Capacity("n1"); !cmp.Equal(c.Taints, []string{"gpu=yes:PreferNoSchedule"}) {
			t.Errorf("taints %q", c.Taints)
		}
		if _, ok := w.c.Capacity("n9"); ok {
			t.Error("a node that isn't there has a capacity")
		}
	})
}
