package kube

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// careful are drain options that mind Services, and collect what is told before a restart.
func careful(mode string, accepted ...string) (DrainOptions, *[]string) {
	o, told, mu := ownPods(), &[]string{}, &sync.Mutex{}
	o.LastEndpoint, o.AcceptDowntime, o.Run = mode, accepted, "run-1"
	o.Tell = func(what string) error {
		mu.Lock()
		defer mu.Unlock()
		*told = append(*told, what)
		return nil
	}
	return o, told
}

func served(replicas int) func(w *world) {
	return func(w *world) {
		w.must(w.AddDeployment("shop", "web", replicas, nil))
		w.must(w.AddService("shop", "web", "web"))
	}
}

// nodeOf is where a workload's only pod runs.
func (w *world) nodeOf(app string) string {
	w.Helper()
	for _, p := range kubetest.List[*corev1.Pod](w.Server, "shop") {
		if p.Labels["app"] == app && p.DeletionTimestamp == nil {
			return p.Spec.NodeName
		}
	}
	w.Fatal("no pod of ", app)
	return ""
}

// A Deployment of one behind a Service: its rollout makes the new pod, and the old one is never evicted.
func TestDrainSurges(t *testing.T) {
	inWorld(t, served(1), func(w *world) {
		o, told := careful(LastSurge)
		node := w.nodeOf("web")
		plan := w.c.PlanDrain(node, o)
		if len(plan.Downtime)+len(plan.Blockers) > 0 || !strings.Contains(strings.Join(plan.Warnings, " "), "Deployment shop/web is restarted") {
			t.Errorf("planned %+v", plan)
		}
		w.must(w.c.TryDrain(w.ctx, node, o, nil))
		if len(*told) > 0 || w.Count("patch", "deployments") > 0 {
			t.Error("restarted before the node was closed")
		}
		w.claim(node)
		heard := listen()
		w.must(w.c.Drain(w.ctx, node, o, heard.say))
		heard.heard(t, "Service shop/web has no other endpoint", "until Deployment shop/web has made a new pod")
		if n := w.least("web"); n.Min != 1 || n.Accepted {
			t.Errorf("%+v", n)
		}
		if n, restarts := w.Count("create", "pods/eviction"), w.Count("patch", "deployments"); n != 0 || restarts != 1 || len(*told) != 1 {
			t.Errorf("%d evictions, %d restarts, told %q", n, restarts, *told)
		}
		d := kubetest.Get[*appsv1.Deployment](w.Server, "shop", "web")
		if _, ok := d.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"]; !ok || !strings.HasPrefix(d.Annotations[AnnotationRestarted], "run-1.") {
			t.Errorf("annotations %v, of the template %v", d.Annotations, d.Spec.Template.Annotations)
		}
		if w.nodeOf("web") == node {
			t.Error("the new pod is where the old one was")
		}
	})
}

// A budget that would never let the only pod go doesn't keep a rollout from replacing it.
func TestDrainSurgesWhereABudgetBlocks(t *testing.T) {
	inWorld(t, func(w *world) {
		served(1)(w)
		w.must(w.AddPDB("shop", "web", "web", "1", ""))
	}, func(w *world) {
		o, _ := careful(LastSurge)
		node := w.nodeOf("web")
		if plan := w.c.PlanDrain(node, o); len(plan.Blockers) > 0 {
			t.Errorf("blocked by %q", plan.Blockers)
		}
		w.must(w.c.TryDrain(w.ctx, node, o, nil))
		w.claim(node)
		w.must(w.c.Drain(w.ctx, node, o, nil))
		if n := w.least("web"); n.Min != 1 {
			t.Errorf("%+v", n)
		}
	})
}

// The process that began the rollout is killed; the next one doesn't begin a second.
func TestDrainSurgesOnce(t *testing.T) {
	inWorld(t, served(1), func(w *world) {
		node := w.nodeOf("web")
		w.claim(node)
		o, told := careful(LastSurge)
		ctx, kill := context.WithCancel(w.ctx)
		later(1500*time.Millisecond, kill) // the new pod takes three seconds
		if err := w.c.Drain(ctx, node, o, nil); !errors.Is(err, context.Canceled) || len(*told) != 1 {
			t.Fatalf("%v, told %q", err, *told)
		}
		next, again := careful(LastSurge)
		ctx, end := context.WithCancel(w.ctx)
		c := w.open()
		w.must(c.Start(ctx))
		w.must(c.Drain(w.ctx, node, next, nil))
		end()
		c.Wait()
		c.Close()
		if restarts := w.Count("patch", "deployments"); restarts != 1 || len(*again) != 0 {
			t.Errorf("%d restarts, told again %q", restarts, *again)
		}
		if n := w.least("web"); n.Min != 1 {
			t.Errorf("%+v", n)
		}
	})
}

// Nothing is restarted that the journal couldn't be told of.
func TestDrainDoesNotSurgeUntold(t *testing.T) {
	inWorld(t, served(1), func(w *world) {
		o, _ := careful(LastSurge)
		full := errors.New("the journal's disk is full")
		o.Tell = func(string) error { return full }
		w.claim(w.nodeOf("web"))
		if err := w.c.Drain(w.ctx, w.nodeOf("web"), o, nil); !errors.Is(err, full) || w.Count("patch", "deployments") != 0 {
			t.Errorf("got %v", err)
		}
	})
}

// A restart that is refused is named and asked for again; one that fails for good ends as blocked, with nothing evicted.
func TestDrainSurgeRefused(t *testing.T) {
	inWorld(t, served(1), func(w *world) {
		o, _ := careful(LastSurge)
		o.Timeout = time.Minute
		node := w.nodeOf("web")
		w.claim(node)
		w.Fail(func(r *http.Request) (int, time.Duration, bool) {
			return http.StatusForbidden, 0, r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "deployments")
		})
		heard := listen()
		err := w.c.Drain(w.ctx, node, o, heard.say)
		var blocked *BlockedError
		if !errors.As(err, &blocked) || w.Count("create", "pods/eviction") != 0 {
			t.Errorf("got %v", err)
		}
		heard.heard(t, "that failed: ")
		if n := w.Count("patch", "deployments"); n < 3 || n > 15 {
			t.Errorf("%d tries in a minute", n)
		}
		w.Fail(func(r *http.Request) (int, time.Duration, bool) { // a conflict, then well
			if r.Method == http.MethodPatch {
				w.Fail(nil)
				return http.StatusConflict, 0, true
			}
			return 0, 0, false
		})
		w.must(w.c.Drain(w.ctx, node, o, nil))
		if n := w.least("web"); n.Min != 1 {
			t.Errorf("%+v", n)
		}
	})
}

// A rollout that was undone never takes the pod: after a while it is evicted like any other, as its Service has another.
func TestDrainSurgeUndone(t *testing.T) {
	inWorld(t, served(1), func(w *world) {
		o, _ := careful(LastSurge)
		node := w.nodeOf("web")
		w.claim(node)
		later(time.Second, func() {
			w.must(kubetest.Change(w.Server, "shop", "web", func(d *appsv1.Deployment) {
				two := int32(2)
				d.Spec.Template.Annotations, d.Spec.Replicas = nil, &two
			}))
		})
		w.must(w.c.Drain(w.ctx, node, o, nil))
		if n := w.least("web"); n.Min != 1 {
			t.Errorf("%+v", n)
		}
	})
}

func lonely(w *world) {
	w.must(w.AddStatefulSet("shop", "db", 1, nil))
	w.must(w.AddService("shop", "db", "db"))
}

// TestDrainAwaitsEndpoints: a budget counts a pod as soon as it is ready, and clients have nothing of it until its Service
// shows it. No eviction runs ahead of that; a pod that is never shown doesn't hold the drain up for good.
func TestDrainAwaitsEndpoints(t *testing.T) {
	for _, delay := range []time.Duration{3 * time.Second, time.Hour} {
		t.Run(delay.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				served(4)(w)
				w.must(w.AddPDB("shop", "web", "web", "3", ""))
			}, func(w *world) {
				w.SetEndpointDelay(delay)
				o, _ := careful(LastSurge)
				for _, node := range []string{"n1", "n2"} {
					w.claim(node)
				}
				heard := listen()
				w.must(w.c.Drain(w.ctx, "n1", o, heard.say))
				w.must(w.c.Drain(w.ctx, "n2", o, heard.say))
				heard.heard(t, "Service shop/web to send requests to pod")
				if n := w.least("web"); delay < time.Minute && n.Min != 3 {
					t.Errorf("%+v", n)
				}
			})
		})
	}
}

// A StatefulSet of one can't be helped: planned, refused while the node is open, and done once that is accepted.
func TestDrainOfALastEndpoint(t *testing.T) {
	inWorld(t, lonely, func(w *world) {
		o, _ := careful(LastSurge)
		o.Timeout = time.Minute
		node := w.nodeOf("db")
		const why = "Service shop/db has no other endpoint, and has none while it moves: StatefulSet shop/db ends a pod before it makes it anew; " +
			"keep another pod of it ready, or accept that with --accept-downtime shop/db"
		if plan := w.c.PlanDrain(node, o); len(plan.Downtime) != 1 || plan.Downtime[0] != why || len(plan.Blockers) != 0 {
			t.Errorf("planned %+v", plan)
		}
		var blocked *BlockedError
		for _, call := range []func(context.Context, string, DrainOptions, func(string)) error{w.c.TryDrain, w.c.Drain} {
			if err := call(w.ctx, node, o, nil); !errors.As(err, &blocked) || blocked.By[0] != why || w.Count("create", "pods/eviction") != 0 {
				t.Errorf("got %v", err)
			}
		}
		o.LastEndpoint = LastBlock
		if plan := w.c.PlanDrain(node, o); len(plan.Blockers) != 1 || len(plan.Downtime) != 0 {
			t.Errorf("planned %+v", plan)
		}
		o, _ = careful(LastSurge, "shop/db")
		w.must(w.c.TryDrain(w.ctx, node, o, nil))
		w.claim(node)
		w.must(w.c.Drain(w.ctx, node, o, nil))
		if n := w.least("db"); n.Min != 0 || !n.Accepted {
			t.Errorf("%+v", n)
		}
	})
}

// What can't be in two places at once isn't doubled.
func TestRigidVolume(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*corev1.PersistentVolume)
		says   string
	}{
		"many writers": {func(v *corev1.PersistentVolume) {
			v.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
		}, ""},
		"one writer": {func(v *corev1.PersistentVolume) {
			v.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
		},
			"volume pv-1 (claim shop/data) is ReadWriteOnce: it can't be in two places"},
		"local": {func(v *corev1.PersistentVolume) { v.Spec.Local = &corev1.LocalVolumeSource{Path: "/disk"} }, "is local to this node"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				served(1)(w)
				w.must(kubetest.Change(w.Server, "shop", "web", func(d *appsv1.Deployment) {
					d.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{
						PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
					}}}
				}))
				v := &corev1.PersistentVolume{}
				v.Name, v.Spec.ClaimRef = "pv-1", &corev1.ObjectReference{Namespace: "shop", Name: "data"}
				c.change(v)
				w.must(w.Add(v))
				time.Sleep(20 * time.Second)
			}, func(w *world) {
				o, _ := careful(LastSurge)
				plan := w.c.PlanDrain(w.nodeOf("web"), o)
				if got := strings.Join(plan.Downtime, ""); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
					t.Errorf("%q, want %q", got, c.says)
				}
			})
		})
	}
}

// together puts all of a workload's pods on n1.
func together(fill func(w *world)) func(w *world) {
	return func(w *world) {
		w.open23(false)
		fill(w)
		time.Sleep(5 * time.Second)
		w.open23(true)
	}
}

func (w *world) open23(open bool) {
	for _, n := range []string{"n2", "n3"} {
		w.must(kubetest.Change(w.Server, "", n, func(n *corev1.Node) { n.Spec.Unschedulable = !open }))
	}
}

// Without a budget the pods of a Service go one at a time; those of nobody's Service at once. No pod is asked for twice.
func TestDrainOneAtATime(t *testing.T) {
	inWorld(t, together(func(w *world) {
		served(5)(w)
		w.must(w.AddDeployment("shop", "batch", 10, nil))
	}), func(w *world) {
		o, _ := careful(LastSurge)
		w.ForgetRequests()
		w.must(w.c.TryDrain(w.ctx, "n1", o, nil))
		if n := w.Count("create", "pods/eviction"); n != 15 {
			t.Errorf("%d dry evictions for 15 pods", n)
		}
		w.claim("n1")
		heard, began := listen(), time.Now()
		w.must(w.c.Drain(w.ctx, "n1", o, heard.say))
		heard.heard(t, "one pod of Service shop/web at a time")
		if took := time.Since(began); took < 8*time.Second || took > 25*time.Second { // a pod takes 2 s to be replaced
			t.Errorf("took %s", took)
		}
		if n := w.least("web"); n.Min != 4 {
			t.Errorf("%+v", n)
		}
		if n, gets := w.Count("create", "pods/eviction"), w.Count("get", "pods"); n != 30 || gets != 0 {
			t.Errorf("%d evictions and %d GETs for 15 pods", n, gets)
		}
		first := map[string]int{}
		for _, r := range w.Requests() {
			if r.Resource == "pods/eviction" && !r.DryRun && r.Time.Sub(began) < time.Second {
				first[strings.SplitN(r.Name, "-", 2)[0]]++
			}
		}
		if first["batch"] != 10 || first["web"] != 1 {
			t.Errorf("in the first second: %v", first)
		}
	})
}

// Two nodes that are drained at once don't take one Service's two endpoints; not even where a budget would allow that.
func TestDrainOfTwoNodesAtOnce(t *testing.T) {
	for name, budget := range map[string]bool{"no budget": false, "a budget that allows all": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.must(kubetest.Change(w.Server, "", "n3", func(n *corev1.Node) { n.Spec.Unschedulable = true }))
				served(2)(w)
				if budget {
					w.must(w.AddPDB("shop", "web", "web", "", "100%"))
				}
			}, func(w *world) {
				w.must(kubetest.Change(w.Server, "", "n3", func(n *corev1.Node) { n.Spec.Unschedulable = false }))
				time.Sleep(time.Second)
				var drains sync.WaitGroup
				for _, n := range []string{"n1", "n2"} {
					w.claim(n)
				}
				for _, n := range []string{"n1", "n2"} {
					o, _ := careful(LastSurge)
					drains.Go(func() {
						if err := w.c.Drain(w.ctx, n, o, nil); err != nil {
							t.Error(err)
						}
					})
				}
				drains.Wait()
				if n := w.least("web"); n.Start != 2 || n.Min != 1 {
					t.Errorf("%+v", n)
				}
			})
		})
	}
}

// A workload that is scaled down meanwhile doesn't get its endpoints back: nobody waits for them.
func TestDrainOfWhatIsScaledDown(t *testing.T) {
	inWorld(t, together(served(4)), func(w *world) {
		o, _ := careful(LastSurge)
		w.claim("n1")
		later(time.Second, func() {
			w.must(kubetest.Change(w.Server, "shop", "web", func(d *appsv1.Deployment) {
				two := int32(2)
				d.Spec.Replicas = &two
			}))
		})
		ctx, cancel := context.WithTimeout(w.ctx, 3*time.Minute)
		defer cancel()
		w.must(w.c.Drain(ctx, "n1", o, nil))
	})
}

// With no word about Services a drain is kubectl's.
func TestDrainAsKubectl(t *testing.T) {
	inWorld(t, together(served(4)), func(w *world) {
		w.claim("n1")
		began := time.Now()
		w.must(w.c.Drain(w.ctx, "n1", ownPods(), nil))
		if n := w.least("web"); n.Min != 0 || n.Accepted || time.Since(began) > 5*time.Second {
			t.Errorf("%+v after %s", n, time.Since(began))
		}
	})
}

// Where no other node is open nothing can be moved: that is said before the only one is closed. Nodes that a run has
// claimed come back, so a run that is picked up isn't refused for them.
func TestDrainWithNowhereToGo(t *testing.T) {
	inWorld(t, together(served(2)), func(w *world) {
		w.open23(false)
		time.Sleep(time.Second)
		o, _ := careful(LastSurge)
		plan := w.c.PlanDrain("n1", o)
		if len(plan.Downtime) != 1 || !strings.Contains(plan.Downtime[0], "Service shop/web has no other endpoint, and has none while it moves: no other node is open to it") {
			t.Errorf("planned %q", plan.Downtime)
		}
		w.must(kubetest.Change(w.Server, "", "n2", func(n *corev1.Node) {
			n.Spec.Unschedulable = false
			n.Spec.Taints = []corev1.Taint{{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule}}
		}))
		time.Sleep(time.Second)
		if plan := w.c.PlanDrain("n1", o); len(plan.Downtime) != 1 {
			t.Errorf("a node with a taint counts as open: %+v", plan)
		}
		w.claim("n2")
		if plan := w.c.PlanDrain("n1", o); len(plan.Downtime) != 0 {
			t.Errorf("a node that comes back doesn't count: %q", plan.Downtime)
		}
		o.Timeout = time.Minute
		var blocked *BlockedError
		if err := w.c.Drain(w.ctx, "n1", o, nil); !errors.As(err, &blocked) || w.Count("create", "pods/eviction") > 0 {
			t.Errorf("got %v", err)
		}
	})
}

// A node that is Ready since a moment only may have its pods marked as not ready by a controller that doesn't know yet:
// no last endpoint, and no last but one, is moved before it does. Where more are left nobody waits.
func TestDrainWaitsForAFreshNode(t *testing.T) {
	for _, c := range []struct {
		replicas int
		waits    bool
	}{{1, true}, {2, true}, {4, false}} {
		inWorld(t, together(served(c.replicas)), func(w *world) {
			w.claim("n1")
			w.StopKubelet("n2")
			time.Sleep(2 * time.Minute)
			w.Kubelet("n2", kubetest.KubeletStatus{})
			time.Sleep(2 * time.Second)
			o, _ := careful(LastSurge)
			heard, began := listen(), time.Now()
			w.must(w.c.Drain(w.ctx, "n1", o, heard.say))
			if said := strings.Contains(heard.all(), "node n2 to be Ready for a moment"); said != c.waits {
				t.Errorf("%d replicas, after %s:\n%s", c.replicas, time.Since(began), heard.all())
			}
			if n := w.least("web"); n.Min != max(1, c.replicas-1) {
				t.Errorf("%+v", n)
			}
		})
	}
}
