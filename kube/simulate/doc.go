// Package simulate plays the drains of a run ahead, on what a cluster holds now: which pods would have nowhere to go, which
// drain a budget would block and when, and for how long one drain has to wait for another node to come back.
//
//	outcome := simulate.Run(world, []simulate.Turn{{Node: "n1", Takes: 5 * time.Minute}, {Node: "n2", At: 5 * time.Minute, …}})
//	for _, d := range outcome { fmt.Println(d.Node, d.Blocked, d.Homeless) }
//
// It is pure: plain values in, plain values out, no clock and no I/O, and what it is given isn't changed. What the cluster
// itself decides is followed by its own rules: taints, node affinity and requests by k8s.io/component-helpers, which the
// scheduler uses too; inter-pod affinity, spread and volumes as the scheduler documents them; budgets as the eviction API
// counts them. What a drain decides (what stays, what is refused, what is a Service's last endpoint) the caller says by
// Rules.
//
// A controller makes a pod in place of each that leaves, at once and with the same spec. It is as well as the one before:
// one that was ready is ready again as soon as it has a node. Of the nodes that take a pod the one that the scheduler would
// score best is taken, those last whose turn is still to come, as the run asks by a soft taint; ties, which the scheduler
// breaks by chance, by name. Quotas of pods and of what they ask for are followed, by their scopes; and how many volumes of a
// CSI driver a node can attach. A pod that finds no node displaces others of lower priority, as the scheduler's preemption does;
// those look for a node in turn. What isn't followed: what autoscalers and people do meanwhile.
package simulate

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// World is what a cluster holds. Its objects are read only.
type World struct {
	Nodes    []*corev1.Node
	Pods     []*corev1.Pod
	Budgets  []*policyv1.PodDisruptionBudget
	Services []*corev1.Service
	// Volumes says where the volume that a claim, "namespace/name", is bound to can be used; nil: anywhere.
	Volumes map[string]*corev1.VolumeNodeAffinity
	// Quotas are those by which namespaces refuse pods.
	Quotas []*corev1.ResourceQuota
	// Drivers names the CSI driver of the volume that a claim, "namespace/name", is bound to; absent: another kind of volume.
	Drivers map[string]string
	// Attachable is how many volumes of a driver a node can attach, by node and driver; absent: any number.
	Attachable map[string]map[string]int
	// Rules says what the drain of a node makes of a pod on it.
	Rules func(pod *corev1.Pod, node string) Rules
}

// Rules are what the settings of a drain make of one pod. The zero Rules are those of a pod that may go.
type Rules struct {
	Stays    bool   // a DaemonSet's, or static: it is left alone
	Refused  string // why nothing at all is drained while the pod is there
	Past     bool   // its budgets may be passed
	Last     string // what becomes of a Service's last endpoint: surge, block or allow; "": nobody looks
	Rigid    string // why nothing can make another one before it goes; "": its Deployment can
	Accepted func(service string) bool
	Patience time.Duration // how long the drain waits before it counts as blocked
}

// Turn is a node's turn in the run.
type Turn struct {
	Node  string
	At    time.Duration // since the run's begin; never earlier
	Takes time.Duration // from there until it is open again
	Keeps bool          // it stays closed
	Opens bool          // it is opened only, when Takes is over: nothing is drained
}

// Drain is how one node's turn went. Times are since the run's begin.
type Drain struct {
	Node   string        `json:"node"`
	Begins time.Duration `json:"begins_ns"`
	Takes  time.Duration `json:"takes_ns"` // with what it waited
	Moves  int           `json:"moves"`    // pods that leave
	Rounds int           `json:"rounds"`   // how often pods have to start elsewhere before others may leave
	// Waited is how long it stood still until another node came back; For says for what.
	Waited time.Duration `json:"waited_ns,omitempty"`
	For    []string      `json:"waited_for,omitempty"`
	// Blocked says why it is given back undone; nil: it isn't.
	Blocked []string `json:"blocked,omitempty"`
	// Held says why it isn't even begun: a pod that the run has moved finds no node.
	Held      string      `json:"held,omitempty"`
	Homeless  []Homeless  `json:"homeless,omitempty"`
	Displaced []Displaced `json:"displaced,omitempty"`
}

// Fails reports whether the node is left as it was.
func (d Drain) Fails() bool { return d.Held != "" || len(d.Blocked) > 0 }

// Homeless is a pod that has nowhere to go for a while.
type Homeless struct {
	Pod string        `json:"pod"` // by its name before it moved
	Why string        `json:"why"` // in the scheduler's words, or a quota's
	For time.Duration `json:"for_ns,omitempty"`
	// Ever: it finds a place again in the run. For is zero otherwise.
	Ever bool `json:"placed_again"`
}

// Displaced is a pod that the scheduler ends, so that one of higher priority finds a node. No dry run and no budget asks before that.
type Displaced struct {
	Pod  string   `json:"pod"`
	By   string   `json:"by"`
	Last []string `json:"last_endpoint_of,omitempty"` // Services that have no other one at that moment
}
