package kube

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Two inventories on one cluster: what the Lease says of the one's unfinished run outlives a whole run of the other.
func TestLeaseOfTwoInventories(t *testing.T) {
	east := Holder{Identity: "laptop/boot-1/100/5", User: "alice", Run: "run-a", Inventory: "east"}
	west := Holder{Identity: "desk/boot-9/200/7", User: "bob", Run: "run-b", Inventory: "west"}
	inWorld(t, nil, func(w *world) {
		a, err := w.c.Acquire(w.ctx, east, nil)
		w.must(err)
		w.must(a.Halt(w.ctx, "node n2 failed"))
		w.must(w.c.Pause(w.ctx, "east", "by alice"))
		w.must(a.Release(w.ctx))

		w.must(w.c.Pause(w.ctx, "west", "by bob"))
		b, err := w.c.Acquire(w.ctx, west, nil)
		w.must(err)
		if said := b.Annotations(); said[AnnotationHalt] != "" || said[AnnotationPaused] != "by bob" || b.Before()[AnnotationRun] != "" {
			t.Errorf("west begins with %v, before %v", said, b.Before())
		}
		w.must(w.c.Pause(w.ctx, "west", ""))
		w.stands("west", Holder{Identity: west.Identity, User: "bob", Run: "run-b", Inventory: "west"}, "", "")
		w.stands("east", Holder{Run: "run-a", Inventory: "east"}, "node n2 failed", "by alice")
		w.stands("north", Holder{}, "", "")
		w.must(w.c.Pause(w.ctx, "east", "")) // while the other runs
		w.must(w.c.Pause(w.ctx, "west", "by carol"))
		time.Sleep(renewEvery + time.Second)
		if b.Annotations()[AnnotationPaused] != "by carol" {
			t.Errorf("west isn't paused: %v", b.Annotations())
		}
		w.must(w.c.Pause(w.ctx, "west", ""))
		w.must(b.Halt(w.ctx, "west's own"))
		w.must(b.Finish(w.ctx))
		w.must(b.Release(w.ctx))

		w.stands("east", Holder{Run: "run-a", Inventory: "east"}, "node n2 failed", "")
		a, err = w.c.Acquire(w.ctx, east, nil)
		w.must(err)
		if said := a.Annotations(); said[AnnotationHalt] != "node n2 failed" || said[AnnotationAside] != "" ||
			a.Before()[AnnotationRun] != "run-a" || a.Before()[AnnotationInventory] != "east" {
			t.Errorf("east goes on with %v, before %v", said, a.Before())
		}
		w.must(a.Release(w.ctx))
		w.must(w.c.Unhalt(w.ctx, "east"))
		w.stands("east", Holder{User: "alice", Run: "run-a", Inventory: "east"}, "", "")
	})
}

// A halt is lifted also while it stands aside.
func TestUnhaltAside(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		a, err := w.c.Acquire(w.ctx, Holder{Identity: "a", Run: "run-a", Inventory: "east"}, nil)
		w.must(err)
		w.must(a.Halt(w.ctx, "node n2 failed"))
		w.must(a.Release(w.ctx))
		b, err := w.c.Acquire(w.ctx, Holder{Identity: "b", Run: "run-b", Inventory: "west"}, nil)
		w.must(err)
		w.must(w.c.Unhalt(w.ctx, "east"))
		w.stands("east", Holder{Run: "run-a", Inventory: "east"}, "", "")
		w.must(b.Finish(w.ctx))
		w.must(b.Release(w.ctx))
	})
}

// Who holds the lease for no run leaves what it says of one as it is, whatever came about since it was read last.
func TestLeaseForNoRun(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		a, err := w.c.Acquire(w.ctx, Holder{Identity: "a", User: "alice", Run: "run-a", Inventory: "east"}, nil)
		w.must(err)
		w.must(a.Halt(w.ctx, "node n2 failed"))
		w.must(a.Release(w.ctx))
		b, err := w.c.Acquire(w.ctx, Holder{Identity: "b", User: "bob", Inventory: "west"}, nil)
		w.must(err)
		w.must(b.Release(w.ctx))
		w.stands("east", Holder{User: "bob", Run: "run-a", Inventory: "east"}, "node n2 failed", "")
	})
}

// stands compares what the lease says of an inventory's run.
func (w *world) stands(inventory string, holder Holder, halt, paused string) {
	w.Helper()
	s, err := w.c.Lease(w.ctx)
	w.must(err)
	s = s.Of(inventory)
	if d := cmp.Diff([]any{holder, halt, paused}, []any{s.Holder, s.Halt, s.Paused}); d != "" {
		w.Errorf("%s: %s", inventory, d)
	}
}
