package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
)

func (a *app) nodeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "node",
		Example: "  fleetup node retry prod.toml node007",
		Short:   "Decide about one failed or held node of an unfinished run",
	}
	for _, d := range decisions {
		c.AddCommand(&cobra.Command{
			Use: d.name + " INVENTORY NODE", Short: d.short, Args: cobra.ExactArgs(2),
			RunE: func(c *cobra.Command, args []string) error { return a.decide(c.Context(), d, args[0], args[1]) },
		})
	}
	return chooses(c)
}

// decision is what a human may decide about a node. It holds the lease and the open journal when do is called.
type decision struct {
	name, short string
	do          func(*session, context.Context, *record, string) error
}

var decisions = []decision{
	{"retry", "Take a failed node again, first and alone, in the next run", (*session).retryNode},
	{"release", "Give a node back as it was found, if it is Ready and whole", (*session).releaseNode},
	{"skip", "Leave a node alone for the rest of the run", (*session).skipNode},
}

func (a *app) decide(ctx context.Context, d decision, path, node string) error {
	return a.working(ctx, path, false, func(ctx context.Context, rec *record, _ <-chan struct{}) error {
		s := rec.s
		if !slices.ContainsFunc(s.hosts, func(h inventory.Host) bool { return h.Node == node }) {
			return usage("node %s: not among the inventory's nodes", node)
		}
		if !rec.unfinished() {
			return exitWith(exitFailed, errors.New("no run is unfinished: there is nothing to decide"))
		}
		run := rec.run
		return rec.underLease(ctx, false, func() error {
			if rec.run != run {
				return exitWith(exitFailed, fmt.Errorf("run %s has ended meanwhile: there is nothing to decide", run))
			}
			if err := rec.begin(runner.Plan{}, nil); err != nil {
				return err
			}
			s.cluster.Guard(rec.lease.Held)
			return d.do(s, ctx, rec, node)
		})
	})
}

// retryNode journals that the node is to be tried again.
func (s *session) retryNode(_ context.Context, rec *record, node string) error {
	n, _ := s.cluster.Node(node)
	if state := rec.progress.Nodes[node]; n.Failed == "" && !state.Retry && state.State != runner.Skipped {
		return exitWith(exitFailed, fmt.Errorf("node %s hasn't failed in run %s: there is nothing to try again", node, rec.run))
	}
	if err := rec.add(runner.Event{Event: runner.EventRetried, Node: node, Message: "by " + username()}); err != nil {
		return err
	}
	s.app.tell("%s is tried again, first and alone, by the next `fleetup run INVENTORY`", node)
	return nil
}

// skipNode journals that the node is settled. One that the run holds stays closed, so it must be given back instead.
func (s *session) skipNode(_ context.Context, rec *record, node string) error {
	if n, _ := s.cluster.Node(node); n.Run != "" {
		return exitWith(exitFailed, fmt.Errorf("node %s is held by run %s: `fleetup node release INVENTORY %[1]s` gives it back, then it can be skipped", node, n.Run))
	}
	if rec.progress.Nodes[node].State == runner.Done { // a skipped node isn't taken back by what takes its wave back
		return exitWith(exitFailed, fmt.Errorf("node %s is done in run %s: there is nothing to leave alone", node, rec.run))
	}
	if err := rec.add(runner.Event{Event: runner.EventSkipped, Node: node, Message: "by " + username(), Data: map[string]string{"by": username()}}); err != nil {
		return err
	}
	s.app.tell("%s is left alone for the rest of run %s", node, rec.run)
	return nil
}

// releaseNode takes the node through the order that gives it back: only where it is Ready, whole and not half installed.
func (s *session) releaseNode(ctx context.Context, rec *record, node string) error {
	n, _ := s.cluster.Node(node)
	if n.Run != rec.run {
		return exitWith(exitFailed, fmt.Errorf("node %s isn't held by run %s: there is nothing to give back", node, rec.run))
	}
	if !n.Ready {
		return exitWith(exitFailed, fmt.Errorf("node %s isn't Ready (%s), so it stays cordoned; mend it, or `fleetup node retry INVENTORY %[1]s`", node, n.ReadyReason))
	}
	d := s.app.newDisplay(1)
	defer d.close()
	r := &runner.Runner{
		Run: rec.run, Work: s.work, Cluster: s.cluster, Journal: rec.journal, Progress: rec.progress,
		Show: d.event, Held: rec.lease.Held, Lost: rec.lease.Lost(),
	}
	left, err := r.GiveBack(ctx, []string{node})
	if err != nil {
		return rec.cutOff(ctx, err, "node release")
	}
	if l, is := left[node]; is {
		return exitWith(exitFailed, errors.New("node "+s.leftover(node, l)))
	}
	rec.progress = r.Progress
	if err := rec.add(runner.Event{Event: runner.EventSkipped, Node: node, Message: "given back by " + username(), Data: map[string]string{"by": username()}}); err != nil {
		return err
	}
	s.app.tell("%s is given back, cordoned or not as it was found, with what is installed on it by now, and left alone for the rest of run %s; "+
		"`fleetup node retry INVENTORY %[1]s` takes it again", node, rec.run)
	return nil
}
