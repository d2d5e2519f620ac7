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
	if err := s.cluster.SweepProbes(ctx); err != nil {
		fmt.Fprintf(paper(s.app.err), "note: an earlier run's probe pod stays; delete those with the label %s: %v\n", kube.LabelProbe, err)
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
