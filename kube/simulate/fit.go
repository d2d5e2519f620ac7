package simulate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// enough is how many nodes that fit are compared, as the scheduler's own least (numFeasibleNodesToFind).
const enough = 100

// place finds the pod a node, or says in the scheduler's words why there is none.
func (s *state) place(p *pod) (why string) {
	a := s.asking(p)
	var best *node
	var most float64
	reasons, found := map[string]int{}, 0
	for i := range s.nodes {
		n := s.nodes[(i+s.rotation)%len(s.nodes)]
		if reason := a.fits(n); reason != "" {
			reasons[reason]++
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
		return unavailable(len(s.nodes), reasons)
	}
	s.put(p, best)
	return ""
}

func unavailable(nodes int, reasons map[string]int) string {
	words := slices.SortedFunc(maps.Keys(reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(reasons[b], reasons[a]), cmp.Compare(a, b))
	})
	for i, reason := range words {
		words[i] = fmt.Sprintf("%d %s", reasons[reason], reason)
	}
	return strings.TrimSuffix(fmt.Sprintf("0/%d nodes are available: %s", nodes, strings.Join(words, ", ")), ": ")
}

// Elsewhere says, in the scheduler's words, why a pod in place of the one "namespace/name" could start on none of the other nodes
// as things stand; "" where it could, or where there is no such pod on a node.
func Elsewhere(w World, key string) (why string) {
	s := newState(w)
	for _, p := range s.pods {
		if p.key() != key || p.on == nil {
			continue
		}
		own := p.on
		s.take(p)
		s.nodes = slices.DeleteFunc(s.nodes, func(n *node) bool { return n == own })
		return s.place(p)
	}
	return ""
}

// asking is a pod that looks for a node, with what is the same for all nodes.
type asking struct {
	s        *state
	p        *pod
	required nodeaffinity.RequiredNodeAffinity
	likes    *nodeaffinity.PreferredSchedulingTerms
	volumes  []*nodeaffinity.LazyErrorNodeSelector
	spread   []spread
	rules    togetherness
	siblings map[*node]int
}

func (s *state) asking(p *pod) *asking {
	a := &asking{s: s, p: p, required: nodeaffinity.GetRequiredNodeAffinity(p.Pod), siblings: map[*node]int{}}
	if at := p.Spec.Affinity; at != nil && at.NodeAffinity != nil {
		a.likes, _ = nodeaffinity.NewPreferredSchedulingTerms(at.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	for _, claim := range p.claims {
		if where := s.Volumes[claim]; where != nil && where.Required != nil {
			a.volumes = append(a.volumes, nodeaffinity.NewLazyErrorNodeSelector(where.Required))
		}
	}
	a.spread, a.rules = s.spreads(p), s.together(p)
	for _, other := range s.of[p.owner] {
		if other.on != nil && !p.bare() {
			a.siblings[other.on]++
		}
	}
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
	if n.closed && !a.toleratesClosed() {
		return "node(s) were unschedulable"
	}
	if t, untolerated := helpers.FindMatchingUntoleratedTaint(klog.Logger{}, n.taints, a.p.Spec.Tolerations, keepsOff, false); untolerated && (!n.closed || !passing(t.Key)) {
		return fmt.Sprintf("node(s) had untolerated taint(s) {%s: %s}", t.Key, t.Value)
	}
	if ok, err := a.required.Match(n.Node); !ok || err != nil {
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
func (a *asking) toleratesClosed() bool {
	for _, key := range []string{corev1.TaintNodeUnschedulable, "fleetup.io/maintenance"} {
		t := corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule}
		if !helpers.TolerationsTolerateTaint(klog.Logger{}, a.p.Spec.Tolerations, &t, false) {
			return false
		}
	}
	return true
}

// lacks names what the node hasn't enough of, by name the first.
func (a *asking) lacks(n *node) string {
	short := ""
	for name, asked := range a.p.asks {
		if asked == 0 || asked <= n.free[name] {
			continue
		}
		why := "Insufficient " + string(name)
		if name == corev1.ResourcePods {
			why = "Too many pods"
		}
		if short == "" || why < short {
			short = why
		}
	}
	return short
}

// ports reports whether a port of the host that the pod wants is taken.
func ports(p *pod, n *node) bool {
	for _, port := range hostPorts(p) {
		for other := range n.pods {
			for _, taken := range hostPorts(other) {
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

func hostPorts(p *pod) (list []corev1.ContainerPort) {
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
	score += weighSpread * 100 / float64(1+a.siblings[n])
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
	for name, counts := range a.p.counts {
		quantity := n.Status.Allocatable[name]
		has := quantity.Value()
		if name == corev1.ResourceCPU {
			has = quantity.MilliValue()
		}
		if has > 0 {
			kinds++
			sum += 100 * float64(max(n.scored[name]-counts, 0)) / float64(has)
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
