package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

func TestFault11TwoBudgets(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddDeployment("shop", "web", 1, nil))
		w.must(w.AddPDB("shop", "a", "web", "0", ""))
		w.must(w.AddPDB("shop", "b", "web", "0", ""))
	}, func(w *world) {
		node := kubetest.List[*corev1.Pod](w.Server, "shop")[0].Spec.NodeName
		if p := w.c.PlanDrain(node, ownPods()).Blockers; len(p) != 1 || !strings.Contains(p[0], "more than one budget (a, b)") {
			t.Errorf("predicted %q", p)
		}
		o, heard := ownPods(), listen()
		o.Timeout = time.Minute
		err := w.c.TryDrain(w.ctx, node, o, heard.say)
		heard.heard(t, "more than one budget (a, b)")
		if blocked := new(BlockedError); !errors.As(err, &blocked) {
			w.Fatalf("got %v", err)
		}
		o.PastBudget = []string{"shop/a"}
		if w.c.TryDrain(w.ctx, node, o, nil) == nil {
			t.Error("one of two budgets isn't both")
		}
		o.PastBudget = []string{"shop/a", "shop/b"}
		w.must(w.c.TryDrain(w.ctx, node, o, nil))
		w.claim(node)
		w.must(w.c.Drain(w.ctx, node, o, nil))
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

func TestFault15StatefulSetComesBackUnderItsName(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddStatefulSet("shop", "db", 1, nil)) }, func(w *world) {
		p := kubetest.Get[*corev1.Pod](w.Server, "shop", "db-0")
		w.claim(p.Spec.NodeName)
		w.must(w.c.Drain(w.ctx, p.Spec.NodeName, ownPods(), nil))
		time.Sleep(5 * time.Second)
		again := kubetest.Get[*corev1.Pod](w.Server, "shop", "db-0")
		if again == nil || again.UID == p.UID || again.Spec.NodeName == p.Spec.NodeName {
			t.Errorf("want another db-0 elsewhere, got %+v", again)
		}
		if n := w.Count("create", "pods/eviction"); n != 1 {
			t.Errorf("%d evictions", n)
		}
	})
}

func TestFault14Finalizer(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddDeployment("shop", "web", 1, nil)) }, func(w *world) {
		p := kubetest.List[*corev1.Pod](w.Server, "shop")[0]
		w.must(kubetest.Change(w.Server, "shop", p.Name, func(p *corev1.Pod) { p.Finalizers = []string{"backup.example.com/wait"} }))
		w.claim(p.Spec.NodeName)
		o, heard := ownPods(), listen()
		o.Timeout = 3 * time.Minute
		err := w.c.Drain(w.ctx, p.Spec.NodeName, o, heard.say)
		heard.heard(t, "pod shop/"+p.Name, "finalizer backup.example.com/wait", "of a pod of ReplicaSet web")
		if blocked := new(BlockedError); !errors.As(err, &blocked) || len(blocked.By) != 1 {
			w.Fatalf("got %v", err)
		}
		if left := kubetest.Get[*corev1.Pod](w.Server, "shop", p.Name); left == nil || len(left.Finalizers) != 1 {
			t.Error("the finalizer was stripped")
		}
	})
}

func TestFault09APIAwayInMidDrain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddDeployment("shop", "web", 6, nil))
		w.must(w.AddPDB("shop", "web", "web", "5", ""))
	}, func(w *world) {
		w.claim("n1")
		o, heard := ownPods(), listen()
		o.Timeout = time.Minute // less than the outage, which doesn't count
		later(1500*time.Millisecond, func() { w.Refuse(true) })
		later(1500*time.Millisecond+3*time.Minute, func() { w.Refuse(false) })
		began := time.Now()
		w.must(w.c.Drain(w.ctx, "n1", o, heard.say))
		if took := time.Since(began); took < 3*time.Minute || took > 4*time.Minute {
			t.Errorf("took %s", took)
		}
		heard.heard(t, "the API server, which doesn't answer")
		if n := w.evictable("n1"); n != 0 {
			t.Errorf("%d pods are left", n)
		}
	})
}

func TestFault10RetryAfter(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddDeployment("shop", "web", 6, nil)) }, func(w *world) {
		w.claim("n1")
		storm := true
		w.Fail(func(r *http.Request) (int, time.Duration, bool) {
			return http.StatusTooManyRequests, 7 * time.Second, storm && strings.HasSuffix(r.URL.Path, "/eviction")
		})
		later(30*time.Second, func() { storm = false })
		w.ForgetRequests()
		w.must(w.c.Drain(w.ctx, "n1", ownPods(), nil))
		var times []time.Time
		for _, r := range w.Requests() {
			if r.Resource == "pods/eviction" && r.Name == w.Requests()[0].Name {
				times = append(times, r.Time)
			}
		}
		if len(times) < 2 || len(times) > 6 {
			t.Errorf("asked %d times for one pod in 30 seconds", len(times))
		}
		for i := 1; i < len(times); i++ {
			if times[i].Sub(times[i-1]) < 7*time.Second {
				t.Errorf("asked again after %s, the server said 7 s", times[i].Sub(times[i-1]))
			}
		}
	})
}

func TestFault12WatchExpires(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddDeployment("shop", "web", 6, nil)) }, func(w *world) {
		w.claim("n1")
		w.ForgetRequests()
		for i := range 8 { // the pods end while nobody tells
			later(time.Duration(200*i)*time.Millisecond, w.ExpireWatches)
		}
		ctx, cancel := context.WithTimeout(w.ctx, 2*time.Minute)
		defer cancel()
		w.must(w.c.Drain(ctx, "n1", ownPods(), nil))
		if lists := w.Count("list", "pods") + w.Count("watch", "pods"); lists > 40 {
			t.Errorf("%d lists and watches: a busy loop", lists)
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

func TestDrainWaitsForVolumes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddStatefulSet("shop", "db", 1, nil))
		w.must(w.AddDaemonSet("kube-system", "cni", nil))
	}, func(w *world) {
		p := kubetest.Get[*corev1.Pod](w.Server, "shop", "db-0")
		node := p.Spec.NodeName
		uses := func(claim string) func(*corev1.Pod) {
			return func(p *corev1.Pod) {
				v := corev1.Volume{Name: "v"}
				v.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}
				p.Spec.Volumes = append(p.Spec.Volumes, v)
			}
		}
		w.must(kubetest.Change(w.Server, "shop", "db-0", uses("data")))
		for _, p := range w.on(node) {
			if p.Namespace == "kube-system" {
				w.must(kubetest.Change(w.Server, "kube-system", p.Name, uses("stays")))
			}
		}
		for volume, claim := range map[string]string{"pv-1": "shop/data", "pv-2": "kube-system/stays", "pv-3": "old/leaked"} {
			namespace, name, _ := strings.Cut(claim, "/")
			v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: volume}}
			v.Spec.ClaimRef = &corev1.ObjectReference{Namespace: namespace, Name: name}
			w.must(w.Add(v))
			w.must(w.Attach(volume, node))
		}
		later(40*time.Second, func() {
			w.must(w.Delete(w.c.attachments.all()[0].DeepCopy()))
			for _, a := range w.c.attachments.all() {
				if volumeOf(a) == "pv-1" {
					_ = w.Delete(a.DeepCopy())
				}
			}
		})
		w.claim(node)
		heard, began := listen(), time.Now()
		w.must(w.c.Drain(w.ctx, node, ownPods(), heard.say))
		if took := time.Since(began); took < 40*time.Second || took > 42*time.Second {
			t.Errorf("took %s", took)
		}
		heard.heard(t, "volume pv-1 (claim shop/data) is still attached")
		if strings.Contains(heard.all(), "pv-2") || strings.Contains(heard.all(), "pv-3") {
			t.Errorf("volumes of others:\n%s", heard.all())
		}
	})
}

func TestDrainOfPodsThatComeBack(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, n := range []string{"n2", "n3"} {
			w.must(kubetest.Change(w.Server, "", n, func(n *corev1.Node) { n.Spec.Unschedulable = true }))
		}
		w.must(w.AddDeployment("shop", "agent", 3, nil))
	}, func(w *world) {
		w.claim("n1")
		tolerate := func(p *corev1.Pod) {
			p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		}
		for _, p := range w.on("n1") {
			w.must(kubetest.Change(w.Server, p.Namespace, p.Name, tolerate))
		}
		later(500*time.Millisecond, func() { // it lands again, as one that tolerates everything would
			owner := w.on("n1")[0].OwnerReferences
			w.must(w.Add(&corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "again", OwnerReferences: owner, Labels: map[string]string{"app": "agent"}},
				Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "c", Image: "i"}},
					Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}}},
			}))
		})
		time.Sleep(100 * time.Millisecond)
		plan := w.c.PlanDrain("n1", ownPods())
		if !strings.Contains(strings.Join(plan.Warnings, "\n"), "tolerates a cordon") {
			t.Errorf("not warned: %q", plan.Warnings)
		}
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		defer cancel()
		heard := listen()
		w.must(w.c.Drain(ctx, "n1", ownPods(), heard.say))
		if len(w.on("n1")) != 1 {
			t.Errorf("%d pods on n1", len(w.on("n1")))
		}
	})
}

func TestDrainGuarded(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddDeployment("shop", "web", 6, nil)) }, func(w *world) {
		w.claim("n1")
		w.ForgetRequests()
		doubt := ErrDoubt
		w.c.Guard(func() error { return doubt })
		later(20*time.Second, func() {
			if n := w.Count("create", "pods/eviction"); n != 0 {
				t.Errorf("%d evictions while the lease was in doubt", n)
			}
			doubt = nil
		})
		w.must(w.c.Drain(w.ctx, "n1", ownPods(), nil))

		w.claim("n2")
		doubt = ErrLost
		if err := w.c.Drain(w.ctx, "n2", ownPods(), nil); !errors.Is(err, ErrLost) {
			t.Errorf("got %v", err)
		}
	})
}

func TestStranded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddStatefulSet("shop", "db", 1, map[string]string{}))
	}, func(w *world) {
		node := kubetest.Get[*corev1.Pod](w.Server, "shop", "db-0").Spec.NodeName
		for _, n := range []string{"n1", "n2", "n3"} {
			if n != node {
				w.must(kubetest.Change(w.Server, "", n, func(n *corev1.Node) { n.Spec.Unschedulable = true }))
			}
		}
		if s := w.c.Stranded(); s != nil {
			t.Errorf("before: %q", s)
		}
		w.claim(node)
		changed := w.c.Changed()
		w.must(w.c.Drain(w.ctx, node, ownPods(), nil))
		time.Sleep(5 * time.Second)
		if s := w.c.Stranded(); len(s) != 1 || !strings.HasPrefix(s[0], "shop/db-0: 0/3 nodes are available") {
			t.Errorf("after: %q", s)
		}
		select {
		case <-changed:
		default:
			t.Error("Changed didn't tell")
		}
		w.must(w.c.Release(w.ctx, node, "run-1", nil))
		time.Sleep(10 * time.Second)
		if s := w.c.Stranded(); s != nil {
			t.Errorf("given back: %q", s)
		}
	})
}

// Crash-looping pods that hold a budget are named (fault 13, kubernetes#72320).
func TestHeldByIllPods(t *testing.T) {
	inWorld(t, shop, func(w *world) {
		var ill string
		for _, p := range kubetest.List[*corev1.Pod](w.Server, "shop") {
			if ill = p.Name; p.Spec.NodeName != "n1" {
				break
			}
		}
		w.must(w.SetReady("shop", ill, false))
		time.Sleep(time.Second)
		b, _ := w.c.budgets.get("shop/web")
		if text := w.c.held(b); text != fmt.Sprintf("budget shop/web needs 3 healthy pods and has 3 (%s isn't ready)", ill) {
			t.Error(text)
		}
	})
}
