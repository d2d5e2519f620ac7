package kube

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// withKured is a cluster in which kured runs.
func withKured(t *testing.T, test func(w *world)) {
	inWorld(t, func(w *world) { w.must(w.AddDaemonSet("kube-system", "kured", nil)) }, test)
}

func (w *world) kuredsLock() string {
	return kubetest.Get[*appsv1.DaemonSet](w.Server, "kube-system", "kured").Annotations[annotationKuredLock]
}

func (w *world) lockKured(lock string) {
	w.Helper()
	w.must(kubetest.Change(w.Server, "kube-system", "kured", func(d *appsv1.DaemonSet) {
		d.Annotations = map[string]string{"else": "kept"}
		if lock != "" {
			d.Annotations[annotationKuredLock] = lock
		}
	}))
	time.Sleep(100 * time.Millisecond)
}

// TestKuredsLockIsHeld: in a form that kured reads as taken, whatever its --concurrency, once, and given back.
func TestKuredsLockIsHeld(t *testing.T) {
	withKured(t, func(w *world) {
		w.lockKured("")
		for range 2 {
			w.must(w.c.HoldKured(w.ctx, "n1", "run-1", nil))
		}
		lock := w.kuredsLock()
		if h := kuredHolders(lock); !slices.Equal(h, []string{"fleetup run-1"}) || strings.Count(lock, "nodeID") != kuredSlots+1 {
			t.Errorf("held as %s", lock)
		}
		if n := w.Requests(); countPatches(n) != 1 {
			t.Errorf("%d patches", countPatches(n))
		}
		w.must(w.c.HoldKured(w.ctx, "n1", "run-2", nil)) // the lease says that run-1 is gone
		if h := kuredHolders(w.kuredsLock()); !slices.Equal(h, []string{"fleetup run-2"}) {
			t.Errorf("held by %q", h)
		}
		for range 2 {
			w.must(w.c.FreeKured(w.ctx))
		}
		d := kubetest.Get[*appsv1.DaemonSet](w.Server, "kube-system", "kured")
		if _, there := d.Annotations[annotationKuredLock]; there || d.Annotations["else"] != "kept" {
			t.Errorf("given back: %v", d.Annotations)
		}
	})
}

func countPatches(requests []kubetest.Request) (n int) {
	for _, r := range requests {
		if r.Resource == "daemonsets" && r.Verb == "patch" {
			n++
		}
	}
	return n
}

// TestKuredsLockIsWaitedFor: a node that kured reboots just now is named at once and waited for, not for ever.
func TestKuredsLockIsWaitedFor(t *testing.T) {
	for _, lock := range []string{`{"nodeID":"n2","created":"2026-01-01T00:00:00Z","TTL":0}`, `{"maxOwners":2,"locks":[{"nodeID":"n2"}]}`} {
		withKured(t, func(w *world) {
			w.lockKured(lock)
			later(5*time.Minute, func() { w.lockKured("") })
			heard, began := listen(), time.Now()
			w.must(w.c.HoldKured(w.ctx, "n1", "run-1", heard.say))
			heard.heard(t, "kured is rebooting n2", "daemonset kube-system/kured")
			if took := time.Since(began); took < 5*time.Minute || took > 5*time.Minute+3*time.Second {
				t.Errorf("after %s", took)
			}
			if len(heard.texts) != 1 {
				t.Errorf("said %q", heard.texts)
			}
			if h := kuredHolders(w.kuredsLock()); !slices.Equal(h, []string{"fleetup run-1"}) {
				t.Errorf("held by %q", h)
			}
			w.lockKured(`{"nodeID":"n3"}`)
			w.must(w.c.HoldKured(w.ctx, "n1", "run-1", nil)) // nobody is there to be told
			var blocked *BlockedError
			if err := w.c.HoldKured(w.ctx, "n1", "run-1", heard.say); !errors.As(err, &blocked) || !strings.Contains(err.Error(), "n3") {
				t.Errorf("for ever: %v", err)
			}
			ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
			defer cancel()
			if err := w.c.HoldKured(ctx, "n1", "run-1", heard.say); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("at the context's end: %v", err)
			}
		})
	}
}

// TestKuredsLockIsLeftAlone: a person's, one that nobody can read, and any where we have no right to it, or no lease.
func TestKuredsLockIsLeftAlone(t *testing.T) {
	withKured(t, func(w *world) {
		for _, lock := range []string{`{"nodeID":"manual"}`, `what?`} {
			w.lockKured(lock)
			w.must(w.c.HoldKured(w.ctx, "n1", "run-1", func(string) {}))
			w.must(w.c.FreeKured(w.ctx))
			if got := w.kuredsLock(); got != lock {
				t.Errorf("%q became %q", lock, got)
			}
		}
		w.lockKured("")
		w.c.Guard(func() error { return ErrDoubt })
		if _, err := w.within(time.Second, func(ctx context.Context) error { return w.c.HoldKured(ctx, "n1", "run-1", nil) }); !errors.Is(err, ErrDoubt) {
			t.Errorf("without a lease: %v", err)
		}
		w.c.Guard(nil)
		w.Authorize(func(_, verb, _, resource, _, _ string) bool { return verb != "patch" || resource != "daemonsets" })
		w.must(w.c.HoldKured(w.ctx, "n1", "run-1", nil))
		if w.kuredsLock() != "" {
			t.Error("taken without a right")
		}
	})
}

// TestKuredIsNamed: check says what becomes of its lock, and with a right missing what to do.
func TestKuredIsNamed(t *testing.T) {
	withKured(t, func(w *world) {
		says := func(lock string, words ...string) {
			t.Helper()
			w.lockKured(lock)
			text := strings.Join(w.c.OtherHands(w.ctx), "\n")
			for _, word := range words {
				if !strings.Contains(text, word) {
					t.Errorf("lock %q: no %q in %s", lock, word, text)
				}
			}
		}
		says("", "kured runs here (pod kube-system/kured-", "a run holds its lock, on daemonset kube-system/kured")
		says(`{"nodeID":"manual"}`, "held by hand", annotationKuredLock+"-")
		says(`{"nodeID":"n2","metadata":{}}`, "its lock is taken just now (n2)", "a run holds")
		says(ourKuredLock("run-1"), "a run holds its lock")
		w.Authorize(func(_, verb, _, resource, _, _ string) bool { return verb != "patch" || resource != "daemonsets" })
		says("", `kubectl -n kube-system annotate ds kured weave.works/kured-node-lock='{"nodeID":"manual"}'`,
			"may patch daemonsets in namespace kube-system", `resourceNames: ["kured"]`)
	})
}

// TestKuredIsFound: by its image, whatever it is called, before anything is followed.
func TestKuredIsFound(t *testing.T) {
	withKured(t, func(w *world) {
		w.must(w.AddDaemonSet("ops", "agent", nil))
		sets, err := w.open().FindKured(w.ctx)
		if err != nil || !slices.Equal(sets, []string{"kube-system/kured"}) {
			t.Errorf("%q, %v", sets, err)
		}
		w.Authorize(func(_, _, _, resource, _, _ string) bool { return resource != "daemonsets" })
		if _, err := w.open().FindKured(w.ctx); err == nil {
			t.Error("not to be known is as none")
		}
	})
}

// TestFault09KuredsLockWaitsOutAnOutage: neither an API server that is away nor the doubt that it leaves about the lease fails the
// node whose turn it is, whether or not kured itself would be waited for.
func TestFault09KuredsLockWaitsOutAnOutage(t *testing.T) {
	for name, waiting := range map[string]func(string){"nobody waits for kured": nil, "kured is waited for": func(string) {}} {
		t.Run(name, func(t *testing.T) {
			withKured(t, func(w *world) {
				heard := listen()
				w.c.OnWait(heard.say)
				w.Refuse(true)
				later(time.Minute, func() { w.Refuse(false) })
				w.must(w.c.HoldKured(w.ctx, "n1", "run-1", waiting))
				if h := kuredHolders(w.kuredsLock()); !slices.Equal(h, []string{"fleetup run-1"}) {
					t.Errorf("held by %q", h)
				}
				if !strings.HasPrefix(heard.all(), "kured's lock waits for the API server, which doesn't answer: ") {
					t.Errorf("said:\n%s", heard.all())
				}
			})
		})
	}
}
