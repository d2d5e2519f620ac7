package runner

import "context"

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

// untaint takes the taint off a node that stays closed: its DaemonSet pods have to be able to come back.
func (l *life) untaint(ctx context.Context) error {
	return l.r.Cluster.Untaint(ctx, l.w.Node, l.r.Run)
}

// probe tries the node from the inside, with the inventory's own pod, before anything else is let onto it.
func (l *life) probe(ctx context.Context) error {
	return within(ctx, l.w.VerifyTimeout, "the probe pod", func(ctx context.Context) error {
		return l.r.Cluster.Probe(ctx, l.w.Node, l.r.Run, l.waiting)
	})
}
