package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The annotations of fleetup's own that say why a node is closed. Source: design, section 5.
const (
	claimed = "fleetup.io/run"
	ours    = "fleetup.io/"
)

// forgotten is how old a human's cordon is before it counts as left over rather than as work under way.
const forgotten = 24 * time.Hour

func cordons(w *world) (hits []hit) {
	for i := range w.Nodes {
		n := &w.Nodes[i]
		if !n.Spec.Unschedulable || n.Annotations[claimed] != "" || w.spare(n.Name) || accepted(n.Annotations, "cordon") {
			continue
		}
		since := w.since(n, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeUnschedulable }, `"f:unschedulable"`)
		h := hit{object: "node " + n.Name, evidence: "cordoned " + w.ago(since), command: kubectl("", "uncordon %s", n.Name)}
		if !since.IsZero() && w.Now.Sub(since) < forgotten {
			h.severity = info
		}
		hits = append(hits, h)
	}
	return hits
}

// spare reports whether the inventory keeps a node closed on purpose.
func (w *world) spare(node string) bool {
	return w.hosts[node].Spare
}

// since is when something of a node's spec was set: by the taint, else by whoever wrote the field last; zero: nobody says.
func (w *world) since(n *corev1.Node, which func(corev1.Taint) bool, field string) (at time.Time) {
	for _, t := range n.Spec.Taints {
		if which(t) && t.TimeAdded != nil {
			return t.TimeAdded.Time
		}
	}
	for _, m := range n.ManagedFields {
		if m.Time != nil && m.FieldsV1 != nil && strings.Contains(m.FieldsV1.GetRawString(), field) && m.Time.After(at) {
			at = m.Time.Time
		}
	}
	return at
}

// ago says how long something is, in the unit that a person would use.
func (w *world) ago(since time.Time) string {
	if since.IsZero() {
		return "since an unknown time"
	}
	return "for " + about(w.Now.Sub(since))
}

func about(d time.Duration) string {
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%d min", max(1, int(d.Minutes())))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// taints are those that nobody there tolerates: neither Kubernetes' own, which come and go by themselves, nor a control
// plane's. fleetup's own count without a claim.
func taints(w *world) (hits []hit) {
	for i := range w.Nodes {
		n := &w.Nodes[i]
		if n.Annotations[claimed] != "" || accepted(n.Annotations, "taint") {
			continue
		}
		for _, t := range n.Spec.Taints {
			if t.Effect == corev1.TaintEffectPreferNoSchedule || kubernetesOwn(t.Key) || w.wanted(n, t) {
				continue
			}
			since := w.since(n, func(other corev1.Taint) bool { return other.MatchTaint(&t) }, `"f:taints"`)
			hits = append(hits, hit{object: "node " + n.Name, evidence: fmt.Sprintf("taint %s, tolerated by no pod there, %s", t.ToString(), w.ago(since)),
				command: kubectl("", "taint node %s %s:%s-", n.Name, t.Key, t.Effect)})
		}
	}
	return hits
}

func kubernetesOwn(key string) bool {
	domain, _, _ := strings.Cut(key, "/")
	return domain == "node.kubernetes.io" || domain == "node-role.kubernetes.io" || domain == "node.cloudprovider.kubernetes.io"
}

// wanted reports whether a pod on the node names the taint's key among what it tolerates.
func (w *world) wanted(n *corev1.Node, taint corev1.Taint) bool {
	return !strings.HasPrefix(taint.Key, ours) && slices.ContainsFunc(w.onNode[n.Name], func(p *corev1.Pod) bool {
		return slices.ContainsFunc(p.Spec.Tolerations, func(t corev1.Toleration) bool { return t.Key == taint.Key })
	})
}

func skews(w *world) []hit     { return w.skewed(w.Skew) }
func skewsNext(w *world) []hit { return w.skewed(w.Behind) }

func (w *world) skewed(why map[string]string) (hits []hit) {
	for i := range w.Nodes {
		n := &w.Nodes[i]
		if why[n.Name] != "" {
			hits = append(hits, hit{object: "node " + n.Name, evidence: why[n.Name], command: fmt.Sprintf("[upgrade]\nkubelet = %q", strings.TrimPrefix(w.API, "v"))})
		}
	}
	return hits
}

func onlyInCluster(w *world) (hits []hit) {
	if w.Hosts == nil {
		return nil
	}
	for i := range w.Nodes {
		n := &w.Nodes[i]
		if _, known := w.hosts[n.Name]; known || accepted(n.Annotations, "only-in-cluster") {
			continue
		}
		hits = append(hits, hit{object: "node " + n.Name, evidence: "no host of the inventory",
			command: fmt.Sprintf("[hosts]\n%q = { address = %q }", n.Name, addressOf(n))})
	}
	return hits
}

func addressOf(n *corev1.Node) string {
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return a.Address
		}
	}
	return n.Name
}

func onlyInInventory(w *world) (hits []hit) {
	for _, h := range w.Hosts {
		if w.nodes[h.Node] == nil {
			hits = append(hits, hit{object: "node " + h.Node, evidence: "no such Node in the cluster",
				command: "kubeadm token create --print-join-command   # on a control-plane node; run what it prints on " + h.Node})
		}
	}
	return hits
}
