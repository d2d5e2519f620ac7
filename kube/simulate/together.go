package simulate

import (
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
)

// spreading is one topologySpreadConstraint with DoNotSchedule of pods that are alike.
// Source: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
type spreading struct {
	key      string
	skew     int
	least    int // domains that there have to be
	matching *crowd
	counts   places
	keys     []string // of all constraints of such pods: a node without one of them counts for none
	taints   bool     // that aren't tolerated keep a node from being counted
	self     bool     // such a pod counts itself
}

func (s *state) spreadings(p *pod) []*spreading {
	var all []*spreading
	var keys []string
	for _, c := range p.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule {
			all, keys = append(all, s.spreading(p, c)), append(keys, c.TopologyKey)
		}
	}
	for _, c := range all {
		c.keys = keys
	}
	return all
}

func (s *state) spreading(p *pod, c corev1.TopologySpreadConstraint) *spreading {
	selector := withKeys(c.LabelSelector, c.MatchLabelKeys, p.Labels)
	out := &spreading{key: c.TopologyKey, skew: int(c.MaxSkew), self: selector.Matches(labels.Set(p.Labels))}
	if c.MinDomains != nil {
		out.least = int(*c.MinDomains)
	}
	if c.NodeAffinityPolicy == nil || *c.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor {
		out.counts = s.wanted(p.Pod)
	}
	out.taints = c.NodeTaintsPolicy != nil && *c.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor
	name := crowdOfSpread + written(p.Namespace, c.LabelSelector, valuesOf(c.MatchLabelKeys, p.Labels))
	out.matching = s.crowd(name, s.in[p.Namespace], func(o *pod) bool {
		return !ending(o.Pod) && selector.Matches(labels.Set(o.Labels))
	})
	return out
}

// spread is a constraint, counted.
type spread struct {
	key   string
	skew  int
	self  int // 1 where the pod counts itself
	least int
	has   map[string]int // matching pods by domain
}

// count counts the pods of a constraint in each domain. A closed node's domain is one of them unless the constraint honours
// taints.
func (a *asking) count(c *spreading) spread {
	out := spread{key: c.key, skew: c.skew, has: map[string]int{}, least: math.MaxInt}
	if c.self {
		out.self = 1
	}
	for _, n := range a.s.nodes {
		if domain, there := n.Labels[c.key]; there && c.eligible(a.p, n) {
			out.has[domain] += c.matching.on[n]
			if n == a.old {
				out.has[domain] -= out.self
			}
		}
	}
	for _, n := range out.has {
		out.least = min(out.least, n)
	}
	if len(out.has) < c.least {
		out.least = 0
	}
	return out
}

func (c *spreading) eligible(p *pod, n *node) bool {
	if !c.counts.of(n) || slices.ContainsFunc(c.keys, func(key string) bool { _, there := n.Labels[key]; return !there }) {
		return false
	}
	if c.taints {
		_, untolerated := helpers.FindMatchingUntoleratedTaint(klog.Logger{}, n.taints, p.Spec.Tolerations, keepsOff, false)
		return !untolerated && !n.closed
	}
	return true
}

func (c spread) keepsOff(n *node) string {
	domain, there := n.Labels[c.key]
	if !there {
		return "node(s) didn't match pod topology spread constraints (missing required label)"
	}
	if c.has[domain]+c.self-c.least > c.skew {
		return "node(s) didn't match pod topology spread constraints"
	}
	return ""
}

// togetherness is what inter-pod affinity, of the pod and of those that are there, asks of a node.
// Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
type togetherness struct {
	with []domains // one domain of each it must be in
	not  []domains // none of these may it be in
}

// domains are the values of a label.
type domains struct {
	key    string
	values map[string]bool
	ours   bool // of the pod's own rules, rather than of one that is there
}

func (a *asking) together() (t togetherness) {
	t.with = a.beside()
	for _, term := range a.not {
		t.not = append(t.not, a.domains(term, true))
	}
	for _, term := range a.avoiding {
		if len(term.crowd.on) > 0 {
			t.not = append(t.not, a.domains(term, false))
		}
	}
	return t
}

// beside are the domains in which each term has a pod. A pod that would match all of its own terms may be the first.
func (a *asking) beside() (all []domains) {
	some, self := false, true
	for _, term := range a.with {
		some = some || len(term.crowd.on) > 0
		self = self && term.self
		all = append(all, a.domains(term, true))
	}
	if !some && self {
		return nil
	}
	return all
}

// domains are those in which a term has a pod; ours: it is of the pod's own rules.
func (a *asking) domains(t term, ours bool) domains {
	d := domains{key: t.key, values: map[string]bool{}, ours: ours}
	for n, pods := range t.crowd.on {
		if n == a.old && t.self && pods == 1 {
			continue
		}
		if value, there := n.Labels[t.key]; there {
			d.values[value] = true
		}
	}
	return d
}

// about says which pods a rule is about. Of a namespace only its name is known, which is also its one label that every namespace
// has.
type about struct {
	name       string // equal for rules that are about the same pods
	own        string // namespace; "": others count alone
	namespaces []string
	selected   labels.Selector // of namespaces; nil: none
	selector   labels.Selector
}

// aboutWhom is whom a term of p is about.
func aboutWhom(p *corev1.Pod, term corev1.PodAffinityTerm) about {
	out := about{namespaces: term.Namespaces, selector: withKeys(term.LabelSelector, term.MatchLabelKeys, p.Labels)}
	if term.NamespaceSelector != nil {
		out.selected, _ = metav1.LabelSelectorAsSelector(term.NamespaceSelector)
	} else if len(term.Namespaces) == 0 {
		out.own = p.Namespace
	}
	out.name = written(out.own, term.Namespaces, term.NamespaceSelector, term.LabelSelector, valuesOf(term.MatchLabelKeys, p.Labels))
	return out
}

func (a about) matches(p *pod) bool {
	inside := a.own != "" && p.Namespace == a.own || slices.Contains(a.namespaces, p.Namespace) ||
		a.selected != nil && a.selected.Matches(labels.Set{corev1.LabelMetadataName: p.Namespace})
	return inside && a.selector.Matches(labels.Set(p.Labels))
}

// withKeys is a selector that also wants the same value of each key.
func withKeys(s *metav1.LabelSelector, keys []string, of map[string]string) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labels.Nothing()
	}
	more, _ := valuesOf(keys, of).AsSelector().Requirements()
	return selector.Add(more...)
}

// valuesOf are the labels of the keys.
func valuesOf(keys []string, of map[string]string) labels.Set {
	same := labels.Set{}
	for _, key := range keys {
		if value, there := of[key]; there {
			same[key] = value
		}
	}
	return same
}

func (t togetherness) keepsOff(n *node) string {
	for _, d := range t.with {
		if value, there := n.Labels[d.key]; !there || !d.values[value] {
			return "node(s) didn't match pod affinity rules"
		}
	}
	for _, d := range t.not {
		switch value, there := n.Labels[d.key]; {
		case !there || !d.values[value]:
		case d.ours:
			return "node(s) didn't match pod anti-affinity rules"
		default:
			return "node(s) didn't satisfy existing pods anti-affinity rules"
		}
	}
	return ""
}
