package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fleetup/fleetup/kube/kubetest"
)

func aProbe() Probe {
	return Probe{Image: "registry.example.com/tools:1", Command: []string{"sh", "-c", "nslookup kubernetes.default"}, Namespace: "default", Timeout: time.Minute}
}

// probes are what is there of probe pods and their claims.
func (w *world) probes() (names []string) {
	for _, p := range kubetest.List[*corev1.Pod](w.Server, "") {
		if p.Labels[LabelProbe] != "" {
			names = append(names, "pod "+p.Name)
		}
	}
	for _, c := range kubetest.List[*corev1.PersistentVolumeClaim](w.Server, "") {
		names = append(names, "claim "+c.Name)
	}
	return names
}

// noProbes wants nothing left a moment later.
func (w *world) noProbes() {
	w.Helper()
	time.Sleep(5 * time.Second)
	if left := w.probes(); len(left) > 0 {
		w.Errorf("left behind: %v", left)
	}
}

func TestProbe(t *testing.T) {
	inWorld(t, func(w *world) {
		v := &corev1.PersistentVolume{}
		v.Name, v.Spec.StorageClassName = "pv-1", "fast.ssd"
		w.must(w.Add(v))
		w.Kubelet("n1", kubetest.KubeletStatus{Allocatable: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourcePods: resource.MustParse("110"), "nvidia.com/gpu": resource.MustParse("1"),
		}})
	}, func(w *world) {
		w.claim("n1") // cordoned and tainted
		p := aProbe()
		p.StorageClasses, p.Resources = []string{"fast.ssd"}, map[string]string{"nvidia.com/gpu": "1"}
		var ran *corev1.Pod
		w.Runs(func(p *corev1.Pod) kubetest.Ran { ran = p; return kubetest.Ran{} })
		w.must(w.c.Probe(w.ctx, "n1", "run-1", p, nil))
		w.noProbes()
		if ran == nil || ran.Spec.NodeName != "n1" || ran.Spec.Containers[0].VolumeMounts[0].MountPath != "/probe/fast.ssd" || ran.Labels[LabelProbe] != "run-1" {
			t.Errorf("ran %+v", ran)
		}
	})
}

// What goes wrong is said with phase, reason and the last lines; and whatever it is, nothing is left.
func TestProbeFails(t *testing.T) {
	for name, c := range map[string]struct {
		ran   kubetest.Ran
		probe func(*Probe)
		says  []string
	}{
		"exit code": {kubetest.Ran{Exit: 3, Log: strings.Repeat("line\n", 20) + "nslookup: can't resolve\n"}, nil,
			[]string{"node n1: probe pod default/fleetup-probe-", ": Failed, exit code 3 (Error); its last lines:\n  line\n", "\n  nslookup: can't resolve"}},
		"hangs": {kubetest.Ran{Hangs: true, Log: "dialling"}, nil, []string{"not done after 1m0s: Running", "\n  dialling"}},
		"image": {kubetest.Ran{Waiting: "ErrImagePull"}, nil, []string{"not done after 1m0s: Pending, ErrImagePull: cannot start registry.example.com/tools:1"}},
		"no GPU": {kubetest.Ran{}, func(p *Probe) { p.Resources = map[string]string{"nvidia.com/gpu": "1"} },
			[]string{"Pending, can't be scheduled: 0/3 nodes are available: 1 Insufficient nvidia.com/gpu"}},
		"no volume": {kubetest.Ran{}, func(p *Probe) { p.StorageClasses = []string{"slow"} }, []string{"unbound immediate PersistentVolumeClaims"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.Runs(func(*corev1.Pod) kubetest.Ran { return c.ran })
				p := aProbe()
				if c.probe != nil {
					c.probe(&p)
				}
				heard := listen()
				err := w.c.Probe(w.ctx, "n1", "run-1", p, heard.say)
				for _, words := range c.says {
					if err == nil || !strings.Contains(err.Error(), words) {
						t.Errorf("got %v\nwant %q", err, words)
					}
				}
				if err != nil && strings.Count(err.Error(), "\n") > lastLines {
					t.Errorf("too many lines: %v", err)
				}
				heard.heard(t, "probe pod default/fleetup-probe-")
				w.noProbes()
			})
		})
	}
}

// Somebody deletes it, the run is parked, the API is away: nothing is left, nothing is lost.
func TestProbeInterrupted(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.Runs(func(*corev1.Pod) kubetest.Ran { return kubetest.Ran{Hangs: true} })
		later(10*time.Second, func() { w.must(w.Delete(kubetest.List[*corev1.Pod](w.Server, "default")[0])) })
		if err := w.c.Probe(w.ctx, "n1", "run-1", aProbe(), nil); err == nil || !strings.Contains(err.Error(), "somebody deleted it; Running before") {
			t.Errorf("got %v", err)
		}
		ctx, park := context.WithCancel(w.ctx)
		later(10*time.Second, park)
		if err := w.c.Probe(ctx, "n1", "run-1", aProbe(), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		w.noProbes()
		w.Runs(nil)
		down := time.Now().Add(20 * time.Second)
		w.Fail(func(r *http.Request) (int, time.Duration, bool) {
			return http.StatusServiceUnavailable, 0, r.Method == http.MethodPost && time.Now().Before(down)
		})
		w.must(w.c.Probe(w.ctx, "n1", "run-1", aProbe(), nil))
		w.noProbes()
	})
}

// What the API server wouldn't take is known without making anything.
func TestTryProbe(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.must(w.c.TryProbe(w.ctx, "n1", "run-1", aProbe()))
		p := aProbe()
		p.Namespace = "nowhere"
		if err := w.c.TryProbe(w.ctx, "n1", "run-1", p); err == nil || !strings.Contains(err.Error(), `namespaces "nowhere" not found`) {
			t.Errorf("got %v", err)
		}
		if left := w.probes(); len(left) > 0 {
			t.Errorf("made %v", left)
		}
	})
}

// What a killed process left is removed by the next: before it runs the same again, or by a sweep, of whichever run.
func TestSweepProbes(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		leave := func(node, run string) {
			w.must(w.Add(probePod(node, run, aProbe())))
		}
		w.Runs(func(p *corev1.Pod) kubetest.Ran { return kubetest.Ran{Hangs: true} })
		leave("n1", "run-1")
		time.Sleep(5 * time.Second)
		w.Runs(nil)
		w.must(w.c.Probe(w.ctx, "n1", "run-1", aProbe(), nil))
		w.noProbes()

		w.Runs(func(p *corev1.Pod) kubetest.Ran { return kubetest.Ran{Hangs: true} })
		leave("n1", "run-1")
		leave("n2", "run-0")
		time.Sleep(5 * time.Second)
		w.must(w.c.SweepProbes(w.ctx))
		if left := w.probes(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		w.must(w.c.SweepProbes(w.ctx))

		leave("n3", "run-1")
		time.Sleep(5 * time.Second)
		w.Authorize(func(_, verb, _, resource, _, _ string) bool { return verb != "delete" })
		if err := w.c.SweepProbes(w.ctx); err == nil || !strings.Contains(err.Error(), "remove probe pod default/fleetup-probe-") {
			t.Errorf("got %v", err)
		}
	})
}

// A probe pod's own rights: with them it works and its words are shown; without any of them something is missing, and named.
func TestProbeRightsAreMinimal(t *testing.T) {
	extra := Extra(Needs{Probes: []string{"default"}})
	works := func(rules []Rule) (ok bool, missing []string) {
		synctest.Test(t, func(t *testing.T) {
			s := kubetest.New(context.Background(), kubetest.Config{Seed: 1})
			defer s.Close()
			w := &world{T: t, Server: s}
			w.must(w.AddNode("n1", nil))
			w.Runs(func(*corev1.Pod) kubetest.Ran { return kubetest.Ran{Exit: 1, Log: "no route"} })
			s.Authorize(func(_, verb, group, resource, namespace, name string) bool {
				return permits(rules, verb, group, resource, namespace, name)
			})
			ctx, cancel := context.WithCancel(context.Background())
			c := w.open()
			defer c.Close()
			defer c.Wait()
			defer cancel()
			w.must(c.Start(ctx))
			missing, _ = c.Missing(ctx, extra...)
			err := c.Probe(ctx, "n1", "run-1", aProbe(), nil)
			time.Sleep(10 * time.Second)
			ok = err != nil && strings.Contains(err.Error(), "no route") && len(w.probes()) == 0
		})
		return ok, missing
	}
	all := append(Rules(""), extra...)
	if ok, missing := works(all); !ok || missing != nil {
		t.Fatalf("with all of them: %v, missing %q", ok, missing)
	}
	for i := len(Rules("")); i < len(all); i++ {
		for _, verbs := range parts(all[i]) {
			ok, missing := works(without(all, i, verbs))
			if ok || len(missing) != 1 || !strings.Contains(missing[0], fmt.Sprintf("may not %s %s in namespace default (%s)", verbs[0], all[i].Resource, all[i].Why)) {
				t.Errorf("without %s %s: works %v, missing %q", verbs, all[i].Resource, ok, missing)
			}
		}
	}
}

func TestProbeNames(t *testing.T) {
	a, b := probeName("n1", "run-1"), probeName("n2", "run-1")
	if a == b || a == probeName("n1", "run-2") || a != probeName("n1", "run-1") || len(a) > 63 {
		t.Error(a, b)
	}
	long := volumeName("a.b." + strings.Repeat("c", 80))
	if len(long) > 63 || strings.Contains(long, ".") || !slices.Contains([]string{"class-fast-ssd"}, volumeName("fast.ssd")) {
		t.Error(long)
	}
}
