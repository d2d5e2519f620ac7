package main

import (
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube"
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

// probeRuns says what becomes of the probe pods from here on: how they end, or why they don't, and what they say.
func (s *hall) probeRuns(args []string) (string, error) {
	ran := kubetest.Ran{Log: strings.Join(args[1:], " ")}
	code, err := strconv.Atoi(args[0])
	switch {
	case err == nil:
		ran.Exit = code
	case args[0] == "hangs":
		ran.Hangs = true
	default:
		ran.Waiting = args[0]
	}
	s.box.API.Runs(func(*corev1.Pod) kubetest.Ran { return ran })
	return "", nil
}

// probes lists the probe pods that are there, with their nodes.
func (s *hall) probes([]string) (string, error) {
	var b strings.Builder
	for _, p := range kubetest.List[*corev1.Pod](s.box.API, "") {
		if p.Labels[kube.LabelProbe] != "" {
			fmt.Fprintf(&b, "%s on %s\n", p.Name, p.Spec.NodeName)
		}
	}
	return b.String(), nil
}
