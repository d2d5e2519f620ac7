package kubetest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// enoughNodes is how many fitting nodes are compared; a larger cluster isn't searched to its end for every pod.
const enoughNodes = 20

// schedule tries to place every pod that has no node yet.
func (s *Server) schedule() {
	waiting := s.pods.on("")
	if len(waiting) == 0 {
		return
	}
	all := s.tables[nodes].list("")
	for _, p := range waiting {
		if finished(p) || p.DeletionTimestamp != nil {
			continue
		}
		node, why := "", s.claimVolumes(p)
		if why == "" {
			node, why = s.choose(p, all)
		}
		s.change(pods, keyOf(p), func(o Object) { bind(o.(*corev1.Pod), node, why) })
	}
}

func bind(p *corev1.Pod, node, why string) {
	c := corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}
	if node == "" {
		c.Status, c.Reason, c.Message = corev1.ConditionFalse, corev1.PodReasonUnschedulable, why
	}
	p.Spec.NodeName = node
	setPodCondition(p, c)
}

// choose picks, of the nodes that fit, the one with the fewest taints that would rather keep the pod away, then with the
// fewest pods of the same owner, then with the fewest pods.
func (s *Server) choose(p *corev1.Pod, all []*record) (node, why string) {
	best, found := 0, 0
	reasons := map[string]int{}
	for i := range all {
		n := all[(i+s.rotation)%len(all)].obj.(*corev1.Node)
		if reason := s.fits(p, n); reason != "" {
			reasons[reason]++
			continue
		}
		score := s.crowd(p, n.Name) + unwelcome*avoids(p, n)
		if node == "" || score < best {
			node, best = n.Name, score
		}
		if found++; found == enoughNodes {
			s.rotation += i + 1
			break
		}
	}
	if node != "" {
		return node, ""
	}
	why = fmt.Sprintf("0/%d nodes are available", len(all))
	separator := ": "
	for _, reason := range sortedKeys(reasons) {
		why += fmt.Sprintf("%s%d %s", separator, reasons[reason], reason)
		separator = ", "
	}
	return "", why + "."
}

// unwelcome is what a soft taint weighs: more than any crowd.
const unwelcome = 1 << 30

// avoids counts the taints of the effect PreferNoSchedule that the pod doesn't tolerate.
func avoids(p *corev1.Pod, n *corev1.Node) (count int) {
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectPreferNoSchedule && !tolerates(p.Spec.Tolerations, t) {
			count++
		}
	}
	return count
}

func (s *Server) crowd(p *corev1.Pod, node string) int {
	score := len(s.pods.onNode[node])
	owner := metav1.GetControllerOfNoCopy(p)
	if owner == nil {
		return score
	}
	for _, r := range s.pods.onNode[node] {
		if other := metav1.GetControllerOfNoCopy(r.obj); other != nil && other.UID == owner.UID {
			score += 1000
		}
	}
	return score
}

// fits returns "" or, in the scheduler's words, why the node doesn't take the pod.
func (s *Server) fits(p *corev1.Pod, n *corev1.Node) string {
	tolerated := func(t corev1.Taint) bool { return tolerates(p.Spec.Tolerations, t) }
	if n.Spec.Unschedulable && !tolerated(corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}) {
		return "node(s) were unschedulable"
	}
	for _, t := range n.Spec.Taints {
		if t.Effect != corev1.TaintEffectPreferNoSchedule && !tolerated(t) {
			return fmt.Sprintf("node(s) had untolerated taint {%s: %s}", t.Key, t.Value)
		}
	}
	if !wantsNode(p, n) {
		return "node(s) didn't match Pod's node affinity/selector"
	}
	if !s.volumesReach(p, n) {
		return "node(s) didn't match PersistentVolume's node affinity"
	}
	if reason := s.room(p, n); reason != "" {
		return reason
	}
	if s.repelled(p, n) {
		return "node(s) didn't match pod anti-affinity rules"
	}
	return ""
}

// wantsNode follows nodeSelector and required node affinity.
func wantsNode(p *corev1.Pod, n *corev1.Node) bool {
	if !labels.SelectorFromSet(p.Spec.NodeSelector).Matches(labels.Set(n.Labels)) {
		return false
	}
	if p.Spec.Affinity == nil || p.Spec.Affinity.NodeAffinity == nil {
		return true
	}
	return inNodeSelector(p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution, n)
}

// inNodeSelector: one term is enough, and a term wants all of its expressions.
func inNodeSelector(required *corev1.NodeSelector, n *corev1.Node) bool {
	if required == nil {
		return true
	}
	for _, term := range required.NodeSelectorTerms {
		if len(term.MatchExpressions)+len(term.MatchFields) > 0 &&
			allMatch(term.MatchExpressions, n.Labels) && allMatch(term.MatchFields, labels.Set{"metadata.name": n.Name}) {
			return true
		}
	}
	return false
}

var operators = map[corev1.NodeSelectorOperator]selection.Operator{
	corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
	corev1.NodeSelectorOpExists: selection.Exists, corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist,
	corev1.NodeSelectorOpGt: selection.GreaterThan, corev1.NodeSelectorOpLt: selection.LessThan,
}

func allMatch(expressions []corev1.NodeSelectorRequirement, set labels.Set) bool {
	for _, e := range expressions {
		r, err := labels.NewRequirement(e.Key, operators[e.Operator], e.Values)
		if err != nil || !r.Matches(set) {
			return false
		}
	}
	return true
}

// volumesReach: a local volume keeps its pod on its node.
func (s *Server) volumesReach(p *corev1.Pod, n *corev1.Node) bool {
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim := s.tables[claims].get(key{p.Namespace, v.PersistentVolumeClaim.ClaimName})
		if claim == nil {
			continue
		}
		pv := s.tables[volumes].get(key{name: claim.obj.(*corev1.PersistentVolumeClaim).Spec.VolumeName})
		if pv == nil {
			continue
		}
		if a := pv.obj.(*corev1.PersistentVolume).Spec.NodeAffinity; a != nil && !inNodeSelector(a.Required, n) {
			return false
		}
	}
	return true
}

// repelled follows required pod anti-affinity by hostname, both ways.
func (s *Server) repelled(p *corev1.Pod, n *corev1.Node) bool {
	for _, r := range s.pods.onNode[n.Name] {
		other := r.obj.(*corev1.Pod)
		if !finished(other) && (repels(p, other) || repels(other, p)) {
			return true
		}
	}
	return false
}

func repels(p, other *corev1.Pod) bool {
	if p.Spec.Affinity == nil || p.Spec.Affinity.PodAntiAffinity == nil {
		return false
	}
	for _, term := range p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
		if err == nil && term.TopologyKey == corev1.LabelHostname && inNamespaces(term.Namespaces, p, other) &&
			selector.Matches(labels.Set(other.Labels)) {
			return true
		}
	}
	return false
}

func inNamespaces(named []string, p, other *corev1.Pod) bool {
	if len(named) == 0 {
		return p.Namespace == other.Namespace
	}
	for _, ns := range named {
		if ns == other.Namespace {
			return true
		}
	}
	return false
}
