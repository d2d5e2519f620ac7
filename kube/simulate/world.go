package simulate

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/resource"
)

// node is a node as it changes.
type node struct {
	*corev1.Node
	closed bool
	coming bool           // its turn is still to come: pods rather go elsewhere, as the run asks them to
	taints []corev1.Taint // without those that come and go with a closed or silent node, once it has been opened
	free   amounts
	scored amounts // what is free as the scheduler's scores count it: pods that ask for nothing count as small ones
	pods   map[*pod]bool
}

// pod is a pod, or those that come in place of it one after another.
type pod struct {
	*corev1.Pod
	on     *node // nil: it has no place
	ready  bool
	asks   amounts
	counts amounts   // as asks, with at least a little cpu and memory
	owner  types.UID // of its controller; "": nothing makes another one
	moved  bool      // the run has moved it, or another one of its controller's before it was displaced
	anew   bool      // it came in place of another one, wherever that went
	back   *node     // the closed node that it came back to, which leaves it alone
	late   bool      // nobody waits for it any more
	gone   bool
	lacked *homelessness
	serves []*service
	claims []string // "namespace/name"
	unmade bool     // a quota refuses it: there is no such pod
}

// budget is a budget and how many of its pods are well.
type budget struct {
	*policyv1.PodDisruptionBudget
	selector labels.Selector
	healthy  int
	frozen   bool // the controller can't work it out, so that it allows nothing
}

// service is a Service and its pods, wherever they are.
type service struct {
	name string // "shop/web"
	pods []*pod
}

// amounts are millicores of cpu, and whole units of all else.
type amounts map[corev1.ResourceName]int64

func amountsOf(list corev1.ResourceList) amounts {
	a := amounts{}
	for name, q := range list {
		a[name] = q.Value()
		if name == corev1.ResourceCPU {
			a[name] = q.MilliValue()
		}
	}
	return a
}

func asksOf(p *corev1.Pod) amounts {
	a := amountsOf(resource.PodRequests(p, resource.PodResourcesOptions{}))
	a[corev1.ResourcePods] = 1
	return a
}

// state is the world as the run changes it.
type state struct {
	World
	nodes    []*node
	byName   map[string]*node
	pods     []*pod
	in       map[string][]*pod    // by namespace
	of       map[types.UID][]*pod // by their owner
	apart    []*pod               // those that keep others away
	budgets  map[string][]*budget
	starting []*pod // that have a place, and are ready once this round is over
	rotation int
	quotas   map[string][]*quota
	unmade   []*pod
	least    int32 // priority of all pods
}

func newState(w World) *state {
	s := &state{World: w, byName: map[string]*node{}, in: map[string][]*pod{}, of: map[types.UID][]*pod{}, budgets: map[string][]*budget{}}
	for _, n := range w.Nodes {
		s.byName[n.Name] = &node{Node: n, closed: n.Spec.Unschedulable, taints: n.Spec.Taints, pods: map[*pod]bool{},
			free: amountsOf(n.Status.Allocatable), scored: amountsOf(n.Status.Allocatable)}
		s.nodes = append(s.nodes, s.byName[n.Name])
	}
	slices.SortFunc(s.nodes, func(a, b *node) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range w.Pods {
		if !finished(p) {
			s.add(newPod(p))
		}
	}
	slices.SortFunc(s.pods, func(a, b *pod) int { return cmp.Compare(a.key(), b.key()) })
	for i, p := range s.pods {
		if i == 0 || priority(p) < s.least {
			s.least = priority(p)
		}
	}
	for _, b := range w.Budgets {
		if selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector); err == nil {
			failed := meta.FindStatusCondition(b.Status.Conditions, policyv1.DisruptionAllowedCondition)
			s.budgets[b.Namespace] = append(s.budgets[b.Namespace], &budget{b, selector, int(b.Status.CurrentHealthy),
				failed != nil && failed.Reason == policyv1.SyncFailedReason})
		}
	}
	s.join(w.Services)
	s.limit()
	return s
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

func newPod(p *corev1.Pod) *pod {
	out := &pod{Pod: p, ready: isReady(p), asks: asksOf(p), claims: claimsOf(p)}
	out.counts = amounts{corev1.ResourceCPU: cmp.Or(out.asks[corev1.ResourceCPU], smallCPU), corev1.ResourceMemory: cmp.Or(out.asks[corev1.ResourceMemory], smallMemory)}
	if owner := metav1.GetControllerOfNoCopy(p); owner != nil {
		out.owner = owner.UID
	}
	return out
}

func (s *state) add(p *pod) {
	s.of[p.owner] = append(s.of[p.owner], p)
	s.pods = append(s.pods, p)
	s.in[p.Namespace] = append(s.in[p.Namespace], p)
	if a := p.Spec.Affinity; a != nil && a.PodAntiAffinity != nil && len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
		s.apart = append(s.apart, p)
	}
	if n := s.byName[p.Spec.NodeName]; n != nil {
		s.put(p, n)
	} else {
		p.gone = p.Spec.NodeName != "" // with its node
	}
}

func (s *state) put(p *pod, n *node) {
	p.on = n
	n.pods[p] = true
	for name, amount := range p.asks {
		n.free[name] -= amount
	}
	for name, amount := range p.counts {
		n.scored[name] -= amount
	}
}

func (s *state) take(p *pod) {
	delete(p.on.pods, p)
	for name, amount := range p.asks {
		p.on.free[name] += amount
	}
	for name, amount := range p.counts {
		p.on.scored[name] += amount
	}
	p.on = nil
}

// list is a node's pods by name.
func (n *node) list() []*pod {
	list := make([]*pod, 0, len(n.pods))
	for p := range n.pods {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *pod) int { return cmp.Compare(a.key(), b.key()) })
	return list
}

// open gives a node back to the scheduler. What stood on it only because it was closed, silent or worked on is gone.
func (n *node) open() {
	n.closed = false
	n.taints = slices.DeleteFunc(slices.Clone(n.taints), func(t corev1.Taint) bool { return passing(t.Key) })
}

func (p *pod) key() string { return p.Namespace + "/" + p.Name }

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
