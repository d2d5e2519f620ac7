package simulate

import (
	"fmt"
	"maps"
	"slices"
)

// Miscounted plays the turns, and after each event holds what is counted as pods come and go against what is there: "" where all
// is as it would be if it were counted anew.
func Miscounted(w World, turns []Turn) string {
	r := newRun(w, turns)
	for len(r.events) > 0 {
		r.next()
		if wrong := r.miscounted(); wrong != "" {
			return fmt.Sprintf("after %s: %s", r.now, wrong)
		}
	}
	return ""
}

func (s *state) miscounted() string {
	for _, n := range s.nodes {
		fresh := s.newNode(n.Node)
		for _, p := range s.pods {
			if p.on == n {
				s.occupyFresh(p, fresh)
			}
		}
		if !slices.Equal(fresh.free, n.free) || fresh.scored != n.scored || !maps.Equal(fresh.ranks, n.ranks) || !maps.Equal(fresh.pods, n.pods) {
			return fmt.Sprintf("node %s: %+v, anew: %+v", n.Name, n, fresh)
		}
		for driver, claims := range n.attached {
			if !maps.Equal(claims, fresh.attached[driver]) {
				return fmt.Sprintf("node %s: attached %v, anew: %v", n.Name, n.attached, fresh.attached)
			}
		}
	}
	for _, p := range s.pods {
		if wrong := s.miscountedFor(p); wrong != "" {
			return "for pod " + p.name + ": " + wrong
		}
	}
	return ""
}

func (s *state) occupyFresh(p *pod, n *node) {
	crowds := p.crowds
	p.crowds = nil
	s.occupy(p, n, 1)
	p.crowds = crowds
}

// miscountedFor looks at what a pod's wishes rest on.
func (s *state) miscountedFor(p *pod) string {
	w := p.wishes
	if w == nil {
		return ""
	}
	differs := func(what string, c *crowd, times func(*pod) int) string {
		want := map[*node]int{}
		for _, o := range s.pods {
			if n := times(o); o.on != nil && n > 0 {
				want[o.on] += n
			}
		}
		if maps.Equal(c.on, want) {
			return ""
		}
		return fmt.Sprintf("%s: %d nodes, anew: %d", what, len(c.on), len(want))
	}
	once := func(is func(*pod) bool) func(*pod) int {
		return func(o *pod) int {
			if is(o) {
				return 1
			}
			return 0
		}
	}
	for i, t := range antiTerms(p.Pod) {
		if wrong := differs("apart", w.not[i].crowd, once(aboutWhom(p.Pod, t).matches)); wrong != "" {
			return wrong
		}
	}
	if !p.bare() {
		if wrong := differs("siblings", w.siblings, once(func(o *pod) bool { return o.owner == p.owner })); wrong != "" {
			return wrong
		}
	}
	keep := 0 // terms of others that keep p away, one by one
	for _, o := range s.pods {
		for _, t := range antiTerms(o.Pod) {
			if o.on != nil && aboutWhom(o.Pod, t).matches(p) {
				keep++
			}
		}
	}
	for _, t := range w.avoiding {
		for _, n := range t.crowd.on {
			keep -= n
		}
	}
	if keep != 0 {
		return fmt.Sprintf("%d terms of others more than counted", keep)
	}
	return ""
}
