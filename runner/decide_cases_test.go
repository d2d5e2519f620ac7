package runner

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestDecideCases are moments that a simulated run doesn't come to by itself.
func TestDecideCases(t *testing.T) {
	const other = "20260101-000000-0000"
	held := NodeObserved{Ready: true, Cordoned: true, Run: simRun}
	failedThere := NodeObserved{Ready: true, Cordoned: true, Run: other, Failed: "no boot"}
	well := NodeObserved{Ready: true}
	one := []Limit{{Why: "max_unavailable 1", AtMost: 1}}
	tests := []struct {
		name     string
		plan     Plan
		nodes    map[string]NodeProgress
		observed Observed
		want     string // as told
	}{
		{"asked to stop, a cut-off order isn't begun again", Plan{Nodes: []PlanNode{{Name: "n1"}}},
			map[string]NodeProgress{"n1": {State: Waiting, Resume: true}},
			Observed{Nodes: map[string]NodeObserved{"n1": held}, Stop: true},
			"end 130 interrupted: 1 node left"},
		{"a cut-off order begins again under its own name", Plan{Nodes: []PlanNode{{Name: "n1"}}},
			map[string]NodeProgress{"n1": {State: Waiting, Resume: true, Order: OrderGiveBack}},
			Observed{Nodes: map[string]NodeObserved{"n1": held}},
			"start n1 give back"},
		{"a cut-off order that hadn't claimed its node waits as others do", Plan{Nodes: []PlanNode{{Name: "n1"}}, Limits: one},
			map[string]NodeProgress{"n1": {State: Waiting, Resume: true, Order: OrderUpgrade}},
			Observed{Nodes: map[string]NodeObserved{"n1": well, "x": {}}},
			"n1 waits: max_unavailable 1: x is down (NotReady)"},
		{"a node that the run holds and that isn't selected any more", Plan{Nodes: []PlanNode{{Name: "n1"}}},
			map[string]NodeProgress{"n1": {State: Done}, "x": {State: Waiting, Resume: true}},
			Observed{Nodes: map[string]NodeObserved{"n1": well, "x": held}},
			"end 1 1 done; x belongs to this run, but isn't selected now"},
		{"on hold, a limit that is filled for good doesn't halt", Plan{Nodes: []PlanNode{{Name: "n1"}}, Limits: one}, nil,
			Observed{Nodes: map[string]NodeObserved{"n1": well, "x": failedThere}, Hold: "disk full"},
			"n1 waits: disk full"},
		{"a blocked control plane isn't overtaken", Plan{Nodes: []PlanNode{{Name: "cp1", OnBlocked: "fail"}, {Name: "n1"}}, Stages: []Stage{
			{Name: "control plane", Nodes: []string{"cp1"}, MustSucceed: true}, {Name: "nodes", Nodes: []string{"n1"}}}},
			map[string]NodeProgress{"cp1": {State: Blocked, Why: "budget a"}},
			Observed{Nodes: map[string]NodeObserved{"cp1": well, "n1": well}},
			"halt stage 1 (control plane) must be through first: cp1 blocked: budget a; n1 waits: halted: stage 1 (control plane) must be through first: cp1 blocked: budget a"},
		{"with a stranded pod, a failed node may be tried again whoever left it failed", Plan{Nodes: []PlanNode{{Name: "n1"}}},
			map[string]NodeProgress{"n1": {State: Waiting, Retry: true}},
			Observed{Nodes: map[string]NodeObserved{"n1": failedThere}, Stranded: []string{"shop/web-1"}},
			"start n1 upgrade"},
		{"with stranded pods nothing new starts", Plan{Nodes: []PlanNode{{Name: "n1"}}}, nil,
			Observed{Nodes: map[string]NodeObserved{"n1": well}, Stranded: []string{"a/1", "a/2", "a/3", "a/4"}},
			"n1 waits: pods a/1, a/2, a/3 and 1 more, which were evicted, can't be scheduled; no node starts until they are"},
		{"while something went wrong elsewhere just now nothing new starts", Plan{Nodes: []PlanNode{{Name: "n1"}}}, nil,
			Observed{Nodes: map[string]NodeObserved{"n1": well}, Troubles: []Trouble{
				{"n8", "turned NotReady", (time.Time{}).Add(-90 * time.Second)}, {"n7", "pod shop/web was evicted: memory", (time.Time{}).Add(-30 * time.Second)}}},
			"n1 waits: on n7 pod shop/web was evicted: memory; no node starts before " + (time.Time{}).Add(90*time.Second).Local().Format(time.TimeOnly) + ", unless more goes wrong"},
		{"what went wrong elsewhere and is past stops nothing", Plan{Nodes: []PlanNode{{Name: "n1"}}}, nil,
			Observed{Nodes: map[string]NodeObserved{"n1": well}, Troubles: []Trouble{{"n8", "turned NotReady", (time.Time{}).Add(-2 * time.Minute)}}},
			"start n1 upgrade"},
		{"a failed node that a human told to skip fills its limit for good", Plan{Nodes: []PlanNode{{Name: "n1"}, {Name: "n2"}}, Limits: one},
			map[string]NodeProgress{"n1": {State: Skipped}},
			Observed{Nodes: map[string]NodeObserved{"n1": failedThere, "n2": well}},
			"halt no node can start any more: max_unavailable 1: n1 failed in an earlier order; n2 waits: halted: no node can start any more: max_unavailable 1: n1 failed in an earlier order"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.plan.Stages == nil {
				tt.plan.Stages = oneStage(tt.plan)
			}
			d := Decide(tt.plan, Progress{Run: simRun, Nodes: tt.nodes}, tt.observed, time.Time{})
			if got := told(d); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// oneStage are the stages of a plan that upgrades all its nodes in one.
func oneStage(p Plan) []Stage {
	s := Stage{Name: "nodes", Order: OrderUpgrade}
	for _, n := range p.Nodes {
		s.Nodes = append(s.Nodes, n.Name)
	}
	return []Stage{s}
}

// told is a decision in one line; of an end's waits nothing.
func told(d Decision) string {
	if d.End != nil {
		return fmt.Sprintf("end %d %s", d.End.Exit, d.End.Why)
	}
	var parts []string
	for _, o := range d.Start {
		parts = append(parts, "start "+o.Node+" "+o.Name)
	}
	for _, w := range d.Skip {
		parts = append(parts, "skip "+w.Node)
	}
	if d.Halt != "" {
		parts = append(parts, "halt "+d.Halt)
	}
	for _, w := range d.Waits {
		parts = append(parts, w.Node+" waits: "+w.Why)
	}
	return strings.Join(parts, "; ")
}
