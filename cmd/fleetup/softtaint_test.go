package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/runner"
)

// TestRunSparesMoves: `fleetup run` on four nodes, of which the first two are full of agents, so that the scheduler would rather
// place the evicted pods on the last two, which they have to leave again. Without the soft taint it does; with it none moves twice but
// those of the first node, which have nowhere else to go, and no node is left with it.
func TestRunSparesMoves(t *testing.T) {
	bare, tainted := drained(t, false), drained(t, true)
	if len(tainted.Again) >= len(bare.Again) || tainted.Pods < 12 {
		t.Errorf("with the soft taint: %s; without it: %s", tainted, bare)
	}
	for _, again := range tainted.Again {
		if again.Nodes[0] != "n1" {
			t.Errorf("with the soft taint: %s had to leave %s", again.Pod, strings.Join(again.Nodes, ", then "))
		}
	}
	t.Logf("without the soft taint: %s; with it: %s", bare, tainted)
}

// drained is how a run over all nodes moved pods, with the soft taint or without it.
func drained(t *testing.T, soft bool) (m *moves) {
	nodes := box.Workers(4)
	for i := range nodes[:2] {
		nodes[i].Labels["crowded"] = "yes"
	}
	inYardOf(t, nodes, "[upgrade]\nkubelet = \"1.37.2\"\n", func(s *yard) {
		for i := range 12 {
			s.must(s.API.Add(agent(i)))
			s.must(s.API.AddDeployment("shop", fmt.Sprint("w", i), 1, nil))
		}
		s.must(s.Settle(s.Context(), 4+4+2*12+12))
		p := s.process(s.path("state"))
		p.wrap = func(r *runner.Runner) {
			if !soft {
				r.Pending = nil
			}
		}
		if code := p.fleetup("run", "--output", "json", s.inventory); code != 0 {
			s.Fatalf("exit %d\n%s", code, s.said())
		}
		lines := strings.Split(strings.TrimSpace(p.out.String()), "\n")
		var sum summary
		s.must(json.Unmarshal([]byte(lines[len(lines)-1]), &sum))
		for _, n := range kubetest.List[*corev1.Node](s.API, "") {
			if len(n.Spec.Taints) > 0 {
				s.Errorf("%s is left with %v", n.Name, n.Spec.Taints)
			}
		}
		m = sum.Moves
	})
	return m
}

// agent is a DaemonSet of the crowded nodes.
func agent(i int) *appsv1.DaemonSet {
	labels := map[string]string{"app": fmt.Sprint("agent", i)}
	d := &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}}}
	d.Name, d.Namespace = labels["app"], "shop"
	d.Spec.Template.Labels = labels
	d.Spec.Template.Spec.NodeSelector = map[string]string{"crowded": "yes"}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "agent:1"}}
	return d
}
