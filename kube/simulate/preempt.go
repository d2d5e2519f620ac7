package simulate

import (
	"cmp"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// home finds the pod a node, by ending pods of lower priority where there is no other way, or says in the scheduler's words why
// there is none. d is the drain that the pod looks for a node in.
func (s *state) home(d *Drain, p *pod, now time.Duration) (why string) {
	if why = s.place(p); why == "" {
		return ""
	}
	best := s.preempt(p)
	if best == nil {
		return why
	}
	for _, v := range best.victims {
		d.Displaced = append(d.Displaced, Displaced{Pod: v.name, By: p.name, Last: s.lastOf(v)})
		if v.ready {
			s.well(v, -1)
		}
		s.take(v)
		s.charge(v, -1)
	}
	s.put(p, best.node)
	for _, v := range best.victims {
		if v.bare() || ending(v.Pod) || s.rulesOf(v, best.node).Stays { // a DaemonSet's next one waits there for room
			v.gone = true
			continue
		}
		// A run waits for pods that come in place of those that it has evicted, and of others of their controllers (kube, stranded).
		v.moved = v.moved || slices.ContainsFunc(s.of[v.owner], func(o *pod) bool { return o.moved })
		s.settle(d, v, now)
	}
	return ""
}

// candidate is a node on which pods would have to end for another one, the most important first.
type candidate struct {
	*node
	victims  []*pod
	violates int // how many of them a budget would keep from being evicted: a preemption passes it where nothing else helps
}

// preempt chooses where pods end for the sake of one that finds no node; nil: that helps nowhere, or isn't allowed.
// Source: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/, and pkg/scheduler/framework/preemption
func (s *state) preempt(p *pod) (best *candidate) {
	if p.Spec.PreemptionPolicy != nil && *p.Spec.PreemptionPolicy == corev1.PreemptNever {
		return nil
	}
	if p.priority <= s.least {
		return nil
	}
	found, a := 0, s.asking(p)
	for _, n := range s.nodes {
		c := s.candidate(a, n)
		if c == nil {
			continue
		}
		if best == nil || c.compare(best) < 0 {
			best = c
		}
		// Of more nodes than are compared chance decides which: then one that none hurts less on will do.
		if found++; found == enough || len(s.nodes) > enough && best.violates == 0 && len(best.victims) == 1 && best.victims[0].priority == s.least {
			break
		}
	}
	return best
}

// candidate says which pods of a node would end for p: none more than have to, those first that no budget keeps, the least
// important first. nil: p fits there by no means.
func (s *state) candidate(a *asking, n *node) *candidate {
	p := a.p
	if !n.outranked(p) || a.never(n) != "" {
		return nil
	}
	fits := func() bool { return a.hasRoom(n) == "" }
	if !a.alone() { // who else is there matters
		fits = func() bool { return s.asking(p).fits(n) == "" }
	}
	var lower []*pod
	for o := range n.pods {
		if o.priority < p.priority {
			lower = append(lower, o)
		}
	}
	slices.SortFunc(lower, moreImportant)
	for _, v := range lower {
		s.take(v)
	}
	c := &candidate{node: n}
	defer func() {
		for _, v := range c.victims {
			s.put(v, n)
		}
	}()
	if !fits() {
		c.victims = lower
		return nil
	}
	kept, others := s.keptByBudgets(lower)
	for i, v := range slices.Concat(kept, others) {
		if s.put(v, n); fits() {
			continue
		}
		s.take(v)
		c.victims = append(c.victims, v)
		if i < len(kept) {
			c.violates++
		}
	}
	slices.SortFunc(c.victims, moreImportant)
	return c
}

// outranked reports whether some pod of the node is less important than p.
func (n *node) outranked(p *pod) bool {
	for rank := range n.ranks {
		if rank < p.priority {
			return true
		}
	}
	return false
}

// keptByBudgets are those, one after another, whose eviction a budget would refuse, and the others.
func (s *state) keptByBudgets(list []*pod) (kept, others []*pod) {
	left := map[*budget]int{}
	for _, p := range list {
		violates := false
		for _, b := range p.guards {
			if _, counted := left[b]; !counted && !b.frozen {
				left[b] = max(b.healthy-b.desired(), 0)
			}
			left[b]--
			violates = violates || left[b] < 0
		}
		if violates {
			kept = append(kept, p)
		} else {
			others = append(others, p)
		}
	}
	return kept, others
}

// compare puts the node first on which it hurts least: the fewest budgets violated, the least important of the most important
// pods, the least priority in all, the fewest pods, and those that began last.
func (c *candidate) compare(o *candidate) int {
	sum := func(list []*pod) (all int64) {
		for _, p := range list {
			all += int64(p.priority) + math.MaxInt32 + 1
		}
		return all
	}
	return cmp.Or(cmp.Compare(c.violates, o.violates), cmp.Compare(c.victims[0].priority, o.victims[0].priority),
		cmp.Compare(sum(c.victims), sum(o.victims)), cmp.Compare(len(c.victims), len(o.victims)), began(o.victims[0]).Compare(began(c.victims[0])))
}

func moreImportant(a, b *pod) int {
	if c := cmp.Or(cmp.Compare(b.priority, a.priority), began(a).Compare(began(b))); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// began is when a pod was started; zero: nobody knows.
func began(p *pod) (at time.Time) {
	if p.Status.StartTime != nil {
		at = p.Status.StartTime.Time
	}
	return at
}

func priority(p *corev1.Pod) int32 {
	if p.Spec.Priority == nil {
		return 0
	}
	return *p.Spec.Priority
}

// lastOf are the Services whose last endpoint the pod is.
func (s *state) lastOf(p *pod) (services []string) {
	for _, v := range p.serves {
		if others, _ := s.endpoints(v, p); p.ready && others == 0 {
			services = append(services, v.name)
		}
	}
	return services
}
