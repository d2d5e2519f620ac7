package runner

import (
	"slices"
	"time"

	"github.com/fleetup/fleetup/inventory"
)

// Plan is what a run is to do, as plain values: which orders on which nodes, stage after stage, inside which limits.
// Build makes it from an inventory; Decide reads it. It holds no secrets and can be written down.
type Plan struct {
	Nodes       []PlanNode `json:"nodes"`  // every node once, in the order in which they are to be taken
	Stages      []Stage    `json:"stages"` // one after another
	Limits      []Limit    `json:"limits"`
	OnFailure   string     `json:"on_failure"`   // stop, quarantine or rollback
	MaxFailures int        `json:"max_failures"` // quarantine and rollback: so many may fail, one more halts
	Requeues    int        `json:"requeues"`     // how often a blocked node is tried again, where its OnBlocked is requeue
	Cordoned    string     `json:"cordoned"`     // skip or upgrade
	// Aside are spares that aren't lent to this run: that one is off doesn't make it count as down.
	Aside []string `json:"aside,omitempty"`
	// Gates are asked before the first node, after each one that was changed, and through every soak.
	Gates []PlanGate `json:"gates,omitempty"`
	// Windows are the times in which anything may be started; none: always.
	Windows inventory.Windows `json:"windows,omitempty"`
	// Back is the way back that a bad gate takes in a stage with Back: stages, one after another, that end the run.
	Back []Stage `json:"back,omitempty"`
}

// Stage is one part of a plan: one order, on some nodes. A stage begins once those before it are through and, where they
// soak, have soaked. A node may be in several stages: one pool of a blue-green run is closed in one of them, upgraded in a
// later one, opened in a third.
type Stage struct {
	Name  string   `json:"name"`  // for people and for the journal; each stage of a plan has its own
	Order string   `json:"order"` // the list of phases that each of its nodes goes through
	Nodes []string `json:"nodes"` // as they are to be taken
	// MustSucceed: while a node of it is failed or blocked for good, no later stage begins. A kubelet may not be newer than
	// an API server, and a pool with a hole isn't switched to.
	MustSucceed bool `json:"must_succeed,omitempty"`
	// Soak is how long the run then stands still and asks its gates, if anything was changed. In JSON: nanoseconds.
	Soak time.Duration `json:"soak_ns,omitempty"`
	// MinPods is how many pods each of its nodes that was changed has to carry before a soak tells anything.
	MinPods int `json:"min_pods,omitempty"`
	// Wave: its nodes are judged together, so a bad gate takes all of them back. Else those that were changed since
	// the gates were good last.
	Wave bool `json:"wave,omitempty"`
	// Whole: nothing of it is started where what is left of it doesn't fit into the window as a whole.
	Whole bool `json:"whole,omitempty"`
	// Back: a bad gate while it runs, or soaks, takes the plan's way back.
	Back bool `json:"back,omitempty"`
	// Always: it is gone through also after the run was halted. Such stages come last.
	Always bool `json:"always,omitempty"`
}

// PlanNode is one node of a Plan.
type PlanNode struct {
	Name      string `json:"name"` // the Node object's name
	Host      string `json:"host"` // the inventory's name for it
	OnBlocked string `json:"on_blocked"`
	// Backoff is how long the node is left alone after a blocked drain; 0: a minute. It is there where drain.timeout is
	// shorter: whoever doesn't want to wait that long for a budget doesn't want to be idle for longer either.
	Backoff time.Duration `json:"backoff,omitempty"`
	// Takes is how long its upgrade is predicted to take: inside a window it starts only if that fits. In JSON: nanoseconds.
	Takes time.Duration `json:"takes_ns,omitempty"`
	// Skip says why the node is left alone from the start ("unreachable"); it then counts as down.
	Skip string `json:"skip,omitempty"`
	// Why says why the node stands where it stands, where that isn't plain: "fleetup itself runs here".
	Why string `json:"why,omitempty"`
	// Spare: a machine that serves only while the run lasts. Until it is opened it counts neither as down nor as there.
	Spare bool `json:"spare,omitempty"`
}

// PlanGate is a gate as the scheduler knows it.
type PlanGate struct {
	Name string `json:"name"`
	// Deadline is how long a gate may go without an answer that can be judged. In JSON: nanoseconds.
	Deadline time.Duration `json:"deadline_ns"`
}

// Limit says that of some nodes at most so many may be down at once. Fleet, group, rack, control plane and domain
// limits are all of this one shape.
type Limit struct {
	Why string `json:"why"` // for people: "max_unavailable 2", "rack r1: spread 1", "group gpu: max_unavailable 1"
	// Members maps each member to what it counts as: its own name for a limit on nodes, a label's value for one on
	// domains, where two nodes of a rack count once. Nil: every node of the cluster counts, as itself.
	Members map[string]string `json:"members,omitempty"`
	AtMost  int               `json:"at_most"`
	// Setting is the key of the inventory that sets it, "strategy.max_unavailable"; "": it isn't for anybody to set.
	Setting string `json:"setting,omitempty"`
}

// ends is the kind of event with which an order of the plan ends well.
func (p Plan) ends(o Order) Kind {
	k := slices.IndexFunc(p.Stages, func(s Stage) bool { return s.Name == o.Stage })
	if k < 0 && o.Name == OrderRollBack || slices.ContainsFunc(p.Back, func(s Stage) bool { return s.Name == o.Stage }) {
		return EventBack
	}
	if k < 0 {
		return EventDone
	}
	if o.Name == OrderReturnEarly {
		return EventBack
	}
	for _, later := range p.Stages[k+1:] {
		if slices.Contains(later.Nodes, o.Node) {
			return EventThrough
		}
	}
	return EventDone
}

// orderOf is the order of a stage, be it one of the way back; "" of none.
func (p Plan) orderOf(stage string) string {
	for _, list := range [][]Stage{p.Stages, p.Back} {
		for _, s := range list {
			if s.Name == stage {
				return s.Order
			}
		}
	}
	return ""
}

// soaks reports whether any stage does.
func (p Plan) soaks() bool {
	return slices.ContainsFunc(p.Stages, func(s Stage) bool { return s.Soak > 0 })
}
