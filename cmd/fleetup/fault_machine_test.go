package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/runner/remote/remotetest"
)

// TestFault26LoginsRefusedAfterBoot: for two minutes after a boot only root may log in; that is no failure.
func TestFault26LoginsRefusedAfterBoot(t *testing.T) {
	nodes := box.Workers(2)
	nodes[0].Machine = func(o *remotetest.Options) { o.LoginDelay = 2 * time.Minute }
	inYardOf(t, nodes, sweepUpgrade, func(s *yard) {
		s.says(0, "2 nodes done", "run", s.inventory)
	})
}

// TestFault28NodeNeverReturns: failed at the reboot timeout, closed and annotated with why; the next node is untouched.
func TestFault28NodeNeverReturns(t *testing.T) {
	inYard(t, 2, sweepUpgrade+"[reboot]\ntimeout = \"10m\"\n", func(s *yard) {
		s.Machines["n1"].FailBoot()
		began := time.Now()
		s.says(1, "the reboot took longer than 10m", "run", s.inventory)
		if took := time.Since(began); took > 15*time.Minute {
			t.Errorf("took %s", took)
		}
		n := s.node("n1")
		if why := n.Annotations["fleetup.io/failed"]; !n.Spec.Unschedulable || !strings.Contains(why, "reboot") {
			t.Errorf("cordoned %v, %q", n.Spec.Unschedulable, why)
		}
		if n := s.node("n2"); n.Spec.Unschedulable || s.Machines["n2"].Installed("kubelet") != "1.36.4-1.1" {
			t.Error("n2 was touched")
		}
	})
}

// TestFault32ControlPlaneOneByOne: whatever max_unavailable says, members go one at a time, each while all others are
// Ready.
func TestFault32ControlPlaneOneByOne(t *testing.T) {
	nodes := box.Workers(3)
	for i := range nodes {
		nodes[i].Groups = []string{"control-plane"}
	}
	inYardOf(t, nodes, sweepUpgrade+"[strategy]\nmax_unavailable = 3\n", func(s *yard) {
		s.API.Fail(func(*http.Request) (int, time.Duration, bool) {
			down := 0
			for _, n := range kubetest.List[*corev1.Node](s.API, "") {
				if n.Annotations["fleetup.io/run"] != "" || !isReady(n) {
					down++
				}
			}
			if down > 1 {
				t.Errorf("%d members are down at once", down)
			}
			return 0, 0, false
		})
		s.says(0, "3 nodes done", "run", s.inventory)
	})
}
