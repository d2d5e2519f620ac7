package runner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// eventVersion is the version of the events that this fleetup writes. A later version of the same number adds kinds
// and fields only.
const eventVersion = 1

// Keys of the Data of started and resumed events that Progress keeps.
const (
	dataCluster   = "cluster"
	dataDigest    = "digest"
	dataInventory = "inventory"
	dataFailed    = "failed" // of adopted events: why the node had failed
	dataDone      = "done"   // of adopted events: when the run had ended well on the node
	dataNodes     = "nodes"  // of turned events: those that go back, with spaces between
	dataBy        = "by"     // of skipped events: the human who decided it; of halted ones: haltedByGate
)

// upToDate is the Message of a done event where nothing had to change.
const upToDate = "up to date"

// haltedByGate is why a halted run ends with 3 whatever else went wrong.
const haltedByGate = "gate"

// Apply folds the next event into the progress. An event of a kind that this fleetup doesn't know is counted and
// changes nothing else. An error means that the event can't follow the ones before it: another run's, one out of
// sequence, one of a later version, one that lacks its node; the progress is unchanged then.
//
// Apply changes Nodes in place; Clone first what is to be kept.
func (p *Progress) Apply(e Event) error {
	if err := p.accepts(e); err != nil {
		return fmt.Errorf("run %s: event %d (%s): %w", e.Run, e.Seq, e.Event, err)
	}
	p.Seq = e.Seq
	if change, known := nodeChanges[e.Event]; known {
		n := p.Nodes[e.Node]
		change(&n, e)
		p.follow(&n, e)
		p.Nodes[e.Node] = n
		return nil
	}
	if change, known := runChanges[e.Event]; known {
		change(p, e)
	}
	return nil
}

// Clone returns a progress that shares nothing with p.
func (p *Progress) Clone() Progress {
	c := *p
	c.Nodes, c.Gates = maps.Clone(p.Nodes), maps.Clone(p.Gates)
	return c
}

func (p *Progress) accepts(e Event) error {
	_, ofNode := nodeChanges[e.Event]
	switch {
	case e.Version != eventVersion:
		return &strangeError{fmt.Sprintf("version %d", e.Version)}
	case e.Seq != p.Seq+1:
		return fmt.Errorf("event %d is expected here", p.Seq+1)
	case e.Run == "" || p.Seq > 0 && e.Run != p.Run:
		return fmt.Errorf("it is run %q's, not run %q's", e.Run, p.Run)
	case (p.Seq == 0) != (e.Event == EventStarted):
		return fmt.Errorf("a run begins with one %q event", EventStarted)
	case ofNode && e.Node == "":
		return fmt.Errorf("it names no node")
	}
	return nil
}

// runChanges are what events of the run do to a progress.
var runChanges = map[Kind]func(*Progress, Event){
	EventStarted: func(p *Progress, e Event) {
		p.Run, p.Started, p.Nodes = e.Run, e.Time, map[string]NodeProgress{}
		p.PickedUp, p.PickedSeq = e.Time, e.Seq
		p.concerns(e.Data)
	},
	EventResumed: func(p *Progress, e Event) {
		anew := p.Finished || e.Data[dataDigest] != "" && e.Data[dataDigest] != p.Digest
		goingBack := p.Turned.Stage != "" && p.Halted == "" && !anew
		p.anew(anew)
		p.PickedUp, p.PickedSeq = e.Time, e.Seq
		p.concerns(e.Data)
		for name, n := range p.Nodes {
			if goingBack && n.State == Waiting && n.Back != "" {
				continue // it has gone its way back, while others haven't
			}
			n.pickUp(e.Time, anew)
			p.Nodes[name] = n
		}
	},
	EventHalted: func(p *Progress, e Event) { p.Halted, p.HaltedBy = e.Message, e.Data[dataBy] },
	EventGate:   (*Progress).judge,
	EventSoak:   func(p *Progress, e Event) { p.Soak = Soaking{e.Stage, e.Time} },
	EventSoaked: func(p *Progress, e Event) { p.Soak, p.Soaked = Soaking{}, append(slices.Clone(p.Soaked), e.Stage) },
	EventTurned: func(p *Progress, e Event) {
		p.Turned = Turn{e.Stage, e.Message, strings.Fields(e.Data[dataNodes]), e.Time}
		p.Soak = Soaking{}
		p.Soaked = without(p.Soaked, e.Stage)
	},
	EventInterrupted: func(p *Progress, _ Event) { p.Interrupted = true },
	EventFinished:    func(p *Progress, _ Event) { p.Finished = true },
}

// nodeChanges are what events of a node do to it.
var nodeChanges = map[Kind]func(*NodeProgress, Event){
	EventAdopted: (*NodeProgress).adopt,
	EventOrder: func(n *NodeProgress, e Event) {
		if n.State == Failed { // it is rolled back, and stays a node that failed
			n.Fault = n.Why
		}
		n.become(Running, e)
		if e.Order != n.Order || !n.Resume && !n.Retry {
			n.Did = nil
		}
		n.Order, n.Stage, n.Phase, n.Resume, n.Back = e.Order, e.Stage, "", false, ""
		if e.Order == OrderRollBack { // what its stages did is undone from here on, however that ends
			n.Through = nil
		}
		if n.Began.IsZero() {
			n.Began = e.Time
		}
	},
	EventPhase: func(n *NodeProgress, e Event) {
		n.Phase = e.Phase
		n.Given = n.Given || e.Phase == phaseUncordon
		n.Rebooting = n.Rebooting && e.Phase == phaseCheck
	},
	EventStep: func(n *NodeProgress, e Event) {
		n.Rebooting = n.Rebooting || e.Step == rebootStep
		if e.Message != "" && !slices.Contains(n.Did, e.Message) {
			n.Did = append(slices.Clip(n.Did), e.Message)
		}
	},
	EventChanged: func(n *NodeProgress, _ Event) { n.Changed = true },
	EventBlocked: func(n *NodeProgress, e Event) {
		n.settle(Blocked, e)
		n.Tries++
	},
	EventFailed: func(n *NodeProgress, e Event) {
		n.settle(Failed, e)
		n.Fails++
		if e.Phase != "" {
			n.Phase = e.Phase
		}
	},
	EventThrough: func(n *NodeProgress, e Event) {
		n.settle(Waiting, e)
		n.Why, n.Tries, n.Through = "", 0, append(slices.Clone(n.Through), n.Stage)
		n.UpToDate = e.Message == upToDate
	},
	EventBack: (*NodeProgress).wentBack,
	EventDone: func(n *NodeProgress, e Event) {
		n.settle(Done, e)
		n.Why, n.UpToDate, n.Through = "", e.Message == upToDate && !n.Changed, nil
	},
	EventHeld: func(n *NodeProgress, e Event) { n.settle(Held, e) },
	EventSkipped: func(n *NodeProgress, e Event) {
		n.settle(Skipped, e)
		n.ByHand = e.Data[dataBy] != ""
	},
	EventRetried: func(n *NodeProgress, e Event) {
		n.become(Waiting, e)
		n.Retry, n.Tries, n.ByHand, n.Fault = true, 0, false, ""
	},
}

// concerns keeps what a run is about; a resumed run may name a changed inventory.
func (p *Progress) concerns(data map[string]string) {
	for key, field := range map[string]*string{dataCluster: &p.Cluster, dataDigest: &p.Digest, dataInventory: &p.Inventory} {
		if value := data[key]; value != "" {
			*field = value
		}
	}
}

// adopt takes a node over as its annotations tell: one that an order was cut off on, one that had failed, or one that was done.
func (n *NodeProgress) adopt(e Event) {
	n.become(Waiting, e)
	n.Order, n.Stage, n.Phase, n.Changed = e.Order, e.Stage, e.Phase, true
	n.Retry = e.Data[dataFailed] != ""
	n.Resume = !n.Retry
	if e.Data[dataDone] != "" {
		n.State, n.Why, n.Retry, n.Resume = Done, "", false, false
	}
	if n.Began.IsZero() {
		n.Began = e.Time
	}
}

// pickUp is what another process makes of a node: a cut-off order begins again, a failed node is tried again alone, a
// blocked one has all its tries again, a skipped one is looked at again, unless a human skipped it.
// What was given back isn't upgraded, and what is done is so for the inventory of its time alone: anew says that the
// inventory is another one now, or that the run had been over.
func (n *NodeProgress) pickUp(now time.Time, anew bool) {
	givenBack := givesBack[n.Order]
	switch {
	case n.State == Running:
		n.Resume = true
	case n.State == Failed:
		n.Retry, n.Fault = true, ""
	case n.State == Held: // it is left alone while it is held, and looked at afterwards
	case n.State == Blocked:
		n.Tries = 0
	case n.State == Skipped && !n.ByHand:
	case n.State == Done && (anew || givenBack), n.State == Waiting && n.Back != "":
		n.Order, n.Phase = "", ""
		n.Fails++ // or its steps would be answered with the results that they had
	case n.State == Waiting && anew:
	default:
		return
	}
	if anew || n.Back != "" {
		n.Through, n.Back, n.Fault, n.Did = nil, "", "", nil
	}
	if givenBack {
		n.Order, n.Through = "", nil
	}
	n.State, n.Since, n.Why, n.UpToDate = Waiting, now, "", false
}

func (n *NodeProgress) become(state NodeState, e Event) {
	n.State, n.Since, n.Why = state, e.Time, e.Message
	n.UpToDate = false
}

func (n *NodeProgress) settle(state NodeState, e Event) {
	n.become(state, e)
	n.Retry, n.Resume, n.Given = false, false, false
}
