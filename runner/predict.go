package runner

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Forecast is a run that was played ahead.
type Forecast struct {
	Total time.Duration // of all of it
	// Ends is false where the run can't end as things stand: a limit that is full, pods that can't be placed, a window that is
	// too short. Total is then 0.
	Ends  bool
	Why   string   // it doesn't; "n3 waits: …"
	Turns []Played // in the order in which they begin
}

// Played is one order of a forecast, and when it would be carried out.
type Played struct {
	Order
	At    time.Duration // since the forecast's begin
	Takes time.Duration
}

// Predict plays a run of the plan that begins at from, if each upgrade takes as long as took says, nothing fails and all
// gates are good: through Decide, so that limits, stages, soaks, windows and skipped nodes count as they will. A node that took
// doesn't name has nothing to do.
func Predict(plan Plan, took map[string]time.Duration, o Observed, from time.Time) Forecast {
	p := &prediction{plan: plan, took: took, o: o, from: from, now: from, ends: map[Order]time.Time{}}
	p.o.Wait, p.o.Nodes, p.o.Pods = true, maps.Clone(o.Nodes), map[string]int{}
	for _, s := range plan.Stages {
		for _, n := range plan.Nodes {
			p.o.Pods[n.Name] = max(p.o.Pods[n.Name], s.MinPods)
		}
	}
	p.apply(Event{Event: EventStarted})
	for range (len(plan.Stages) + 2) * (len(plan.Nodes) + 1) * turnsANode {
		d := Decide(plan, p.progress, p.o, p.now)
		switch {
		case d.End != nil && d.End.Exit == 0:
			return Forecast{Total: p.now.Sub(from), Ends: true, Turns: p.turns}
		case d.End != nil || d.Halt != "" || !p.next(d):
			return Forecast{Why: d.hindrance(), Turns: p.turns}
		}
	}
	return Forecast{Turns: p.turns}
}

// hindrance is why nothing goes on after the decision.
func (d Decision) hindrance() string {
	switch {
	case d.End != nil:
		return d.End.Why
	case len(d.Waits) > 0:
		return d.Waits[0].Node + " waits: " + d.Waits[0].Why
	}
	return d.Halt
}

// turnsANode bounds how often a prediction decides for each node of a stage.
const turnsANode = 6

// prediction is a run that is played.
type prediction struct {
	plan     Plan
	took     map[string]time.Duration
	o        Observed
	progress Progress
	from     time.Time
	now      time.Time
	turns    []Played
	ends     map[Order]time.Time // of what is in flight
}

func (p *prediction) apply(e Event) {
	e.Version, e.Seq, e.Time, e.Run = eventVersion, p.progress.Seq+1, p.now, "plan"
	_ = p.progress.Apply(e) // an event that can't follow the ones before it changes nothing, and the play then ends by itself
}

// next carries a decision out, or lets time pass until something ends; false where nothing ever will.
func (p *prediction) next(d Decision) bool {
	for _, s := range d.Skip {
		p.apply(Event{Event: EventSkipped, Node: s.Node, Message: s.Why})
	}
	for _, e := range d.Tell {
		p.apply(e)
	}
	for _, start := range d.Start {
		p.apply(Event{Event: EventOrder, Node: start.Node, Order: start.Name, Stage: start.Stage})
		p.ends[start] = p.now.Add(p.takes(start))
		p.turns = append(p.turns, Played{start, p.now.Sub(p.from), p.takes(start)})
	}
	if d.Ask != nil {
		for _, g := range p.plan.Gates {
			p.apply(verdict{gate: g.Name, verdict: GateGood, reading: "good"}.event(*d.Ask))
		}
	}
	if len(d.Skip)+len(d.Tell)+len(d.Start) > 0 || d.Ask != nil {
		return true
	}
	var over []Order
	first := earliest(p.ends)
	switch at, flying := p.ends[first]; {
	case flying && (d.Again.IsZero() || !d.Again.Before(at)):
		p.now = at
		for order, ends := range p.ends { // all that end now at once: a large fleet is decided about seldom enough to be quick
			if ends.Equal(at) {
				over = append(over, order)
			}
		}
		slices.SortFunc(over, func(a, b Order) int { return cmp.Compare(a.Node, b.Node) })
		for _, order := range over {
			p.end(order)
		}
	case d.Again.After(p.now):
		p.now = d.Again
	default:
		return false
	}
	return true
}

// takes is how long an order takes: a drain is a part of an upgrade, what else there is takes no time worth counting.
func (p *prediction) takes(o Order) time.Duration {
	switch took := p.took[o.Node]; o.Name {
	case OrderUpgrade, OrderUpgradeClosed:
		return took
	case OrderClose, OrderReturn, OrderReturnEarly:
		return took / 4
	}
	return 0
}

func (p *prediction) end(o Order) {
	delete(p.ends, o)
	e := Event{Event: p.plan.ends(o), Node: o.Node}
	if p.took[o.Node] == 0 && o.Name != OrderWake {
		e.Message = upToDate
	}
	p.apply(e)
	n, present := p.o.Nodes[o.Node]
	switch {
	case !present:
		return
	case o.Name == OrderWake:
		n.Ready, n.Run = true, p.progress.Run
	case p.took[o.Node] > 0 && (o.Name == OrderUpgrade || o.Name == OrderUpgradeClosed): // it ends no sooner, also of one that was down
		n.Ready = true
	case o.Name == OrderReturn, o.Name == OrderReturnEarly:
		n.Run = ""
	}
	p.o.Nodes[o.Node] = n
}

// earliest is the order that ends first; of two at once, the first by its node.
func earliest(ends map[Order]time.Time) (first Order) {
	for o, at := range ends {
		if first == (Order{}) || at.Before(ends[first]) || at.Equal(ends[first]) && o.Node < first.Node {
			first = o
		}
	}
	return first
}
