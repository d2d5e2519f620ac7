package simulate_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fleetup/fleetup/kube/simulate"
)

// big is a cluster as large ones are: of so many nodes in three zones and pools, each full to nine tenths, with 30 pods a node. Each
// Deployment has ten pods, a budget and a Service; a part of them wants to be apart, spread, on one pool, or is of a priority of its own.
func big(count int) *cluster {
	c := nodes(count)
	for i, n := range c.Nodes {
		n.Labels["pool"], n.Labels[corev1.LabelTopologyZone] = fmt.Sprintf("p%d", i%4), fmt.Sprintf("z%d", i%3)
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("32"), corev1.ResourceMemory: resource.MustParse("128Gi"),
			corev1.ResourcePods: resource.MustParse("110")}
		c.bigPod("kube-system", "agent", i, n.Name)
		c.Pods[len(c.Pods)-1].Labels["app"] = "agent"
	}
	for app := range count * 3 {
		namespace, name := fmt.Sprintf("team-%d", app%60), fmt.Sprintf("app-%d", app)
		first := len(c.Pods)
		for i := range 10 {
			node := c.Nodes[(app*7+i*31)%count]
			c.bigPod(namespace, name, i, node.Name)
		}
		for _, p := range c.Pods[first:] {
			switch app % 10 {
			case 0, 1:
				important(int32(1000 * (1 + app%2)))(p)
			case 2:
				apart(corev1.LabelHostname)(p)
			case 3:
				spread(corev1.LabelTopologyZone)(p)
				p.Spec.TopologySpreadConstraints[0].MaxSkew = 5
			case 4, 5:
				for _, n := range c.Nodes {
					if n.Name == p.Spec.NodeName {
						picky("pool", n.Labels["pool"])(p)
					}
				}
			}
		}
		c.bigBudget(namespace, name)
	}
	return c
}

func (c *cluster) bigPod(namespace, name string, i int, node string) {
	p := &corev1.Pod{}
	controller := true
	p.Namespace, p.Name, p.UID = namespace, fmt.Sprintf("%s-%d", name, i), types.UID(fmt.Sprintf("%s-%d", name, i))
	p.Labels = map[string]string{"app": name, "team": namespace, "pod-template-hash": "abcdef"}
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: name, UID: types.UID(name), Controller: &controller}}
	p.Spec.NodeName = node
	p.Spec.Containers = []corev1.Container{{}, {}}
	p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("900m"), corev1.ResourceMemory: resource.MustParse("3Gi")}
	p.Spec.Containers[1].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("20m"), corev1.ResourceMemory: resource.MustParse("64Mi")}
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	c.Pods = append(c.Pods, p)
}

func (c *cluster) bigBudget(namespace, name string) {
	c.budget(name, 9)
	b := c.Budgets[len(c.Budgets)-1]
	b.Namespace, b.Status.ExpectedPods, b.Status.CurrentHealthy = namespace, 10, 10
	c.service(name)
	c.Services[len(c.Services)-1].Namespace = namespace
}

// BenchmarkBig plays a run over a thousand nodes with 31,000 pods, ten at a time.
func BenchmarkBig(b *testing.B) {
	c := big(1000)
	var turns []simulate.Turn
	for i, n := range c.Nodes {
		turns = append(turns, simulate.Turn{Node: n.Name, At: time.Duration(i/10) * 5 * time.Minute, Takes: 5 * time.Minute})
	}
	b.ReportAllocs()
	for b.Loop() {
		moves := 0
		for _, d := range simulate.Run(c.World, turns) {
			moves += d.Moves
		}
		if moves < 30_000 {
			b.Fatal(moves, "moves")
		}
	}
}
