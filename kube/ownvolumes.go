package kube

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// OwnVolume is a PersistentVolume that lies on a node's own disks: no other node can use it.
type OwnVolume struct {
	Name  string
	Claim string // that it is bound to, "namespace/name"; "" for none
	Path  string // on the node; "" where its driver alone knows it
}

// OwnVolumes are those of a node, by name: volumes that may be used there and nowhere else, and those of a path on the node
// that a pod there uses. A volume of storage that all nodes of a zone reach is none as long as the zone has another node.
func (c *Cluster) OwnVolumes(node string) []OwnVolume {
	n, ok := c.nodes.get(node)
	if !ok {
		return nil
	}
	var used []string
	for _, p := range c.podsOn(node) {
		used = append(used, claimsOf(p)...)
	}
	var all []OwnVolume
	for _, v := range c.volumes.all() {
		o := OwnVolume{Name: v.Name, Claim: claimOf(v)}
		switch {
		case v.Spec.Local != nil:
			o.Path = v.Spec.Local.Path
		case v.Spec.HostPath != nil:
			o.Path = v.Spec.HostPath.Path
		}
		pathInUse := v.Spec.HostPath != nil && v.Spec.NodeAffinity == nil && slices.Contains(used, o.Claim)
		if pathInUse || c.boundTo(v, n) {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b OwnVolume) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// boundTo reports whether a volume may be used on n and on no other node.
func (c *Cluster) boundTo(v *corev1.PersistentVolume, n *corev1.Node) bool {
	if v.Spec.NodeAffinity == nil || v.Spec.NodeAffinity.Required == nil {
		return false
	}
	where := nodeaffinity.NewLazyErrorNodeSelector(v.Spec.NodeAffinity.Required)
	fits := func(n *corev1.Node) bool { ok, err := where.Match(n); return ok && err == nil }
	return fits(n) && !slices.ContainsFunc(c.nodes.all(), func(other *corev1.Node) bool { return other.Name != n.Name && fits(other) })
}
