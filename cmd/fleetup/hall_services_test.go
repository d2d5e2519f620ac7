package main

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// restarts tells how many rollouts a Deployment has seen besides its first.
func (s *hall) restarts(args []string) (string, error) {
	ns, name, _ := strings.Cut(args[0], "/")
	n := 0
	for _, set := range kubetest.List[*appsv1.ReplicaSet](s.box.API, ns) {
		if strings.HasPrefix(set.Name, name+"-") {
			n++
		}
	}
	return fmt.Sprintf("%d\n", n-1), nil
}
