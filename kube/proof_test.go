package kube

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

func (w *world) least(name string) ServiceLeast {
	w.Helper()
	for _, s := range w.c.Proof().Least() {
		if s.Name == name {
			return s
		}
	}
	w.Fatalf("no Service %s in %+v", name, w.c.Proof().Least())
	return ServiceLeast{}
}

func TestProof(t *testing.T) {
	inWorld(t, func(w *world) {
		shop(w)
		w.must(w.AddService("shop", "empty", "nobody"))
		w.must(w.Add(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "manual"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}))
	}, func(w *world) {
		if all := w.c.Proof().Least(); len(all) != 1 || all[0].Start != 4 || all[0].Min != 4 || all[0].Node != "" {
			w.Fatalf("only Services with a selector and an endpoint count: %+v", all)
		}
		time.Sleep(time.Minute)
		// The kubelet is stopped: the API goes on saying ready for 40 seconds, we don't.
		on := map[string]int{}
		for _, p := range kubetest.List[*corev1.Pod](w.Server, "shop") {
			on[p.Spec.NodeName]++
		}
		w.c.Proof().Draining("n2", true)
		at := time.Now()
		w.c.Proof().Down("n2", true)
		if s := w.least("web"); s.Min != 4-on["n2"] || s.Node != "n2" || !s.At.Equal(at) {
			t.Errorf("%+v", s)
		}
		w.c.Proof().Down("n2", false)
		w.c.Proof().Draining("n2", false)
		if s := w.least("web"); s.Min != 4-on["n2"] {
			t.Errorf("the least must stay: %+v", s)
		}
	})
}

// A gap of a few milliseconds counts: the numbers are taken event by event.
func TestProofSeesAShortGap(t *testing.T) {
	inWorld(t, shop, func(w *world) {
		w.c.Proof().Draining("n1", true)
		p := kubetest.List[*corev1.Pod](w.Server, "shop")[0].Name
		w.must(w.SetReady("shop", p, false))
		time.Sleep(2 * time.Second)
		w.must(w.SetReady("shop", p, true))
		time.Sleep(2 * time.Second)
		if s := w.least("web"); s.Min != 3 || s.Node != "n1" {
			t.Errorf("%+v", s)
		}
	})
}

func TestProofOfADeletedService(t *testing.T) {
	inWorld(t, shop, func(w *world) {
		w.must(w.Delete(kubetest.Get[*corev1.Service](w.Server, "shop", "web")))
		time.Sleep(10 * time.Second)
		if s := w.least("web"); s.Min != 4 {
			t.Errorf("somebody deleted it, which is no downtime of ours: %+v", s)
		}
	})
}

func TestProofAfterARelist(t *testing.T) {
	inWorld(t, shop, func(w *world) {
		p := kubetest.List[*corev1.Pod](w.Server, "shop")[0].Name
		w.Refuse(true)
		w.must(w.SetReady("shop", p, false))
		time.Sleep(5 * time.Second)
		w.ExpireWatches()
		w.Refuse(false)
		time.Sleep(time.Minute)
		if s := w.least("web"); s.Min != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestLBSettle(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddDeployment("shop", "web", 1, nil))
		w.must(w.AddService("shop", "web", "web"))
	}, func(w *world) {
		node := kubetest.List[*corev1.Pod](w.Server, "shop")[0].Spec.NodeName
		if d := w.c.LBSettle(node); d != 0 {
			t.Errorf("a ClusterIP has no load balancer: %s", d)
		}
		w.must(kubetest.Change(w.Server, "shop", "web", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeLoadBalancer }))
		time.Sleep(time.Second)
		for _, n := range []string{"n1", "n2", "n3"} {
			want := time.Duration(0)
			if n == node {
				want = 15 * time.Second
			}
			if d := w.c.LBSettle(n); d != want {
				t.Errorf("%s: %s", n, d)
			}
		}
	})
}

// TestLows: each call tells the least since the one before it, and so a gap that came and went in between.
func TestLows(t *testing.T) {
	inWorld(t, shop, func(w *world) {
		proof := w.c.Proof()
		first := proof.Lows()["shop/web"]
		p := kubetest.List[*corev1.Pod](w.Server, "shop")[0].Name
		w.must(w.SetReady("shop", p, false))
		time.Sleep(2 * time.Second)
		w.must(w.SetReady("shop", p, true))
		time.Sleep(2 * time.Second)
		second, third := proof.Lows()["shop/web"], proof.Lows()["shop/web"]
		if first != 4 || second != 3 || third != 4 {
			w.Errorf("the least was %d, then %d while a pod wasn't ready, then %d; want 4, 3, 4", first, second, third)
		}
	})
}
