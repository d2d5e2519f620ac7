package kube

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/simulate"
)

// World is the cluster as the watches know it now, for a simulation. options are the settings by which each node is drained:
// what stays, is refused or is somebody's last endpoint is decided by the rules of the drain itself.
func (c *Cluster) World(options func(node string) DrainOptions) simulate.World {
	w := simulate.World{Nodes: c.nodes.all(), Pods: c.pods.all(), Budgets: c.budgets.all(), Services: c.services.all(),
		Volumes: map[string]*corev1.VolumeNodeAffinity{}}
	for _, v := range c.volumes.all() {
		if claim := claimOf(v); claim != "" {
			w.Volumes[claim] = v.Spec.NodeAffinity
		}
	}
	w.Rules = func(p *corev1.Pod, node string) simulate.Rules { return c.rulesFor(p, options(node)) }
	return w
}

func (c *Cluster) rulesFor(p pod, o DrainOptions) simulate.Rules {
	v, why := c.judge(p, o)
	r := simulate.Rules{Stays: v == skip, Past: mayPass(c.budgetsOf(p), o), Last: o.LastEndpoint,
		Patience: o.timeout(time.Duration(graceOf(p, o)) * time.Second)}
	if v == refuse {
		r.Refused = why
	}
	if o.LastEndpoint == "" || v != evict {
		return r
	}
	m := c.makerOfPod(p, o.Run)
	_, workload, _ := strings.Cut(m.name, " ")
	r.Rigid = m.rigid
	r.Accepted = func(service string) bool {
		return slices.Contains(o.AcceptDowntime, service) || workload != "" && slices.Contains(o.AcceptDowntime, workload)
	}
	return r
}
