package runner

import (
	"slices"
	"strings"
)

// likes are nodes that differ in nothing which matters for choosing canaries.
type likes struct {
	features []string
	nodes    []int // that aren't taken yet, by their places
}

// varied orders nodes so that any number of the first ones differ as much as they can: each next one is of the racks and
// groups of which the fewest were taken so far. idle ones prove nothing, so they come last.
func (b *builder) varied(nodes []string, idle map[string]bool) []string {
	features := b.features()
	var work, rest []string
	for _, name := range nodes {
		if idle[name] {
			rest = append(rest, name)
		} else {
			work = append(work, name)
		}
	}
	all := alike(work, features)
	taken := map[string]int{}
	var order []string
	for range work {
		next := leastTaken(all, taken)
		order = append(order, work[next.nodes[0]])
		next.nodes = next.nodes[1:]
		for _, f := range next.features {
			taken[f]++
		}
	}
	return append(order, rest...)
}

// alike puts nodes of the same features together.
func alike(nodes []string, features map[string][]string) []*likes {
	at := map[string]*likes{}
	var all []*likes
	for place, name := range nodes {
		key := strings.Join(features[name], "\x00")
		if at[key] == nil {
			at[key] = &likes{features: features[name]}
			all = append(all, at[key])
		}
		at[key].nodes = append(at[key].nodes, place)
	}
	return all
}

// leastTaken finds the kind of nodes whose features were taken least; of two such, the one with the first node.
func leastTaken(all []*likes, taken map[string]int) *likes {
	var best *likes
	least := 0
	for _, l := range all {
		if len(l.nodes) == 0 {
			continue
		}
		score := 0
		for _, f := range l.features {
			score += taken[f]
		}
		if best == nil || score < least || score == least && l.nodes[0] < best.nodes[0] {
			best, least = l, score
		}
	}
	return best
}

// features are, by node, what makes it differ from others: where it stands, and what it is.
func (b *builder) features() map[string][]string {
	keys := append(b.topology(), "rack", "topology.kubernetes.io/zone")
	slices.Sort(keys)
	keys = slices.Compact(keys)
	features := map[string][]string{}
	for _, h := range b.selected {
		for _, key := range keys {
			if value := b.labels[h.Node][key]; value != "" {
				features[h.Node] = append(features[h.Node], key+"="+value)
			}
		}
		features[h.Node] = append(features[h.Node], h.Groups...)
	}
	return features
}

// idle are the nodes on which nothing will be done: they are left alone, or have nothing to do.
func (b *builder) idle(p *Plan) map[string]bool {
	idle := map[string]bool{}
	for _, n := range p.Nodes {
		cordoned := b.world.Nodes[n.Name].Cordoned && p.Cordoned != "upgrade"
		idle[n.Name] = b.world.Idle[n.Name] || cordoned || n.Skip != ""
	}
	return idle
}
