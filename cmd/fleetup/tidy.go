package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

// tidy removes what a process that was killed may have left in the cluster beside its claims, which the run itself goes
// on with. Only with the lease: what an active run has there is no remains. What can't be removed is said; it keeps
// nothing from going on.
func (s *session) tidy(ctx context.Context, run string) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.cluster.Pend(ctx, run, nil); err != nil {
		fmt.Fprintf(paper(s.app.err), "note: an earlier run's taint fleetup.io/pending stays for now, which keeps nothing away: %v\n", err)
	}
	s.leaveKured(ctx, run)
	if err := s.cluster.SweepProbes(ctx); err != nil {
		fmt.Fprintf(paper(s.app.err), "note: an earlier run's probe pod stays; delete those with the label %s: %v\n", kube.LabelProbe, err)
	}
}

// leaveKured leaves kured's lock with a run that still has nodes closed, this one first, and gives it back where none has: a
// node that is off for hardware work has nothing to fear from kured. Only with the lease.
func (s *session) leaveKured(ctx context.Context, run string) {
	closer, closed := "", ""
	for name, n := range s.cluster.Nodes() {
		hold, held := runner.HoldOf(n.Run, n.State)
		if n.Run == "" || held && hold.Off || closer == run && closer != "" {
			continue
		}
		closer, closed = n.Run, name
	}
	err := error(nil)
	switch closer {
	case "":
		err = s.cluster.FreeKured(ctx)
	case run:
	default: // or kured would reboot what another inventory's run, or hardware work, has closed
		err = s.cluster.HoldKured(ctx, closed, closer, nil)
	}
	if err != nil {
		fmt.Fprintf(paper(s.app.err), "note: %v; it stays a run's until the next one ends\n", err)
	}
}

// toClose names the nodes that the run will cordon and drain, where evicted pods had better not go: of two at least, as
// one alone has nobody to wait for.
func (s *session) toClose(plan runner.Plan, found map[string]*runner.Surveyed) []string {
	var names []string
	for _, pn := range plan.Nodes {
		if v := found[pn.Name]; v != nil && v.Err == nil && !pn.Spare && s.leftAlone(pn) == "" && v.Work.NeedsDrain(v.Items) {
			names = append(names, pn.Name)
		}
	}
	if len(names) < 2 {
		return nil
	}
	return names
}
