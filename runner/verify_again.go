package runner

import (
	"context"
	"errors"
	"time"
)

// What comes after the uncordon, by the process that gave the node back or, where that ended first, by the next.

// verifyAgain watches the node do its work. What fails now closes it again, with the reason.
func (l *life) verifyAgain(ctx context.Context) error {
	since := time.Now()
	err := l.hook(ctx, hookAfterUncordon)
	if err == nil {
		err = within(ctx, l.w.VerifyTimeout, "pods on the node", func(ctx context.Context) error {
			if err := l.r.Cluster.AwaitServed(ctx, l.w.Node, since, l.waiting); err != nil {
				return err
			}
			if l.target != nil {
				return nil // what turned the run back may well last until all are back
			}
			return l.r.awaitHTTP(ctx, l.waiting)
		})
	}
	if err == nil || ctx.Err() != nil || errors.Is(err, errParked) {
		return err
	}
	if herr := l.held(ctx); herr != nil {
		return herr
	}
	if _, cerr := l.r.Cluster.Claim(ctx, l.w.Node, l.r.Run, l.state); cerr != nil {
		return errors.Join(err, cerr)
	}
	return err
}

// givenAlready makes up for what comes after a node is given back, where an earlier process did that and came no further.
func (l *life) givenAlready(ctx context.Context) (err error) {
	l.r.mu.Lock()
	given := l.r.Progress.Nodes[l.w.Node].Given
	l.r.mu.Unlock()
	if !given {
		return nil
	}
	if err = l.enter(phaseVerifyAgain); err != nil {
		return err
	}
	if l.state, err = l.facts(ctx); err != nil { // with which it is closed again
		return err
	}
	return l.verifyAgain(ctx)
}
