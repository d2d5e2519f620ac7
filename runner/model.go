package runner

import (
	"time"
)

// Plan is what a run is to do, as plain values: which nodes, in which stages, inside which limits. Build makes it
// from an inventory; Decide reads it. It holds no secrets and can be written down.
type Plan struct {
	Nodes       []PlanNode `json:"nodes"` // in the order in which they are to be taken
	Limits      []Limit    `json:"limits"`
	OnFailure   string     `json:"on_failure"`   // stop or quarantine
	MaxFailures int        `json:"max_failures"` // quarantine: so many may fail, one more halts
	Requeues    int        `json:"requeues"`     // how often a blocked node is tried again, where its OnBlocked is requeue
	Cordoned    string     `json:"cordoned"`     // skip or upgrade
	// Stages names the stages, for people: "control plane", "nodes".
	Stages []string `json:"stages,omitempty"`
	// MustSucceed is how many of the first stages have to be through: while a node of them is failed or blocked for good,
	// no later stage begins. The control plane, where kubeadm upgrades it: a kubelet may not be newer than an API server.
	MustSucceed int `json:"must_succeed,omitempty"`
}

// PlanNode is one node of a Plan.
type PlanNode struct {
	Name      string `json:"name"`  // the Node object's name
	Host      string `json:"host"`  // the inventory's name for it
	Stage     int    `json:"stage"` // a stage begins once all nodes of those before it are settled
	OnBlocked string `json:"on_blocked"`
	// Backoff is how long the node is left alone after a blocked drain; 0: a minute. It is there where drain.timeout is
	// shorter: whoever doesn't want to wait that long for a budget doesn't want to be idle for longer either.
	Backoff time.Duration `json:"backoff,omitempty"`
	// Skip says why the node is left alone from the start ("unreachable"); it then counts as down.
	Skip string `json:"skip,omitempty"`
	// Why says why the node stands where it stands, where that isn't plain: "fleetup itself runs here".
	Why string `json:"why,omitempty"`
}

// Limit says that of some nodes at most so many may be down at once. Fleet, group, rack, control plane and domain
// limits are all of this one shape.
type Limit struct {
	Why string `json:"why"` // for people: "max_unavailable 2", "rack r1: spread 1", "group gpu: max_unavailable 1"
	// Members maps each member to what it counts as: its own name for a limit on nodes, a label's value for one on
	// domains, where two nodes of a rack count once. Nil: every node of the cluster counts, as itself.
	Members map[string]string `json:"members,omitempty"`
	AtMost  int               `json:"at_most"`
}

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
)

// Kind is the type of an Event.
type Kind string

// Event kinds. Those of a node carry Node; the others speak of the run.
const (
	EventStarted     Kind = "started"     // Data: cluster uid, inventory path and digest, fleetup version, plan
	EventResumed     Kind = "resumed"     // another process picked the run up; nodes that failed wait again, first and one by one
	EventAdopted     Kind = "adopted"     // Node: rebuilt from the node's annotations; Phase as found, "failed" in Data where it had failed
	EventOrder       Kind = "order"       // Node, Order: an order begins
	EventPhase       Kind = "phase"       // Node, Phase: a phase begins; written before its effects
	EventStep        Kind = "step"        // Node, Phase, Step: a step is about to be applied
	EventChanged     Kind = "changed"     // Node, Step, Message: a step was applied; Message says what changed
	EventWaiting     Kind = "waiting"     // Node, Message: what a slow wait waits for; shown and kept, changes nothing
	EventSaid        Kind = "said"        // Message worth keeping, of a node or of the run; changes nothing
	EventBlocked     Kind = "blocked"     // Node, Message: given back, may be tried again
	EventFailed      Kind = "failed"      // Node, Phase, Message
	EventDone        Kind = "done"        // Node; Message "up to date" where nothing had to change
	EventSkipped     Kind = "skipped"     // Node, Message
	EventRetried     Kind = "retried"     // Node: a human asked to try a failed node again
	EventHalted      Kind = "halted"      // Message: why; nothing more is started until the next run
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
	Phase   string            `json:"phase,omitempty"`
	Step    string            `json:"step,omitempty"`
	Message string            `json:"message,omitempty"`
	Data    map[string]string `json:"data,omitempty"`
}

// NodeProgress is what the journal says of one node.
type NodeProgress struct {
	State    NodeState
	Order    string
	Phase    string    // the last phase that began
	Why      string    // of failed, blocked and skipped
	Tries    int       // orders begun that ended blocked
	Fails    int       // how often an order ended failed, or its outcome was set aside: each needs names of its own for its steps
	Changed  bool      // something was applied in this run
	UpToDate bool      // done without anything to do
	Retry    bool      // failed before and waiting again, or being tried again: taken first, alone
	Resume   bool      // waiting because the end of a process cut its Order off: begun again before all else
	Since    time.Time // of State
	Began    time.Time // of the first order
	ByHand   bool      // a human decided to skip it, so it stays skipped in this run
}

// Progress is the journal folded; Apply is the only way to it. The zero Progress is a run that hasn't begun.
type Progress struct {
	Run         string
	Seq         int
	Nodes       map[string]NodeProgress
	Halted      string // why; "" while it isn't
	Interrupted bool
	Finished    bool
	Started     time.Time
	Cluster     string // UID of kube-system
	Digest      string // of the inventory
	Inventory   string // its path
}

// Observed is what the world looks like now.
type Observed struct {
	// Nodes are all nodes of the cluster, also those outside of the plan. A planned node that is absent has been
	// removed from the cluster since.
	Nodes map[string]NodeObserved
	// Stranded are pods that this run evicted and that can't be scheduled; no node starts while there is one.
	Stranded []string
	// Stop: somebody asked to end after what is in flight. Paused: start nothing new, wait.
	Stop, Paused bool
	// Hold says why this process may start nothing new for now ("the journal's disk is full"); "" it may.
	Hold string
}

// NodeObserved is one node as the API shows it.
type NodeObserved struct {
	Ready    bool
	Cordoned bool   // unschedulable, by whomever
	Run      string // the run that claims it; "" none
	Failed   string // why an earlier order left it cordoned; "" it didn't
}

// Decision is what to do next. A zero Decision means: wait until something changes.
type Decision struct {
	Start []Order   // begin these now
	Skip  []Wait    // settle these as skipped, with the reason
	Halt  string    // halt the run with this reason (once); what is in flight goes on
	Waits []Wait    // who waits, and for what
	Again time.Time // look again then, if nothing changes before; zero: no need
	End   *End      // the run is over for this process
}

// Order is one piece of work on one node: an ordered list of phases, by the list's name.
type Order struct {
	Node string
	Name string // "upgrade", "give back"
}

// The orders.
const (
	OrderUpgrade  = "upgrade"
	OrderGiveBack = "give back" // abort: return a claimed node as it was found
)

// Wait is a node and a reason.
type Wait struct{ Node, Why string }

// End tells how a run ends for this process.
type End struct {
	Exit     int    // of section 4 of the design: 0, 1, 3, 130
	Why      string // one line for people
	Finished bool   // nothing is left: the run is over for good and isn't picked up again
}
