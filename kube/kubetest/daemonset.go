package kubetest

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// syncDaemonSet keeps one pod on each node that matches and whose taints are tolerated. A NoSchedule taint that comes
// later lets a pod stay, but none start.
func (s *Server) syncDaemonSet(at key) {
	r := s.tables[daemonSets].get(at)
	if r == nil || r.obj.GetDeletionTimestamp() != nil {
		return
	}
	set := r.obj.(*appsv1.DaemonSet)
	on := map[string]*corev1.Pod{}
	for _, p := range s.owners.podsOf(set.UID) {
		switch {
		case finished(p) && p.DeletionTimestamp == nil:
			_, _, _ = s.delete(pods, keyOf(p), metav1.DeleteOptions{}, false)
		default:
			on[p.Spec.NodeName] = p
		}
	}
	desired := int32(0)
	for _, n := range s.tables[nodes].list("") {
		start, stay := s.daemonOn(set, n.obj.(*corev1.Node))
		p := on[n.obj.GetName()]
		if stay {
			desired++
		}
		switch {
		case p == nil && start:
			s.startDaemon(set, n.obj.GetName())
		case p != nil && !stay && p.DeletionTimestamp == nil:
			_, _, _ = s.delete(pods, keyOf(p), metav1.DeleteOptions{}, false)
		}
	}
	s.showDaemonSet(at, desired)
}

// daemonOn reports whether a pod may start on the node, and whether one that is there may stay.
func (s *Server) daemonOn(set *appsv1.DaemonSet, n *corev1.Node) (start, stay bool) {
	p := podFrom(set, daemonSets, &set.Spec.Template)
	daemonTolerations(p)
	if !wantsNode(p, n) || n.DeletionTimestamp != nil {
		return false, false
	}
	start, stay = true, true
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectPreferNoSchedule || tolerates(p.Spec.Tolerations, t) {
			continue
		}
		start = false
		if t.Effect == corev1.TaintEffectNoExecute {
			stay = false
		}
	}
	return start, stay
}

// daemonTolerations are those of kubernetes/pkg/controller/daemon/util.AddOrUpdateDaemonPodTolerations.
func daemonTolerations(p *corev1.Pod) {
	add := func(taint string, effect corev1.TaintEffect) {
		p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: taint, Operator: corev1.TolerationOpExists, Effect: effect})
	}
	add(corev1.TaintNodeNotReady, corev1.TaintEffectNoExecute)
	add(corev1.TaintNodeUnreachable, corev1.TaintEffectNoExecute)
	add(corev1.TaintNodeDiskPressure, corev1.TaintEffectNoSchedule)
	add(corev1.TaintNodeMemoryPressure, corev1.TaintEffectNoSchedule)
	add(corev1.TaintNodePIDPressure, corev1.TaintEffectNoSchedule)
	add(corev1.TaintNodeUnschedulable, corev1.TaintEffectNoSchedule)
	if p.Spec.HostNetwork {
		add(corev1.TaintNodeNetworkUnavailable, corev1.TaintEffectNoSchedule)
	}
}

func (s *Server) startDaemon(set *appsv1.DaemonSet, node string) {
	p := podFrom(set, daemonSets, &set.Spec.Template)
	daemonTolerations(p)
	p.GenerateName = set.Name + "-"
	p.Labels = with(p.Labels, appsv1.ControllerRevisionHashLabelKey, templateHash(&set.Spec.Template))
	bind(p, node, "")
	_, _ = s.create(pods, p, false)
}

func (s *Server) showDaemonSet(at key, desired int32) {
	s.change(daemonSets, at, func(o Object) {
		set := o.(*appsv1.DaemonSet)
		active := activePods(s.owners.podsOf(set.UID))
		set.Status.ObservedGeneration, set.Status.DesiredNumberScheduled = set.Generation, desired
		set.Status.CurrentNumberScheduled, set.Status.UpdatedNumberScheduled = int32(len(active)), int32(len(active))
		set.Status.NumberReady, set.Status.NumberAvailable = countReady(active), countReady(active)
		set.Status.NumberUnavailable = max(0, desired-set.Status.NumberAvailable)
	})
}
