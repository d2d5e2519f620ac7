package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

// quota is a ResourceQuota and what is used of it: the admission plugin refuses a pod that would use more than there is.
// Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/
type quota struct {
	*corev1.ResourceQuota
	hard, used map[corev1.ResourceName]int64
}

// limit notes the quotas. One that its controller hasn't counted yet is counted by the pods that there are.
func (s *state) limit() {
	s.quotas = map[string][]*quota{}
	for _, q := range s.Quotas {
		counted := &quota{q, quotaAmounts(q.Status.Hard), quotaAmounts(q.Status.Used)}
		if len(q.Status.Hard) == 0 {
			counted.hard, counted.used = quotaAmounts(q.Spec.Hard), map[corev1.ResourceName]int64{}
			for _, p := range s.in[q.Namespace] {
				counted.charge(p, 1)
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

func quotaAmounts(list corev1.ResourceList) map[corev1.ResourceName]int64 {
	all := map[corev1.ResourceName]int64{}
	for name, q := range list {
		all[name] = amount(asked(name), q)
	}
	return all
}

// refused says why no pod like p can be made; "" where one can.
func (s *state) refused(p *pod) string {
	for _, q := range s.quotas[p.Namespace] {
		if !q.takes(p.Pod) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(q.hard)) {
			if asks := p.asksFor(asked(name)); asks > 0 && q.used[name]+asks > q.hard[name] {
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
		q.charge(p, by)
	}
}

func (q *quota) charge(p *pod, by int64) {
	if !q.takes(p.Pod) {
		return
	}
	for name := range q.hard {
		q.used[name] += by * p.asksFor(asked(name))
	}
}

// takes reports whether the quota is of such pods: of all where it has no scopes, else of those in every one of them.
// Source: pkg/quota/v1/evaluator/core/pods.go, podMatchesScopeFunc
func (q *quota) takes(p *corev1.Pod) bool {
	for _, scope := range q.Spec.Scopes {
		if !inScope(p, corev1.ScopedResourceSelectorRequirement{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists}) {
			return false
		}
	}
	return q.Spec.ScopeSelector == nil || !slices.ContainsFunc(q.Spec.ScopeSelector.MatchExpressions, func(r corev1.ScopedResourceSelectorRequirement) bool {
		return !inScope(p, r)
	})
}

func inScope(p *corev1.Pod, r corev1.ScopedResourceSelectorRequirement) bool {
	ends := p.Spec.ActiveDeadlineSeconds != nil
	switch r.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return ends
	case corev1.ResourceQuotaScopeNotTerminating:
		return !ends
	case corev1.ResourceQuotaScopeBestEffort:
		return bestEffort(p)
	case corev1.ResourceQuotaScopeNotBestEffort:
		return !bestEffort(p)
	case corev1.ResourceQuotaScopePriorityClass:
		return ofClass(p.Spec.PriorityClassName, r)
	case corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		return acrossNamespaces(p.Spec.Affinity)
	}
	return false // of claims
}

// ofClass reports whether a requirement is met by the name of a priority class; "" is a pod's that has none.
func ofClass(name string, r corev1.ScopedResourceSelectorRequirement) bool {
	switch r.Operator {
	case corev1.ScopeSelectorOpExists:
		return name != ""
	case corev1.ScopeSelectorOpDoesNotExist:
		return name == ""
	case corev1.ScopeSelectorOpIn:
		return name != "" && slices.Contains(r.Values, name)
	case corev1.ScopeSelectorOpNotIn:
		return !slices.Contains(r.Values, name)
	}
	return false
}

// bestEffort follows what the API server has noted of a pod, else what it asks for: what has limits alone asks for as much.
func bestEffort(p *corev1.Pod) bool {
	if p.Status.QOSClass != "" {
		return p.Status.QOSClass == corev1.PodQOSBestEffort
	}
	asks := resource.PodRequests(p, resource.PodResourcesOptions{ExcludeOverhead: true})
	return asks.Cpu().IsZero() && asks.Memory().IsZero()
}

// acrossNamespaces reports whether a rule of affinity looks at pods of other namespaces.
func acrossNamespaces(a *corev1.Affinity) bool {
	var terms []corev1.PodAffinityTerm
	prefers := func(list []corev1.WeightedPodAffinityTerm) {
		for _, w := range list {
			terms = append(terms, w.PodAffinityTerm)
		}
	}
	if a != nil && a.PodAffinity != nil {
		terms = append(terms, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution...)
		prefers(a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if a != nil && a.PodAntiAffinity != nil {
		terms = append(terms, a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution...)
		prefers(a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	return slices.ContainsFunc(terms, func(t corev1.PodAffinityTerm) bool { return len(t.Namespaces) > 0 || t.NamespaceSelector != nil })
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
		why := s.home(p.lacked.of, p, now)
		if why != "" {
			p.lacked.of.Homeless[p.lacked.at].Why = why
			continue
		}
		p.landed()
		p.found(now)
		s.starting = append(s.starting, p)
	}
	return made
}

// tooManyVolumes reports whether a node can't attach all that the pod uses.
func (s *state) tooManyVolumes(p *pod, n *node) bool {
	limits := s.Attachable[n.Name]
	if len(limits) == 0 || len(p.claims) == 0 {
		return false
	}
	more := map[string]int{} // by driver
	for i, claim := range p.claims {
		driver := s.Drivers[claim]
		most, limited := limits[driver]
		if !limited {
			continue
		}
		if n.attached[driver][claim] == 0 && !slices.Contains(p.claims[:i], claim) {
			more[driver]++
		}
		if len(n.attached[driver])+more[driver] > most {
			return true
		}
	}
	return false
}
