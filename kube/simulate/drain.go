package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
)

// lateAfter is how long a pod that has no place counts as one that is about to be ready (kube, startingFor): for so long the
// next pod of its Service waits, where no budget says who may go.
const lateAfter = 5 * time.Minute

// drain is one that is under way.
type drain struct {
	turn     Turn
	node     *node
	began    time.Duration
	delay    time.Duration // how much later than planned it may begin
	patience time.Duration
	dry      bool     // its evictions are only asked for as yet, in a dry run, and its node is open
	stuck    []string // why what is left doesn't go
	result   *Drain
}

// rounds lets go what may go now from the nodes that are drained, round after round: after each the pods that have a place
// are ready. It ends once nothing moves.
func (s *state) rounds(drains []*drain, now time.Duration) {
	for moved := true; moved; {
		moved = false
		for _, d := range drains {
			if d.dry {
				s.ask(d)
			}
		}
		for _, d := range drains {
			if !d.dry && s.round(d, now) > 0 {
				d.result.Rounds++
				moved = true
			}
		}
		for _, p := range s.starting {
			s.well(p, 1)
		}
		s.starting = nil
		moved = s.remake(now) || moved || s.giveUp(drains)
	}
}

// ask is the dry run before a node is closed: each eviction must be allowed by itself, or nothing begins.
func (s *state) ask(d *drain) {
	d.stuck = nil
	for _, p := range d.node.list() {
		r := s.rulesOf(p, d.node)
		d.patience = max(d.patience, r.Patience)
		why, surges := "", false
		switch {
		case r.Stays:
		case r.Refused != "":
			why = "cannot delete " + r.Refused + ": " + p.name
		default:
			if why, surges = s.lastEndpoint(p, r, false); why == "" && !surges {
				why = s.overBudget(p, r)
			}
		}
		if why != "" {
			d.stuck = appendNew(d.stuck, why)
		}
	}
	if len(d.stuck) == 0 {
		d.dry, d.node.closed, d.node.coming, d.node.left = false, true, false, map[types.UID]bool{}
	}
}

// round lets go what may go now, and returns how many pods went.
func (s *state) round(d *drain, now time.Duration) (went int) {
	d.stuck = nil
	for _, p := range d.node.list() {
		r := s.rulesOf(p, d.node)
		if r.Stays || p.back == d.node || p.on != d.node { // it was displaced meanwhile, for one that came here
			continue
		}
		if why := s.leave(d, p, r, now); why != "" {
			d.stuck = appendNew(d.stuck, why)
			continue
		}
		d.result.Moves++
		went++
	}
	return went
}

// leave lets a pod go, or says why it can't.
func (s *state) leave(d *drain, p *pod, r Rules, now time.Duration) (why string) {
	if why, surges := s.lastEndpoint(p, r, len(p.guards) == 0); why != "" {
		return why
	} else if surges {
		return s.replaceFirst(d, p, now)
	}
	if why := s.overBudget(p, r); why != "" {
		return why
	}
	s.depart(d, p, now)
	return ""
}

// depart takes the pod off its node; its controller makes another one.
func (s *state) depart(d *drain, p *pod, now time.Duration) {
	if p.ready {
		s.well(p, -1)
	}
	from := p.on
	s.take(p)
	s.charge(p, -1)
	if p.bare() || ending(p.Pod) {
		p.gone = true
		return
	}
	p.moved, from.left[p.owner] = true, true
	s.settle(d.result, p, now)
}

// settle finds the pod that comes in place of another one a node, or notes that it has none.
func (s *state) settle(d *Drain, p *pod, now time.Duration) {
	p.anew = true
	why := s.refused(p)
	if p.unmade = why != ""; p.unmade {
		s.unmade = append(s.unmade, p)
	} else {
		s.charge(p, 1)
		why = s.home(d, p, now)
	}
	if why != "" {
		p.lacked = &homelessness{d, len(d.Homeless), now}
		d.Homeless = append(d.Homeless, Homeless{Pod: p.name, Why: why})
		return
	}
	p.landed()
	s.starting = append(s.starting, p)
}

// landed notes that the pod has a place: where a drain has evicted one of its controller's before, it is left there (kube, isBack).
func (p *pod) landed() {
	if p.on.left[p.owner] {
		p.back = p.on
	}
}

// homelessness is which drain made the pod homeless, and since when.
type homelessness struct {
	of    *Drain
	at    int
	since time.Duration
}

// well counts the pod as ready, or as no longer so. One that wasn't ready before it moved won't be.
func (s *state) well(p *pod, by int) {
	wasReady := by < 0 || isReady(p.Pod)
	p.ready = by > 0 && wasReady
	if !wasReady {
		return
	}
	for _, b := range p.guards {
		b.healthy += by
	}
}

// overBudget says why the eviction API would refuse the pod (registry/core/pod/storage/eviction.go).
func (s *state) overBudget(p *pod, r Rules) string {
	switch {
	case r.Past || ending(p.Pod) || p.Status.Phase == corev1.PodPending && !p.anew:
		return ""
	case len(p.guards) > 1:
		return fmt.Sprintf("pod %s has more than one budget (%s), which the eviction API refuses", p.name, names(p.guards))
	}
	for _, b := range p.guards {
		if b.frozen || b.healthy <= b.desired() && !b.passes(p) {
			return b.arithmetic()
		}
	}
	return ""
}

func (b *budget) desired() int { return int(b.Status.DesiredHealthy) }

// passes says that the budget lets a pod that is ill go whatever it has left.
func (b *budget) passes(p *pod) bool {
	if p.ready {
		return false
	}
	if policy := b.Spec.UnhealthyPodEvictionPolicy; policy != nil && *policy == policyv1.AlwaysAllow {
		return true
	}
	return b.healthy >= b.desired() && b.desired() > 0
}

func (b *budget) arithmetic() string {
	text := fmt.Sprintf("budget %s/%s needs %d healthy pods and has %d", b.Namespace, b.Name, b.desired(), b.healthy)
	switch {
	case b.frozen:
		return fmt.Sprintf("budget %s/%s allows nothing, for the server can't work it out", b.Namespace, b.Name)
	case b.desired() >= int(b.Status.ExpectedPods) && b.Status.ExpectedPods > 0:
		return fmt.Sprintf("%s: it never allows a disruption, as there are %d in all", text, b.Status.ExpectedPods)
	}
	return text
}

func names(guards []*budget) string {
	var list []string
	for _, b := range guards {
		list = append(list, b.Name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
