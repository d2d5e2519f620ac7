package kube

import (
	"context"
	"maps"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// What a run says on its Lease goes with the next write of it, whichever that is.

// Halt writes why the run halted; "" takes it off. It stays when the lease runs out or is taken over.
func (l *Lease) Halt(ctx context.Context, why string) error {
	return l.say(ctx, map[string]string{AnnotationHalt: why})
}

// Begin writes which run the lease is held for, where that turned out to be another than Acquire was told.
func (l *Lease) Begin(ctx context.Context, run string) error {
	return l.say(ctx, map[string]string{AnnotationRun: run})
}

// Finish writes that no run is unfinished: its id and its halt go. Release it afterwards.
func (l *Lease) Finish(ctx context.Context) error {
	return l.say(ctx, map[string]string{AnnotationRun: "", AnnotationHalt: ""})
}

// say writes annotations; "" takes one off. Where ctx ends before that is done, the next write does it, the last of which is
// Release: what a run has to say outlives an API server that was away at its end.
func (l *Lease) say(ctx context.Context, what map[string]string) error {
	l.mu.Lock()
	if l.unsaid == nil {
		l.unsaid = map[string]string{}
	}
	maps.Copy(l.unsaid, what)
	l.mu.Unlock()
	return l.c.persist(ctx, l.c.leaseName(), func(ctx context.Context) error { return l.change(ctx, nil) })
}

func (l *Lease) toSay() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.unsaid)
}

func annotate(o *coordinationv1.Lease, key, value string) {
	if o.Annotations == nil {
		o.Annotations = map[string]string{}
	}
	set(o.Annotations, key, value)
}
