package main

import (
	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
)

// poolFindings says what stands against the pools of a blue-green run changing places. A run that has closed nodes already
// was asked before it did: what it carries now tells nothing of the pools.
func (s *session) poolFindings() []runner.Finding {
	pools := s.fleet.Strategy.Pools
	if len(pools) != 2 || s.cluster.run != "" && len(s.claimedBy(s.cluster.run)) > 0 {
		return nil
	}
	return runner.JudgePools(s.pool(pools[0]), s.pool(pools[1]))
}

// pool is one group of the selected hosts as the cluster knows their nodes; the control plane is in none.
func (s *session) pool(name string) runner.Pool {
	p := runner.Pool{Name: name}
	for _, h := range s.hosts {
		n, _ := s.cluster.Node(h.Node)
		c, there := s.cluster.Capacity(h.Node)
		if h.InGroup(name) && there && !h.ControlPlane() && !n.ControlPlane && !s.skipsCordoned(h, n.Unschedulable) {
			p.Nodes = append(p.Nodes, runner.PoolNode{Name: h.Node, Labels: c.Labels, Taints: c.Taints, Architecture: c.Architecture,
				Allocatable: c.Allocatable, Moving: c.Moving, Staying: c.Staying, Bound: c.Bound})
		}
	}
	return p
}

// skipsCordoned reports whether a human's cordon keeps a host out of the run, and so out of its pool.
func (s *session) skipsCordoned(h inventory.Host, cordoned bool) bool {
	return cordoned && !h.Spare && s.fleet.Strategy.Cordoned != "upgrade"
}
