package kube

import (
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Move is a pod, by the name that it had last, and the nodes that it had to leave, in their order.
type Move struct {
	Pod   string // "shop/web-5d-x2x"
	Nodes []string
}

// moves follows pods through the names that they get as they move: which one came in place of which.
type moves struct {
	mu      sync.Mutex
	all     []*line
	of      map[types.UID]*line
	waiting map[string][]*line // by maker: those whose last pod has left, and whose next one hasn't
	known   map[types.UID]bool // pods that were there before we moved any of their maker
	makers  map[string]bool
}

// line is one pod through its moves.
type line struct {
	Move
	pod types.UID
}

func (m *moves) follows(maker string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.makers[maker]
}

// moving is told before a pod of its maker leaves: what is there now came in place of nobody.
func (m *moves) moving(maker string, siblings []pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.makers == nil {
		m.of, m.waiting, m.known, m.makers = map[types.UID]*line{}, map[string][]*line{}, map[types.UID]bool{}, map[string]bool{}
	}
	if m.makers[maker] {
		return
	}
	m.makers[maker] = true
	for _, p := range siblings {
		m.known[p.UID] = true
	}
}

// moved takes in that a pod has left its node, once for each pod.
func (m *moves) moved(maker string, p pod) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.of[p.UID]
	if l != nil {
		return
	}
	if !m.known[p.UID] {
		l = m.next(maker, keyOf(p))
	}
	if l == nil {
		l = &line{}
		m.all = append(m.all, l)
	}
	l.Pod, l.pod, l.Nodes = keyOf(p), p.UID, append(l.Nodes, p.Spec.NodeName)
	m.of[p.UID] = l
	m.waiting[maker] = append(m.waiting[maker], l)
}

// next is the line that a new pod of the maker goes on with: that of its own name, else the one that has waited longest.
func (m *moves) next(maker, name string) *line {
	list := m.waiting[maker]
	if len(list) == 0 {
		return nil
	}
	i := max(0, slices.IndexFunc(list, func(l *line) bool { return l.Pod == name }))
	l := list[i]
	m.waiting[maker] = slices.Delete(list, i, i+1)
	return l
}

// Moved lists the pods that drains of this process moved, by name. A pod that nothing makes anew doesn't move.
func (c *Cluster) Moved() []Move {
	c.moves.mu.Lock()
	defer c.moves.mu.Unlock()
	list := make([]Move, 0, len(c.moves.all))
	for _, l := range c.moves.all {
		list = append(list, Move{l.Pod, slices.Clone(l.Nodes)})
	}
	slices.SortFunc(list, func(a, b Move) int { return strings.Compare(a.Pod, b.Pod) })
	return list
}

// moving and moved are the same with what the watches know.
func (c *Cluster) moving(p pod) {
	maker := c.makerName(p)
	if maker == "" || c.moves.follows(maker) {
		return
	}
	var siblings []pod
	for _, other := range c.pods.of(inNamespace(p.Namespace)) {
		if c.makerName(other) == maker {
			siblings = append(siblings, other)
		}
	}
	c.moves.moving(maker, siblings)
}

func (c *Cluster) moved(p pod) {
	if maker := c.makerName(p); maker != "" {
		c.moves.moved(maker, p)
	}
}
