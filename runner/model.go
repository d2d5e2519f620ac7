package runner

import (
	"time"
)

// NodeState is where a node stands in a run.
type NodeState string

// A node waits, runs one order, and ends done, failed or skipped; blocked is given back and may be tried again.
const (
	Waiting NodeState = "waiting"
	Running NodeState = "running"
	Done    NodeState = "done"
	Failed  NodeState = "failed"
	Blocked NodeState = "blocked"
	Skipped NodeState = "skipped"
	Held    NodeState = "held" // for hardware work: nothing more happens to it until a human says so
)

// Kind is the type of an Event.
type Kind string

// Event kinds. Those of a node carry Node; the others speak of the run.
const (
	EventStarted     Kind = "started"     // Data: cluster uid, inventory path and digest, fleetup version, plan
	EventResumed     Kind = "resumed"     // another process picked the run up; nodes that failed wait again, first and one by one
	EventAdopted     Kind = "adopted"     // Node: rebuilt from the node's annotations; Phase as found, "failed" or "done" in Data where it had failed, or was done
	EventOrder       Kind = "order"       // Node, Order: an order begins
	EventPhase       Kind = "phase"       // Node, Phase: a phase begins; written before its effects
	EventStep        Kind = "step"        // Node, Phase, Step: a step is about to be applied
	EventChanged     Kind = "changed"     // Node, Step, Message: a step was applied; Message says what changed
	EventWaiting     Kind = "waiting"     // Node, Message: what a slow wait waits for; shown and kept, changes nothing
	EventSaid        Kind = "said"        // Message worth keeping, of a node or of the run; changes nothing
	EventHook        Kind = "hook"        // Message: a hook is about to run, of a node or of the run; Data: at; changes nothing
	EventBlocked     Kind = "blocked"     // Node, Message: given back, may be tried again
	EventFailed      Kind = "failed"      // Node, Phase, Message
	EventThrough     Kind = "through"     // Node: its order of a stage has ended well, and later stages have more for it; Message as of done
	EventBack        Kind = "back"        // Node: it went a way back, and is where it was before the run; Message
	EventDone        Kind = "done"        // Node; Message "up to date" where nothing had to change
	EventSkipped     Kind = "skipped"     // Node, Message
	EventHeld        Kind = "held"        // Node: it is held for hardware work; Message: why it still is
	EventRetried     Kind = "retried"     // Node: a human asked to try a failed node again
	EventGate        Kind = "gate"        // Data: gate, verdict, reading, baseline, asked; Message: why it isn't good
	EventSoak        Kind = "soak"        // Stage: its soak begins
	EventSoaked      Kind = "soaked"      // Stage: its soak ended well; Data: the pods that each of its nodes carried
	EventTurned      Kind = "turned"      // Stage: a gate went bad in it, the run takes the way back; Message: why; Data: nodes
	EventHalted      Kind = "halted"      // Message: why; nothing more is started until the next run. Data: by
	EventEndpoints   Kind = "endpoints"   // Data: by Service, the least ready endpoints since the event before, where that changed
	EventProof       Kind = "proof"       // Data: one line of what this process proved: the verdict, a Service's least, or a target's answers
	EventForeseen    Kind = "foreseen"    // Data: how long the run, and each node and phase, would take when it began; for the report
	EventInterrupted Kind = "interrupted" // the process was asked to stop with work left
	EventFinished    Kind = "finished"    // Data: exit, counts, proof; the run is over and won't be picked up
)

// Event is one line of the journal, and one line of `run --output json`.
type Event struct {
	Version int               `json:"version"` // 1
	Seq     int               `json:"seq"`     // from 1, without gaps
	Time    time.Time         `json:"time"`
	Event   Kind              `json:"event"`
	Run     string            `json:"run"`
	Node    string            `json:"node,omitempty"`
	Order   string            `json:"order,omitempty"`
	Stage   string            `json:"stage,omitempty"`
	Phase   string            `json:"phase,omitempty"`
	Step    string            `json:"step,omitempty"`
	Message string            `json:"message,omitempty"`
	Data    map[string]string `json:"data,omitempty"`
}

// NodeProgress is what the journal says of one node.
type NodeProgress struct {
	State    NodeState
	Order    string
	Stage    string    // of the plan, that Order is of
	Through  []string  // the stages that it is through, while later ones have more for it
	Back     string    // the stage of a way back that it went; the order where no stage asked for it
	Fault    string    // why it failed, while it is rolled back and after
	Phase    string    // the last phase that began
	Why      string    // of failed, blocked and skipped
	Tries    int       // orders begun that ended blocked
	Fails    int       // how often an order ended failed, or its outcome was set aside: each needs names of its own for its steps
	Changed  bool      // something was applied in this run
	Did      []string  `json:",omitempty"` // what its order has begun to change, in the steps' words, also in processes before: for whoever tells of its end
	UpToDate bool      // done without anything to do
	Retry    bool      // failed before and waiting again, or being tried again: taken first, alone
	Resume   bool      // waiting because the end of a process cut its Order off: begun again before all else
	Given    bool      // its order has come to giving it back, and not to its end
	Since    time.Time // of State
	Ended    int       // Seq of the last end of an order that did anything
	Began    time.Time // of the first order
	ByHand   bool      // a human decided to skip it, so it stays skipped in this run

	Rebooting bool // it was asked to reboot, and no phase but the first has begun since
}

// Begun reports whether an order was begun on the node whose end has yet to be reached, or made good.
func (n NodeProgress) Begun() bool {
	return n.State == Running || n.State == Failed || n.State == Blocked || n.Resume || n.Retry
}

// Progress is the journal folded; Apply is the only way to it. The zero Progress is a run that hasn't begun.
type Progress struct {
	Run         string
	Seq         int
	Nodes       map[string]NodeProgress
	Halted      string // why; "" while it isn't
	HaltedBy    string // haltedByGate; "" for any other reason
	Interrupted bool
	Finished    bool
	Started     time.Time
	Cluster     string // UID of kube-system
	Digest      string // of the inventory
	Inventory   string // its path

	PickedUp  time.Time // when this process, or the last one, began, and Seq of that
	PickedSeq int
	Moved     int // Seq of the last end of an order that did anything: what gates said before tells nothing of it
	Gates     map[string]GateProgress
	Soak      Soaking  // that is under way; zero: none
	Soaked    []string // stages whose soak ended well
	Turned    Turn     // the way back that is gone; zero: none
}

// GateProgress is what the journal says of one gate.
type GateProgress struct {
	Baseline string    // the reading before the run
	Taken    bool      // Baseline was
	Reading  string    // the last one
	Verdict  string    // GateGood, GateBad or GateUnknown; "" before it was asked
	Why      string    // it isn't good
	Asked    int       // Seq as of the question
	Good     int       // Seq as of the last question with a good answer
	At       time.Time // of the answer
	Unknown  time.Time // since when no answer could be judged; zero: the last one could
}

// The verdicts of a gate. What can't be judged is never good.
const (
	GateGood    = "good"
	GateBad     = "bad"
	GateUnknown = "unknown"
)

// Soaking is a soak that has begun.
type Soaking struct {
	Stage string
	Since time.Time
}

// Turn is a way back that a bad gate made the run take.
type Turn struct {
	Stage string    // in which the gate went bad
	Why   string    // the gate's
	Nodes []string  // that go back
	Since time.Time `json:",omitzero"`
}

// Observed is what the world looks like now.
type Observed struct {
	// Nodes are all nodes of the cluster, also those outside of the plan. A planned node that is absent has been
	// removed from the cluster since.
	Nodes map[string]NodeObserved
	// Stranded are pods that this run evicted and that can't be scheduled; no node starts while there is one.
	Stranded []string
	// Troubles are what went wrong on nodes that this run doesn't work on; no node starts while one is fresh.
	Troubles []Trouble
	// Stop: somebody asked to end after what is in flight. Paused: start nothing new, wait.
	Stop, Paused bool
	// Hold says why this process may start nothing new for now ("the journal's disk is full"); "" it may.
	Hold string
	// Wait: a window that is closed is waited for, instead of ending the process.
	Wait bool
	// Pods are the pods that each node carries which belong to no DaemonSet.
	Pods map[string]int
}

// Trouble is something that went wrong on a node that no run works on: it turned NotReady, a pod there ran out of memory or
// was evicted by its kubelet.
type Trouble struct {
	Node string
	What string
	At   time.Time
}

// NodeObserved is one node as the API shows it.
type NodeObserved struct {
	Ready    bool
	Cordoned bool   // unschedulable, by whomever
	Run      string // the run that claims it; "" none
	Failed   string // why an earlier order left it cordoned; "" it didn't
	Hold     string // who holds it for hardware work, why and since when; "" nobody does
}

// Decision is what to do next. A zero Decision means: wait until something changes.
type Decision struct {
	Start []Order   // begin these now
	Skip  []Wait    // settle these as skipped, with the reason
	Tell  []Event   // journal these, then ask again: what follows from them is decided then
	Ask   *Question // put this question to the gates, unless one is being asked already
	Halt  string    // halt the run with this reason (once); what is in flight goes on
	By    string    // of Halt: haltedByGate, or ""
	Waits []Wait    // who waits, and for what
	Again time.Time // look again then, if nothing changes before; zero: no need
	End   *End      // the run is over for this process
}

// Question is what the gates are asked: new is judged against old. Neither side is ever empty: before the first node is
// upgraded, and after the last, both are all nodes.
type Question struct {
	Upgraded, Others []string
	Asked            int // Progress.Seq as of the question
}

// Order is one piece of work on one node: an ordered list of phases, by the list's name.
type Order struct {
	Node  string
	Name  string // "upgrade", "give back"
	Stage string // of the plan, that asks for it; "" none does
}

// The orders. What each of them does stands in orders.go.
const (
	OrderUpgrade       = "upgrade"
	OrderUpgradeClosed = "upgrade closed"  // as upgrade, and the node stays closed
	OrderClose         = "close"           // cordon and drain a node that has something to do
	OrderCloseAgain    = "close again"     // the same, whatever it has to do: the way back
	OrderOpen          = "open"            // uncordon a node that an earlier stage closed
	OrderOpenAgain     = "open again"      // the same on the way back, when the application may be unwell: nobody waits for it
	OrderWake          = "wake"            // bring a spare up
	OrderReturn        = "return"          // drain a spare, and leave it as it was found
	OrderReturnEarly   = "return early"    // the same before the run is over: halted, or at a window's end; it may be lent again
	OrderRollBack      = "roll back"       // put a node back to what it ran before the run
	OrderGiveBack      = "give back"       // abort: return a claimed node as it was found
	OrderGiveBackSpare = "give back spare" // abort: drain a spare, and leave it as it was found
	OrderSwapBegin     = "swap begin"      // empty a node, turn it off and hold it for hardware work
	OrderSwapFinish    = "swap finish"     // turn it on, compare, give it back
	OrderSwapCancel    = "swap cancel"     // the same, whatever is different
)

// Wait is a node and a reason. A node of "" is the run.
type Wait struct{ Node, Why string }

// End tells how a run ends for this process.
type End struct {
	Exit     int    // of section 4 of the design: 0, 1, 3, 5, 130
	Why      string // one line for people
	Finished bool   // nothing is left: the run is over for good and isn't picked up again
}
