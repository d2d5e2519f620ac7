package main

import (
	"context"

	"github.com/fleetup/fleetup/runner/remote"
)

// working opens an inventory, its cluster and the record of its run for a command that may change something, and closes
// them after do. The first SIGINT closes stop, the second ends ctx.
func (a *app) working(ctx context.Context, path string, upgrade bool,
	do func(ctx context.Context, rec *record, stop <-chan struct{}) error,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop, release := a.signals(cancel)
	defer release()
	s, err := a.open(ctx, path, upgrade)
	if err != nil {
		return err
	}
	defer s.close()
	rec, err := s.record(ctx)
	if err != nil {
		return err
	}
	defer rec.close()
	return do(ctx, rec, stop)
}

// underLease does something while the run's lease is held, with machines that carry its fence; what an earlier process left
// in the cluster is tidied up first.
func (r *record) underLease(ctx context.Context, wait bool, do func() error) error {
	if err := r.lock(ctx, wait); err != nil {
		return err
	}
	defer r.unlock()
	r.s.cluster.run = r.run
	r.s.tidy(ctx, r.run)
	if err := r.s.compile(remote.Fence{Run: r.run, Epoch: r.lease.Epoch()}); err != nil {
		return err
	}
	return do()
}
