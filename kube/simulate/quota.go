package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// quota is a ResourceQuota and what is used of it: the admission plugin refuses a pod that would use more than there is.
// Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/
type quota struct {
	*corev1.ResourceQuota
	hard, used amounts
}

// limit notes the quotas. One that its controller hasn't counted yet is counted by the pods that there are.
func (s *state) limit() {
	s.quotas = map[string][]*quota{}
	for _, q := range s.Quotas {
		if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			continue
		}
		counted := &quota{q, quotaAmounts(q.Status.Hard), quotaAmounts(q.Status.Used)}
		if len(q.Status.Hard) == 0 {
			counted.hard, counted.used = quotaAmounts(q.Spec.Hard), amounts{}
			for _, p := range s.in[q.Namespace] {
				for name := range counted.hard {
					counted.used[name] += p.asks[asked(name)]
				}
			}
		}
		s.quotas[q.Namespace] = append(s.quotas[q.Namespace], counted)
	}
}

// asked is the resource of a pod that a quota's counts.
func asked(name corev1.ResourceName) corev1.ResourceName {
	switch plain := strings.TrimPrefix(string(name), "requests."); {
	case name == "count/pods":
		return corev1.ResourcePods
	case strings.HasPrefix(plain, "limits."), strings.HasPrefix(plain, "count/"):
		return "" // not known here, and not changed by a move
	default:
		return corev1.ResourceName(plain)
	}
}

func quotaAmounts(list corev1.ResourceList) amounts {
	a := amounts{}
	for name, q := range list {
		a[name] = q.Value()
		if asked(name) == corev1.ResourceCPU {
			a[name] = q.MilliValue()
		}
	}
	return a
}

// refused says why no pod like p can be made; "" where one can.
func (s *state) refused(p *pod) string {
	for _, q := range s.quotas[p.Namespace] {
		for _, name := range slices.Sorted(maps.Keys(q.hard)) {
			if asks := p.asks[asked(name)]; asks > 0 && q.used[name]+asks > q.hard[name] {
				limit := q.Spec.Hard[name]
				return fmt.Sprintf("quota %s/%s refuses it: it allows %s %s", q.Namespace, q.Name, &limit, name)
			}
		}
	}
	return ""
}

// charge has quotas count the pod, by 1, or no longer, by -1.
func (s *state) charge(p *pod, by int64) {
	for _, q := range s.quotas[p.Namespace] {
		for name := range q.hard {
			q.used[name] += by * p.asks[asked(name)]
		}
	}
}

// remake makes pods that quotas have refused, now that there may be room.
func (s *state) remake(now time.Duration) (made bool) {
	if len(s.unmade) == 0 {
		return false
	}
	list := s.unmade
	s.unmade = nil
	for _, p := range list {
		if s.refused(p) != "" {
			s.unmade = append(s.unmade, p)
			continue
		}
		p.unmade, made = false, true
		s.charge(p, 1)
		why := s.place(p)
		if why != "" {
			p.lacked.of.Homeless[p.lacked.at].Why = why
			continue
		}
		p.found(now)
		s.starting = append(s.starting, p)
	}
	return made
}

// preempts reports whether the scheduler could end pods for the sake of one that finds no node.
func (s *state) preempts(p *pod) bool {
	if p.Spec.PreemptionPolicy != nil && *p.Spec.PreemptionPolicy == corev1.PreemptNever {
		return false
	}
	mine := priority(p)
	return mine > 0 && slices.ContainsFunc(s.pods, func(o *pod) bool { return o.on != nil && !o.on.closed && priority(o) < mine })
}

func priority(p *pod) int32 {
	if p.Spec.Priority == nil {
		return 0
	}
	return *p.Spec.Priority
}

// attached counts the volumes of each driver that the pods of a node use.
func (s *state) attached(n *node) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for p := range n.pods {
		for _, claim := range p.claims {
			if driver := s.Drivers[claim]; driver != "" {
				if all[driver] == nil {
					all[driver] = map[string]bool{}
				}
				all[driver][claim] = true
			}
		}
	}
	return all
}

// tooManyVolumes reports whether a node can't attach all that the pod uses.
func (s *state) tooManyVolumes(p *pod, n *node) bool {
	limits := s.Attachable[n.Name]
	if len(limits) == 0 || len(p.claims) == 0 {
		return false
	}
	attached := s.attached(n)
	for _, claim := range p.claims {
		driver := s.Drivers[claim]
		most, limited := limits[driver]
		if !limited {
			continue
		}
		if attached[driver] == nil {
			attached[driver] = map[string]bool{}
		}
		if attached[driver][claim] = true; len(attached[driver]) > most {
			return true
		}
	}
	return false
}
