package runner

import (
	"slices"
	"strconv"
	"time"
)

// Keys of the Data of gate events.
const (
	dataGate     = "gate"
	dataVerdict  = "verdict"
	dataReading  = "reading"
	dataBaseline = "baseline" // the reading before the run; only of a gate's first answer
	dataAsked    = "asked"    // Seq as of the question
)

// moves are the events that end an order.
var moves = map[Kind]bool{EventThrough: true, EventDone: true, EventBack: true, EventFailed: true, EventBlocked: true}

// follow is what an event of a node means for the run: a stage whose nodes are worked on again soaks again, and what
// gates said before tells nothing of a node that was changed since.
func (p *Progress) follow(n *NodeProgress, e Event) {
	switch {
	case e.Event == EventOrder:
		p.Soaked = without(p.Soaked, e.Stage)
	case moves[e.Event] && !n.UpToDate:
		p.Moved, n.Ended = p.Seq, p.Seq
	case e.Event == EventAdopted && n.State == Done: // whether a gate has said good of it is lost; when it ended isn't after all else
		p.Moved = p.Seq
	}
}

// judge takes in a gate's answer.
func (p *Progress) judge(e Event) {
	if p.Gates == nil {
		p.Gates = map[string]GateProgress{}
	}
	g := p.Gates[e.Data[dataGate]]
	g.Reading, g.Verdict, g.Why, g.At = e.Data[dataReading], e.Data[dataVerdict], e.Message, e.Time
	g.Asked, _ = strconv.Atoi(e.Data[dataAsked]) // 0, which is never fresh, where it is absent
	if baseline, taken := e.Data[dataBaseline]; taken {
		g.Baseline, g.Taken = baseline, true
	}
	if g.Verdict == GateGood {
		g.Good = g.Asked
	}
	switch {
	case g.Verdict != GateUnknown:
		g.Unknown = time.Time{}
	case g.Unknown.IsZero():
		g.Unknown = e.Time
	}
	p.Gates[e.Data[dataGate]] = g
}

// anew forgets what another process has to decide again: the halt, what the gates said, and how long they have been
// silent. A soak that a halt ended begins again, one that a crash cut off goes on. differs: for another inventory, or
// after its end, every stage is gone through again, and the world before the run is the one before now.
func (p *Progress) anew(differs bool) {
	if p.Halted != "" {
		p.Soak, p.Turned = Soaking{}, Turn{}
	}
	p.Halted, p.HaltedBy, p.Interrupted, p.Finished = "", "", false, false
	if differs {
		p.Soak, p.Soaked, p.Turned, p.Gates = Soaking{}, nil, Turn{}, nil
	}
	for name, g := range p.Gates {
		p.Gates[name] = GateProgress{Baseline: g.Baseline, Taken: g.Taken, Good: g.Good}
	}
}

// wentBack ends a way back: the node waits as if the run hadn't come to it, or stays the failed node that it was.
func (n *NodeProgress) wentBack(e Event) {
	fault := n.Fault
	n.settle(Waiting, e)
	n.Why, n.Back, n.Through, n.Tries, n.Changed = "", n.Stage, nil, 0, false
	if fault != "" {
		n.State, n.Why = Failed, fault
	}
	if n.Back == "" {
		n.Back = n.Order
	}
}

// without returns list less one of its members.
func without(list []string, member string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == member })
}
