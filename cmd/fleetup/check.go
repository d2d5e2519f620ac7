package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/runner"
)

func (a *app) checkCommand() *cobra.Command {
	var onlyNew, looks bool
	c := &cobra.Command{
		Use:   "check INVENTORY",
		Short: "Look for what would stop a run, and change nothing",
		Long: `Look for what would stop a run, and change nothing: reachability, host keys, sudo, package locks, disk space,
package versions, version skew, quorum, rights, clocks, the health of disks and memory, what each gate reads, and the run
itself, played ahead on what the cluster holds now: every drain in the run's order, against budgets, requests, taints, affinities and what nodes have room
for. It says which pods would have nowhere to go, which drain would be blocked and why, how long all takes, whether that
fits the window, and which limit would make it faster. It exits 1 where a run would be refused, or a drain blocked.`,
		Example: `  fleetup check prod.toml
  fleetup check prod.toml --limit @workers --output json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.check(c.Context(), args[0], onlyNew, looks) },
	}
	c.Flags().BoolVar(&onlyNew, "only-new", false, onlyNewHelp)
	c.Flags().BoolVar(&looks, "look-only", false, "for an account that may look alone: leave out whether it has the rights of a run")
	return c
}

func (a *app) check(ctx context.Context, path string, onlyNew, looks bool) error {
	s, err := a.openAs(ctx, path, true, looks)
	if err != nil {
		return err
	}
	defer s.close()
	s.cluster.run = s.claimedRun() // what it has in flight is as whoever goes on with it would find it
	found, findings, err := s.preflight(ctx)
	if err != nil {
		return err
	}
	findings = append(findings, s.underWay(ctx)...)
	findings = append(findings, s.askGates(ctx)...)
	ill, err := s.health(ctx, found)
	if err != nil {
		return err
	}
	findings = append(findings, ill...)
	ahead, err := s.ahead(ctx, found)
	if err != nil && refusals(findings) == 0 {
		findings = append(findings, runner.Finding{What: "plan", Why: err.Error(), Refuse: true})
	}
	if len(ahead.turns) > 0 { // which knows better than a look at this moment
		findings = slices.DeleteFunc(findings, func(f runner.Finding) bool { return strings.HasPrefix(f.Why, runner.WouldWait) })
		findings = append(findings, ahead.findings()...)
		findings = append(findings, s.unforeseen(ctx)...)
	}
	shown, known := findings, 0
	if onlyNew {
		if shown, known, err = news(a, s.fleet, "check", findings, sameCheck); err != nil {
			return err
		}
		var lines []string
		for _, f := range shown {
			lines = append(lines, f.String())
		}
		a.tellNews(s.fleet, "check", lines)
	}
	if a.json() {
		err = json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "hosts": len(found), "findings": nonNil(shown), "foreseen": ahead.foreseenJSON()})
	} else {
		a.checkText(shown, known)
		ahead.text(a.out)
		a.checkEnd(len(found), refusals(together(findings)), failing(ahead.drains))
	}
	if err != nil {
		return err
	}
	if refusals(findings)+failing(ahead.drains) > 0 {
		return silent(exitFailed)
	}
	return nil
}

// underWay tells of a run that works on the fleet meanwhile.
func (s *session) underWay(ctx context.Context) []runner.Finding {
	l, err := s.cluster.Cluster.Lease(ctx)
	if err != nil || !underWay(l) {
		return nil
	}
	return []runner.Finding{{What: "lease", Why: fmt.Sprintf("run %s of %s on %s is under way: its nodes are seen in the middle of it, and another run would end with exit 4",
		l.Holder.Run, l.Holder.User, l.Holder.Where())}}
}

// ahead is the run played ahead; the error is why no plan can be made.
func (s *session) ahead(ctx context.Context, found map[string]*runner.Surveyed) (foresight, error) {
	if idle(found) {
		return foresight{}, nil
	}
	before, err := s.unfinished(ctx)
	if err != nil {
		return foresight{}, err
	}
	plan, err := s.build(found, before)
	if err != nil {
		return foresight{}, err
	}
	f := s.foresee(plan, found)
	f.faster = s.wouldBeFaster(plan, found, f)
	return f, nil
}

// unforeseen is what this cluster has that the run wasn't played ahead with.
func (s *session) unforeseen(ctx context.Context) (all []runner.Finding) {
	for _, what := range s.unread {
		all = append(all, runner.Finding{What: "forecast", Why: what})
	}
	if n := s.cluster.Scaled(ctx); n > 0 {
		all = append(all, runner.Finding{What: "forecast", Why: plural(n, "HorizontalPodAutoscaler") + ": the pods that are more or fewer by then aren't foreseen"})
	}
	return all
}

// refusals counts what stands against a run.
func refusals(findings []runner.Finding) int {
	n := 0
	for _, f := range findings {
		if f.Refuse {
			n++
		}
	}
	return n
}

// checkText prints what stands against a run first, then which drains would be blocked, then what only wants to be known.
// Those that are known from last time are counted alone.
func (a *app) checkText(shown []runner.Finding, known int) {
	shown = together(shown)
	for _, label := range []string{"refused", areaBlocked, "note"} {
		for _, f := range shown {
			if labelOf(f) != label {
				continue
			}
			line := f.String()
			if label == areaBlocked {
				line = f.Node + ": " + f.Why
			}
			under(a.out, fmt.Sprintf("%-9s", label), line)
		}
	}
	if known > 0 {
		fmt.Fprintf(paper(a.out), "%s as last time\n", plural(known, "finding"))
	}
}

func labelOf(f runner.Finding) string {
	switch {
	case f.Refuse:
		return "refused"
	case f.What == areaBlocked:
		return areaBlocked
	}
	return "note"
}

// checkEnd is the last line.
func (a *app) checkEnd(hosts, refused, blocked int) {
	end := "nothing stands against a run"
	switch {
	case refused > 0:
		end = "a run would be refused for " + plural(refused, "reason")
	case blocked > 0:
		end = "a run would leave " + plural(blocked, "node") + " undone"
	}
	fmt.Fprintf(paper(a.out), "%s looked at: %s\n", plural(hosts, "host"), end)
}

// nonNil makes an empty list [] in JSON.
func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
