package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/runner"
)

func (a *app) planCommand() *cobra.Command {
	var save string
	var detailed bool
	c := &cobra.Command{
		Use:   "plan INVENTORY",
		Short: "Show what a run would do, and change nothing",
		Long: `Show what a run would do, and change nothing: every node in the order in which it is taken, what differs there and which
commands would run, what bounds the run, and how long it takes, by what the last runs took.`,
		Example: `  fleetup plan prod.toml
  fleetup plan prod.toml --limit @workers --set strategy.max_unavailable=3
  fleetup plan prod.toml -o plan.json && fleetup run prod.toml --plan plan.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.plan(c.Context(), args[0], save, detailed)
		},
	}
	c.Flags().StringVarP(&save, "out", "o", "", "save the plan in this `FILE`, for run --plan")
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit 2 when there is something to do")
	return c
}

// savedPlan is a plan as it is saved and shown as JSON: what the scheduler will follow, and what differs where.
type savedPlan struct {
	Version  int              `json:"version"`
	Digest   string           `json:"digest"` // of the inventory
	Plan     runner.Plan      `json:"plan"`
	Nodes    []plannedNode    `json:"nodes"`
	Findings []runner.Finding `json:"findings"`
	// Predicted is how long the run takes, in seconds; absent where it would not end as things stand.
	Predicted int `json:"predicted_seconds,omitempty"`
}

type plannedNode struct {
	Node     string        `json:"node"`
	UpToDate bool          `json:"up_to_date"`
	Drained  bool          `json:"drained"`
	Steps    []plannedStep `json:"steps,omitempty"`
	Problem  string        `json:"problem,omitempty"`
	Stays    []string      `json:"no_way_back,omitempty"` // what a rollback would leave as it is, and why
}

type plannedStep struct {
	Step     string   `json:"step"`
	Changes  []string `json:"changes,omitempty"`
	Commands []string `json:"commands,omitempty"`
	Reboot   bool     `json:"reboot,omitempty"`
}

func (a *app) plan(ctx context.Context, path, save string, detailed bool) error {
	s, err := a.open(ctx, path, true)
	if err != nil {
		return err
	}
	defer s.close()
	found, findings, err := s.preflight(ctx)
	if err != nil {
		return err
	}
	before, err := s.unfinished(ctx)
	if err != nil {
		return exitWith(exitFailed, err)
	}
	plan, err := s.build(found, before)
	if err != nil {
		return err
	}
	saved := s.saved(plan, found, findings)
	fc := s.forecast(plan, found)
	if fc.ends {
		saved.Predicted = int(fc.total.Seconds())
	}
	if err := s.showPlan(saved, before, found, fc, save); err != nil {
		return err
	}
	if err := refusal(findings); err != nil {
		return err
	}
	if detailed && !idle(found) {
		return silent(exitPending)
	}
	return nil
}

func (s *session) saved(plan runner.Plan, found map[string]*runner.Surveyed, findings []runner.Finding) savedPlan {
	p := savedPlan{Version: 1, Digest: s.fleet.Digest, Plan: plan, Findings: findings}
	p.Plan.Nodes = slices.Clone(plan.Nodes)
	for _, n := range plan.Nodes {
		if v := found[n.Name]; v != nil {
			p.Nodes = append(p.Nodes, planned(n.Name, v))
		}
	}
	return p
}

func planned(name string, v *runner.Surveyed) plannedNode {
	n := plannedNode{Node: name, UpToDate: v.NothingToDo(), Drained: v.Work.NeedsDrain(v.Items)}
	if v.Err != nil {
		n.Problem = v.Err.Error()
	}
	for _, i := range v.Items {
		if !i.Status.Clean {
			n.Steps = append(n.Steps, plannedStep{i.Step.Name(), i.Status.Changes, i.Status.Commands, i.Status.Reboot})
		}
	}
	for _, stay := range v.Stays() {
		n.Stays = append(n.Stays, stay.Step+": "+stay.Why)
	}
	return n
}

// showPlan prints the plan and saves it where that was asked for.
func (s *session) showPlan(p savedPlan, before runner.Progress, found map[string]*runner.Surveyed, fc forecast, save string) error {
	if save != "" {
		b, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			return err
		}
		if err := writeFile(save, append(b, '\n')); err != nil {
			return fmt.Errorf("the plan could not be saved: %w", err)
		}
	}
	if s.app.json() {
		return json.NewEncoder(s.app.out).Encode(p)
	}
	s.planText(paper(s.app.out), p.Plan, before, found, fc, true)
	for _, f := range together(p.Findings) {
		if !f.Refuse {
			fmt.Fprintln(paper(s.app.out), "note: "+f.String())
		}
	}
	return nil
}

// leftAlone says why a run would not touch the node as it is now; "" where it would.
func (s *session) leftAlone(pn runner.PlanNode) string {
	n, _ := s.cluster.Node(pn.Name)
	if pn.Skip == "" && !pn.Spare && n.Unschedulable && n.Run == "" && n.Failed == "" && s.fleet.Strategy.Cordoned != "upgrade" {
		return "cordoned by somebody else"
	}
	return pn.Skip
}

// fresh refuses a saved plan that is no longer what would be done.
func (s *session) fresh(file string, plan runner.Plan, found map[string]*runner.Surveyed) error {
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return exitWith(exitUsage, fmt.Errorf("--plan: %w", err))
	}
	var old savedPlan
	if err := json.Unmarshal(b, &old); err != nil || old.Version != 1 {
		return usage("--plan %s: not a plan that `fleetup plan INVENTORY -o FILE` saved", file)
	}
	now := s.saved(plan, found, nil)
	old.Findings, old.Predicted = nil, 0
	for i := range old.Plan.Nodes { // a forecast changes with every run
		old.Plan.Nodes[i].Takes = 0
	}
	for i := range now.Plan.Nodes {
		now.Plan.Nodes[i].Takes = 0
	}
	was, err1 := json.Marshal(old)
	is, err2 := json.Marshal(now)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if !bytes.Equal(was, is) {
		return exitWith(exitFailed, fmt.Errorf("--plan %s is stale: the inventory, or what the nodes run, has changed since; look at a new one with `fleetup plan INVENTORY`", file))
	}
	return nil
}
