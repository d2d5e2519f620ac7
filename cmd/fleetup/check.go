package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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
fits the window, and which limit would make it faster. It exits 1 where a run would be refused, a drain blocked, or the run would
not end.`,
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
	findings = append(findings, s.down()...)
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
		findings = append(findings, unsaid(ahead.findings(), findings)...)
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
		tell := a.screen(len(found))
		tell.tight = tell.tight && !a.flags.verbose
		tell.check(shown, known)
		tell.foresight(ahead)
		a.checkEnd(len(found), refusals(together(findings)), ahead)
	}
	if err != nil {
		return err
	}
	if refusals(findings)+failing(ahead.drains) > 0 || ahead.why != "" {
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

// down tells of nodes of the cluster that are down before anything is begun, but for spares, which may be off.
func (s *session) down() (all []runner.Finding) {
	nodes := s.cluster.Nodes()
	for _, h := range s.fleet.Hosts {
		if h.Spare {
			delete(nodes, h.Node)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if n := nodes[name]; !n.Ready && s.inFlight(name) == "" {
			all = append(all, runner.Finding{Node: name, What: "node", Why: "is NotReady, and counts as down against every limit: " + n.ReadyReason})
		}
	}
	return all
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

// unsaid are those of more that the refusals of a node don't say already, in the same words.
func unsaid(more, findings []runner.Finding) []runner.Finding {
	return slices.DeleteFunc(more, func(m runner.Finding) bool {
		return slices.ContainsFunc(findings, func(f runner.Finding) bool {
			return f.Refuse && f.Node == m.Node && m.Node != "" && strings.HasSuffix(m.Why, ": "+f.Why)
		})
	})
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

// check prints what stands against a run first, then which drains would be blocked, then what only wants to be known. Where lines
// are few one stands for all of its kind. Those that are known from last time are counted alone.
func (s screen) check(shown []runner.Finding, known int) {
	shown = together(shown)
	for _, label := range []string{"refused", areaBlocked, "note"} {
		told, more := map[string]bool{}, map[string]int{}
		var kinds []string
		for _, f := range shown {
			switch {
			case labelOf(f) != label:
				continue
			case s.tight && told[f.What]:
				if more[f.What]++; more[f.What] == 1 {
					kinds = append(kinds, f.What)
				}
				continue
			}
			told[f.What] = true
			line := f.String()
			if label == areaBlocked {
				line = f.Node + ": " + f.Why
			}
			s.labelled(label, line)
		}
		for i, what := range kinds {
			kinds[i] = fmt.Sprintf("%d of %s", more[what], what)
		}
		if len(kinds) > 0 {
			s.labelled(label, "and "+strings.Join(kinds, ", ")+": --verbose tells all")
		}
	}
	if known > 0 {
		s.labelled("", plural(known, "finding")+" as last time")
	}
}

// labelled prints a text beside a label, or alone; where lines are few, on one.
func (s screen) labelled(label, text string) {
	if label != "" {
		label = fmt.Sprintf("%-9s", label)
	}
	if s.tight {
		s.line("", label+text)
		return
	}
	under(s.app.out, label, text)
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
func (a *app) checkEnd(hosts, refused int, ahead foresight) {
	end := "nothing stands against a run"
	switch blocked := failing(ahead.drains); {
	case refused > 0:
		end = "a run would be refused for " + plural(refused, "reason")
	case blocked > 0:
		end = "a run would leave " + plural(blocked, "node") + " undone"
	case ahead.why != "":
		end = "a run would not end as things stand"
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
