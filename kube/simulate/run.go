package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Run plays the turns of a run and returns how each drain went, in the order in which they begin. A turn that waits for
// another node to come back ends so much later; one that stays blocked for longer than its drain is patient is given back. While a
// pod that the run has moved finds no node, no further turn begins, as in a real run.
func Run(w World, turns []Turn) []Drain {
	r := newRun(w, turns)
	for len(r.events) > 0 {
		r.next()
	}
	return r.drains()
}

func newRun(w World, turns []Turn) *run {
	r := &run{state: newState(w)}
	for _, t := range turns {
		d := &drain{turn: t, node: r.byName[t.Node]}
		r.events = append(r.events, event{t.At, begins, d})
		if d.node != nil && !t.Opens {
			d.node.coming = true
		}
	}
	return r
}

// drains are how they all went, once nothing happens any more.
func (r *run) drains() []Drain {
	for _, d := range r.held {
		d.result = &Drain{Node: d.turn.Node, Begins: d.turn.At, Held: r.homeless()}
		r.results = append(r.results, d.result)
	}
	out := make([]Drain, 0, len(r.results))
	for _, d := range r.results {
		out = append(out, *d)
	}
	slices.SortStableFunc(out, func(a, b Drain) int { return cmp.Compare(a.Begins, b.Begins) })
	return out
}

type kind int

const ( // as they come at one instant
	ends kind = iota
	begins
	tires
)

type event struct {
	at   time.Duration
	kind kind
	d    *drain
}

// run is a state with what is going on in it.
type run struct {
	*state
	now     time.Duration
	events  []event
	active  []*drain // that aren't through
	held    []*drain // that may not begin yet
	results []*Drain
}

// next carries out all that happens at the next instant.
func (r *run) next() {
	slices.SortStableFunc(r.events, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.kind, b.kind)) })
	first := r.events[0]
	n := 0
	for n < len(r.events) && r.events[n].at == first.at && r.events[n].kind == first.kind {
		n++
	}
	group := slices.Clone(r.events[:n])
	r.events, r.now = slices.Delete(r.events, 0, n), first.at
	switch first.kind {
	case ends:
		for _, e := range group {
			r.opened(e.d)
		}
		r.comeBack()
	case begins:
		for _, e := range group {
			r.held = append(r.held, e.d)
		}
	case tires:
		for _, e := range group {
			r.tire(e.d)
		}
		r.comeBack()
	}
	r.begin()
	r.rounds(r.active, r.now)
	r.settled()
}

// begin has the next turns ask for their evictions. Where they had to wait so do all that come after them.
func (r *run) begin() {
	if len(r.held) == 0 || r.homeless() != "" {
		return
	}
	planned := r.held[0].at()
	late := r.now - planned
	for i, e := range r.events {
		if e.kind == begins {
			e.d.delay += late
			r.events[i].at = e.d.at()
		}
	}
	for _, d := range r.held {
		d.delay += late
		switch {
		case d.at() > r.now:
			r.events = append(r.events, event{d.at(), begins, d})
		case d.turn.Opens:
			r.events = append(r.events, event{r.now + d.turn.Takes, ends, d})
		case d.node != nil: // a node that isn't there has nothing that could be drained
			d.dry, d.began = true, r.now
			d.result = &Drain{Node: d.turn.Node, Begins: r.now}
			r.results = append(r.results, d.result)
			r.active = append(r.active, d)
		}
	}
	r.held = nil
}

// at is when the turn may begin, by what is known so far.
func (d *drain) at() time.Duration { return d.turn.At + d.delay }

// settled ends the drains that nothing holds, and has the others tire once.
func (r *run) settled() {
	for _, d := range r.active {
		if len(d.stuck) == 0 {
			d.result.Waited = r.now - d.began
			d.result.Takes = d.turn.Takes + d.result.Waited
			if !d.turn.Keeps {
				r.events = append(r.events, event{r.now + d.turn.Takes, ends, d})
			}
			continue
		}
		d.result.For = d.stuck
		if !slices.ContainsFunc(r.events, func(e event) bool { return e.d == d && e.kind == tires }) {
			r.events = append(r.events, event{d.began + d.patience, tires, d})
		}
	}
	r.active = slices.DeleteFunc(r.active, func(d *drain) bool { return len(d.stuck) == 0 })
	r.events = slices.DeleteFunc(r.events, func(e event) bool { return e.kind == tires && !slices.Contains(r.active, e.d) })
}

// tire gives a node back whose drain has waited for too long.
func (r *run) tire(d *drain) {
	d.result.Blocked, d.result.For = d.stuck, nil
	d.result.Waited, d.result.Takes = r.now-d.began, r.now-d.began
	r.active = slices.DeleteFunc(r.active, func(o *drain) bool { return o == d })
	d.node.closed, d.node.coming = d.turn.Keeps, false
}

func (r *run) opened(d *drain) {
	if d.node != nil {
		d.node.open()
	}
}

// comeBack finds places for pods that had none, now that a node is open: the most important first.
func (r *run) comeBack() {
	list := r.without()
	slices.SortStableFunc(list, func(a, b *pod) int { return cmp.Compare(b.priority, a.priority) })
	for _, p := range list {
		if r.place(p) != "" {
			continue
		}
		if p.anew {
			r.well(p, 1)
		}
		p.landed()
		p.found(r.now)
	}
}

// found notes that the pod has a place again.
func (p *pod) found(now time.Duration) {
	if l := p.lacked; l != nil {
		h := &l.of.Homeless[l.at]
		h.For, h.Ever, p.lacked, p.late = now-l.since, true, nil, false
	}
}

// homeless names a pod that the run has moved and that has no node; "" where there is none.
func (r *run) homeless() string {
	for _, p := range r.without() {
		if p.moved {
			return fmt.Sprintf("pod %s has nowhere to go: %s", p.name, p.lackedWhy())
		}
	}
	return ""
}

func (p *pod) lackedWhy() string {
	if p.lacked == nil {
		return "no node takes it"
	}
	return p.lacked.of.Homeless[p.lacked.at].Why
}
