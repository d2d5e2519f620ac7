package simulate

import (
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// spread is one topologySpreadConstraint with DoNotSchedule, counted.
// Source: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
type spread struct {
	key   string
	skew  int
	self  int // 1 where the pod counts itself
	least int
	has   map[string]int // matching pods by domain
}

func (s *state) spreads(p *pod) []spread {
	var all []spread
	for _, c := range p.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule {
			all = append(all, s.count(p, c))
		}
	}
	return all
}

// count counts the pods of a constraint in each domain. A closed node's domain is one of them unless the constraint honours
// taints.
func (s *state) count(p *pod, c corev1.TopologySpreadConstraint) spread {
	selector := withKeys(c.LabelSelector, c.MatchLabelKeys, p.Labels)
	out := spread{key: c.TopologyKey, skew: int(c.MaxSkew), has: map[string]int{}, least: math.MaxInt}
	if selector.Matches(labels.Set(p.Labels)) {
		out.self = 1
	}
	wanted := nodeaffinity.GetRequiredNodeAffinity(p.Pod)
	counts := map[*node]bool{}
	for _, n := range s.nodes {
		domain, there := n.Labels[c.TopologyKey]
		if !there || !s.eligible(p, n, c, wanted) {
			continue
		}
		counts[n] = true
		out.has[domain] += 0
	}
	for _, other := range s.in[p.Namespace] {
		if other != p && other.on != nil && counts[other.on] && !ending(other.Pod) && selector.Matches(labels.Set(other.Labels)) {
			out.has[other.on.Labels[c.TopologyKey]]++
		}
	}
	for _, n := range out.has {
		out.least = min(out.least, n)
	}
	if c.MinDomains != nil && len(out.has) < int(*c.MinDomains) {
		out.least = 0
	}
	return out
}

func (s *state) eligible(p *pod, n *node, c corev1.TopologySpreadConstraint, wanted nodeaffinity.RequiredNodeAffinity) bool {
	if c.NodeAffinityPolicy == nil || *c.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor {
		if ok, err := wanted.Match(n.Node); !ok || err != nil {
			return false
		}
	}
	if c.NodeTaintsPolicy != nil && *c.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor {
		if _, untolerated := helpers.FindMatchingUntoleratedTaint(klog.Logger{}, n.taints, p.Spec.Tolerations, keepsOff, false); untolerated || n.closed {
			return false
		}
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

func (s *state) together(p *pod) (t togetherness) {
	if a := p.Spec.Affinity; a != nil && a.PodAffinity != nil {
		t.with = s.beside(p, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
	}
	if a := p.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		for _, term := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			t.not = append(t.not, where(term, s.matching(p, term)))
		}
	}
	for _, other := range s.apart {
		if other == p || other.on == nil {
			continue
		}
		for _, term := range other.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if matches(other.Pod, term, p.Pod) {
				d := where(term, []*pod{other})
				d.ours = false
				t.not = append(t.not, d)
			}
		}
	}
	return t
}

// beside are the domains in which each term has a pod. A pod that would match all of its own terms may be the first.
func (s *state) beside(p *pod, terms []corev1.PodAffinityTerm) (all []domains) {
	some, self := false, true
	for _, term := range terms {
		found := s.matching(p, term)
		some = some || len(found) > 0
		self = self && matches(p.Pod, term, p.Pod)
		all = append(all, where(term, found))
	}
	if !some && self {
		return nil
	}
	return all
}

// matching are the pods with a place that a term of p is about.
func (s *state) matching(p *pod, term corev1.PodAffinityTerm) (found []*pod) {
	among := s.in[p.Namespace]
	if len(term.Namespaces) > 0 || term.NamespaceSelector != nil {
		among = s.pods
	}
	for _, other := range among {
		if other != p && other.on != nil && matches(p.Pod, term, other.Pod) {
			found = append(found, other)
		}
	}
	return found
}

// where are the domains of pods that have a place.
func where(term corev1.PodAffinityTerm, pods []*pod) domains {
	d := domains{key: term.TopologyKey, values: map[string]bool{}, ours: true}
	for _, p := range pods {
		if value, there := p.on.Labels[term.TopologyKey]; there {
			d.values[value] = true
		}
	}
	return d
}

// matches says that a term of p is about other. Of a namespace only its name is known, which is also its one label that
// every namespace has.
func matches(p *corev1.Pod, term corev1.PodAffinityTerm, other *corev1.Pod) bool {
	inside := slices.Contains(term.Namespaces, other.Namespace)
	if term.NamespaceSelector != nil {
		s, err := metav1.LabelSelectorAsSelector(term.NamespaceSelector)
		inside = inside || err == nil && s.Matches(labels.Set{corev1.LabelMetadataName: other.Namespace})
	} else if len(term.Namespaces) == 0 {
		inside = p.Namespace == other.Namespace
	}
	return inside && withKeys(term.LabelSelector, term.MatchLabelKeys, p.Labels).Matches(labels.Set(other.Labels))
}

// withKeys is a selector that also wants the same value of each key.
func withKeys(s *metav1.LabelSelector, keys []string, of map[string]string) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labels.Nothing()
	}
	same := labels.Set{}
	for _, key := range keys {
		if value, there := of[key]; there {
			same[key] = value
		}
	}
	more, _ := same.AsSelector().Requirements()
	return selector.Add(more...)
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
