package simulate

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/resource"
)

// node is a node as it changes.
type node struct {
	*corev1.Node
	number   int // among all, by name
	closed   bool
	coming   bool           // its turn is still to come: pods rather go elsewhere, as the run asks them to
	taints   []corev1.Taint // without those that come and go with a closed or silent node, once it has been opened
	free     []int64        // by resource (kinds)
	has      scored         // in all
	scored   scored         // what is free as the scheduler's scores count it: pods that ask for nothing count as small ones
	pods     map[*pod]bool
	left     map[types.UID]bool        // owners of pods that the drain under way has evicted
	ranks    map[int32]int             // how many of its pods are of a priority
	attached map[string]map[string]int // by driver, the claims of its volumes that pods use, and how many use each
}

// pod is a pod, or those that come in place of it one after another.
type pod struct {
	*corev1.Pod
	number   int    // among all, by name
	name     string // "namespace/name"
	on       *node  // nil: it has no place
	ready    bool
	asks     []ask
	counts   scored // as asks, with at least a little cpu and memory
	priority int32
	ports    []corev1.ContainerPort // of its node
	through  bool                   // neither a cordon nor the taint of a run keeps it off a node
	owner    types.UID              // of its controller; "": nothing makes another one
	moved    bool                   // the run has moved it, or another one of its controller's before it was displaced
	anew     bool                   // it came in place of another one, wherever that went
	back     *node                  // the closed node that it came back to, which leaves it alone
	late     bool                   // nobody waits for it any more
	gone     bool
	lacked   *homelessness
	serves   []*service
	guards   []*budget
	claims   []string // "namespace/name"
	unmade   bool     // a quota refuses it: there is no such pod
	wishes   *wishes  // nil: it hasn't looked for a node yet
	crowds   []*crowd // that it is one of
	rules    Rules    // of the node ruled
	ruled    *node
}

// budget is a budget and how many of its pods are well.
type budget struct {
	*policyv1.PodDisruptionBudget
	healthy int
	frozen  bool // the controller can't work it out, so that it allows nothing
}

// service is a Service and its pods, wherever they are.
type service struct {
	name string // "shop/web"
	pods []*pod
}

// amount is millicores of cpu, and whole units of all else.
func amount(name corev1.ResourceName, q apiresource.Quantity) int64 {
	if name == corev1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}

// kinds are the resources that pods ask for, numbered, and what is said of a node that hasn't enough of one. Rooms are compared by
// number: a run over a thousand nodes does it some ten million times.
type kinds struct {
	numbers map[corev1.ResourceName]int
	short   []string
}

func (k *kinds) number(name corev1.ResourceName) int {
	n, known := k.numbers[name]
	if !known {
		n = len(k.short)
		k.numbers[name] = n
		if name == corev1.ResourcePods {
			k.short = append(k.short, "Too many pods")
		} else {
			k.short = append(k.short, "Insufficient "+string(name))
		}
	}
	return n
}

// ask is what a pod asks for of one resource; more than nothing.
type ask struct {
	name   corev1.ResourceName
	kind   int
	amount int64
}

// asksOf lists them in the order of what is said of nodes that haven't enough: only the first is told.
func (k *kinds) asksOf(p *corev1.Pod) []ask {
	list := []ask{{corev1.ResourcePods, k.number(corev1.ResourcePods), 1}}
	for name, q := range resource.PodRequests(p, resource.PodResourcesOptions{}) {
		if n := amount(name, q); n != 0 {
			list = append(list, ask{name, k.number(name), n})
		}
	}
	slices.SortFunc(list, func(a, b ask) int { return cmp.Compare(k.short[a.kind], k.short[b.kind]) })
	return list
}

// asksFor is how much of a resource the pod asks for.
func (p *pod) asksFor(name corev1.ResourceName) int64 {
	for _, a := range p.asks {
		if a.name == name {
			return a.amount
		}
	}
	return 0
}

// scored are the millicores of cpu and the bytes of memory that the scheduler's scores look at.
type scored [2]int64

// state is the world as the run changes it.
type state struct {
	World
	nodes    []*node
	byName   map[string]*node
	pods     []*pod
	in       map[string][]*pod    // by namespace
	of       map[types.UID][]*pod // by their owner
	adrift   map[*pod]bool        // that have no place, or are gone
	starting []*pod               // that have a place, and are ready once this round is over
	rotation int
	quotas   map[string][]*quota
	unmade   []*pod
	least    int32 // priority of all pods
	kinds    kinds
	shared   shared
}

func newState(w World) *state {
	s := &state{World: w, byName: map[string]*node{}, in: map[string][]*pod{}, of: map[types.UID][]*pod{}, adrift: map[*pod]bool{},
		kinds: kinds{numbers: map[corev1.ResourceName]int{}}, shared: newShared()}
	for _, p := range w.Pods {
		if !finished(p) {
			s.pods = append(s.pods, s.newPod(p))
		}
	}
	slices.SortFunc(s.pods, func(a, b *pod) int { return cmp.Compare(a.name, b.name) })
	for _, n := range w.Nodes {
		s.byName[n.Name] = s.newNode(n)
		s.nodes = append(s.nodes, s.byName[n.Name])
	}
	slices.SortFunc(s.nodes, func(a, b *node) int { return cmp.Compare(a.Name, b.Name) })
	for i, n := range s.nodes {
		n.number = i
	}
	for i, p := range s.pods {
		if p.number = i; i == 0 || p.priority < s.least {
			s.least = p.priority
		}
		s.add(p)
	}
	s.guard(w.Budgets)
	s.join(w.Services)
	s.limit()
	return s
}

func (s *state) newNode(n *corev1.Node) *node {
	out := &node{Node: n, closed: n.Spec.Unschedulable, taints: n.Spec.Taints, pods: map[*pod]bool{}, ranks: map[int32]int{},
		attached: map[string]map[string]int{}, free: make([]int64, len(s.kinds.short))}
	for name, kind := range s.kinds.numbers {
		out.free[kind] = amount(name, n.Status.Allocatable[name])
	}
	out.has = scored{amount(corev1.ResourceCPU, *n.Status.Allocatable.Cpu()), amount(corev1.ResourceMemory, *n.Status.Allocatable.Memory())}
	out.scored = out.has
	return out
}

// guard finds the budgets of each pod.
func (s *state) guard(budgets []*policyv1.PodDisruptionBudget) {
	for _, b := range budgets {
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil {
			continue
		}
		failed := meta.FindStatusCondition(b.Status.Conditions, policyv1.DisruptionAllowedCondition)
		guard := &budget{b, int(b.Status.CurrentHealthy), failed != nil && failed.Reason == policyv1.SyncFailedReason}
		for _, p := range s.in[b.Namespace] {
			if selector.Matches(labels.Set(p.Labels)) {
				p.guards = append(p.guards, guard)
			}
		}
	}
}

// join finds the pods of each Service. A Service is looked for by one of its labels, so that a thousand of them in a namespace
// aren't held against each of its pods.
func (s *state) join(services []*corev1.Service) {
	type label struct{ namespace, key, value string }
	type wanted struct {
		*service
		selector labels.Selector
	}
	by := map[label][]wanted{}
	for _, v := range services {
		if len(v.Spec.Selector) == 0 {
			continue
		}
		key := slices.Min(slices.Collect(maps.Keys(v.Spec.Selector)))
		at := label{v.Namespace, key, v.Spec.Selector[key]}
		by[at] = append(by[at], wanted{&service{name: v.Namespace + "/" + v.Name}, labels.SelectorFromSet(v.Spec.Selector)})
	}
	for _, p := range s.pods {
		for key, value := range p.Labels {
			for _, v := range by[label{p.Namespace, key, value}] {
				if v.selector.Matches(labels.Set(p.Labels)) {
					v.pods = append(v.pods, p)
					p.serves = append(p.serves, v.service)
				}
			}
		}
		slices.SortFunc(p.serves, func(a, b *service) int { return cmp.Compare(a.name, b.name) })
	}
}

func (s *state) newPod(p *corev1.Pod) *pod {
	out := &pod{Pod: p, name: p.Namespace + "/" + p.Name, ready: isReady(p), asks: s.kinds.asksOf(p), priority: priority(p),
		ports: hostPorts(p), through: toleratesClosed(p), claims: claimsOf(p)}
	out.counts = scored{cmp.Or(out.asksFor(corev1.ResourceCPU), smallCPU), cmp.Or(out.asksFor(corev1.ResourceMemory), smallMemory)}
	if owner := metav1.GetControllerOfNoCopy(p); owner != nil {
		out.owner = owner.UID
	}
	return out
}

func (s *state) add(p *pod) {
	s.of[p.owner] = append(s.of[p.owner], p)
	s.in[p.Namespace] = append(s.in[p.Namespace], p)
	if s.adrift[p] = true; s.byName[p.Spec.NodeName] != nil {
		s.put(p, s.byName[p.Spec.NodeName])
	} else {
		p.gone = p.Spec.NodeName != "" || len(p.Spec.SchedulingGates) > 0 // with its node; or nobody looks for one
	}
}

func (s *state) put(p *pod, n *node) {
	p.on = n
	delete(s.adrift, p)
	s.occupy(p, n, 1)
}

func (s *state) take(p *pod) {
	s.occupy(p, p.on, -1)
	p.on = nil
	s.adrift[p] = true
}

// occupy has the node count the pod, by 1, or no longer, by -1.
func (s *state) occupy(p *pod, n *node, by int) {
	if by > 0 {
		n.pods[p] = true
	} else {
		delete(n.pods, p)
	}
	for _, a := range p.asks {
		n.free[a.kind] -= int64(by) * a.amount
	}
	for i, amount := range p.counts {
		n.scored[i] -= int64(by) * amount
	}
	tally(n.ranks, p.priority, by)
	for _, claim := range p.claims {
		if driver := s.Drivers[claim]; driver != "" {
			if n.attached[driver] == nil {
				n.attached[driver] = map[string]int{}
			}
			tally(n.attached[driver], claim, by)
		}
	}
	p.counted(n, by)
}

// tally counts, and forgets what there is none of.
func tally[K comparable](counts map[K]int, key K, by int) {
	if counts[key] += by; counts[key] == 0 {
		delete(counts, key)
	}
}

// without are the pods that have no place, by name.
func (s *state) without() []*pod {
	var list []*pod
	for p := range s.adrift {
		if p.on == nil && !p.gone && !p.unmade {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, byNumber)
	return list
}

// rulesOf are those of the pod on a node. They are asked for once: nothing that they hang on changes while a run is played.
func (s *state) rulesOf(p *pod, n *node) Rules {
	if p.ruled != n {
		p.rules, p.ruled = s.Rules(p.Pod, n.Name), n
	}
	return p.rules
}

// list is a node's pods by name.
func (n *node) list() []*pod {
	list := make([]*pod, 0, len(n.pods))
	for p := range n.pods {
		list = append(list, p)
	}
	slices.SortFunc(list, byNumber)
	return list
}

func byNumber(a, b *pod) int { return cmp.Compare(a.number, b.number) }

// open gives a node back to the scheduler. What stood on it only because it was closed, silent or worked on is gone.
func (n *node) open() {
	n.closed, n.left = false, nil
	n.taints = slices.DeleteFunc(slices.Clone(n.taints), func(t corev1.Taint) bool { return passing(t.Key) })
}

// bare: nothing makes another one.
func (p *pod) bare() bool { return p.owner == "" }

func finished(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func ending(p *corev1.Pod) bool { return !p.DeletionTimestamp.IsZero() }

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
