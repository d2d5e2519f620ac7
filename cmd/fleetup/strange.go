package main

import (
	"fmt"

	"github.com/fleetup/fleetup/kube"
)

// strangeRun says who names a run that no fleetup has begun, and what to do about it: somebody wrote that by hand.
func (s *session) strangeRun(run string) error {
	text := fmt.Sprintf("%s is %q, which is no run's id: somebody wrote it by hand. Put the right one back, ", kube.AnnotationRun, run)
	nodes := s.cluster.Nodes()
	for _, h := range s.hosts {
		switch n := nodes[h.Node]; {
		case n.Run != run:
		case len(n.State) == 0:
			return fmt.Errorf("node %[1]s: its annotation %[2]sor take it off: kubectl annotate node %[1]s %[3]s-", h.Node, text, kube.AnnotationRun)
		default: // a run did claim it
			return fmt.Errorf("node %[1]s: its annotation %[2]swhich its taint %[3]s names; or, where nothing is to be gone on with, take off "+
				"the claim and open it yourself: kubectl annotate node %[1]s %[4]s- %[5]s-; kubectl taint node %[1]s %[3]s-; kubectl uncordon %[1]s",
				h.Node, text, kube.TaintMaintenance, kube.AnnotationRun, kube.AnnotationState)
		}
	}
	lease := s.fleet.Cluster.Namespace
	return fmt.Errorf("lease %[1]s/%[2]s: its annotation %[3]sor take it off: kubectl annotate -n %[1]s lease %[2]s %[4]s-", lease, kube.LeaseName, text, kube.AnnotationRun)
}
