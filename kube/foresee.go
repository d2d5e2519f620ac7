package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/fleetup/fleetup/kube/simulate"
)

// World is the cluster as the watches know it now, for a simulation. options are the settings by which each node is drained:
// what stays, is refused or is somebody's last endpoint is decided by the rules of the drain itself. A node with the pod that this
// process is in is left as it is where HandOver says so. A World is for one goroutine.
func (c *Cluster) World(options func(node string) DrainOptions) simulate.World {
	w := simulate.World{Nodes: c.nodes.all(), Pods: c.pods.all(), Budgets: c.budgets.all(), Services: c.services.all(),
		Volumes: map[string]*corev1.VolumeNodeAffinity{}, Drivers: map[string]string{}}
	for _, v := range c.volumes.all() {
		if claim := claimOf(v); claim != "" {
			w.Volumes[claim] = v.Spec.NodeAffinity
			if v.Spec.CSI != nil {
				w.Drivers[claim] = v.Spec.CSI.Driver
			}
		}
	}
	w.Quotas, w.Attachable = c.ahead.quotas, c.ahead.attachable
	self := selfPod()
	stays := c.staysHere(self, w)
	type place struct {
		pod  *corev1.Pod
		node string
	}
	known := map[place]simulate.Rules{} // a run is played ahead several times
	w.Rules = func(p *corev1.Pod, node string) simulate.Rules {
		r, asked := known[place{p, node}]
		if asked {
			return r
		}
		r = c.rulesFor(p, options(node))
		if stays != "" && keyOf(p) == self {
			r.Refused = "fleetup's own pod, which " + stays
		}
		known[place{p, node}] = r
		return r
	}
	return w
}

// ahead is what a forecast alone needs, which no watch follows.
type ahead struct {
	quotas     []*corev1.ResourceQuota
	attachable map[string]map[string]int // by node and CSI driver
}

// LookAhead reads quotas, and how many volumes nodes can attach, for all later Worlds. A run needs no right to that: what this
// user may not read, or can't be read now, is returned, and forecasts go without it.
func (c *Cluster) LookAhead(ctx context.Context) (unread []string) {
	a := ahead{attachable: map[string]map[string]int{}}
	read := func(err error, without string) {
		if err != nil {
			unread = append(unread, fmt.Sprintf("%s: %v", without, err))
		}
	}
	quotas, err := listAll[*corev1.ResourceQuota](ctx, c, "/api/v1/resourcequotas")
	a.quotas = quotas
	read(err, "what quotas would refuse isn't foreseen")
	nodes, err := listAll[storagev1.CSINode](ctx, c, "/apis/storage.k8s.io/v1/csinodes")
	for _, n := range nodes {
		for _, d := range n.Spec.Drivers {
			if d.Allocatable != nil && d.Allocatable.Count != nil {
				if a.attachable[n.Name] == nil {
					a.attachable[n.Name] = map[string]int{}
				}
				a.attachable[n.Name][d.Name] = int(*d.Allocatable.Count)
			}
		}
	}
	read(err, "how many volumes nodes can attach isn't foreseen")
	c.ahead = a
	return unread
}

// Scaled counts the HorizontalPodAutoscalers: what they will do can't be foreseen. 0: there are none, or they can't be read.
func (c *Cluster) Scaled(ctx context.Context) int {
	all, _ := listAll[json.RawMessage](ctx, c, "/apis/autoscaling/v2/horizontalpodautoscalers")
	return len(all)
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
