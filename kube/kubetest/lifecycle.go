package kubetest

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// syncNode does what the node lifecycle controller does: a silent kubelet's node becomes Unknown, taints follow the
// conditions and the cordon, and pods of a node that isn't Ready aren't either.
func (s *Server) syncNode(at key) {
	if s.tables[nodes].get(at) == nil {
		return
	}
	if k := s.kubelets[at.name]; k != nil && !k.running && time.Since(k.stopped) >= s.config.NodeMonitorGrace {
		s.change(nodes, at, func(o Object) {
			for _, c := range nodeConditions {
				setNodeCondition(o.(*corev1.Node), c, corev1.ConditionUnknown, "NodeStatusUnknown", "Kubelet stopped posting node status.")
			}
		})
	}
	r, _ := s.change(nodes, at, func(o Object) { taintByCondition(o.(*corev1.Node)) })
	n := r.obj.(*corev1.Node)
	if nodeReady(n) != corev1.ConditionTrue && nodeReady(n) != "" {
		for _, p := range s.pods.on(n.Name) {
			if ready(p) {
				s.change(pods, keyOf(p), func(o Object) { setPodReadyFalse(o.(*corev1.Pod)) })
			}
		}
	}
	s.evictByTaint(n)
}

// setPodReadyFalse touches Ready alone, as the real controller does.
func setPodReadyFalse(p *corev1.Pod) {
	setPodCondition(p, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "NodeNotReady"})
}

func nodeReady(n *corev1.Node) corev1.ConditionStatus {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status
		}
	}
	return ""
}

// taintByCondition keeps the taints that the controller owns and leaves all others.
func taintByCondition(n *corev1.Node) {
	ready := nodeReady(n)
	want := map[string]bool{
		corev1.TaintNodeUnschedulable: n.Spec.Unschedulable,
		corev1.TaintNodeNotReady:      ready == corev1.ConditionFalse,
		corev1.TaintNodeUnreachable:   ready == corev1.ConditionUnknown,
	}
	for _, taint := range []string{corev1.TaintNodeUnschedulable, corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		setTaint(n, taint, corev1.TaintEffectNoSchedule, want[taint])
		if taint != corev1.TaintNodeUnschedulable {
			setTaint(n, taint, corev1.TaintEffectNoExecute, want[taint])
		}
	}
}

func setTaint(n *corev1.Node, name string, effect corev1.TaintEffect, want bool) {
	at := slices.IndexFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == name && t.Effect == effect })
	switch {
	case want && at < 0:
		taint := corev1.Taint{Key: name, Effect: effect}
		added := now()
		taint.TimeAdded = &added
		n.Spec.Taints = append(n.Spec.Taints, taint)
	case !want && at >= 0:
		n.Spec.Taints = slices.Delete(slices.Clone(n.Spec.Taints), at, at+1)
		if len(n.Spec.Taints) == 0 {
			n.Spec.Taints = nil
		}
	}
}

// evictByTaint deletes pods that don't tolerate a NoExecute taint, or not for so long.
func (s *Server) evictByTaint(n *corev1.Node) {
	for _, taint := range n.Spec.Taints {
		if taint.Effect != corev1.TaintEffectNoExecute {
			continue
		}
		for _, p := range s.pods.on(n.Name) {
			if p.DeletionTimestamp != nil {
				continue
			}
			left, forever := patience(p, taint)
			switch {
			case forever:
			case left > 0:
				s.work.after(left, runNode, keyOf(n))
			default:
				_, _, _ = s.delete(pods, keyOf(p), metav1.DeleteOptions{}, false)
			}
		}
	}
}

// patience is how much longer a pod may stay on a node with this taint.
func patience(p *corev1.Pod, taint corev1.Taint) (left time.Duration, forever bool) {
	since := time.Now()
	if taint.TimeAdded != nil {
		since = taint.TimeAdded.Time
	}
	for _, t := range p.Spec.Tolerations {
		if !tolerates([]corev1.Toleration{t}, taint) {
			continue
		}
		if t.TolerationSeconds == nil {
			return 0, true
		}
		left = max(left, time.Until(since.Add(time.Duration(*t.TolerationSeconds)*time.Second)))
	}
	return left, false
}

// tolerates follows v1.Toleration.ToleratesTaint.
func tolerates(all []corev1.Toleration, taint corev1.Taint) bool {
	for _, t := range all {
		if t.Effect != "" && t.Effect != taint.Effect || t.Key != "" && t.Key != taint.Key {
			continue
		}
		switch t.Operator {
		case corev1.TolerationOpExists:
			return true
		case "", corev1.TolerationOpEqual:
			if t.Key != "" && t.Value == taint.Value {
				return true
			}
		}
	}
	return false
}
