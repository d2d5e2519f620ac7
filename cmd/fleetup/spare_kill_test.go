package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/kube/kubetest"
)

const spareUpgrade = "[upgrade]\nkubelet = \"1.37.2\"\n[verify]\nprobe = { image = \"tools:1\", namespace = \"shop\" }\n"

// ready counts a Service's ready endpoints.
func (s *yard) ready(service string) (n int) {
	for _, slice := range kubetest.List[*discoveryv1.EndpointSlice](s.API, "shop") {
		for _, e := range slice.Endpoints {
			if slice.Labels[discoveryv1.LabelServiceName] == service && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				n++
			}
		}
	}
	return n
}

// least watches a Service until it is told to stop, and then returns the least that it had.
func (s *yard) least(service string) func() int {
	over, least := make(chan bool), s.ready(service)
	var watching sync.WaitGroup
	watching.Go(func() {
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-over:
				tick.Stop()
				return
			case <-tick.C:
				least = min(least, s.ready(service))
			}
		}
	})
	return func() int { close(over); watching.Wait(); return least }
}

// spared runs a fleet with a Deployment of one behind a Service, and a probe pod on each node; it kills the process at a
// point, and lets another one go on. It returns what isn't as it should be, and the points that there were.
func spared(t *testing.T, at int) (wrong, points []string) {
	inYard(t, 3, spareUpgrade, func(s *yard) {
		s.must(s.API.AddDeployment("shop", "one", 1, nil))
		s.must(s.API.AddService("shop", "one", "one"))
		time.Sleep(10 * time.Second)
		least := s.least("one")
		first := s.process(s.path("state"))
		k := s.killer(first, at)
		over := make(chan int, 1)
		go func() { over <- first.fleetup("run", s.inventory) }()
		code := 0
		select {
		case code = <-over:
			over <- code
		case <-k.killed:
		}
		if k.struck() {
			next := s.process(k.kept)
			if code = next.fleetup("run", s.inventory); code != 0 {
				wrong = append(wrong, fmt.Sprintf("exit %d: %s%s", code, next.out, next.err))
			}
		}
		<-over
		if n := least(); n < 1 {
			wrong = append(wrong, "the Service had no endpoint")
		}
		wrong = append(wrong, s.remains()...)
		points = k.points
	})
	return wrong, points
}

// remains are what no run may leave: soft taints, probe pods, more than one rollout for a node that was drained.
func (s *yard) remains() (list []string) {
	if soft := s.soft(); len(soft) > 0 {
		list = append(list, fmt.Sprint("soft taints on ", soft))
	}
	for _, p := range kubetest.List[*corev1.Pod](s.API, "shop") {
		if p.Labels[kube.LabelProbe] != "" {
			list = append(list, "probe pod "+p.Name)
		}
	}
	rollouts := -1
	for _, set := range kubetest.List[*appsv1.ReplicaSet](s.API, "shop") {
		if strings.HasPrefix(set.Name, "one-") {
			rollouts++
		}
	}
	if rollouts < 1 || rollouts > 2 { // off the node where it was, and once more if that was the first to be done
		list = append(list, fmt.Sprint(rollouts, " rollouts"))
	}
	return list
}

// TestKillSweepOfLastEndpoint kills a run around each restart and at some other points, `make faults` at every one: the Service never goes without, no second rollout is
// begun for a pod, and neither a soft taint nor a probe pod is left.
func TestKillSweepOfLastEndpoint(t *testing.T) {
	wrong, points := spared(t, 0)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	step, restarts := 40, 0
	if os.Getenv("FLEETUP_FAULTS") == "all" {
		step = 1
	}
	for i, p := range points {
		around := strings.Contains(p, "deployments/one")
		if around {
			restarts++
		}
		if !around && i%step > 0 {
			continue
		}
		if wrong, reached := spared(t, i+1); len(wrong) > 0 {
			t.Errorf("killed at %q: %s", reached[len(reached)-1], strings.Join(wrong, "\n"))
		}
	}
	if restarts == 0 {
		t.Errorf("no restart among %d points", len(points))
	}
}
