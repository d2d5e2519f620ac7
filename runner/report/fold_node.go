package report

import (
	"maps"
	"slices"
	"time"

	"github.com/fleetup/fleetup/runner"
)

// ofNode folds an event of a node.
func (f *folder) ofNode(e runner.Event) {
	n := f.node(e.Node)
	switch e.Event {
	case runner.EventOrder:
		n.end(e.Time, "")
		n.State, n.Why = string(runner.Running), ""
		n.Orders = append(n.Orders, Order{Name: e.Order, Stage: e.Stage, Began: e.Time})
	case runner.EventPhase:
		n.phase(e)
	case runner.EventChanged:
		n.wait(e.Time)
		n.Changes = append(n.Changes, Change{e.Time, e.Step, e.Message})
	case runner.EventWaiting:
		n.wait(e.Time)
		n.Waits = append(n.Waits, Wait{Span{Name: e.Message, Began: e.Time}, e.Phase})
	case runner.EventSaid:
		n.Remarks = append(n.Remarks, Remark{e.Time, e.Message})
	case runner.EventAdopted, runner.EventRetried:
		if n.State = string(runner.Waiting); e.Data["done"] != "" {
			n.State = string(runner.Done)
		}
		n.Remarks = append(n.Remarks, Remark{e.Time, string(e.Event) + ": " + e.Message})
	case runner.EventThrough, runner.EventBack, runner.EventDone, runner.EventFailed, runner.EventBlocked, runner.EventSkipped, runner.EventHeld:
		n.settle(e)
	}
}

// settle ends the node's order, and says how the node stands.
func (n *Node) settle(e runner.Event) {
	n.end(e.Time, string(e.Event))
	n.Why = e.Message
	switch e.Event {
	case runner.EventThrough, runner.EventBack:
		n.State = string(runner.Waiting)
		if why := n.fault(); why != "" && e.Event == runner.EventBack {
			n.State, n.Why = string(runner.Failed), why+"; it went back to what it ran before"
		}
	default:
		n.State = string(e.Event)
	}
	if e.Event == runner.EventDone && len(n.Changes) > 0 {
		n.Why = "" // which is what changed, once more
	}
	if e.Event == runner.EventFailed && e.Phase != "" {
		n.Why = e.Phase + ": " + e.Message
	}
	if k := len(n.Orders); k > 0 && e.Event == runner.EventFailed {
		n.Orders[k-1].Why = n.Why
	}
}

// fault is why the node failed that the last order has put back; "" where no failure was the reason for that.
func (n *Node) fault() string {
	for _, o := range slices.Backward(n.Orders) {
		switch {
		case o.Name != runner.OrderRollBack && o.End == string(runner.EventFailed):
			return o.Why
		case o.Name != runner.OrderRollBack:
			return ""
		}
	}
	return ""
}

// phase begins a phase of the last order; one without an order is of a journal whose begin isn't there.
func (n *Node) phase(e runner.Event) {
	n.wait(e.Time)
	if len(n.Orders) == 0 {
		return
	}
	o := &n.Orders[len(n.Orders)-1]
	if k := len(o.Phases); k > 0 {
		o.Phases[k-1].Ended = e.Time
	}
	o.Phases = append(o.Phases, Span{Name: e.Phase, Began: e.Time})
}

// wait ends the wait that goes on.
func (n *Node) wait(at time.Time) {
	if k := len(n.Waits); k > 0 && n.Waits[k-1].Ended.IsZero() {
		n.Waits[k-1].Ended = at
	}
}

// end ends the order that goes on, with its phase and its wait. A zero at means: with the last that is known of it.
func (n *Node) end(at time.Time, how string) {
	if len(n.Orders) == 0 || !n.Orders[len(n.Orders)-1].Ended.IsZero() {
		return
	}
	o := &n.Orders[len(n.Orders)-1]
	if at.IsZero() {
		at = n.lastKnown(o)
	}
	n.wait(at)
	o.Ended, o.End = at, how
	if k := len(o.Phases); k > 0 && o.Phases[k-1].Ended.IsZero() {
		o.Phases[k-1].Ended = at
	}
}

// lastKnown is when the journal spoke of the node last.
func (n *Node) lastKnown(o *Order) time.Time {
	at := o.Began
	later := func(t time.Time) {
		if t.After(at) {
			at = t
		}
	}
	for _, p := range o.Phases {
		later(p.Began)
	}
	for _, w := range n.Waits {
		later(w.Began)
	}
	for _, c := range n.Changes {
		later(c.At)
	}
	for _, r := range n.Remarks {
		later(r.At)
	}
	return at
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
