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
		{"a node outside is down for good", 1, func(_ *Plan, _ map[string]time.Duration, o Observed) {
			o.Nodes["x"] = NodeObserved{Run: "another"}
		}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, took, o := fleet(6, Limit{Why: "max_unavailable", AtMost: c.atMost})
			if c.change != nil {
				c.change(&p, took, o)
			}
			if got, ok := Predict(p, took, o, time.Time{}); got != c.want || ok != c.ok {
				t.Errorf("%s, %v; want %s, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

func TestTook(t *testing.T) {
	at := func(m int) time.Time { return time.Date(2026, 11, 23, 1, m, 0, 0, time.UTC) }
	got := Took([]Event{
		{Event: EventOrder, Node: "n1", Time: at(0)}, {Event: EventChanged, Node: "n1", Time: at(3)}, {Event: EventDone, Node: "n1", Time: at(7)},
		{Event: EventOrder, Node: "n2", Time: at(7)}, {Event: EventDone, Node: "n2", Time: at(8)}, // up to date
		{Event: EventOrder, Node: "n3", Time: at(8)}, {Event: EventChanged, Node: "n3", Time: at(9)}, {Event: EventResumed, Time: at(40)},
		{Event: EventDone, Node: "n3", Time: at(41)},
	})
	if d := cmp.Diff(map[string]time.Duration{"n1": 7 * time.Minute}, got); d != "" {
		t.Error(d)
	}
}
