package kube

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// pace keeps, over all drains of this run, what was taken from Services: two nodes that are drained at once may hold the
// two last endpoints of one.
type pace struct {
	mu      sync.Mutex
	leaving map[types.UID]bool // asked to go; the API may show them as ready for a while
	debts   map[string]debt    // by Service, "namespace/name"
}

// debt is what a Service had when we took one of its pods.
type debt struct {
	pod   types.UID
	had   int
	since time.Time
}

const (
	// startingFor is how long a pod counts as one that is about to be ready; one that isn't by then may never be.
	startingFor = 5 * time.Minute
	// shownWithin is how long a Service may take to show a pod that is ready; one that isn't shown by then may never be.
	shownWithin = 30 * time.Second
	// replacedWithin is how long its controller is given to make a pod in place of one that went. Where there is none
	// then, the workload was scaled down.
	replacedWithin = 10 * time.Second
)

// leaves decides how a pod leaves, by what the watches know and what is on its way already.
func (c *Cluster) leaves(p pod, o DrainOptions, dry bool) (leave, string) {
	c.pace.mu.Lock()
	defer c.pace.mu.Unlock()
	how, why, _ := c.leavesNow(p, o, dry)
	return how, why
}

// take decides once more and, where the pod goes, counts it as gone from its Services in the same instant: nobody else
// counts on it from here on.
func (c *Cluster) take(p pod, o DrainOptions) (leave, string) {
	c.pace.mu.Lock()
	defer c.pace.mu.Unlock()
	how, why, services := c.leavesNow(p, o, false)
	if how != goes {
		return how, why
	}
	if c.pace.leaving == nil {
		c.pace.leaving, c.pace.debts = map[types.UID]bool{}, map[string]debt{}
	}
	c.pace.leaving[p.UID] = true
	for _, s := range services {
		c.pace.debts[s.service] = debt{p.UID, max(s.others+1, s.owed), time.Now()}
		if s.others == 0 {
			c.proof.accept(s.service)
		}
	}
	return goes, ""
}

// leftNot takes back what take counted: the pod was refused and stays for now.
func (c *Cluster) leftNot(p pod) {
	c.pace.mu.Lock()
	defer c.pace.mu.Unlock()
	delete(c.pace.leaving, p.UID)
	for service, d := range c.pace.debts {
		if d.pod == p.UID {
			delete(c.pace.debts, service)
		}
	}
}

// leavesNow is leaves for who holds mu.
func (c *Cluster) leavesNow(p pod, o DrainOptions, dry bool) (leave, string, []serving) {
	if o.LastEndpoint == "" {
		return goes, "", nil
	}
	elsewhere := c.elsewhere(p, dry)
	services := c.servedBy(p, o, elsewhere, dry)
	if len(services) == 0 {
		return goes, "", nil
	}
	m := c.makerOfPod(p, o.Run)
	if !elsewhere {
		m.rigid = "no other node is open to it"
	}
	_, workload, _ := strings.Cut(m.name, " ") // "shop/db" of "StatefulSet shop/db"
	for i, s := range services {
		services[i].accepted = slices.Contains(o.AcceptDowntime, s.service) || workload != "" && slices.Contains(o.AcceptDowntime, workload)
	}
	alone := !dry && len(c.budgetsOf(p)) == 0
	how, why := howItLeaves(services, m, o.LastEndpoint, alone)
	switch {
	case how == stays:
		why += wayOut(services)
	case !dry && (how == surges || how == goes && alone && fewest(services) == 1):
		if node := c.fresh(p); node != "" {
			how, why = waits, "node "+node+" to be Ready for a moment: what comes onto it now may be taken out of Service "+services[0].service
		}
	}
	return how, why, services
}

// monitored is how often the node-lifecycle controller looks at nodes, and a second.
const monitored = 5*time.Second + time.Second

// fresh is an open node besides the pod's own that has become Ready since the node-lifecycle controller may have looked
// last, "" where there is none: until it looks again it marks every pod that comes onto it as not ready, however well it
// is (pkg/controller/nodelifecycle, processPod), and a Service would have its new endpoint for an instant only.
func (c *Cluster) fresh(p pod) string {
	for _, n := range c.nodes.all() {
		ready := readyCondition(n)
		if n.Name != p.Spec.NodeName && !n.Spec.Unschedulable && ready.Status == corev1.ConditionTrue &&
			c.ServerTime().Sub(ready.LastTransitionTime.Time) < monitored {
			return n.Name
		}
	}
	return ""
}

// fewest is the least number of other endpoints that one of the Services has.
func fewest(services []serving) int {
	least := services[0].others
	for _, s := range services {
		least = min(least, s.others)
	}
	return least
}

// elsewhere says that another node than its own is open to a pod. Before a drain those that a run has claimed count as
// open: they come back.
func (c *Cluster) elsewhere(p pod, before bool) bool {
	return slices.ContainsFunc(c.nodes.all(), func(n *corev1.Node) bool {
		switch {
		case n.Name == p.Spec.NodeName:
			return false
		case before && n.Annotations[AnnotationRun] != "":
			return true
		}
		return readyCondition(n).Status == corev1.ConditionTrue && !n.Spec.Unschedulable && toleratesAll(p, n)
	})
}

// toleratesAll says that no taint keeps a pod off a node.
func toleratesAll(p pod, n *corev1.Node) bool {
	return !slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule && !tolerated(p.Spec.Tolerations, t)
	})
}

// servedBy are the Services of which a pod is a ready endpoint now, by name. elsewhere says that another node can take it. What they
// don't show yet isn't looked for dry: it is over before anything is taken.
func (c *Cluster) servedBy(p pod, o DrainOptions, elsewhere, dry bool) []serving {
	if !podReady(p) || ending(p) {
		return nil
	}
	var list []serving
	for _, s := range c.services.of(p.Namespace) {
		if len(s.Spec.Selector) == 0 || !hasLabels(p.Labels, s.Spec.Selector) {
			continue
		}
		ready := c.proof.readyPods(keyOf(s))
		if _, serves := ready[p.UID]; !serves {
			continue
		}
		v := serving{service: keyOf(s), others: c.others(p, ready, o, elsewhere)}
		if elsewhere {
			v.coming = c.coming(s.Spec.Selector, p)
		}
		v.owed = c.owed(v)
		if !dry {
			v.unseen = c.unseen(s.Spec.Selector, ready, p.Namespace)
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b serving) int { return cmp.Compare(a.service, b.service) })
	return list
}

// others counts the ready endpoints besides a pod, without those that are on their way out, and those that stay on its
// node, or can go nowhere else, and go down with it.
func (c *Cluster) others(p pod, ready map[types.UID]string, o DrainOptions, elsewhere bool) int {
	n := 0
	for uid, key := range ready {
		if uid == p.UID || c.pace.leaving[uid] {
			continue
		}
		other, ok := c.pods.get(key)
		switch {
		case !ok || other.UID != uid: // an address without a pod, or a pod that the pod watch hasn't shown or shows no more
			if key == "" {
				n++
			}
		case ending(other) || !podReady(other):
		case other.Spec.NodeName == p.Spec.NodeName && (!elsewhere || c.remains(other, o)):
		default:
			n++
		}
	}
	return n
}

func (c *Cluster) remains(p pod, o DrainOptions) bool {
	v, _ := c.judge(p, o)
	return v != evict
}

// coming lists the pods of a Service that have begun to start a short while ago, besides p, with what each waits for.
func (c *Cluster) coming(selector map[string]string, p pod) []string {
	var list []string
	for _, other := range c.pods.of(inNamespace(p.Namespace)) {
		if !hasLabels(other.Labels, selector) || other.UID == p.UID || podReady(other) || ending(other) || finished(other) {
			continue
		}
		if c.ServerTime().Sub(other.CreationTimestamp.Time) < startingFor {
			list = append(list, keyOf(other)+" "+whyNotReady(other))
		}
	}
	slices.Sort(list)
	return list
}

// unseen is a pod that has become ready a moment ago, and that its Service doesn't show yet: a budget counts it already, and
// clients have nothing of it. "": there is none.
func (c *Cluster) unseen(selector map[string]string, shown map[types.UID]string, namespace string) string {
	for _, other := range c.pods.of(inNamespace(namespace)) {
		if !hasLabels(other.Labels, selector) { // most aren't its pods
			continue
		}
		_, seen := shown[other.UID]
		if !seen && podReady(other) && !ending(other) && !finished(other) &&
			c.ServerTime().Sub(readiness(other).LastTransitionTime.Time) < shownWithin {
			return keyOf(other)
		}
	}
	return ""
}

// owed is how many ready endpoints the Service had before we took a pod from it, while it hasn't as many again; 0 once it
// has, or once no pod came in its place because fewer are wanted.
func (c *Cluster) owed(s serving) int {
	d, ok := c.pace.debts[s.service]
	if !ok {
		return 0
	}
	if s.others+1 >= d.had || time.Since(d.since) > replacedWithin && len(s.coming) == 0 && !c.pace.leaving[d.pod] {
		delete(c.pace.debts, s.service)
		return 0
	}
	return d.had
}

// left takes in that a pod has gone; its controller makes another one from here on at the latest.
func (c *Cluster) left(p pod) {
	c.pace.mu.Lock()
	defer c.pace.mu.Unlock()
	if !c.pace.leaving[p.UID] {
		return
	}
	delete(c.pace.leaving, p.UID)
	for service, d := range c.pace.debts {
		if d.pod == p.UID {
			d.since = time.Now()
			c.pace.debts[service] = d
		}
	}
}
