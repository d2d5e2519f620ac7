package kube

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// spareFor is how long a pod that isn't needed any more is left to the rollout which was begun for it; a rollout that
// was undone or paused never takes it.
const spareFor = time.Minute

// surge looks at what the Services of each pod need: it holds back those that have to wait, and begins the rollouts that
// make another pod first. In a dry run a pod that would leave by a rollout is done with.
func (d *drain) surge(ctx context.Context, left []*leaver) {
	for _, l := range left {
		if l.flying || l.sent || ending(l.pod) {
			continue
		}
		how, why := d.c.leaves(l.pod, d.options(l), d.dry)
		l.held = why
		switch {
		case how == surges && d.dry:
			l.held, l.sent = "", true
		case how == surges && l.failed != "":
			l.held = why + "; that failed: " + l.failed
		case how == rolls && l.spare.IsZero():
			l.spare = time.Now()
		}
		if how == surges && !d.dry && !time.Now().Before(l.next) {
			d.restart(ctx, l)
		}
		if l.held != "" {
			d.refusedNow()
		}
	}
}

// options are the drain's for one pod: one that its rollout has left alone for long is evicted like any other.
func (d *drain) options(l *leaver) DrainOptions {
	o := d.o
	if !l.spare.IsZero() && time.Since(l.spare) > spareFor {
		o.Run = ""
	}
	return o
}

// restart sends the restart of the pod's Deployment in a goroutine that run waits for.
func (d *drain) restart(ctx context.Context, l *leaver) {
	l.flying = true
	p := l.pod
	d.owned.Go(func() {
		select {
		case d.results <- result{uid: p.UID, err: d.c.restart(ctx, p, d.o), restart: true}:
		case <-ctx.Done():
		}
	})
}

// restarted takes in the answer. Whatever went wrong is named, and tried again after a pause: somebody else may have
// changed the Deployment in between, or a webhook may have refused it for now.
func (d *drain) restarted(l *leaver, err error) error {
	var untold *untoldError
	if errors.As(err, &untold) {
		return untold.err
	}
	l.failed, l.next = "", time.Now().Add(firstPause)
	switch {
	case err == nil || apierrors.IsConflict(err):
		d.decided()
	case away(err):
		d.undecided(err)
	default:
		d.decided()
		l.failed = explain("", err).Error()
	}
	if err != nil {
		l.next = time.Now().Add(l.pauses.pause(err))
	}
	return nil
}

// settleUp takes back what was counted as gone and is still there when the drain ends, and counts those that left without
// an eviction: by a rollout.
func (d *drain) settleUp() {
	for uid, l := range d.pods {
		if l.sent || d.dry {
			continue
		}
		d.c.leftNot(l.pod)
		if now, ok := d.c.pods.get(keyOf(l.pod)); !l.before && (!ok || now.UID != uid || ending(now)) {
			d.c.moved(l.pod)
		}
	}
}

// taken keeps of the pods that are due those that may still go in this very instant, and counts them as gone.
func (d *drain) taken(due []*leaver) []*leaver {
	if d.dry {
		return due
	}
	var list []*leaver
	for _, l := range due {
		how, why := d.c.take(l.pod, d.options(l))
		if how == goes {
			list = append(list, l)
			continue
		}
		l.held = why
		d.refusedNow()
	}
	return list
}
