package runner

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fleetup/fleetup/inventory"
)

// selfWhy is why a node goes last.
const selfWhy = "this run depends on it (fleetup's own pod, or a jump host)"

// requeues is how often a blocked node is tried again: the inventory's contract says twice more.
const requeues = 2

// World is what Build has to know of the cluster and of the machines.
type World struct {
	Nodes map[string]WorldNode // all nodes of the cluster, by the Node object's name
	// Self are the nodes that this run itself depends on: where fleetup's own pod runs, or that are jump hosts.
	Self []string
	// KubeadmControlPlane: a kubeadm playbook upgrades the control plane, so it goes first; else it goes last.
	KubeadmControlPlane bool
	// Idle are nodes on which nothing is to be done, and on which this run hasn't done anything.
	Idle map[string]bool
	// Wakeable are hosts, by the node's name, that can be powered on though they don't answer.
	Wakeable map[string]bool
	// Takes is how long each node's upgrade is predicted to take, by the node's name.
	Takes map[string]time.Duration
	// Gates are those of the inventory.
	Gates []PlanGate
	// Unreachable are hosts that couldn't be logged in to, by the inventory's name or the node's, with why.
	Unreachable map[string]string
}

// WorldNode is what Build has to know of one node.
type WorldNode struct {
	Labels       map[string]string
	ControlPlane bool // by the node's role label
	Cordoned     bool // by a human
	Ready        bool // for whoever shows the plan; Decide asks again each time
}

// The roles of a node within a plan, in the order of their stages where the control plane goes last.
const (
	roleNode = iota
	roleControlPlane
	roleSelf
	roleSpare
)

var roleNames = map[int]string{roleNode: "nodes", roleSpare: "spares", roleControlPlane: "control plane", roleSelf: "what fleetup itself depends on"}

// Build makes the plan for the selected hosts of a fleet.
//
// Stages: what the strategy makes of the nodes: one stage, waves, or pools, with spares brought into service before. The
// control plane stands outside of that: first where kubeadm upgrades it, else after the other nodes; nodes that the run itself
// depends on come last of all, or last of the control plane where that has to go first. Within a stage nodes keep the
// inventory's order, except that domains keep together, and that those with the longest chain behind them go first
// where a spread or a group's limit makes chains: so no rack is left over at the end.
//
// All that is wrong is told at once: hosts that are absent from the cluster, unreachable ones where the strategy says
// fail, and nodes without a label that spread or domains are about. Nodes of the control plane may lack it, for they go
// one at a time anyhow.
func Build(f *inventory.Fleet, selected []inventory.Host, w World) (Plan, error) {
	b := &builder{fleet: f, selected: selected, world: w, roles: map[string]int{}, labels: map[string]map[string]string{}}
	b.survey()
	if err := b.problems(); err != nil {
		return Plan{}, err
	}
	p := Plan{
		Limits:      b.limits(),
		OnFailure:   f.Strategy.OnFailure,
		MaxFailures: f.Strategy.MaxFailures.Of(len(selected)),
		Requeues:    requeues,
		Cordoned:    f.Strategy.Cordoned,
		Gates:       w.Gates,
		Windows:     f.Windows,
	}
	b.nodes(&p)
	b.stages(&p)
	for _, h := range f.Hosts {
		if h.Spare && b.roles[h.Node] != roleSpare {
			p.Aside = append(p.Aside, h.Node)
		}
	}
	return p, nil
}

type builder struct {
	fleet    *inventory.Fleet
	selected []inventory.Host
	world    World

	roles  map[string]int               // by node, of all nodes of the cluster and of the inventory
	labels map[string]map[string]string // by node: the Node object's, overridden by the host's
}

// survey gathers roles and labels of every node that anybody knows of.
func (b *builder) survey() {
	for name, n := range b.world.Nodes {
		if n.ControlPlane {
			b.roles[name] = roleControlPlane
		}
		b.label(name, n.Labels)
	}
	for _, h := range b.fleet.Hosts {
		b.surveyHost(h)
	}
	for _, h := range b.selected {
		b.surveyHost(h)
		if b.self(h) && !(b.world.KubeadmControlPlane && b.roles[h.Node] == roleControlPlane) {
			b.roles[h.Node] = roleSelf
		}
	}
	b.lend()
}

// lend makes spares of the first hosts that are such, can serve, and are asked for. The others are nodes like all.
func (b *builder) lend() {
	left := b.fleet.Strategy.MaxSurge
	for _, h := range b.selected {
		usable := b.unreachable(h) == "" || b.world.Wakeable[h.Node]
		if h.Spare && usable && left > 0 && b.roles[h.Node] == roleNode {
			b.roles[h.Node] = roleSpare
			left--
		}
	}
}

func (b *builder) surveyHost(h inventory.Host) {
	if h.ControlPlane() {
		b.roles[h.Node] = roleControlPlane
	}
	b.label(h.Node, h.Labels)
}

func (b *builder) label(node string, labels map[string]string) {
	if b.labels[node] == nil {
		b.labels[node] = map[string]string{}
	}
	for key, value := range labels {
		b.labels[node][key] = value
	}
}

func (b *builder) self(h inventory.Host) bool { return slices.Contains(b.world.Self, h.Node) }

// unreachable says why a host can't be logged in to; "" where it can.
func (b *builder) unreachable(h inventory.Host) string {
	return cmp.Or(b.world.Unreachable[h.Name], b.world.Unreachable[h.Node])
}

// controlPlane reports whether a node belongs to the control plane, in whichever stage it stands.
func (b *builder) controlPlane(h inventory.Host) bool {
	return h.ControlPlane() || b.world.Nodes[h.Node].ControlPlane
}

// problems are all reasons for which there can be no plan, in the inventory's order.
func (b *builder) problems() error {
	var problems []error
	for _, h := range b.selected {
		if _, present := b.world.Nodes[h.Node]; !present {
			problems = append(problems, fmt.Errorf("node %s: host %s is absent from the cluster; let it join, or set its node key to the Node object's name", h.Node, h.Name))
		}
		if why := b.unreachable(h); why != "" && b.fleet.Strategy.Unreachable != "skip" && !h.Spare {
			problems = append(problems, fmt.Errorf("node %s: unreachable: %s; make it reachable, or set strategy.unreachable = \"skip\"", h.Node, why))
		}
	}
	if out := b.poolless(); len(out) > 0 {
		problems = append(problems, fmt.Errorf("%s: in neither pool of strategy.pools; put it into one, or leave it out with --limit", few(out)))
	}
	for _, key := range b.topology() {
		if missing := b.unlabelled(key); len(missing) > 0 {
			problems = append(problems, fmt.Errorf("%s: no label %q, which strategy.spread or strategy.domains is about; set it under labels in [hosts], or on the Node", few(missing), key))
		}
	}
	return errors.Join(problems...)
}

// topology are the labels that spread and domains are about, sorted.
func (b *builder) topology() []string {
	keys := append(sortedKeys(b.fleet.Strategy.Spread), sortedKeys(b.fleet.Strategy.Domains)...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

func (b *builder) unlabelled(key string) []string {
	var missing []string
	for _, h := range b.selected {
		if b.labels[h.Node][key] == "" && !b.controlPlane(h) && b.roles[h.Node] != roleSpare {
			missing = append(missing, "node "+h.Node)
		}
	}
	return missing
}

// roleOrder are the roles that selected nodes have, in the order of their stages.
func (b *builder) roleOrder() []int {
	order := []int{roleSpare, roleNode, roleControlPlane, roleSelf}
	if b.world.KubeadmControlPlane { // a spare's kubelet may not be newer than an API server either
		order = []int{roleControlPlane, roleSpare, roleNode, roleSelf}
	}
	return slices.DeleteFunc(order, func(role int) bool {
		return !slices.ContainsFunc(b.selected, func(h inventory.Host) bool { return b.roles[h.Node] == role })
	})
}

// nodes puts the selected hosts into the order in which they are to be taken.
func (b *builder) nodes(p *Plan) {
	order := b.roleOrder()
	for _, h := range b.selected {
		n := PlanNode{Name: h.Node, Host: h.Name, OnBlocked: h.Drain.OnBlocked, Takes: b.world.Takes[h.Node]}
		if h.Drain.Timeout < backoff {
			n.Backoff = h.Drain.Timeout
		}
		if b.self(h) {
			n.Why = selfWhy
		}
		n.Spare = b.roles[h.Node] == roleSpare || h.Spare && b.unreachable(h) != ""
		switch why := b.unreachable(h); {
		case why == "" || b.roles[h.Node] == roleSpare: // it is woken
		case h.Spare:
			n.Skip = "a spare that can't be reached: " + why
		default:
			n.Skip = "unreachable: " + why
		}
		p.Nodes = append(p.Nodes, n)
	}
	domains, chains := b.domainOrder(), chains(p)
	slices.SortStableFunc(p.Nodes, func(x, y PlanNode) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, b.roles[x.Name]), slices.Index(order, b.roles[y.Name])),
			cmp.Compare(len(x.Why), 0)-cmp.Compare(len(y.Why), 0), // what the run depends on: last of its stage
			cmp.Compare(domains[x.Name], domains[y.Name]),
			cmp.Compare(chains[y.Name], chains[x.Name]),
		)
	})
}

// domainOrder numbers nodes by the domains that they are in, as domains first appear in the inventory; all alike where
// no domains are asked for.
func (b *builder) domainOrder() map[string]int {
	seen, order := map[string]int{}, map[string]int{}
	for _, h := range b.selected {
		var place []string
		for _, key := range sortedKeys(b.fleet.Strategy.Domains) {
			place = append(place, b.labels[h.Node][key])
		}
		at := strings.Join(place, "\x00")
		if _, known := seen[at]; !known {
			seen[at] = len(seen)
		}
		order[h.Node] = seen[at]
	}
	return order
}

// chains tells how many turns the nodes from each one on will take under the tightest limit with members that it is in:
// 30 nodes of a rack with a spread of 1 are a chain of 30, 29, … turns. Whoever has the longest chain behind it must go
// first, or a long rack is left to go alone at the end (Hu's rule, 1961; the best there is where turns are alike).
func chains(p *Plan) map[string]int {
	longest := map[string]int{}
	for _, l := range p.Limits {
		var members []string
		for _, n := range p.Nodes {
			if as, is := l.Members[n.Name]; is && as == n.Name {
				members = append(members, n.Name)
			}
		}
		for k, name := range members {
			turns := (len(members) - k + l.AtMost - 1) / l.AtMost
			longest[name] = max(longest[name], turns)
		}
	}
	return longest
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
