package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
)

// enough is how many nodes that fit are compared, as the scheduler's own least (numFeasibleNodesToFind).
const enough = 100

// place finds the pod a node, or says in the scheduler's words why there is none.
func (s *state) place(p *pod) (why string) {
	a := s.asking(p)
	var best *node
	var most float64
	var reasons reasons
	found := 0
	for i := range s.nodes {
		n := s.nodes[(i+s.rotation)%len(s.nodes)]
		if reason := a.fits(n); reason != "" {
			reasons.add(reason)
			continue
		}
		score := a.score(n)
		if best == nil || score > most || score == most && n.Name < best.Name {
			best, most = n, score
		}
		if found++; found == enough {
			s.rotation += i + 1
			break
		}
	}
	if best == nil {
		return reasons.unavailable(len(s.nodes))
	}
	s.put(p, best)
	return ""
}

// reasons are why nodes don't take a pod, and how many each keeps. They are few, however many nodes there are.
type reasons []reason

type reason struct {
	why   string
	nodes int
}

func (r *reasons) add(why string) {
	for i := range *r {
		if (*r)[i].why == why {
			(*r)[i].nodes++
			return
		}
	}
	*r = append(*r, reason{why, 1})
}

func (r reasons) unavailable(nodes int) string {
	var words []string
	slices.SortFunc(r, func(a, b reason) int { return cmp.Or(cmp.Compare(b.nodes, a.nodes), cmp.Compare(a.why, b.why)) })
	for _, reason := range r {
		words = append(words, fmt.Sprintf("%d %s", reason.nodes, reason.why))
	}
	return strings.TrimSuffix(fmt.Sprintf("0/%d nodes are available: %s", nodes, strings.Join(words, ", ")), ": ")
}

// Elsewhere says, in the scheduler's words, why a pod in place of the one "namespace/name" could start on none of the other nodes
// as things stand; "" where it could, or where there is no such pod on a node.
func Elsewhere(w World, key string) (why string) {
	s := newState(w)
	for _, p := range s.pods {
		if p.name != key || p.on == nil {
			continue
		}
		own := p.on
		s.take(p)
		s.nodes = slices.DeleteFunc(s.nodes, func(n *node) bool { return n == own })
		return s.place(p)
	}
	return ""
}

// asking is a pod that looks for a node, with what hangs on where others are now, and is the same for all nodes.
type asking struct {
	s *state
	p *pod
	*wishes
	spread []spread
	rules  togetherness
	old    *node // of the pod that it comes in place of, where that one is still there and rules are about pods of one template alone
}

func (s *state) asking(p *pod) *asking {
	a := &asking{s: s, p: p, wishes: s.wishesOf(p)}
	if p.on != nil && perTemplate(p) {
		a.old = p.on
	}
	for _, c := range a.spreads {
		a.spread = append(a.spread, a.count(c))
	}
	a.rules = a.together()
	return a
}

// fits says why a node doesn't take the pod; "" where it does. The order is that of the scheduler's plugins.
func (a *asking) fits(n *node) string {
	if why := a.never(n); why != "" {
		return why
	}
	if why := a.hasRoom(n); why != "" {
		return why
	}
	for _, c := range a.spread {
		if why := c.keepsOff(n); why != "" {
			return why
		}
	}
	return a.rules.keepsOff(n)
}

// alone says that no rule of the pod, and of no other one, is about which pods are where.
func (a *asking) alone() bool { return len(a.spread)+len(a.rules.with)+len(a.rules.not) == 0 }

// never says why a node doesn't take the pod whatever else is there.
func (a *asking) never(n *node) string {
	if n.closed && !a.p.through {
		return "node(s) were unschedulable"
	}
	if t, untolerated := helpers.FindMatchingUntoleratedTaint(klog.Logger{}, n.taints, a.p.Spec.Tolerations, keepsOff, false); untolerated && (!n.closed || !passing(t.Key)) {
		return a.s.shared.untolerated(t)
	}
	if !a.wanted.of(n) {
		return "node(s) didn't match Pod's node affinity/selector"
	}
	return ""
}

// hasRoom says what the node hasn't left for the pod.
func (a *asking) hasRoom(n *node) string {
	if ports(a.p, n) {
		return "node(s) didn't have free ports for the requested pod ports"
	}
	if short := a.lacks(n); short != "" {
		return short
	}
	if a.s.tooManyVolumes(a.p, n) {
		return "node(s) exceed max volume count"
	}
	for _, where := range a.volumes {
		if ok, err := where.Match(n.Node); !ok || err != nil {
			return "node(s) didn't match PersistentVolume's node affinity"
		}
	}
	return ""
}

func keepsOff(t *corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }

// passing are the taints of a node that is closed, silent or worked on, which go as it comes back.
func passing(key string) bool {
	return strings.HasPrefix(key, "node.kubernetes.io/") || strings.HasPrefix(key, "fleetup.io/")
}

// toleratesClosed says that neither the cordon nor the taint of a run keeps the pod off a node.
func toleratesClosed(p *corev1.Pod) bool {
	for _, key := range []string{corev1.TaintNodeUnschedulable, "fleetup.io/maintenance"} {
		t := corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule}
		if !helpers.TolerationsTolerateTaint(klog.Logger{}, p.Spec.Tolerations, &t, false) {
			return false
		}
	}
	return true
}

// lacks names what the node hasn't enough of, by name the first.
func (a *asking) lacks(n *node) string {
	for _, ask := range a.p.asks {
		if ask.amount > n.free[ask.kind] {
			return a.s.kinds.short[ask.kind]
		}
	}
	return ""
}

// ports reports whether a port of the host that the pod wants is taken.
func ports(p *pod, n *node) bool {
	for _, port := range p.ports {
		for other := range n.pods {
			for _, taken := range other.ports {
				anywhere := port.HostIP == taken.HostIP || wild(port.HostIP) || wild(taken.HostIP)
				if port.HostPort == taken.HostPort && cmp.Or(port.Protocol, corev1.ProtocolTCP) == cmp.Or(taken.Protocol, corev1.ProtocolTCP) && anywhere {
					return true
				}
			}
		}
	}
	return false
}

func wild(ip string) bool { return ip == "" || ip == "0.0.0.0" }

func hostPorts(p *corev1.Pod) (list []corev1.ContainerPort) {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.HostPort > 0 {
				list = append(list, port)
			}
		}
	}
	return list
}

// The weights of the scheduler's default plugins, whose scores are 0 to 100 each.
const (
	weighTaints   = 3
	weighAffinity = 2
	weighSpread   = 2
)

// score is how well the node suits, as the default plugins do it: soft taints, preferred node affinity, few siblings, much
// room. It is exact in its order for what clusters use, not in its numbers.
func (a *asking) score(n *node) float64 {
	score := 0.0
	soft := func(t *corev1.Taint) bool { return t.Effect == corev1.TaintEffectPreferNoSchedule }
	if _, disliked := helpers.FindMatchingUntoleratedTaint(klog.Logger{}, n.taints, a.p.Spec.Tolerations, soft, false); !disliked && !n.coming {
		score += weighTaints * 100
	}
	if a.likes != nil {
		score += weighAffinity * float64(min(a.likes.Score(n.Node), 100))
	}
	score += weighSpread * 100 / float64(1+a.siblings.on[n])
	return score + a.room(n)
}

// What a pod that asks for nothing counts as (pkg/scheduler/util, DefaultMilliCPURequest).
const (
	smallCPU    = 100
	smallMemory = 200 << 20
)

// room is the mean share of cpu and memory that stays free, 0 to 100 (NodeResourcesFit, LeastAllocated).
func (a *asking) room(n *node) float64 {
	sum, kinds := 0.0, 0
	for i, counts := range a.p.counts {
		if has := n.has[i]; has > 0 {
			kinds++
			sum += 100 * float64(max(n.scored[i]-counts, 0)) / float64(has)
		}
	}
	if kinds == 0 {
		return 100 / float64(1+len(n.pods))
	}
	return sum / float64(kinds)
}

// claimsOf are the claims of a pod, "namespace/name"; a generic ephemeral volume is made anew with its pod, wherever that is.
func claimsOf(p *corev1.Pod) []string {
	var claims []string
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			claims = append(claims, p.Namespace+"/"+v.PersistentVolumeClaim.ClaimName)
		}
	}
	return claims
}
