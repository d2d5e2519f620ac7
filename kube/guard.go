package kube

import (
	"fmt"
	"sync/atomic"
)

// guard is what must hold before anything that another runner must not do at the same time.
type guard struct{ held atomic.Pointer[func() error] }

// Guard makes evictions and every write of a Node ask held right before they are sent: Lease.Held, for one. nil takes the
// guard off. A request is given ten seconds, and a Lease counts as held only while it has more than that left, so the
// request's deadline lies before the lease's end. While the lease is in doubt what brings a node back (Untaint, Release,
// Note, Fail) waits for it, as Claim does, and evictions are refused; after its loss nothing is written: the next holder goes on with
// the same run, and can't tell its predecessor's writes from its own.
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
