package kube

import (
	"fmt"
	"sync/atomic"
)

// guard is what must hold before anything that another runner must not do at the same time.
type guard struct{ held atomic.Pointer[func() error] }

// Guard makes Claim and evictions ask held first, and refuse when it returns an error: Lease.Held, for one. nil takes the
// guard off. An eviction is given ten seconds, and a Lease counts as held only while it has more than that left, so the
// eviction's deadline lies before the lease's end. What brings a node back (Untaint, Release, Note, Fail) is never held up.
func (c *Cluster) Guard(held func() error) {
	if held == nil {
		c.guard.held.Store(nil)
		return
	}
	c.guard.held.Store(&held)
}

func (g *guard) check() error {
	held := g.held.Load()
	if held == nil {
		return nil
	}
	if err := (*held)(); err != nil {
		return fmt.Errorf("%w: %w", errGuarded, err)
	}
	return nil
}

var errGuarded = fmt.Errorf("not sent, the lease is in doubt")
