package runner

import (
	"context"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// Machine is a host as an order needs it: what steps need, and its life and death.
type Machine interface {
	playbooks.Host
	// BootID returns the kernel's random boot id, new at each boot.
	BootID(ctx context.Context) (string, error)
	// Reboot reboots the machine if its boot id is still before, and returns once the boot id has changed and a login
	// succeeds. Safe to repeat.
	Reboot(ctx context.Context, before string) error
	// Expect says that the machine may be booting just now: its first login is tried again as long as any other.
	Expect() error
	// Sweep removes what other runs left of their detached steps; best effort.
	Sweep(ctx context.Context, keep string) error
	// Close ends the connection; the machine may be used again afterwards, over a new one.
	Close() error
}

// Power is a machine's power switch, reached past its operating system: through a BMC. Each method returns once the
// order was taken, not once it was carried out; State tells that. All are safe to repeat.
type Power interface {
	// State returns PowerOn or PowerOff; an error where that can't be known.
	State(ctx context.Context) (string, error)
	// On turns the machine on. A machine that is on stays on.
	On(ctx context.Context) error
	// Off asks the operating system to shut down or, where hard, takes the power away at once.
	Off(ctx context.Context, hard bool) error
	// Cycle takes the power away and gives it back, whatever the machine is doing.
	Cycle(ctx context.Context) error
}

// The states of Power.
const (
	PowerOn  = "on"
	PowerOff = "off"
)

// Claims marks nodes as ours and gives them back. Every method is safe to repeat; run is the run's id.
type Claims interface {
	// Claim cordons, taints, labels and annotates the node in one update, and returns the state that the node's
	// annotation records: facts, and what was found. A node that run has claimed already keeps its first state.
	Claim(ctx context.Context, node, run string, facts map[string]string) (map[string]string, error)
	// Note adds facts to the state of our claim.
	Note(ctx context.Context, node, run string, facts map[string]string) error
	// Untaint takes the taint off and keeps all else.
	Untaint(ctx context.Context, node, run string) error
	// Open lets pods onto the node, whatever was found: a spare is closed by whoever owns it. The claim's record stays, so
	// that Release gives it back as it was.
	Open(ctx context.Context, node, run string) error
	// Release gives the node back as it was found: uncordoned if and only if the claim cordoned it. last, where not
	// nil, is kept on the node as what this run did.
	Release(ctx context.Context, node, run string, last map[string]string) error
	// Fail annotates the node with why and takes the taint off; the cordon stays.
	Fail(ctx context.Context, node, run, why string) error
}

// Hints steer the scheduler while a run works; they force nothing.
type Hints interface {
	// Pend puts the soft taint of nodes that are still to come on exactly these, and takes it off all others, whichever
	// process put it there. Safe to repeat.
	Pend(ctx context.Context, run string, nodes []string) error
}

// Drains empties nodes. waiting is called with what is waited for whenever that changes. An error with a method
// Blocked() []string says that budgets didn't let pods go until the timeout.
type Drains interface {
	// TryDrain asks for every eviction as a dry run until all would be allowed.
	TryDrain(ctx context.Context, node string, waiting func(string)) error
	// Drain evicts and returns once the pods are gone and their volumes are detached. tell journals what else is done so
	// that a pod can go (a rollout begun anew) before it is; an error of it keeps that from happening and is returned.
	Drain(ctx context.Context, node string, tell func(string) error, waiting func(string)) error
	// LBSettle is how long load balancers want between the claim and the first eviction.
	LBSettle(node string) time.Duration
	// HandOver returns nil where another pod could go on elsewhere with this run, whose own pod is on the node; else an error
	// with Blocked().
	HandOver(node string) error
}

// Health waits until the API agrees that a node is well.
type Health interface {
	// AwaitReady waits for Ready, reported after since, and for the kubelet's version where version isn't "".
	AwaitReady(ctx context.Context, node, version string, since time.Time, waiting func(string)) error
	// AwaitWhole waits for node-critical pods and for the allocatable resources that before holds.
	AwaitWhole(ctx context.Context, node string, before map[string]string, waiting func(string)) error
	// AwaitConfigured returns nil once the node's kubelet has told that its live configuration has these fields, of maps
	// these entries; another answer is an error at once.
	AwaitConfigured(ctx context.Context, node string, want map[string]any, waiting func(string)) error
	// AwaitServed waits until pods scheduled to the node since then run and Services are whole.
	AwaitServed(ctx context.Context, node string, since time.Time, waiting func(string)) error
	// AwaitControlPlane waits until all control-plane members but node are healthy.
	AwaitControlPlane(ctx context.Context, node string, waiting func(string)) error
}

// Prober tries a node before it is opened.
type Prober interface {
	// Probe runs the inventory's probe pod on the node, which is still closed, and returns nil once it has succeeded; at
	// once where the inventory has none. What an earlier try left is removed first, so it is safe to repeat.
	Probe(ctx context.Context, node, run string, waiting func(string)) error
}

// Memory is what the nodes themselves keep of the runs, so that going back needs no journal.
type Memory interface {
	// Recorded returns what the claim on the node recorded, and what the last run that ended there left; nil where there is
	// nothing.
	Recorded(node string) (state, last map[string]string)
	// Remember leaves last on a node that is changed without being claimed. Safe to repeat.
	Remember(ctx context.Context, node string, last map[string]string) error
}

// Watch is the cluster's state as its watches last told.
type Watch interface {
	// Facts of one node: its allocatable resources and versions, by the API's names.
	Facts(node string) map[string]string
	// Observe returns all nodes, and the pods that this run evicted and that can't be placed.
	Observe() (map[string]NodeObserved, []string)
	// Troubles are what went wrong lately on nodes that this run doesn't work on.
	Troubles() []Trouble
	// Carried counts the pods that run on each node and belong to no DaemonSet.
	Carried() map[string]int
	// Changed returns a channel that is closed when Observe would return something new.
	Changed() <-chan struct{}
	// Event tells the node's story in the cluster, as a Kubernetes Event; best effort.
	Event(ctx context.Context, node, reason, message string, warning bool)
	// Down and Draining tell the zero-downtime proof what we know before the API does.
	Down(node string, down bool)
	Draining(node string, on bool)
}

// Hook is a command that is run at a moment of a run or of a node's life, on the machine that the run works from.
type Hook interface {
	At() string
	Name() string // the command, for people
	// Run runs it, no longer than its own time or ctx. say gets what it prints. An error counts; a failure that the
	// inventory wants ignored is said and is none. It may run again after a crash.
	Run(ctx context.Context, m Moment, say func(string)) error
}

// Cluster is all that a run needs of Kubernetes.
type Cluster interface {
	Claims
	Hints
	Drains
	Health
	Prober
	Memory
	Watch
}

// Gate is one question whose answer decides whether a run may go on.
type Gate interface {
	Name() string
	// Measure takes a reading. upgraded and others are node names, each side never empty (Question says when both are
	// all nodes). An error, which no data and NaN are too, is an answer that can't be judged.
	Measure(ctx context.Context, upgraded, others []string) (reading string, err error)
	// Judge says why a reading is bad, beside the one taken before the run; nil where it is good. It is pure.
	Judge(reading, baseline string) error
	// Deadline is how long the gate may go without an answer that can be judged before the run is halted.
	Deadline() time.Duration
}
