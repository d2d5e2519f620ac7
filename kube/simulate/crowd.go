package simulate

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// wishes is what a pod wants of a node, worked out once: labels and terms stay what they are wherever pods go.
type wishes struct {
	wanted   places
	likes    *nodeaffinity.PreferredSchedulingTerms
	volumes  []*nodeaffinity.LazyErrorNodeSelector
	spreads  []*spreading
	with     []term // it wants to be in one domain with a pod of each
	not      []term // it doesn't, with any
	avoiding []term // of others: they don't want to be in one domain with it
	siblings *crowd // pods of its controller
}

// term is one term of inter-pod affinity, and the pods that it is about; of others' terms, the pods whose it is.
type term struct {
	key   string
	crowd *crowd
	self  bool // the pod whose wishes these are is one of them
}

// crowd is pods that a rule is about, counted by the node that they are on as they come and go: so nobody need look
// through all pods for each that wants a place.
type crowd struct{ on map[*node]int }

// counted counts the pod in or out, by 1 or -1, wherever a rule is about it.
func (p *pod) counted(n *node, by int) {
	for _, c := range p.crowds {
		tally(c.on, n, by)
	}
}

// places are the nodes, by number, that a pod's own rules allow; nil: any.
type places []bool

func (p places) of(n *node) bool { return p == nil || p[n.number] }

// shared is what pods that are alike share, by what makes them alike.
type shared struct {
	crowds map[string]*crowd
	places map[string]places
	apart  []*avoider // nil: nobody has asked yet
	taints map[corev1.Taint]string
}

func newShared() shared {
	return shared{crowds: map[string]*crowd{}, places: map[string]places{}, taints: map[corev1.Taint]string{}}
}

// untolerated is what the scheduler says of a node with the taint.
func (s *shared) untolerated(t corev1.Taint) string {
	t.TimeAdded = nil
	if s.taints[t] == "" {
		s.taints[t] = fmt.Sprintf("node(s) had untolerated taint(s) {%s: %s}", t.Key, t.Value)
	}
	return s.taints[t]
}

func (s *state) wishesOf(p *pod) *wishes {
	if p.wishes != nil {
		return p.wishes
	}
	w := &wishes{wanted: s.wanted(p.Pod), spreads: s.spreadings(p), avoiding: s.avoiding(p), siblings: &crowd{}}
	if a := p.Spec.Affinity; a != nil {
		if a.NodeAffinity != nil {
			w.likes, _ = nodeaffinity.NewPreferredSchedulingTerms(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
		}
		if a.PodAffinity != nil {
			w.with = s.terms(p, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
		}
		w.not = s.terms(p, antiTerms(p.Pod))
	}
	for _, claim := range p.claims {
		if where := s.Volumes[claim]; where != nil && where.Required != nil {
			w.volumes = append(w.volumes, nodeaffinity.NewLazyErrorNodeSelector(where.Required))
		}
	}
	if !p.bare() {
		w.siblings = s.crowd(crowdOfOwner+string(p.owner), s.of[p.owner], func(*pod) bool { return true })
	}
	p.wishes = w
	return w
}

// What crowds are of, so that none is taken for another.
const (
	crowdOfOwner  = "owner "
	crowdOfSpread = "spread "
	crowdOfTerm   = "term "
)

// crowd is that of a name, which is made of those among some pods that are of it.
func (s *state) crowd(name string, among []*pod, is func(*pod) bool) *crowd {
	c := s.shared.crowds[name]
	if c == nil {
		c = &crowd{on: map[*node]int{}}
		s.shared.crowds[name] = c
		for _, p := range among {
			if is(p) {
				c.join(p)
			}
		}
	}
	return c
}

func (c *crowd) join(p *pod) {
	if p.crowds = append(p.crowds, c); p.on != nil {
		tally(c.on, p.on, 1)
	}
}

// wanted are the nodes that a pod's node selector and its required node affinity allow.
func (s *state) wanted(p *corev1.Pod) places {
	var affinity *corev1.NodeSelector
	if a := p.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		affinity = a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	if len(p.Spec.NodeSelector) == 0 && affinity == nil {
		return nil
	}
	name := written(p.Spec.NodeSelector, affinity)
	all, known := s.shared.places[name]
	if !known {
		required := nodeaffinity.GetRequiredNodeAffinity(p)
		all = make(places, len(s.byName))
		for _, n := range s.nodes {
			ok, err := required.Match(n.Node)
			all[n.number] = ok && err == nil
		}
		s.shared.places[name] = all
	}
	return all
}

func (s *state) terms(p *pod, list []corev1.PodAffinityTerm) (all []term) {
	for _, t := range list {
		about := aboutWhom(p.Pod, t)
		among := s.in[p.Namespace]
		if len(t.Namespaces) > 0 || t.NamespaceSelector != nil {
			among = s.pods
		}
		all = append(all, term{t.TopologyKey, s.crowd(crowdOfTerm+about.name, among, about.matches), about.matches(p)})
	}
	return all
}

func antiTerms(p *corev1.Pod) []corev1.PodAffinityTerm {
	if a := p.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		return a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

// avoider is a term by which pods keep others away, and the pods whose it is.
type avoider struct {
	term
	about
}

// avoiding are the terms of others by which they keep p away.
func (s *state) avoiding(p *pod) (all []term) {
	if s.shared.apart == nil {
		s.shared.apart = s.avoiders()
	}
	for _, a := range s.shared.apart {
		if a.matches(p) {
			t := a.term
			t.self = slices.Contains(p.crowds, t.crowd)
			all = append(all, t)
		}
	}
	return all
}

func (s *state) avoiders() []*avoider {
	all, known := []*avoider{}, map[string]*avoider{}
	for _, p := range s.pods {
		for _, t := range antiTerms(p.Pod) {
			about := aboutWhom(p.Pod, t)
			name := about.name + " by " + t.TopologyKey
			a := known[name]
			if a == nil {
				a = &avoider{term{key: t.TopologyKey, crowd: &crowd{on: map[*node]int{}}}, about}
				known[name], all = a, append(all, a)
			}
			a.crowd.join(p)
		}
	}
	return all
}

func written(values ...any) string {
	text, _ := json.Marshal(values) // of what came as JSON
	return string(text)
}
