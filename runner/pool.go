package runner

import (
	"context"
	"time"
)

// Phases of the orders that close and open nodes without changing them.

// found reads what the claim recorded. A node that isn't claimed is open: it had nothing to do when its stage came.
func (l *life) found(ctx context.Context) error {
	if !l.r.claimed(l.w.Node) {
		if err := l.well(upToDate); err != nil {
			return err
		}
		return errSettled
	}
	if err := l.held(ctx); err != nil {
		return err
	}
	var err error
	l.state, err = l.r.Cluster.Claim(ctx, l.w.Node, l.r.Run, nil)
	return err
}

// runs makes sure that a closed node's kubelet runs and is Ready before anything is let onto it.
func (l *life) runs(ctx context.Context) error {
	if err := l.run(ctx, "start the kubelet", startScript); err != nil {
		return err
	}
	return within(ctx, l.w.VerifyTimeout, "the kubelet's start", func(ctx context.Context) error {
		return l.awaitReady(ctx, "", time.Time{})
	})
}

// untaint takes the taint off a node that stays closed: its DaemonSet pods have to be able to come back.
func (l *life) untaint(ctx context.Context) error {
	return l.r.Cluster.Untaint(ctx, l.w.Node, l.r.Run)
}

// probe tries the node from the inside, with the inventory's own pod, before anything else is let onto it.
func (l *life) probe(ctx context.Context) error {
	return l.verified(ctx, "the probe pod"+fromStart, func(ctx context.Context) error {
		return l.r.Cluster.Probe(ctx, l.w.Node, l.r.Run, l.waiting)
	})
}
