package simulate

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// lastEndpoint follows drain.last_endpoint, as the drain itself does (kube, howItLeaves): why the pod has to stay for the
// sake of a Service, or that another one is made first. alone says that no budget guards it, so that its Services' pods go one
// at a time.
func (s *state) lastEndpoint(p *pod, r Rules, alone bool) (why string, surges bool) {
	if r.Last == "" || !p.ready || ending(p.Pod) {
		return "", false
	}
	for _, v := range p.serves {
		others, homeless := s.endpoints(v, p)
		last := "Service " + v.name + " has no other endpoint"
		switch {
		case others == 0 && r.Last == "allow":
		case others == 0 && homeless != nil:
			return last + " until " + homeless.name + " finds a node", false
		case others == 0 && r.Last == "surge" && r.Rigid == "":
			surges = true
		case others == 0 && r.Accepted != nil && r.Accepted(v.name):
		case others == 0 && r.Last == "block":
			return last + `, and last_endpoint is "block"` + v.wayOut(), false
		case others == 0:
			return last + ", and has none while it moves: " + r.Rigid + v.wayOut(), false
		case alone && homeless != nil && !surges:
			why = fmt.Sprintf("one pod of Service %s at a time, and %s has no node", v.name, homeless.name)
		}
	}
	if surges {
		return "", true
	}
	return why, false
}

// wayOut is what a user can do about a pod that stays.
func (v *service) wayOut() string {
	return "; keep another pod of it ready, or accept that with --accept-downtime " + v.name
}

// endpoints counts the ready endpoints besides the pod that are there to stay, and finds a pod that the run has moved and
// that is waited for.
func (s *state) endpoints(v *service, p *pod) (others int, homeless *pod) {
	for _, other := range v.pods {
		switch {
		case other == p:
		case other.on == nil:
			if other.anew && !other.gone && !other.late && !other.unmade {
				homeless = other
			}
		case !other.ready || ending(other.Pod):
			for _, starts := range s.starting {
				if starts == other && isReady(other.Pod) {
					homeless = other
				}
			}
		case other.on == p.on && s.rulesOf(other, p.on).Stays: // it goes down with its node
		default:
			others++
		}
	}
	return others, homeless
}

// replaceFirst has another pod made before the last one goes, whatever its budget says: its Deployment ends it.
func (s *state) replaceFirst(d *drain, p *pod, now time.Duration) (why string) {
	from := p.on
	if why = s.refused(p); why == "" {
		why = s.home(d.result, p, now) // the old one still takes room, and keeps away whom its rules are about
	}
	if why != "" {
		return fmt.Sprintf("the last endpoint of its Service, %s, has to be made anew before it goes, and has nowhere to go: %s", p.name, why)
	}
	to := p.on
	p.on = from
	s.take(p)
	p.on, to.pods[p] = to, true
	delete(s.adrift, p)
	p.moved, p.anew, from.left[p.owner] = true, true, true
	p.landed()
	return ""
}

// perTemplate says that the pod's rules are about pods of its own template alone, of which a new one is made.
func perTemplate(p *pod) bool {
	hash := appsv1.DefaultDeploymentUniqueLabelKey
	return slices.ContainsFunc(antiTerms(p.Pod), func(t corev1.PodAffinityTerm) bool { return slices.Contains(t.MatchLabelKeys, hash) }) ||
		slices.ContainsFunc(p.Spec.TopologySpreadConstraints, func(c corev1.TopologySpreadConstraint) bool { return slices.Contains(c.MatchLabelKeys, hash) })
}

// giveUp stops waiting for pods that find no place, where a drain is patient enough for that.
func (s *state) giveUp(drains []*drain) (changed bool) {
	patient := false
	for _, d := range drains {
		patient = patient || len(d.stuck) > 0 && d.patience > lateAfter
	}
	if !patient {
		return false
	}
	for _, p := range s.without() {
		if p.anew && !p.late {
			p.late, changed = true, true
		}
	}
	return changed
}
