package runner

import (
	"fmt"

	"github.com/fleetup/fleetup/inventory"
)

// limits are all limits of the plan. Each holds cluster-wide: nodes that aren't selected, and nodes that aren't in the
// inventory at all, count where they are down.
func (b *builder) limits() []Limit {
	limits := []Limit{b.fleetLimit()}
	limits = append(limits, b.controlPlaneLimit()...)
	limits = append(limits, b.groupLimits()...)
	for _, key := range sortedKeys(b.fleet.Strategy.Spread) {
		limits = append(limits, b.spread(key, b.fleet.Strategy.Spread[key])...)
	}
	for _, key := range sortedKeys(b.fleet.Strategy.Domains) {
		limits = append(limits, b.domains(key, b.fleet.Strategy.Domains[key]))
	}
	return limits
}

// fleetLimit is max_unavailable over every node of the cluster. A percent is one of the selected nodes without the
// control plane, which has a limit of its own, and without spares, unless nothing else is selected.
func (b *builder) fleetLimit() Limit {
	var nodes int
	for _, h := range b.selected {
		if !b.controlPlane(h) && b.roles[h.Node] != roleSpare {
			nodes++
		}
	}
	if nodes == 0 {
		nodes = len(b.selected)
	}
	why, atMost := describe(b.fleet.Strategy.MaxUnavailable, nodes)
	return Limit{Why: why, AtMost: atMost, Setting: "strategy.max_unavailable"}
}

// controlPlaneLimit lets one member of the control plane be down at once, whoever took it down.
func (b *builder) controlPlaneLimit() []Limit {
	members := map[string]string{}
	for name, n := range b.world.Nodes {
		if n.ControlPlane {
			members[name] = name
		}
	}
	for _, h := range b.fleet.Hosts {
		if h.ControlPlane() {
			members[h.Node] = h.Node
		}
	}
	if len(members) == 0 {
		return nil
	}
	return []Limit{{Why: "control plane: one at a time", Members: members, AtMost: 1}}
}

// groupLimits are the groups' own max_unavailable; a percent is one of the group's selected hosts.
func (b *builder) groupLimits() []Limit {
	var limits []Limit
	for _, group := range sortedKeys(b.fleet.GroupLimits) {
		members, selected := map[string]string{}, 0
		for _, h := range b.fleet.Hosts {
			if h.InGroup(group) {
				members[h.Node] = h.Node
			}
		}
		for _, h := range b.selected {
			if h.InGroup(group) {
				members[h.Node] = h.Node
				selected++
			}
		}
		if selected == 0 {
			continue
		}
		why, atMost := describe(b.fleet.GroupLimits[group], selected)
		limits = append(limits, Limit{Why: "group " + group + ": " + why, Members: members, AtMost: atMost, Setting: "groups." + group + ".max_unavailable"})
	}
	return limits
}

// spread is one limit for each value of a label: so many nodes that share it. Values that no selected node has are left
// out, for nothing is started there.
func (b *builder) spread(key string, atMost int) []Limit {
	var limits []Limit
	at := map[string]int{}
	for _, h := range b.selected {
		value := b.labels[h.Node][key]
		if _, known := at[value]; known || value == "" {
			continue
		}
		at[value] = len(limits)
		limits = append(limits, Limit{Why: fmt.Sprintf("%s %s: spread %d", key, value, atMost), Members: map[string]string{}, AtMost: atMost,
			Setting: "strategy.spread." + key})
	}
	for node, labels := range b.labels {
		if l, known := at[labels[key]]; known {
			limits[l].Members[node] = node
		}
	}
	return limits
}

// domains is one limit over all values of a label: so many of them may have a node down.
func (b *builder) domains(key string, atMost int) Limit {
	members := map[string]string{}
	for node, labels := range b.labels {
		if labels[key] != "" {
			members[node] = labels[key]
		}
	}
	return Limit{Why: fmt.Sprintf("domains: %s %d", key, atMost), Members: members, AtMost: atMost, Setting: "strategy.domains." + key}
}

// describe puts a max_unavailable into words and into a count: "max_unavailable 10% of 30 nodes: 3".
func describe(a inventory.Amount, of int) (why string, atMost int) {
	atMost = max(a.Of(of), 1)
	if a.Percent {
		return fmt.Sprintf("max_unavailable %d%% of %s: %d", a.N, count(of, "node", "nodes"), atMost), atMost
	}
	return fmt.Sprintf("max_unavailable %d", atMost), atMost
}
