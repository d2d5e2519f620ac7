package runner

import (
	"slices"
	"strings"
)

// holder is why a node counts as down.
type holder struct {
	text    string // "n3 is down (NotReady)"
	lasting bool   // nothing that this run does or waits for will change it
}

// downNodes are all nodes that count against limits, in the whole cluster: those that aren't Ready, that any run holds,
// that failed, that an order of ours works on, and those planned nodes that are left alone because they can't be
// reached. A node that a human cordoned isn't among them as long as it is Ready: it serves what runs on it.
func downNodes(plan Plan, progress Progress, observed Observed) map[string]holder {
	down := map[string]holder{}
	for name, o := range observed.Nodes {
		if h := observedDown(name, o, progress.Run); h.text != "" {
			down[name] = h
		}
	}
	for _, name := range plan.Aside {
		if o := observed.Nodes[name]; o.Run == "" && o.Failed == "" {
			delete(down, name)
		}
	}
	planned := make(map[string]bool, len(plan.Nodes))
	for _, n := range plan.Nodes {
		planned[n.Name] = true
		p := progress.Nodes[n.Name]
		h := down[n.Name]
		switch {
		case aside(plan, n, p, observed.Nodes[n.Name]):
			delete(down, n.Name)
			continue
		case n.Skip != "":
			down[n.Name] = holder{n.Name + " counts as down (" + n.Skip + ")", true}
		case h.lasting: // it isn't for good where the node may itself be taken
			h.lasting = p.State == Skipped
			down[n.Name] = h
		}
		worked(down, n.Name, p)
	}
	for name, n := range progress.Nodes {
		if !planned[name] {
			worked(down, name, n)
		}
	}
	return down
}

// opens are the orders that give a closed node back to its work; closes those that leave a node closed and well.
var (
	opens  = map[string]bool{OrderOpen: true, OrderOpenAgain: true}
	closes = map[string]bool{OrderUpgradeClosed: true, OrderClose: true, OrderCloseAgain: true}
)

// aside reports whether a node is out of service because the plan wants it so, and not because anything is wrong: a spare,
// unless it serves and isn't Ready, and a node of a pool that is closed and Ready between two of its stages, or just being
// opened.
func aside(plan Plan, n PlanNode, p NodeProgress, o NodeObserved) bool {
	last := p.Back
	if last == "" && len(p.Through) > 0 {
		last = p.Through[len(p.Through)-1]
	}
	order := plan.orderOf(last)
	switch {
	case n.Spare:
		return order != OrderOpen || o.Ready
	case p.State == Running:
		return closes[order] && opens[p.Order]
	}
	return closes[order] && o.Ready && o.Failed == "" && (p.State == Waiting || p.State == Blocked)
}

// worked adds a node that this run works on, or has failed on and left closed.
func worked(down map[string]holder, name string, n NodeProgress) {
	switch {
	case n.State == Running:
		down[name] = holder{text: name + " is being worked on"}
	case n.State == Failed && n.Back == "":
		down[name] = holder{name + " failed", true}
	}
}

// observedDown is the holder that a node is by what the API shows; an empty one where it isn't down. What failed or is
// held by this run lasts, for a node that the plan doesn't hold: nobody will work on it.
func observedDown(name string, o NodeObserved, run string) holder {
	switch {
	case o.Hold != "":
		return holder{name + " is " + o.Hold, true}
	case o.Failed != "":
		return holder{name + " failed in an earlier order", true}
	case o.Run == run && run != "":
		return holder{name + " is held by this run", true}
	case o.Run != "":
		return holder{text: name + " is held by run " + o.Run}
	case !o.Ready:
		return holder{text: name + " is down (NotReady)"}
	}
	return holder{}
}

// room keeps count of what is down under each limit. There is one rule for all: a node may be taken if, for each limit
// that it is a member of, either what it counts as is counted already, or one more still fits.
type room struct {
	limits []Limit
	of     map[string][]int // the limits with members that a node is in
	all    []int            // the limits that every node is in
	down   map[string]holder
	held   []map[string]int // by limit: what members count as, and how many down nodes count as that
	texts  []string         // by limit, made when first asked for
}

func newRoom(limits []Limit, down map[string]holder) *room {
	r := &room{limits: limits, of: map[string][]int{}, down: map[string]holder{}}
	r.held = make([]map[string]int, len(limits))
	r.texts = make([]string, len(limits))
	for l, limit := range limits {
		r.held[l] = map[string]int{}
		if limit.Members == nil {
			r.all = append(r.all, l)
		}
		for member := range limit.Members {
			r.of[member] = append(r.of[member], l)
		}
	}
	for node, h := range down {
		r.take(node, h)
	}
	return r
}

// take counts node as down.
func (r *room) take(node string, h holder) {
	if _, counted := r.down[node]; !counted {
		for _, l := range r.limitsOf(node) {
			r.held[l][r.countsAs(l, node)]++
		}
	}
	r.down[node] = h
}

// limitsOf returns the limits that hold for a node: cluster-wide ones first, then the others, in the plan's order.
func (r *room) limitsOf(node string) []int {
	if len(r.of[node]) == 0 {
		return r.all
	}
	return slices.Concat(r.all, r.of[node])
}

func (r *room) countsAs(limit int, node string) string {
	if members := r.limits[limit].Members; members != nil {
		return members[node]
	}
	return node
}

// full returns the first limit that keeps node from being taken.
func (r *room) full(node string) (limit int, full bool) {
	for _, l := range r.limitsOf(node) {
		if r.held[l][r.countsAs(l, node)] == 0 && len(r.held[l]) >= r.limits[l].AtMost {
			return l, true
		}
	}
	return 0, false
}

// fullForGood returns the first limit that keeps node from ever being taken: one that is filled by nodes which won't
// come back by themselves.
func (r *room) fullForGood(node string) (limit int, full bool) {
	for _, l := range r.limitsOf(node) {
		if r.held[l][r.countsAs(l, node)] == 0 && r.lasting(l) >= r.limits[l].AtMost {
			return l, true
		}
	}
	return 0, false
}

// lasting counts what nodes that won't come back by themselves take of a limit.
func (r *room) lasting(limit int) int {
	values := map[string]bool{}
	for node, h := range r.down {
		if h.lasting && r.member(limit, node) {
			values[r.countsAs(limit, node)] = true
		}
	}
	return len(values)
}

func (r *room) member(limit int, node string) bool {
	members := r.limits[limit].Members
	_, is := members[node]
	return is || members == nil
}

// text names a limit and who fills it: "rack r1: spread 1: n3 is down (NotReady)".
func (r *room) text(limit int) string {
	if r.texts[limit] == "" {
		var holders []string
		for node, h := range r.down {
			if r.member(limit, node) {
				holders = append(holders, h.text)
			}
		}
		slices.Sort(holders)
		r.texts[limit] = r.limits[limit].Why + ": " + few(holders)
	}
	return r.texts[limit]
}

// few joins the first three, and counts the others.
func few(all []string) string {
	const most = 3
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return strings.Join(all[:most], ", ") + " and " + count(len(all)-most, "more", "more")
}
