package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

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
		var over atomic.Bool
		w.Fail(func(r *http.Request) (int, time.Duration, bool) {
			return http.StatusTooManyRequests, 7 * time.Second, !over.Load() && strings.HasSuffix(r.URL.Path, "/eviction")
		})
		later(30*time.Second, func() { over.Store(true) })
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
		time.Sleep(time.Second)
		later(40*time.Second, func() {
			for _, a := range w.c.attachments.all() {
				if volumeOf(a) == "pv-1" {
					w.must(w.Delete(a.DeepCopy()))
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

var errNone = errors.New("no doubt")

func TestDrainGuarded(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddDeployment("shop", "web", 6, nil)) }, func(w *world) {
		w.claim("n1")
		w.ForgetRequests()
		var doubt atomic.Value
		doubt.Store(ErrDoubt)
		w.c.Guard(func() error {
			err, _ := doubt.Load().(error)
			if errors.Is(err, errNone) {
				return nil
			}
			return err
		})
		later(20*time.Second, func() {
			if n := w.Count("create", "pods/eviction"); n != 0 {
				t.Errorf("%d evictions while the lease was in doubt", n)
			}
			doubt.Store(errNone)
		})
		w.must(w.c.Drain(w.ctx, "n1", ownPods(), nil))

		w.claim("n2")
		doubt.Store(ErrLost)
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

func TestFault13HeldByIllPods(t *testing.T) {
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

// A dry run evicts nothing, so what is unplaced afterwards isn't our doing.
func TestStrandedAfterADryRun(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddDeployment("shop", "web", 3, nil)) }, func(w *world) {
		for _, n := range []string{"n1", "n2", "n3"} {
			w.must(w.c.TryDrain(w.ctx, n, ownPods(), nil))
		}
		for _, n := range []string{"n1", "n2", "n3"} {
			w.must(kubetest.Change(w.Server, "", n, func(n *corev1.Node) { n.Spec.Unschedulable = true }))
		}
		w.must(w.Delete(kubetest.List[*corev1.Pod](w.Server, "shop")[0])) // somebody else does
		time.Sleep(10 * time.Second)
		if s := w.c.Stranded(); s != nil {
			t.Errorf("not ours: %q", s)
		}
	})
}

// A pod that landed after the drain began goes too.
func TestDrainTakesWhatLandsMeanwhile(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddDeployment("shop", "web", 6, nil)) }, func(w *world) {
		owner := kubetest.List[*corev1.Pod](w.Server, "shop")[0].OwnerReferences
		later(500*time.Millisecond, func() { // bound by a scheduler that hadn't seen the cordon yet
			w.must(w.Add(&corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "late", OwnerReferences: owner, Labels: map[string]string{"app": "web"}},
				Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
			}))
		})
		w.claim("n1")
		w.must(w.c.Drain(w.ctx, "n1", ownPods(), nil))
		if n := w.evictable("n1"); n != 0 {
			t.Errorf("%d pods are left", n)
		}
	})
}

// The process that holds a drain is told to stop: the drain ends at once and says where it stood.
func TestDrainCancelled(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddDeployment("shop", "web", 4, nil))
		w.must(w.AddPDB("shop", "web", "web", "4", ""))
	}, func(w *world) {
		for _, call := range []func(context.Context, string, DrainOptions, func(string)) error{w.c.TryDrain, w.c.Drain} {
			ctx, cancel := context.WithCancelCause(w.ctx)
			why := errors.New("second SIGINT")
			later(7*time.Second, func() { cancel(why) })
			began := time.Now()
			err := call(ctx, "n1", ownPods(), nil)
			if !errors.Is(err, why) || time.Since(began) > 7100*time.Millisecond || !strings.HasPrefix(err.Error(), "node n1: drain") {
				t.Errorf("got %v after %s", err, time.Since(began))
			}
		}
	})
}

// A pod that is slow to end is named with its grace, and its text doesn't change each second.
func TestDrainNamesSlowPods(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddDeployment("shop", "web", 1, nil)) }, func(w *world) {
		p := kubetest.List[*corev1.Pod](w.Server, "shop")[0]
		w.must(kubetest.Change(w.Server, "shop", p.Name, func(p *corev1.Pod) {
			p.Annotations = map[string]string{kubetest.StopDelay: "25s"}
		}))
		time.Sleep(time.Second)
		w.claim(p.Spec.NodeName)
		heard, began := listen(), time.Now()
		w.must(w.c.Drain(w.ctx, p.Spec.NodeName, ownPods(), heard.say))
		heard.heard(t, "pod shop/"+p.Name+" ends (20s of grace left)")
		if took := time.Since(began); took < 25*time.Second || took > 25500*time.Millisecond || len(heard.texts) > 5 {
			t.Errorf("took %s, said:\n%s", took, heard.all())
		}
	})
}
