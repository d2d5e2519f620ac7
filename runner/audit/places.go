package audit

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/fleetup/fleetup/runner/finding"
)

// rackLabels are the labels by which nodes say what they share with others, the first that a node has counts.
var rackLabels = []string{"rack", "topology.kubernetes.io/rack", corev1.LabelTopologyZone}

// rackOf is a node's rack and the label that says so: the node's own, or the inventory's.
func (w *world) rackOf(node string) (label, rack string) {
	n := w.nodes[node]
	if n == nil {
		return "", ""
	}
	for _, name := range rackLabels {
		if value := n.Labels[name]; value != "" {
			return name, value
		}
	}
	if rack := w.hosts[node].Labels["rack"]; rack != "" {
		return "rack", rack
	}
	return "", ""
}

// spread reports whether a workload wants its pods apart over a topology.
func (w *workload) spread(topology string) bool {
	if slices.ContainsFunc(w.spec.TopologySpreadConstraints, func(c corev1.TopologySpreadConstraint) bool {
		return c.TopologyKey == topology && selects(c.LabelSelector, w.labels)
	}) {
		return true
	}
	if w.spec.Affinity == nil || w.spec.Affinity.PodAntiAffinity == nil {
		return false
	}
	apart := w.spec.Affinity.PodAntiAffinity
	terms := slices.Clone(apart.RequiredDuringSchedulingIgnoredDuringExecution)
	for _, p := range apart.PreferredDuringSchedulingIgnoredDuringExecution {
		terms = append(terms, p.PodAffinityTerm)
	}
	return slices.ContainsFunc(terms, func(t corev1.PodAffinityTerm) bool {
		return t.TopologyKey == topology && selects(t.LabelSelector, w.labels)
	})
}

// apart is a patch that spreads a workload's pods over a topology. Nodes that are closed don't count, so that what a drain
// moves needn't wait for the node to come back.
func (w *workload) apart(topology string) string {
	return w.podSpec(object{"topologySpreadConstraints": []object{{
		"maxSkew": 1, "topologyKey": topology, "whenUnsatisfiable": "DoNotSchedule", "nodeTaintsPolicy": "Honor", "labelSelector": w.selector}}})
}

// placed counts a workload's pods by place; those without a place aren't counted.
func (w *workload) placed(of func(node string) string) (by map[string]int, pods int) {
	by = map[string]int{}
	for _, p := range w.pods {
		if p.Spec.NodeName != "" && p.DeletionTimestamp == nil {
			by[of(p.Spec.NodeName)]++
			pods++
		}
	}
	return by, pods
}

// gathered says that too many of a workload's pods share a place: two or more that are more than half of all, and more than
// an even spread over so many places would put there. Two of three share one of three nodes for no reason; of two nodes one
// has to have two.
func (w *workload) gathered(of func(node string) string, places int, what string) (evidence string, all bool) {
	by, pods := w.placed(of)
	for _, place := range slices.Sorted(maps.Keys(by)) {
		n := by[place]
		if place == "" || n < 2 || 2*n <= pods || places == 0 || n <= (pods+places-1)/places {
			continue
		}
		if n == pods {
			return fmt.Sprintf("all %d pods %s %s, no anti-affinity or spread", n, what, place), true
		}
		return fmt.Sprintf("%d of %d pods %s %s, no anti-affinity or spread", n, pods, what, place), false
	}
	return "", false
}

// homes are the nodes that take a workload's pods, whatever their room: Ready, of those that its affinity fits, and with no
// taint of their own that it doesn't tolerate. A cordon passes.
func (w *world) homes(load *workload) (nodes []string) {
	fits := fitting(load.spec)
	for i := range w.Nodes {
		n := &w.Nodes[i]
		kept := slices.ContainsFunc(n.Spec.Taints, func(taint corev1.Taint) bool {
			return taint.Effect != corev1.TaintEffectPreferNoSchedule && !strings.HasPrefix(taint.Key, "node.kubernetes.io/") &&
				!slices.ContainsFunc(load.spec.Tolerations, func(t corev1.Toleration) bool {
					return t.ToleratesTaint(klog.Logger{}, &taint, false)
				})
		})
		if ready(*n) && !kept && fits(n) {
			nodes = append(nodes, n.Name)
		}
	}
	return nodes
}

func itself(node string) string { return node }

func sharedNodes(w *world) (hits []hit) {
	for _, load := range w.workloads {
		if load.daemon() || load.spread(corev1.LabelHostname) || accepted(load.meta.Annotations, "same-node") {
			continue
		}
		if evidence, all := load.gathered(itself, len(w.homes(load)), "on node"); evidence != "" {
			hits = append(hits, hit{object: load.object(), command: load.apart(corev1.LabelHostname), evidence: evidence, severity: less(all)})
		}
	}
	return hits
}

// less is the severity of what is so of most pods and not of all.
func less(all bool) finding.Severity {
	if all {
		return finding.None
	}
	return info
}

// sharedRacks are workloads with pods on several nodes of one rack, where there are others.
func sharedRacks(w *world) (hits []hit) {
	racks, label := map[string]bool{}, ""
	for i := range w.Nodes {
		if name, rack := w.rackOf(w.Nodes[i].Name); rack != "" {
			racks[rack], label = true, name
		}
	}
	if len(racks) < 2 {
		return nil
	}
	for _, load := range w.workloads {
		nodes, _ := load.placed(itself)
		if load.daemon() || load.spread(label) || accepted(load.meta.Annotations, "same-rack") || len(nodes) < 2 {
			continue
		}
		takes := map[string]bool{}
		for _, node := range w.homes(load) {
			if _, rack := w.rackOf(node); rack != "" {
				takes[rack] = true
			}
		}
		evidence, all := load.gathered(func(node string) string { _, rack := w.rackOf(node); return rack }, len(takes), "in "+label)
		if evidence != "" {
			hits = append(hits, hit{object: load.object(), command: w.labelRacks(label) + load.apart(label), evidence: evidence, severity: less(all)})
		}
	}
	return hits
}

// labelRacks puts the inventory's racks onto the Nodes that lack them: the scheduler knows no inventory. An inventory may
// name a rack as no label can be named.
func (w *world) labelRacks(label string) (commands string) {
	byRack := map[string][]string{}
	var racks []string
	for i := range w.Nodes {
		n := &w.Nodes[i]
		if _, rack := w.rackOf(n.Name); rack != "" && n.Labels[label] == "" {
			if byRack[rack] == nil {
				racks = append(racks, rack)
			}
			byRack[rack] = append(byRack[rack], n.Name)
		}
	}
	for _, rack := range racks {
		commands += kubectl("", "label node %s %s", strings.Join(byRack[rack], " "), shellescape.Quote(label+"="+labelValue(rack))) + "\n"
	}
	return commands
}

var noLabel = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// labelValue is a text as the value of a label: what can't stand in one is a dash.
func labelValue(text string) string {
	const most, ends = 63, "-_."
	text = strings.TrimLeft(noLabel.ReplaceAllString(text, "-"), ends)
	return strings.TrimRight(text[:min(len(text), most)], ends)
}

// pinned are workloads whose selector and required affinity fit one node of several.
func pinned(w *world) (hits []hit) {
	if len(w.Nodes) < 2 {
		return nil
	}
	for _, load := range w.workloads {
		if load.daemon() || accepted(load.meta.Annotations, "one-node") {
			continue
		}
		var paths []string
		if load.spec.NodeName != "" {
			paths = append(paths, "nodeName")
		}
		if len(load.spec.NodeSelector) > 0 {
			paths = append(paths, "nodeSelector")
		}
		if a := load.spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
			paths = append(paths, "affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution")
		}
		var fit []string
		fits := fitting(load.spec)
		for i := range w.Nodes {
			if fits(&w.Nodes[i]) {
				fit = append(fit, w.Nodes[i].Name)
			}
		}
		if len(paths) > 0 && len(fit) == 1 {
			hits = append(hits, hit{object: load.object(), evidence: "fits node " + fit[0] + " alone", command: load.remove(paths...)})
		}
	}
	return hits
}

// fitting reports whether a pod's selector and required affinity let it onto a node, as the scheduler reads them, whatever its taints and
// its room.
func fitting(s *corev1.PodSpec) func(*corev1.Node) bool {
	required := nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: *s})
	return func(n *corev1.Node) bool {
		ok, err := required.Match(n)
		return ok && err == nil && (s.NodeName == "" || s.NodeName == n.Name)
	}
}

// tolerant are pods that come back to a node that is closed.
func tolerant(w *world) (hits []hit) {
	for _, load := range w.workloads {
		if load.daemon() || accepted(load.meta.Annotations, "tolerates-all") {
			continue
		}
		var paths []string
		for i, t := range load.spec.Tolerations {
			everything := t.Key == "" && t.Operator == corev1.TolerationOpExists || t.Key == corev1.TaintNodeUnschedulable
			if everything && (t.Effect == "" || t.Effect == corev1.TaintEffectNoSchedule) {
				paths = append(paths, fmt.Sprintf("tolerations/%d", i))
			}
		}
		if len(paths) > 0 {
			hits = append(hits, hit{object: load.object(), evidence: "tolerates a cordon, as every other taint", command: load.remove(paths...)})
		}
	}
	return hits
}

// localVolumes are data that can't leave their node: hostPath that is written to, and volumes of the kinds local and
// hostPath.
func localVolumes(w *world) (hits []hit) {
	local := map[string]string{} // by claim, the volume's name
	for _, v := range w.Volumes {
		if v.Spec.ClaimRef != nil && (v.Spec.Local != nil || v.Spec.HostPath != nil) {
			local[v.Spec.ClaimRef.Namespace+"/"+v.Spec.ClaimRef.Name] = v.Name
		}
	}
	for _, load := range w.workloads {
		if load.daemon() || accepted(load.meta.Annotations, "local-volume") {
			continue
		}
		var evidence []string
		var claims, changes []object
		for _, v := range load.spec.Volumes {
			change := object{"name": v.Name}
			switch {
			case v.HostPath != nil && load.writes(v.Name):
				evidence = append(evidence, "hostPath "+v.HostPath.Path)
				change["hostPath"] = nil
			case v.PersistentVolumeClaim != nil && local[load.meta.Namespace+"/"+v.PersistentVolumeClaim.ClaimName] != "":
				evidence = append(evidence, fmt.Sprintf("claim %s on local volume %s", v.PersistentVolumeClaim.ClaimName, local[load.meta.Namespace+"/"+v.PersistentVolumeClaim.ClaimName]))
			default:
				continue
			}
			claim := load.meta.Name + "-" + v.Name + "-moved"
			change["persistentVolumeClaim"] = object{"claimName": claim}
			changes = append(changes, change)
			claims = append(claims, manifest("v1", "PersistentVolumeClaim", load.meta.Namespace, claim, object{
				"accessModes": []string{load.access()}, "resources": object{"requests": object{"storage": "10Gi"}}}))
		}
		h := hit{object: load.object(), command: apply(claims...) + "\n" + load.podSpec(object{"volumes": changes})}
		if template := load.localTemplates(local); len(evidence) == 0 && template != "" { // a StatefulSet's templates can't be changed
			evidence = append(evidence, template)
			h.command = accept(load.meta, load.kind, "local-volume")
		}
		if h.evidence = strings.Join(evidence, "; "); h.evidence != "" {
			hits = append(hits, h)
		}
	}
	return hits
}

// localTemplates says which claim of a StatefulSet's pods is on a local volume; "" where none is.
func (w *workload) localTemplates(local map[string]string) string {
	for _, p := range w.pods {
		for _, v := range p.Spec.Volumes {
			if c := v.PersistentVolumeClaim; c != nil && local[p.Namespace+"/"+c.ClaimName] != "" {
				return fmt.Sprintf("claim %s on local volume %s", c.ClaimName, local[p.Namespace+"/"+c.ClaimName])
			}
		}
	}
	return ""
}

// writes reports whether a container has a volume mounted that it may write to.
func (w *workload) writes(volume string) bool {
	return slices.ContainsFunc(slices.Concat(w.spec.InitContainers, w.spec.Containers), func(c corev1.Container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume && !m.ReadOnly })
	})
}

// access is how a volume is mounted that all of a workload's pods use.
func (w *workload) access() string {
	if w.replicas > 1 {
		return string(corev1.ReadWriteMany)
	}
	return string(corev1.ReadWriteOnce)
}
