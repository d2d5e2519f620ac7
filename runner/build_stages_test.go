package runner

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/inventory"
)

func percents(waves ...int) []inventory.Amount {
	var list []inventory.Amount
	for _, n := range waves {
		list = append(list, inventory.Amount{N: n, Percent: true})
	}
	return list
}

// TestBuildStages: what each kind of strategy makes of the same machines.
func TestBuildStages(t *testing.T) {
	canary := func(waves ...inventory.Amount) func(*inventory.Fleet, *World) {
		return func(f *inventory.Fleet, _ *World) { f.Strategy.Kind, f.Strategy.Waves = "canary", waves }
	}
	pools := func(f *inventory.Fleet, _ *World) {
		f.Strategy.Kind, f.Strategy.Pools, f.Strategy.Soak = "blue-green", []string{"blue", "green"}, time.Minute
	}
	surge := func(f *inventory.Fleet, w *World) {
		f.Strategy.MaxSurge = 1
		for i := range f.Hosts {
			f.Hosts[i].Spare = strings.HasPrefix(f.Hosts[i].Name, "s")
		}
	}
	tests := []struct {
		name   string
		hosts  []string
		change func(*inventory.Fleet, *World)
		want   string
	}{
		{"counts and percents, cumulative", []string{"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10"},
			canary(inventory.Amount{N: 1}, inventory.Amount{N: 30, Percent: true}, inventory.Amount{N: 100, Percent: true}),
			"wave 1 of 3: n1 | wave 2 of 3: n2 n3 | wave 3 of 3: n4 n5 n6 n7 n8 n9 n10"},
		{"a wave that is no more than the one before is none", []string{"n1", "n2"}, canary(append([]inventory.Amount{{N: 1}}, percents(10, 100)...)...),
			"wave 1 of 2: n1 | wave 2 of 2: n2"},
		{"spread over racks", []string{"a1 rack=a", "a2 rack=a", "a3 rack=a", "b1 rack=b", "b2 rack=b", "c1 rack=c"}, canary(append([]inventory.Amount{{N: 3}}, percents(100)...)...),
			"wave 1 of 2: a1 b1 c1 | wave 2 of 2: a2 a3 b2"},
		{"spread over groups", []string{"n1 group=web", "n2 group=web", "n3 group=gpu", "n4 group=gpu"}, canary(percents(50, 100)...),
			"wave 1 of 2: n1 n3 | wave 2 of 2: n2 n4"},
		{"the control plane outside of the waves", []string{"cp1 group=control-plane", "n1", "n2"}, canary(percents(50, 100)...),
			"wave 1 of 2: n1 | wave 2 of 2: n2 | control plane: cp1"},
		{"idle nodes are no canaries", []string{"n1", "n2", "n3"}, func(f *inventory.Fleet, w *World) {
			canary(append([]inventory.Amount{{N: 1}}, percents(100)...)...)(f, w)
			w.Idle = map[string]bool{"n1": true}
			w.Nodes["n2"] = WorldNode{Cordoned: true}
		}, "wave 1 of 2: n3 | wave 2 of 2: n1 n2"},
		{"a cordoned node that is upgraded all the same is one", []string{"n1", "n2"}, func(f *inventory.Fleet, w *World) {
			canary(append([]inventory.Amount{{N: 1}}, percents(100)...)...)(f, w)
			w.Nodes["n1"], f.Strategy.Cordoned = WorldNode{Cordoned: true}, "upgrade"
		}, "wave 1 of 2: n1 | wave 2 of 2: n2"},
		{"pools", []string{"b1 group=blue", "g1 group=green", "b2 group=blue"}, pools,
			"upgrade green: g1! | open green: g1! | close blue: b1 b2! | upgrade blue: b1 b2"},
		{"pools and the control plane", []string{"cp1 group=control-plane", "b1 group=blue", "g1 group=green"}, pools,
			"upgrade green: g1! | open green: g1! | close blue: b1! | upgrade blue: b1 | control plane: cp1"},
		{"surge", []string{"n1", "s1", "s2", "n2"}, surge,
			"wake the spares: s1 | upgrade the spares: s1 | open the spares: s1 | nodes: n1 s2 n2 | give the spares back: s1"},
		{"surge with one that can't be woken", []string{"n1", "s1", "s2"}, func(f *inventory.Fleet, w *World) {
			surge(f, w)
			w.Unreachable["s1"], w.Unreachable["s2"] = "no route", "no route"
			w.Wakeable = map[string]bool{"s2": true}
		}, "wake the spares: s2 | upgrade the spares: s2 | open the spares: s2 | nodes: n1 s1 | give the spares back: s2"},
		{"surge before a canary", []string{"n1", "n2", "s1"}, func(f *inventory.Fleet, w *World) {
			surge(f, w)
			canary(percents(50, 100)...)(f, w)
		}, "wake the spares: s1 | upgrade the spares: s1 | open the spares: s1 | wave 1 of 2: n1 | wave 2 of 2: n2 | give the spares back: s1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := fleetOf(tt.hosts...)
			w := worldOf(f)
			tt.change(f, &w)
			if got := outline(build(t, f, w)); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestBuildSpares: spares fill no limit and no percent; those that aren't lent are known as such.
func TestBuildSpares(t *testing.T) {
	f := fleetOf("n1", "n2", "s1", "s2")
	f.Hosts[2].Spare, f.Hosts[3].Spare = true, true
	f.Strategy.MaxSurge, f.Strategy.MaxUnavailable = 1, inventory.Amount{N: 50, Percent: true}
	w := worldOf(f)
	w.Unreachable["s2"] = "no route to host"
	p := build(t, f, w)
	if p.Limits[0].Why != "max_unavailable 50% of 3 nodes: 1" {
		t.Errorf("limit %q", p.Limits[0].Why)
	}
	spare := func(name string) PlanNode {
		return p.Nodes[slices.IndexFunc(p.Nodes, func(n PlanNode) bool { return n.Name == name })]
	}
	if s1 := spare("s1"); !s1.Spare || s1.Skip != "" {
		t.Errorf("s1: %+v", s1)
	}
	if s2 := spare("s2"); !strings.HasPrefix(s2.Skip, "a spare that can't be reached") || !slices.Equal(p.Aside, []string{"s2"}) {
		t.Errorf("s2: %+v; aside %v", s2, p.Aside)
	}
}

// TestBuildWavesIsQuick: choosing canaries among five thousand nodes of a hundred racks is a matter of milliseconds, and
// each wave has as many racks as it can.
func TestBuildWavesIsQuick(t *testing.T) {
	var hosts []string
	for i := range 5000 {
		hosts = append(hosts, fmt.Sprintf("n%04d rack=r%d group=workers", i, i/50))
	}
	f := fleetOf(hosts...)
	f.Strategy.Kind, f.Strategy.Waves = "canary", percents(2, 50, 100)
	begin := time.Now()
	p := build(t, f, worldOf(f))
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	racks := map[string]bool{}
	for _, name := range p.Stages[0].Nodes {
		racks[f.Hosts[slices.IndexFunc(f.Hosts, func(h inventory.Host) bool { return h.Node == name })].Labels["rack"]] = true
	}
	if len(p.Stages[0].Nodes) != 100 || len(racks) != 100 {
		t.Errorf("%d nodes of %d racks in the first wave", len(p.Stages[0].Nodes), len(racks))
	}
}

// TestPlanEnds: how an order of each stage ends.
func TestPlanEnds(t *testing.T) {
	f := fleetOf("b1 group=blue", "g1 group=green")
	f.Strategy.Kind, f.Strategy.Pools = "blue-green", []string{"blue", "green"}
	p := build(t, f, worldOf(f))
	f = fleetOf("n1", "s1")
	f.Hosts[1].Spare, f.Strategy.MaxSurge = true, 1
	surge := build(t, f, worldOf(f))
	for _, tt := range []struct {
		plan  Plan
		order Order
		want  Kind
	}{
		{p, Order{"g1", OrderUpgradeClosed, "upgrade green"}, EventThrough},
		{p, Order{"g1", OrderOpen, "open green"}, EventDone},
		{p, Order{"b1", OrderClose, "close blue"}, EventThrough},
		{p, Order{"b1", OrderUpgrade, "upgrade blue"}, EventDone},
		{p, Order{"b1", OrderOpenAgain, "open blue again"}, EventBack},
		{p, Order{"g1", OrderCloseAgain, "close green again"}, EventBack},
		{p, Order{"g1", OrderRollBack, ""}, EventBack},
		{p, Order{"g1", OrderGiveBack, ""}, EventDone},
		{surge, Order{"s1", OrderOpen, "open the spares"}, EventThrough},
		{surge, Order{"s1", OrderReturn, "give the spares back"}, EventDone},
		{surge, Order{"s1", OrderReturnEarly, "give the spares back"}, EventBack},
		{surge, Order{"n1", OrderUpgrade, "nodes"}, EventDone},
	} {
		if got := tt.plan.ends(tt.order); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.order, got, tt.want)
		}
	}
}
