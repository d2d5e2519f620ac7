package kube

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// shop is a Deployment of four with a budget of three, on three nodes.
func shop(w *world) {
	w.must(w.AddDeployment("shop", "web", 4, nil))
	w.must(w.AddPDB("shop", "web", "web", "3", ""))
	w.must(w.AddService("shop", "web", "web"))
	w.must(w.AddDaemonSet("kube-system", "cni", nil))
}

// drainable closes n1, as a drain finds it.
func (w *world) claim(node string) {
	w.Helper()
	_, err := w.c.Claim(w.ctx, node, "run-1", nil)
	w.must(err)
}

func (w *world) evictable(node string) (n int) {
	for _, p := range w.on(node) {
		if v, _ := w.c.judge(p, ownPods()); v == evict {
			n++
		}
	}
	return n
}

func TestDrain(t *testing.T) {
	inWorld(t, shop, func(w *world) {
		before := w.evictable("n1")
		if before == 0 {
			w.Fatal("nothing to drain")
		}
		w.must(w.c.TryDrain(w.ctx, "n1", ownPods(), nil))
		w.claim("n1")
		heard := listen()
		w.must(w.c.Drain(w.ctx, "n1", ownPods(), heard.say))
		if n := w.evictable("n1"); n != 0 {
			t.Errorf("%d pods are left", n)
		}
		for _, s := range w.c.Proof().Least() {
			if s.Min < 3 {
				t.Errorf("%+v", s)
			}
		}
		if gets := w.Count("get", "pods"); gets != 0 {
			t.Errorf("%d GETs of pods", gets)
		}
	})
}

// A drain of thirty pods is thirty dry evictions and thirty real ones, and it ends when the last pod does.
func TestDrainRequests(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(kubetest.Change(w.Server, "", "n2", func(n *corev1.Node) { n.Spec.Unschedulable = true }))
		w.must(kubetest.Change(w.Server, "", "n3", func(n *corev1.Node) { n.Spec.Unschedulable = true }))
		w.must(w.AddDeployment("shop", "web", 30, nil))
	}, func(w *world) {
		if n := w.evictable("n1"); n != 30 {
			w.Fatalf("%d pods on n1", n)
		}
		w.claim("n1")
		w.ForgetRequests()
		w.must(w.c.TryDrain(w.ctx, "n1", ownPods(), nil))
		if n := w.Count("create", "pods/eviction"); n != 30 {
			t.Errorf("%d dry evictions", n)
		}
		var last time.Time
		seen := make(chan bool)
		go func() { // the server's own view of the last pod's end
			defer close(seen)
			for w.evictable("n1") > 0 {
				time.Sleep(time.Millisecond)
			}
			last = time.Now()
		}()
		w.must(w.c.Drain(w.ctx, "n1", ownPods(), nil))
		ended := time.Now()
		<-seen
		if late := ended.Sub(last); late > 500*time.Millisecond {
			t.Errorf("ended %s after the last pod", late)
		}
		if n, all := w.Count("create", "pods/eviction"), w.Count("", "pods"); n != 60 || all != 0 {
			t.Errorf("%d evictions, %d requests for pods", n, all)
		}
	})
}

// One budget, four pods of it on one node, one allowed at a time: each goes when the one before is replaced.
func TestDrainBudgetTurnsOver(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, n := range []string{"n2", "n3"} {
			w.must(kubetest.Change(w.Server, "", n, func(n *corev1.Node) { n.Spec.Unschedulable = true }))
		}
		shop(w)
	}, func(w *world) {
		for _, n := range []string{"n2", "n3"} {
			w.must(kubetest.Change(w.Server, "", n, func(n *corev1.Node) { n.Spec.Unschedulable = false }))
		}
		time.Sleep(time.Second)
		w.claim("n1")
		w.ForgetRequests()
		heard, began := listen(), time.Now()
		w.must(w.c.Drain(w.ctx, "n1", ownPods(), heard.say))
		heard.heard(t, "budget shop/web needs 3 healthy pods and has 3")
		if took := time.Since(began); took > 16*time.Second { // a pod takes 3 s to be replaced
			t.Errorf("took %s", took)
		}
		if n := w.Count("create", "pods/eviction"); n > 4+3+6 {
			t.Errorf("%d evictions for four pods", n)
		}
		if least := w.c.Proof().Least(); len(least) != 1 || least[0].Min != 3 {
			t.Errorf("%+v", least)
		}
	})
}

func TestDrainBlocked(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddDeployment("shop", "web", 4, nil))
		w.must(w.AddPDB("shop", "web", "web", "4", ""))
	}, func(w *world) {
		plan := w.c.PlanDrain("n1", ownPods())
		if len(plan.Blockers) != 1 || !strings.Contains(plan.Blockers[0], "budget shop/web needs 4 healthy pods and has 4: it never allows a disruption") {
			t.Errorf("predicted %q", plan.Blockers)
		}
		for _, dry := range []bool{true, false} {
			heard, began := listen(), time.Now()
			o := ownPods()
			o.Timeout = 5 * time.Minute
			call := w.c.Drain
			if dry {
				call = w.c.TryDrain
			}
			w.ForgetRequests()
			err := call(w.ctx, "n1", o, heard.say)
			var blocked interface{ Blocked() []string }
			if !errors.As(err, &blocked) || len(blocked.Blocked()) != 1 || !strings.Contains(err.Error(), "node n1: drain") {
				w.Fatalf("got %v", err)
			}
			if took := time.Since(began); took < 5*time.Minute || took > 5*time.Minute+2*time.Second {
				t.Errorf("took %s", took)
			}
			heard.heard(t, "budget shop/web needs 4 healthy pods and has 4")
			if n := w.Count("create", "pods/eviction"); n > 40 {
				t.Errorf("%d evictions in five minutes", n)
			}
			if len(heard.texts) > 2 {
				t.Errorf("said %d times:\n%s", len(heard.texts), heard.all())
			}
		}
	})
}

func TestDrainPastBudget(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddDeployment("shop", "web", 3, nil))
		w.must(w.AddPDB("shop", "web", "web", "3", ""))
		w.must(w.AddDeployment("shop", "api", 3, nil))
		w.must(w.AddPDB("shop", "api", "api", "2", ""))
	}, func(w *world) {
		o := ownPods()
		o.PastBudget = []string{"shop/web", "shop/api"}
		w.must(w.c.TryDrain(w.ctx, "n1", o, nil))
		w.claim("n1")
		w.ForgetRequests()
		w.must(w.c.Drain(w.ctx, "n1", o, nil))
		var deleted []string
		for _, r := range w.Requests() {
			if r.Verb == "delete" && r.Resource == "pods" {
				deleted = append(deleted, r.Name)
			}
		}
		if len(deleted) == 0 || strings.Contains(strings.Join(deleted, " "), "api-") {
			t.Errorf("deleted %q: only what its budget blocked may be", deleted)
		}
	})
}

func TestDrainRefuses(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.Add(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bare"},
			Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		}))
	}, func(w *world) {
		for _, call := range []func(context.Context, string, DrainOptions, func(string)) error{w.c.TryDrain, w.c.Drain} {
			err := call(w.ctx, "n1", ownPods(), nil)
			var refused interface{ Refused() []string }
			if !errors.As(err, &refused) || refused.Refused()[0] != "cannot delete Pods that declare no controller (use --force to override): shop/bare" {
				t.Errorf("got %v", err)
			}
		}
		o := ownPods()
		o.Force = true
		w.must(w.c.Drain(w.ctx, "n1", o, nil))
	})
}

// Crash-looping pods that hold a budget are named (fault 13, kubernetes#72320).
