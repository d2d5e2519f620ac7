package runner

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPredict(t *testing.T) {
	const turn = 10 * time.Minute
	fleet := func(n int, limits ...Limit) (Plan, map[string]time.Duration, Observed) {
		p := Plan{OnFailure: "stop", Cordoned: "skip", Limits: limits}
		took, o := map[string]time.Duration{}, Observed{Nodes: map[string]NodeObserved{}}
		for i := range n {
			name := fmt.Sprintf("n%d", i+1)
			p.Nodes = append(p.Nodes, PlanNode{Name: name, Host: name, OnBlocked: onBlockedRequeue})
			took[name], o.Nodes[name] = turn, NodeObserved{Ready: true}
		}
		p.Stages = oneStage(p)
		return p, took, o
	}
	for _, c := range []struct {
		name   string
		atMost int
		change func(*Plan, map[string]time.Duration, Observed)
		want   time.Duration
		ok     bool
	}{
		{"one by one", 1, nil, 6 * turn, true},
		{"two at a time", 2, nil, 3 * turn, true},
		{"one is up to date", 2, func(_ *Plan, took map[string]time.Duration, _ Observed) { delete(took, "n1"); delete(took, "n2") }, 2 * turn, true},
		{"the longest", 6, func(_ *Plan, took map[string]time.Duration, _ Observed) { took["n4"] = time.Hour }, time.Hour, true},
		{"cordoned ones are skipped", 1, func(_ *Plan, _ map[string]time.Duration, o Observed) {
			o.Nodes["n1"] = NodeObserved{Ready: true, Cordoned: true}
		}, 5 * turn, true},
		{"two stages", 6, func(p *Plan, _ map[string]time.Duration, _ Observed) {
			p.Stages = append(p.Stages, Stage{Name: "last", Order: OrderUpgrade, Nodes: p.Stages[0].Nodes[5:]})
			p.Stages[0].Nodes = p.Stages[0].Nodes[:5]
		}, 2 * turn, true},
		{"one that is down is up again once it is upgraded", 1, func(_ *Plan, _ map[string]time.Duration, o Observed) { o.Nodes["n3"] = NodeObserved{} }, 6 * turn, true},
		{"one that is down and has nothing to do stays so", 1, func(_ *Plan, took map[string]time.Duration, o Observed) {
			o.Nodes["n3"] = NodeObserved{}
			delete(took, "n3")
		}, 0, false},
		{"a node outside is down for good", 1, func(_ *Plan, _ map[string]time.Duration, o Observed) {
			o.Nodes["x"] = NodeObserved{Run: "another"}
		}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, took, o := fleet(6, Limit{Why: "max_unavailable", AtMost: c.atMost})
			if c.change != nil {
				c.change(&p, took, o)
			}
			if got := Predict(p, took, o, time.Time{}); got.Total != c.want || got.Ends != c.ok {
				t.Errorf("%s, %v; want %s, %v", got.Total, got.Ends, c.want, c.ok)
			} else if got.Ends != (got.Why == "") {
				t.Errorf("ends: %v, because %q", got.Ends, got.Why)
			}
		})
	}
}

// TestPredictTurns: when each order begins, and how long it goes on.
func TestPredictTurns(t *testing.T) {
	p := Plan{OnFailure: "stop", Cordoned: "skip", Limits: []Limit{{Why: "max_unavailable", AtMost: 1}}}
	o := Observed{Nodes: map[string]NodeObserved{}}
	for _, name := range []string{"n1", "n2"} {
		p.Nodes = append(p.Nodes, PlanNode{Name: name, Host: name})
		o.Nodes[name] = NodeObserved{Ready: true}
	}
	p.Stages = oneStage(p)
	got := Predict(p, map[string]time.Duration{"n1": 3 * time.Minute, "n2": 2 * time.Minute}, o, time.Time{})
	var told []string
	for _, turn := range got.Turns {
		told = append(told, fmt.Sprintf("%s %s at %s for %s", turn.Node, turn.Name, turn.At, turn.Takes))
	}
	if d := cmp.Diff([]string{"n1 upgrade at 0s for 3m0s", "n2 upgrade at 3m0s for 2m0s"}, told); d != "" {
		t.Error(d)
	}
}
