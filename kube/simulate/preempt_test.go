package simulate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/simulate"
)

func important(priority int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Priority = &priority }
}

func polite(p *corev1.Pod) {
	never := corev1.PreemptNever
	p.Spec.PreemptionPolicy = &never
}

func tolerateAll(p *corev1.Pod) {
	p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
}

func fourCPUs(n *corev1.Node) { n.Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("4") }

func since(minutes int) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		at := metav1.NewTime(time.Date(2026, 11, 21, 1, minutes, 0, 0, time.UTC))
		p.Status.StartTime = &at
	}
}

// A pod that finds no node displaces others of lower priority: where it hurts least, and none more than have to.
func TestPreemption(t *testing.T) {
	const full = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable"
	for _, c := range []struct {
		name  string
		world *cluster
		turns []simulate.Turn
		want  string
	}{
		{"one of lower priority", nodes(2).pods("web", "1500m", "n1", important(10)).pods("batch", "1500m", "n2"), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/batch-1, shop/batch-1 homeless for 5m0s: " + full},
		{"none of the same", nodes(2).pods("web", "1500m", "n1", important(10)).pods("batch", "1500m", "n2", important(10)), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 homeless for 5m0s: " + full},
		{"nor where that isn't wanted", nodes(2).pods("web", "1500m", "n1", important(10), polite).pods("batch", "1500m", "n2"), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 homeless for 5m0s: " + full},
		{"nor where it doesn't help", nodes(2).pods("web", "1500m", "n1", important(10), picky(corev1.LabelHostname, "n1")).pods("batch", "1500m", "n2"), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 homeless for 5m0s: 0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable"},
		{"room first", nodes(3).pods("web", "1500m", "n1", important(10)).pods("batch", "1500m", "n2"), oneByOne("n1"), "n1: 1 moves"},
		{"one rather than two", nodes(3).pods("web", "2", "n1", important(10)).pods("batch", "500m", "n2 n2").pods("big", "1", "n3"), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/big-1"},
		{"the less important", nodes(3).pods("web", "2", "n1", important(10)).pods("more", "1500m", "n2", important(5)).pods("less", "1500m", "n3", important(1)), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/less-1, shop/less-1 homeless for 5m0s: 0/3 nodes are available: 2 Insufficient cpu, 1 node(s) were unschedulable"},
		{"the one that began last", nodes(3).pods("web", "2", "n1", important(10)).pods("old", "1500m", "n2", since(1)).pods("new", "1500m", "n3", since(2)), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/new-1, shop/new-1 homeless for 5m0s: 0/3 nodes are available: 2 Insufficient cpu, 1 node(s) were unschedulable"},
		{"no more than have to", nodes(2).pods("web", "1", "n1", important(10)).pods("more", "1", "n2", important(5)).pods("less", "500m", "n2"), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/less-1, shop/less-1 homeless for 5m0s: " + full},
		{"rather without violating a budget", nodes(3).pods("web", "2", "n1", important(10)).pods("kept", "1", "n2").budget("kept", 1).pods("free", "1", "n3", important(5)), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/free-1"},
		{"with it where nothing else helps", nodes(2).pods("web", "2", "n1", important(10)).pods("kept", "1", "n2").budget("kept", 1).service("kept"), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/kept-1, the last endpoint of shop/kept, shop/kept-1 homeless for 5m0s: " + full},
		{"one that nothing makes anew", nodes(2).pods("web", "2", "n1", important(10)).pods("one", "1", "n2", bare), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/one-1"},
		{"a DaemonSet's", nodes(2).pods("web", "2", "n1", important(10)).pods("agent", "1", "n2"), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/agent-1"},
		{"one that displaces another one", nodes(3).pods("web", "2", "n1", important(10), picky(corev1.LabelHostname, "n2")).pods("middle", "2", "n2", important(5)).pods("batch", "1", "n3"), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/middle-1, shop/middle-1 displaces shop/batch-1, shop/batch-1 homeless for 5m0s: 0/3 nodes are available: 2 Insufficient cpu, 1 node(s) were unschedulable"},
		{"those of high priority come back first", nodes(2).pods("a", "1500m", "n2", important(1)).pods("b", "1500m", "n1", important(1), polite), oneByOne("n1"),
			"n1: 1 moves, shop/b-1 homeless for 5m0s: " + full},
		{"a last endpoint that is made anew first", nodes(2).pods("web", "1500m", "n1", important(10)).service("web").pods("batch", "1500m", "n2").
			rules(func(r *simulate.Rules) { r.Last = "surge" }), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/batch-1, shop/batch-1 homeless for 5m0s: " + full},
		{"one that is about to leave its node, for one that tolerates the cordon", nodes(2).node("n1", fourCPUs).node("n2", fourCPUs).
			pods("first", "2", "n1", important(20), picky(corev1.LabelHostname, "n2")).pods("loyal", "2", "n1").pods("operator", "3", "n2", important(10), tolerateAll).pods("other", "1", "n2"), oneByOne("n1"),
			"n1: 2 moves in 2 rounds, shop/first-1 displaces shop/operator-1, shop/operator-1 displaces shop/loyal-1, shop/loyal-1 homeless: " + full},
		{"anti-affinity", nodes(2).pods("web", "100m", "n1", important(10), apart(corev1.LabelHostname)).pods("other", "100m", "n2", func(p *corev1.Pod) { p.Labels["app"] = "web" }), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 displaces shop/other-1, shop/other-1 homeless for 5m0s: " +
				"0/2 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules, 1 node(s) were unschedulable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(simulate.Run(c.world.World, c.turns)); got != c.want {
				t.Errorf("foreseen:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// Of more nodes than are compared one on which a single unimportant pod ends is enough; two of them are not.
func TestPreemptionAmongManyNodes(t *testing.T) {
	const many = 150
	c := nodes(many).pods("web", "2", "n1", important(10))
	for i := 2; i <= many; i++ {
		c.pods(fmt.Sprintf("batch-%d", i), "1", fmt.Sprintf("n%d n%d", i, i))
	}
	c.Pods = slices.DeleteFunc(c.Pods, func(p *corev1.Pod) bool { return p.Spec.NodeName == "n120" && p.Name == "batch-120-2" })
	for _, d := range simulate.Run(c.World, oneByOne("n1")) {
		if len(d.Displaced) != 1 || d.Displaced[0].Pod != "shop/batch-120-1" {
			t.Errorf("%+v", d)
		}
	}
}

// BenchmarkPreemption plays a run over a thousand full nodes, ten at a time, on which each other pod may displace the rest.
func BenchmarkPreemption(b *testing.B) {
	c := nodes(1000)
	var turns []simulate.Turn
	for i, n := range c.Nodes {
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3"), corev1.ResourcePods: resource.MustParse("110")}
		app := fmt.Sprintf("app-%d", i)
		c.pods(app, "100m", strings.Repeat(n.Name+" ", 15), important(10)).pods(app+"-batch", "100m", strings.Repeat(n.Name+" ", 15))
		turns = append(turns, simulate.Turn{Node: n.Name, At: time.Duration(i/10) * 5 * time.Minute, Takes: 5 * time.Minute})
	}
	for b.Loop() {
		displaced := 0
		for _, d := range simulate.Run(c.World, turns) {
			displaced += len(d.Displaced)
		}
		if displaced == 0 {
			b.Fatal("nothing was displaced")
		}
	}
}

// What is displaced and finds no node isn't what a run has evicted: it doesn't wait for that, unless it has evicted another one of the
// same controller.
func TestDisplacedPodsHoldNothing(t *testing.T) {
	turns := []simulate.Turn{{Node: "n1", Takes: 10 * time.Minute}, {Node: "n3", At: 5 * time.Minute, Takes: 10 * time.Minute}}
	world := func() *cluster {
		return nodes(3).pods("web", "1500m", "n1", important(10)).pods("batch", "1500m", "n2").pods("top", "1500m", "n3", important(20), polite)
	}
	if drains := simulate.Run(world().World, turns); len(drains) != 2 || drains[1].Begins != 5*time.Minute {
		t.Errorf("%+v", drains)
	}
	both := world()
	for _, p := range both.Pods {
		p.OwnerReferences[0].UID = "one"
	}
	if drains := simulate.Run(both.World, turns); len(drains) != 2 || drains[1].Begins != 10*time.Minute {
		t.Errorf("%+v", drains)
	}
}
