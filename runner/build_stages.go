package runner

import (
	"fmt"
	"slices"

	"github.com/fleetup/fleetup/inventory"
)

// The kinds of strategies, as the inventory names them.
const (
	kindCanary    = "canary"
	kindBlueGreen = "blue-green"
)

// stages puts the plan's nodes into stages, role after role; what spares are lent for stands between, and they are given
// back at the end of all.
func (b *builder) stages(p *Plan) {
	for _, role := range b.roleOrder() {
		nodes := b.inRole(p, role)
		switch kind := b.fleet.Strategy.Kind; {
		case role == roleSpare:
			p.Stages = append(p.Stages, lent(nodes)...)
		case role == roleNode && kind == kindCanary:
			p.Stages = append(p.Stages, b.waves(p, nodes)...)
		case role == roleNode && kind == kindBlueGreen:
			b.pools(p, nodes)
		default:
			p.Stages = append(p.Stages, Stage{Name: roleNames[role], Order: OrderUpgrade, Nodes: nodes,
				MustSucceed: role == roleControlPlane && b.world.KubeadmControlPlane, Whole: role == roleControlPlane})
		}
	}
	if spares := b.inRole(p, roleSpare); len(spares) > 0 {
		p.Stages = append(p.Stages, Stage{Name: "give the spares back", Order: OrderReturn, Nodes: spares, Always: true})
	}
}

// inRole are the plan's nodes of a role, in the plan's order.
func (b *builder) inRole(p *Plan, role int) []string {
	var names []string
	for _, n := range p.Nodes {
		if b.roles[n.Name] == role {
			names = append(names, n.Name)
		}
	}
	return names
}

// lent are the stages that bring spares into service: they are upgraded and verified before they carry anything.
func lent(spares []string) []Stage {
	return []Stage{
		{Name: "wake the spares", Order: OrderWake, Nodes: spares},
		{Name: "upgrade the spares", Order: OrderUpgradeClosed, Nodes: spares},
		{Name: "open the spares", Order: OrderOpen, Nodes: spares},
	}
}

// waves are the stages of a canary: cumulative parts of the nodes, each soaking, each made of nodes that differ in rack
// and group as much as they can.
func (b *builder) waves(p *Plan, nodes []string) []Stage {
	varied := b.varied(nodes, b.idle(p))
	var stages []Stage
	before := 0
	for _, wave := range b.fleet.Strategy.Waves {
		upTo := min(wave.Of(len(nodes)), len(nodes))
		if upTo <= before {
			continue // so few nodes that a percent is no more than the count before it
		}
		taken := map[string]bool{}
		for _, name := range varied[before:upTo] {
			taken[name] = true
		}
		stages = append(stages, Stage{Order: OrderUpgrade, Wave: true, Soak: b.fleet.Strategy.Soak, MinPods: b.fleet.Strategy.MinPods,
			Nodes: slices.DeleteFunc(slices.Clone(nodes), func(name string) bool { return !taken[name] })})
		before = upTo
	}
	if last := len(stages) - 1; last > 0 { // nothing comes after it that its soak would keep from harm, and a node that was drained last stays empty
		stages[last].MinPods = 0
	}
	for k := range stages {
		stages[k].Name = fmt.Sprintf("wave %d of %d", k+1, len(stages))
	}
	return stages
}

// pools makes the stages of a blue-green run: the idle pool is upgraded closed, and opened as a whole; the serving one is
// closed; after the soak it is upgraded and opened too. The way back opens it again and closes the other.
func (b *builder) pools(p *Plan, nodes []string) {
	serving, idle := b.fleet.Strategy.Pools[0], b.fleet.Strategy.Pools[1]
	old, fresh := b.inPool(nodes, serving), b.inPool(nodes, idle)
	p.Stages = append(p.Stages,
		Stage{Name: "upgrade " + idle, Order: OrderUpgradeClosed, Nodes: fresh, MustSucceed: true},
		Stage{Name: "open " + idle, Order: OrderOpen, Nodes: fresh, MustSucceed: true, Back: true},
		Stage{Name: "close " + serving, Order: OrderClose, Nodes: old, MustSucceed: true, Back: true,
			Soak: b.fleet.Strategy.Soak, MinPods: b.fleet.Strategy.MinPods},
		Stage{Name: "upgrade " + serving, Order: OrderUpgrade, Nodes: old},
	)
	p.Back = []Stage{
		{Name: "open " + serving + " again", Order: OrderOpenAgain, Nodes: old},
		{Name: "close " + idle + " again", Order: OrderCloseAgain, Nodes: fresh},
	}
}

func (b *builder) inPool(nodes []string, pool string) []string {
	return slices.DeleteFunc(slices.Clone(nodes), func(name string) bool {
		return !slices.ContainsFunc(b.selected, func(h inventory.Host) bool { return h.Node == name && h.InGroup(pool) })
	})
}

// poolless names the selected hosts that a blue-green run would leave out.
func (b *builder) poolless() []string {
	if b.fleet.Strategy.Kind != kindBlueGreen {
		return nil
	}
	var names []string
	for _, h := range b.selected {
		if b.roles[h.Node] == roleNode && !slices.ContainsFunc(b.fleet.Strategy.Pools, h.InGroup) {
			names = append(names, "node "+h.Node)
		}
	}
	return names
}
