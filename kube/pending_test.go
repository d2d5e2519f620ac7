package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// pendingNodes are those that carry the soft taint as the API shows them, "n1=run-1".
func (w *world) pendingNodes() (list []string) {
	for _, n := range kubetest.List[*corev1.Node](w.Server, "") {
		for _, t := range n.Spec.Taints {
			if t.Key == TaintPending && t.Effect == corev1.TaintEffectPreferNoSchedule {
				list = append(list, n.Name+"="+t.Value)
			}
		}
	}
	return list
}

func (w *world) pends(want ...string) {
	w.Helper()
	if got := w.pendingNodes(); !slices.Equal(got, want) {
		w.Errorf("soft taints on %v, want %v", got, want)
	}
}

func TestPend(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(kubetest.Change(w.Server, "", "n3", func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule}, {Key: TaintPending, Value: "old-run", Effect: corev1.TaintEffectPreferNoSchedule}}
		}))
	}, func(w *world) {
		w.ForgetRequests()
		w.must(w.c.Pend(w.ctx, "run-1", []string{"n1", "n2", "gone"}))
		w.pends("n1=run-1", "n2=run-1") // and what an earlier run left on n3 is gone
		if gets, patches := w.Count("get", "nodes"), w.Count("patch", "nodes"); gets != 0 || patches != 3 {
			t.Errorf("%d GETs and %d PATCHes for three nodes", gets, patches)
		}
		w.must(w.c.Pend(w.ctx, "run-1", []string{"n1", "n2"}))
		if n := w.Count("patch", "nodes"); n != 3 {
			t.Errorf("%d PATCHes for what stood right", n-3)
		}

		w.claim("n1")
		w.pends("n2=run-1")
		w.must(w.c.Pend(w.ctx, "run-1", []string{"n1", "n2"})) // a claimed node is at its turn
		w.pends("n2=run-1")
		w.must(w.c.Release(w.ctx, "n1", "run-1", nil))
		w.must(w.c.Pend(w.ctx, "run-1", nil))
		w.pends()
		if taints := w.node("n3").Spec.Taints; len(taints) != 1 || taints[0].Key != "gpu" {
			t.Errorf("somebody else's taints: %v", taints)
		}
	})
}

// What others change meanwhile isn't lost, and a server that is away for a while is waited for.
func TestPendAgainstOthers(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		other := w.open()
		w.must(w.c.Pend(w.ctx, "run-1", []string{"n1"}))
		w.Fail(func(r *http.Request) (int, time.Duration, bool) { // just before our write, somebody else's
			if r.Method == http.MethodPatch {
				w.Fail(nil)
				w.must(kubetest.Change(w.Server, "", "n2", func(n *corev1.Node) { n.Labels["owner"] = "ann" }))
			}
			return 0, 0, false
		})
		w.must(w.c.Pend(w.ctx, "run-1", []string{"n2"}))
		w.pends("n2=run-1")
		if w.node("n2").Labels["owner"] != "ann" {
			t.Error("the other's change is lost")
		}
		other.Close()

		down := time.Now().Add(20 * time.Second)
		w.Fail(func(r *http.Request) (int, time.Duration, bool) {
			return http.StatusServiceUnavailable, 0, r.Method == http.MethodPatch && time.Now().Before(down)
		})
		w.must(w.c.Pend(w.ctx, "run-1", nil))
		w.pends()

		w.Fail(func(r *http.Request) (int, time.Duration, bool) {
			return http.StatusForbidden, 0, r.Method == http.MethodPatch
		})
		err := w.c.Pend(w.ctx, "run-1", []string{"n1", "n2", "n3"})
		if err == nil || !strings.HasPrefix(err.Error(), "node n1: taint: ") || !strings.HasSuffix(err.Error(), "; and 2 more nodes") {
			t.Errorf("got %v", err)
		}
	})
}

func TestPendGuarded(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.c.Guard(func() error { return ErrLost })
		if err := w.c.Pend(w.ctx, "run-1", []string{"n1"}); !errors.Is(err, ErrLost) {
			t.Errorf("got %v", err)
		}
		w.pends()
		w.c.Guard(nil)
		ctx, cancel := context.WithCancel(w.ctx)
		cancel()
		if err := w.c.Pend(ctx, "run-1", []string{"n1"}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// passes drains all nodes one after the other, and returns how many evictions that took.
func passes(w *world, soft bool) int {
	w.ForgetRequests()
	nodes := []string{"n1", "n2", "n3", "n4", "n5", "n6"}
	for i, n := range nodes {
		if soft {
			w.must(w.c.Pend(w.ctx, "run-1", nodes[i:]))
		}
		w.claim(n)
		w.must(w.c.Drain(w.ctx, n, ownPods(), nil))
		time.Sleep(10 * time.Second)
		w.must(w.c.Release(w.ctx, n, "run-1", nil))
	}
	w.must(w.c.Pend(w.ctx, "run-1", nil))
	return w.Count("create", "pods/eviction")
}

// With the soft taint a pod moves once, but for those of the first node, which find no node that is done yet. Without it
// the scheduler prefers the nodes with the least on them, and here those that come last have no agents.
func TestPendSparesMoves(t *testing.T) {
	moves := map[bool]int{}
	for _, soft := range []bool{false, true} {
		inWorld(t, func(w *world) {
			for _, n := range []string{"n4", "n5", "n6"} {
				w.must(w.AddNode(n, nil))
			}
			for i := range 12 {
				w.must(w.AddDeployment("shop", fmt.Sprint("web-", i), 1+i%4, nil))
			}
			for i := range 8 {
				w.must(w.AddDaemonSet("kube-system", fmt.Sprint("agent-", i), nil))
				w.must(kubetest.Change(w.Server, "kube-system", fmt.Sprint("agent-", i), func(d *appsv1.DaemonSet) {
					d.Spec.Template.Spec.Affinity = among("n1", "n2", "n3")
				}))
			}
		}, func(w *world) { moves[soft] = passes(w, soft) })
	}
	t.Logf("30 pods on 6 nodes: %d moves, %d with the soft taint", moves[false], moves[true])
	if moves[true] > 30+5 || moves[true] >= moves[false] {
		t.Errorf("%d moves without the soft taint, %d with it", moves[false], moves[true])
	}
}

// among is an affinity to some nodes.
func among(nodes ...string) *corev1.Affinity {
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: nodes},
		}}},
	}}}
}
