package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
)

func (a *app) abortCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "abort INVENTORY",
		Short: "End an unfinished run: give back what is safe to give back, release the lease",
		Long: `End an unfinished run. Each node that it has claimed gets its kubelet started; one that is then Ready and whole is
given back as it was found. One that isn't stays cordoned, and is said: nothing is rolled back. A spare that the run has
taken is drained, and switched off where it was off.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.abort(c.Context(), args[0]) },
	}
}

func (a *app) abort(ctx context.Context, path string) error {
	return a.working(ctx, path, false, func(ctx context.Context, rec *record, stop <-chan struct{}) error {
		if !rec.unfinished() {
			return rec.nothingToAbort(ctx)
		}
		run, claimed := rec.run, rec.s.claimedBy(rec.run)
		if err := a.confirm(ctx, fmt.Sprintf("abort run %s and give back %s", run, orNone(claimed))); err != nil {
			return err
		}
		return rec.underLease(ctx, false, func() error {
			if rec.run != run {
				a.tell("nothing to do: run %s has ended meanwhile", run)
				return nil
			}
			return rec.s.giveBack(ctx, rec, rec.s.claimedBy(run), stop)
		})
	})
}

// nothingToAbort ends an abort that finds no run; one whose end the Lease doesn't know yet is told to it, and what a process that
// ended before it gave the Lease up has left is tidied up.
func (r *record) nothingToAbort(ctx context.Context) error {
	if r.over || r.stale {
		if err := r.underLease(ctx, false, func() error { return nil }); err != nil {
			return err
		}
	}
	r.s.app.tell("nothing to do: no run is unfinished")
	return nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no node (none is claimed)"
	}
	return strings.Join(names, ", ")
}

// claimedBy names the nodes of the inventory that bear the run's claim.
func (s *session) claimedBy(run string) []string {
	var names []string
	nodes := s.cluster.Nodes()
	for _, h := range s.hosts {
		if _, held := runner.HoldOf(run, nodes[h.Node].State); nodes[h.Node].Run == run && !held { // `fleetup swap` ends that
			names = append(names, h.Node)
		}
	}
	slices.Sort(names)
	return names
}

// unselected names the nodes that bear the run's claim and that this command isn't about.
func (s *session) unselected(run string) []string {
	var names []string
	for name, n := range s.cluster.Nodes() {
		if n.Run == run && !slices.ContainsFunc(s.hosts, func(h inventory.Host) bool { return h.Node == name }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// giveBack runs the order that gives back on every claimed node, and ends the run for good.
func (s *session) giveBack(ctx context.Context, rec *record, claimed []string, stop <-chan struct{}) error {
	if err := rec.begin(runner.Plan{}, nil); err != nil {
		return err
	}
	s.cluster.Guard(rec.lease.Held)
	d := s.app.newDisplay(len(claimed))
	r := &runner.Runner{
		Run: rec.run, Work: s.work, Cluster: s.cluster, Journal: rec.journal, Progress: rec.progress,
		Show: d.event, Held: rec.lease.Held, Lost: rec.lease.Lost(), Stop: stop,
	}
	if s.app.wrap != nil {
		s.app.wrap(r)
	}
	left, err := r.GiveBack(ctx, claimed)
	d.close()
	if err != nil {
		return rec.cutOff(ctx, err, "abort")
	}
	end := runner.End{Exit: exitHalted, Why: "aborted", Finished: true}
	if err := rec.end(end, r.Progress, s.summary(rec.run, end, r.Progress, nil, 0)); err != nil {
		return err
	}
	fmt.Fprintf(paper(s.app.out), "run %s: aborted; %s given back\n", rec.run, plural(len(claimed)-len(left), "node"))
	for _, n := range slices.Sorted(maps.Keys(left)) {
		fmt.Fprintln(paper(s.app.out), s.leftover(n, left[n]))
	}
	unselected := s.unselected(rec.run)
	for _, n := range unselected {
		fmt.Fprintln(paper(s.app.out), n+" stays cordoned: it belongs to this run and isn't selected; abort again without --limit")
	}
	if len(left)+len(unselected) > 0 {
		return exitWith(exitFailed, errors.New("not all nodes could be given back; see above"))
	}
	return nil
}

// leftover says what could not be done of a node, and what is left to do.
func (s *session) leftover(node string, l runner.Leftover) string {
	off := "`fleetup power off INVENTORY " + node + "`"
	text := node + " stays cordoned: "
	if l.Given {
		text = node + " is given back, but it was off and still has power: "
	}
	text += strings.ReplaceAll(l.Why, "\n", "\n    ")
	switch {
	case l.Given:
		text += "\n    left to do: " + off
	case l.Spare:
		text += "\n    left to do, for it is a spare: `fleetup abort INVENTORY` again; or `kubectl drain " + node + "`"
		if l.Off {
			text += ", and then " + off + ", for it was off"
		}
	}
	return text
}
