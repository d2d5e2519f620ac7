package kube

import (
	"context"
	"testing"
	"time"
)

// What couldn't be written while the API server was away is written with the next thing that is, the lease's end at the
// latest: a halt outlives the outage that it fell into.
func TestHaltIsWrittenWithTheRelease(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		l, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		w.Refuse(true)
		_, err = w.within(10*time.Second, func(ctx context.Context) error { return l.Halt(ctx, "node n1 failed") })
		if err == nil {
			w.Fatal("written while the API server is away")
		}
		w.Refuse(false)
		w.must(l.Release(w.ctx))
		if halt := w.lease().Annotations[AnnotationHalt]; halt != "node n1 failed" {
			t.Errorf("the halt is %q", halt)
		}
	})
}

// What is written once isn't written again: a halt that was lifted since stays lifted.
func TestHaltIsWrittenOnce(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		l, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		w.must(l.Halt(w.ctx, "node n1 failed"))
		w.must(w.c.Unhalt(w.ctx, ""))
		time.Sleep(time.Minute)
		w.must(l.Release(w.ctx))
		if halt := w.lease().Annotations[AnnotationHalt]; halt != "" {
			t.Errorf("the halt is %q", halt)
		}
	})
}
