package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
)

func (a *app) rollbackCommand() *cobra.Command {
	var allowed consent
	c := &cobra.Command{
		Use:   "rollback INVENTORY",
		Short: "Put the nodes of the last run back to what they ran before",
		Long: `Put the nodes of the last run back to what they ran before, finished or not: packages from what was kept on the machines
beforehand, so no mirror is needed, held again as they were; package sources and configuration; the kernel that ran
before, as GRUB's default and booted; rollback commands of playbooks, in reverse order. Each node is drained, stopped, verified and opened again as in any run, within the same
limits.

A control plane's version and patches of the operating system never go back, nor do commands without a rollback of their
own: the plan, which is shown first, says so, as ` + "`fleetup plan INVENTORY`" + ` did before the run.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.rollback(c.Context(), args[0], allowed) },
	}
	allowed.flags(c)
	return c
}

func (a *app) rollback(ctx context.Context, path string, allowed consent) error {
	if err := allowed.valid(); err != nil {
		return err
	}
	return a.working(ctx, path, true, func(ctx context.Context, rec *record, stop <-chan struct{}) error {
		rec.s.cluster.allow(allowed)
		rec.back = true
		rec.leave()
		return rec.underLease(ctx, false, func() error {
			back, err := rec.target()
			if err != nil {
				return err
			}
			if back.nothing() != "" && !rec.unfinished() {
				return rec.s.nothingToRollBack(back.nothing())
			}
			return rec.s.goBack(ctx, rec, back, stop)
		})
	})
}

// nothingToRollBack ends a rollback that finds nothing to do.
func (s *session) nothingToRollBack(why string) error {
	if s.app.json() {
		sum := summary{Version: 1, Event: string(runner.EventFinished), Message: "nothing to roll back: " + why, Zero: true, Services: []least{}}
		(&display{app: s.app}).object(sum)
		return nil
	}
	fmt.Fprintln(paper(s.app.out), "nothing to roll back: "+why)
	return nil
}

// goBack looks, shows, asks, rolls back and tells how it ended, with the lease held.
func (s *session) goBack(ctx context.Context, rec *record, back target, stop <-chan struct{}) error {
	s.hosts = slices.DeleteFunc(s.hosts, func(h inventory.Host) bool { return !slices.Contains(back.nodes, h.Node) })
	forward, stays, findings := s.reverse(rec, back)
	found, more, err := s.preflight(ctx)
	if err != nil {
		return err
	}
	findings = append(findings, more...)
	s.warn(findings)
	plan, err := s.backPlan(found)
	if err != nil {
		return exitWith(exitFailed, err)
	}
	s.backText(paper(s.app.err), plan, found, stays, back)
	if err := refusal(findings); err != nil {
		return err
	}
	if idle(found) && len(s.heldNodes()) == 0 && !rec.unfinished() {
		if len(stays) > 0 {
			return exitWith(exitFailed, errors.New("nothing of it can be taken back; see above"))
		}
		return s.nothingToRollBack("the nodes run what they ran before run " + back.run)
	}
	if len(back.nodes) > 0 { // else all of them are back, and only the end of it wasn't written down
		if err := s.app.confirm(ctx, "roll back "+back.what()); err != nil {
			return err
		}
	}
	s.work = forward
	if err := rec.begin(plan, nil); err != nil {
		return err
	}
	if err := rec.takeOver(ctx); err != nil {
		return err
	}
	web := runner.NewHTTPWatch(s.cluster.targets(s.fleet.HTTP))
	return s.watched(ctx, rec, &runner.Runner{Plan: plan, Pending: s.toClose(plan, found), HTTP: web, Stop: stop})
}

// backPlan is the plan of going back: node by node within the inventory's limits, whatever its strategy is for going forward.
func (s *session) backPlan(found map[string]*runner.Surveyed) (runner.Plan, error) {
	rolling := *s.fleet
	rolling.Strategy.Kind, rolling.Strategy.MaxSurge = "rolling", 0
	plan, err := runner.Build(&rolling, s.hosts, s.world(found, runner.Progress{}))
	return plan.RollBack(), err
}

// reverse makes the session's work that of going back, for preflight and plan, and returns the work of going forward that
// an order turns round by itself, what stays as it is, and what stands against it already.
func (s *session) reverse(rec *record, back target) (forward map[string]runner.Work, stays stayed, findings []runner.Finding) {
	forward, reversed := map[string]runner.Work{}, map[string]runner.Work{}
	for _, h := range s.hosts {
		w := s.work[h.Node]
		w.Undo = runner.Undo{Run: back.run, Record: back.journal[h.Node]}
		state, last := s.cluster.Recorded(h.Node)
		record, ran, err := w.Recorded(rec.run, state, last)
		if err != nil {
			findings = append(findings, runner.Finding{Node: h.Node, What: "record", Why: err.Error(), Refuse: true})
		}
		work, left := w.Back(record, ran)
		for _, l := range left {
			stays.add(l.Step+": "+l.Why, h.Node)
		}
		forward[h.Node], reversed[h.Node] = w, work
	}
	s.work = reversed
	return forward, stays, findings
}

// heldNodes are the selected nodes that some run of ours has closed: they are to be opened, whatever they run.
func (s *session) heldNodes() (names []string) {
	for _, h := range s.hosts {
		if n, _ := s.cluster.Node(h.Node); n.Run != "" {
			names = append(names, h.Node)
		}
	}
	return names
}

// backText prints what goes back to what, and what stays.
func (s *session) backText(w io.Writer, plan runner.Plan, found map[string]*runner.Surveyed, stays stayed, back target) {
	if s.app.json() {
		return
	}
	fmt.Fprintf(w, "back to what ran before run %s:\n", back.run)
	n, first := 0, alikes{}
	for _, stage := range plan.Stages {
		for _, name := range stage.Nodes {
			v := found[name]
			if v == nil {
				continue
			}
			n++
			what, steps := first.tell(name, howBack(v), planSteps(v, s.app.flags.verbose))
			fmt.Fprintf(w, "%d. %s  %s\n%s", n, name, what, steps)
		}
	}
	limits(w, plan)
	stays.print(w, "stays as it is: ")
}

// howBack says in a few words what will happen to the node itself.
func howBack(v *runner.Surveyed) string {
	switch {
	case v.Err != nil:
		return "cannot be reached"
	case v.NothingToDo():
		return "runs what it ran before: verified, and opened again"
	case !v.Work.NeedsDrain(v.Items):
		return "changed in place, not drained"
	}
	return "cordon, drain, go back" + reboots(v) + ", verify, uncordon"
}
