package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

var (
	alice = Holder{Identity: "laptop/boot-1/100/5", User: "alice", Run: "run-a"}
	bob   = Holder{Identity: "desk/boot-9/200/7", User: "bob", Run: "run-b"}
)

func (w *world) lease() *coordinationv1.Lease {
	return kubetest.Get[*coordinationv1.Lease](w.Server, "kube-system", LeaseName)
}

func TestFault05TwoHolders(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		mine, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		if mine.Epoch() < 1 || mine.Held() != nil || mine.Took() != "" {
			t.Errorf("epoch %d, held %v, took %q", mine.Epoch(), mine.Held(), mine.Took())
		}
		time.Sleep(time.Hour) // renewed all the while
		_, err = w.open().Acquire(w.ctx, bob, func(string) bool { return false })
		held := new(HeldError)
		if !errors.As(err, &held) || held.Holder != alice || held.Seconds() < 24 || held.Seconds() > 31 {
			w.Fatalf("got %v", err)
		}
		w.must(mine.Release(w.ctx))
		w.must(mine.Release(w.ctx))
		if mine.Held() == nil {
			t.Error("held after its release")
		}
		theirs, err := w.open().Acquire(w.ctx, bob, nil)
		w.must(err)
		if theirs.Epoch() <= mine.Epoch() || theirs.Held() != nil {
			t.Errorf("epoch %d, held %v", theirs.Epoch(), theirs.Held())
		}
		w.must(theirs.Release(w.ctx))
	})
}

func TestLeaseRaceHasOneWinner(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		won := make(chan *Lease, 10)
		for i := range cap(won) {
			c := w.open()
			go func() {
				l, _ := c.Acquire(w.ctx, Holder{Identity: fmt.Sprint("process ", i), User: "x", Run: "r"}, nil)
				won <- l
			}()
		}
		winners := 0
		for range cap(won) {
			if l := <-won; l != nil {
				winners++
			}
		}
		if winners != 1 {
			t.Errorf("%d winners", winners)
		}
	})
}

func TestFault07ExpiredIsTakenOverHaltStays(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		ctx, die := context.WithCancel(w.ctx)
		old, err := w.c.Acquire(ctx, alice, nil)
		w.must(err)
		w.must(old.Halt(w.ctx, "node n2 failed"))
		die()
		time.Sleep(20 * time.Second)
		other := w.open()
		if _, err := other.Acquire(w.ctx, bob, nil); err == nil {
			w.Fatal("taken over before it ran out")
		}
		time.Sleep(12 * time.Second)
		l, err := other.Acquire(w.ctx, bob, nil)
		w.must(err)
		if l.Epoch() <= old.Epoch() || !strings.Contains(l.Took(), "run run-a of alice") {
			t.Errorf("epoch %d, took %q", l.Epoch(), l.Took())
		}
		if l.Before()[AnnotationRun] != "run-a" || l.Annotations()[AnnotationHalt] != "node n2 failed" || l.Annotations()[AnnotationRun] != "run-b" {
			t.Errorf("before %v, now %v", l.Before(), l.Annotations())
		}
		status, err := other.Lease(w.ctx)
		w.must(err)
		if status.Halt != "node n2 failed" || status.Holder != bob || status.Epoch != l.Epoch() || status.Left < 20*time.Second {
			t.Errorf("%+v", status)
		}
		w.must(l.Halt(w.ctx, ""))
		if _, ok := w.lease().Annotations[AnnotationHalt]; ok {
			t.Error("the halt is still there")
		}
		w.must(l.Release(w.ctx))
	})
}

func TestLeaseOfAProcessThatIsGone(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		ctx, die := context.WithCancel(w.ctx)
		old, err := w.c.Acquire(ctx, alice, nil)
		w.must(err)
		die()
		asked := ""
		l, err := w.open().Acquire(w.ctx, bob, func(identity string) bool { asked = identity; return true })
		w.must(err)
		if asked != alice.Identity || l.Epoch() <= old.Epoch() || !strings.Contains(l.Took(), "is gone") {
			t.Errorf("asked %q, epoch %d, took %q", asked, l.Epoch(), l.Took())
		}
		w.must(l.Release(w.ctx))
	})
}

// The runner is stopped for longer than the lease lasts, another takes over, and it is let go on: no effect after that.
func TestFault06StoppedAndContinued(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		var stopped atomic.Int64
		began := time.Now()
		c := w.openConfig(Config{Boottime: func() time.Duration { return time.Since(began) + time.Duration(stopped.Load()) }})
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		l, err := c.Acquire(ctx, alice, nil)
		w.must(err)
		c.Guard(l.Held)
		stopped.Store(int64(time.Minute)) // by the boot clock; timers of this process haven't run
		if err := l.Held(); !errors.Is(err, ErrDoubt) {
			t.Errorf("held %v", err)
		}
		if _, err := w.within(time.Second, func(ctx context.Context) error {
			_, err := c.Claim(ctx, "n1", "run-a", nil)
			return err
		}); !errors.Is(err, ErrDoubt) {
			t.Errorf("claimed: %v", err)
		}
		w.must(kubetest.Change(w.Server, "kube-system", LeaseName, func(l *coordinationv1.Lease) { // as bob would
			fill(l, bob, time.Now())
		}))
		select {
		case <-l.Lost():
		case <-time.After(renewEvery + time.Second):
			t.Error("the loss wasn't noticed")
		}
		if err := l.Held(); !errors.Is(err, ErrLost) {
			t.Errorf("held %v", err)
		}
		if err := l.Halt(w.ctx, "x"); !errors.Is(err, ErrLost) {
			t.Errorf("halted another's run: %v", err)
		}
		w.must(l.Release(w.ctx))
		if got := holderOf(w.lease()); got != bob {
			t.Errorf("took bob's lease away: %+v", got)
		}
		cancel()
		c.Wait()
	})
}

// An API server that is away makes the lease doubtful before it runs out; expired and untaken it is ours again, in the
// same epoch.
func TestLeaseSurvivesAnOutage(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		l, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		epoch := l.Epoch()
		w.Refuse(true)
		time.Sleep(12 * time.Second)
		if err := l.Held(); err != nil {
			t.Errorf("after 12 s: %v", err)
		}
		time.Sleep(8 * time.Second)
		if err := l.Held(); !errors.Is(err, ErrDoubt) {
			t.Errorf("after 20 s: %v", err)
		}
		time.Sleep(time.Minute)
		w.Refuse(false)
		time.Sleep(3 * time.Second)
		if err := l.Held(); err != nil || l.Epoch() != epoch || int64(*w.lease().Spec.LeaseTransitions) != epoch {
			t.Errorf("not ours again: %v", err)
		}
		w.must(l.Release(w.ctx))
	})
}

func TestPauseFromAnotherMachine(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		l, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		other := w.open()
		w.must(other.Pause(w.ctx, "", "bob: incident 7"))
		time.Sleep(renewEvery + time.Second)
		if l.Annotations()[AnnotationPaused] != "bob: incident 7" || l.Held() != nil {
			t.Errorf("%v, held %v", l.Annotations(), l.Held())
		}
		w.must(other.Pause(w.ctx, "", ""))
		time.Sleep(renewEvery + time.Second)
		if _, ok := l.Annotations()[AnnotationPaused]; ok || l.Held() != nil {
			t.Errorf("%v", l.Annotations())
		}
		w.must(l.Release(w.ctx))
	})
}

func TestPauseBeforeAnyRun(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		if s, err := w.c.Lease(w.ctx); err != nil || s != (LeaseStatus{}) {
			t.Errorf("%+v %v", s, err)
		}
		w.must(w.c.Pause(w.ctx, "", ""))
		w.must(w.c.Pause(w.ctx, "", "wait"))
		l, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		if l.Epoch() < 1 || l.Annotations()[AnnotationPaused] != "wait" {
			t.Errorf("epoch %d, %v", l.Epoch(), l.Annotations())
		}
		w.must(l.Release(w.ctx))
		w.must(w.c.Unhalt(w.ctx, ""))
	})
}

func TestLeaseDeletedByHand(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		l, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		w.must(w.Delete(w.lease()))
		time.Sleep(renewEvery + time.Second)
		if got := w.lease(); got == nil || holderOf(got) != alice || epochOf(got) != l.Epoch() || l.Held() != nil {
			t.Errorf("%+v, held %v", got, l.Held())
		}
		w.must(l.Release(w.ctx))
	})
}

// A Lease that was deleted while nobody held it, or put back from a backup, gives no epoch that a machine may have seen.
func TestLeaseLostKeepsEpochsRising(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		seen := int64(0)
		for i, lose := range []func() error{
			func() error { return nil },
			func() error { return w.Delete(w.lease()) },
			func() error {
				return kubetest.Change(w.Server, "kube-system", LeaseName, func(l *coordinationv1.Lease) { *l.Spec.LeaseTransitions = 3 })
			},
		} {
			for _, h := range []Holder{alice, bob, alice} {
				l, err := w.c.Acquire(w.ctx, h, nil)
				w.must(err)
				if l.Epoch() <= seen {
					t.Errorf("loss %d: epoch %d after %d", i, l.Epoch(), seen)
				}
				seen = l.Epoch()
				w.must(l.Release(w.ctx))
			}
			w.must(lose())
			time.Sleep(time.Minute)
		}
		l, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		if l.Epoch() <= seen {
			t.Errorf("epoch %d after %d", l.Epoch(), seen)
		}
		w.must(l.Release(w.ctx))
	})
}

func TestMayTake(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	lease := func(holder string, ago time.Duration) *coordinationv1.Lease {
		renewed := metav1.NewMicroTime(now.Add(-ago))
		return &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &renewed}}
	}
	gone := func(string) bool { return true }
	tests := []struct {
		name  string
		lease *coordinationv1.Lease
		alive func(string) bool
		free  bool
	}{
		{"none yet", &coordinationv1.Lease{}, nil, true},
		{"given up", lease("", time.Second), nil, true},
		{"our own", lease(alice.Identity, time.Second), nil, true},
		{"held", lease("other", 29*time.Second), nil, false},
		{"ran out just now", lease("other", 30*time.Second), nil, true},
		{"a process of this machine that is gone", lease("other", time.Second), gone, true},
		{"renewed in the future: its clock was wrong", lease("other", -time.Minute), nil, false},
		{"never renewed", &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: new("other")}}, nil, true},
	}
	for _, test := range tests {
		if _, err := mayTake(test.lease, alice, now, test.alive); (err == nil) != test.free {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// What brings a node back waits while the lease is in doubt, and isn't written once it is lost: whoever took over goes on
// with the same run, so the claim on the node looks the same to both.
func TestFault06NothingIsGivenBackAfterTheLoss(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, err := w.c.Claim(w.ctx, "n1", "run-a", nil)
		w.must(err)
		held := ErrDoubt
		var mu sync.Mutex
		set := func(err error) { mu.Lock(); defer mu.Unlock(); held = err }
		w.c.Guard(func() error { mu.Lock(); defer mu.Unlock(); return held })

		later(20*time.Second, func() { set(nil) })
		began := time.Now()
		w.must(w.c.Untaint(w.ctx, "n1", "run-a"))
		if took := time.Since(began); took < 20*time.Second || took > 35*time.Second {
			t.Errorf("taint taken off after %s", took)
		}

		set(ErrLost)
		before := w.node("n1")
		for what, write := range map[string]func() error{
			"note":         func() error { return w.c.Note(w.ctx, "n1", "run-a", map[string]string{"x": "y"}) },
			"fail":         func() error { return w.c.Fail(w.ctx, "n1", "run-a", "no") },
			"open":         func() error { return w.c.Open(w.ctx, "n1", "run-a") },
			"out":          func() error { return w.c.OutOfService(w.ctx, "n1", "run-a", true) },
			"remember":     func() error { return w.c.Remember(w.ctx, "n1", map[string]string{"x": "y"}) },
			"give it back": func() error { return w.c.Release(w.ctx, "n1", "run-a", nil) },
		} {
			if err := write(); !errors.Is(err, ErrLost) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if d := cmp.Diff(before, w.node("n1")); d != "" {
			t.Error(d)
		}
	})
}

// A holder is told to people by host and process; what another tool wrote is told as it is.
func TestHolderWhere(t *testing.T) {
	for identity, want := range map[string]string{
		"3d12.node7.example.com/1925-938c/29906/394666": "node7.example.com, process 29906",
		"3d12.pod-x/1925-938c/1@4026532711/394666":      "pod-x, process 1 of a container",
		"somebody": "somebody",
		"a/b/c/d":  "a/b/c/d",
	} {
		if got := (Holder{Identity: identity}).Where(); got != want {
			t.Errorf("%s: %s", identity, got)
		}
	}
}
