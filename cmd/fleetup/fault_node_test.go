package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/kube/kubetest"
)

// says runs one command in a process of its own and fails unless it ends so and says that.
func (s *yard) says(code int, words string, args ...string) {
	s.Helper()
	p := s.process(s.path("state"))
	if got := p.fleetup(args...); got != code {
		s.Errorf("%v: exit %d, want %d:\n%s%s", args, got, code, p.out, p.err)
	}
	if all := p.out.String() + p.err.String(); !strings.Contains(all, words) {
		s.Errorf("%v: %q isn't said, but\n%s", args, words, all)
	}
}

// A failed node is released once it is well again, refused before, and taken again when a human says so.
func TestNodeDecisions(t *testing.T) {
	inYard(t, 2, "[upgrade]\nkubelet = \"1.37.2\"\n", func(s *yard) {
		s.says(1, "no run is unfinished", "node", "retry", s.inventory, "n1")
		s.Machines["n1"].BreakKubelet("1.37.2")
		s.says(1, "n1", "run", s.inventory)
		time.Sleep(time.Minute)
		s.says(64, "not among the inventory's nodes", "node", "skip", s.inventory, "n9")
		s.says(1, "` gives it back", "node", "skip", s.inventory, "n1")
		s.says(1, "isn't Ready", "node", "release", s.inventory, "n1")
		s.says(1, "hasn't failed", "node", "retry", s.inventory, "n2")
		s.says(0, "tried again, first and alone", "node", "retry", s.inventory, "n1")
		if n := s.node("n1"); !n.Spec.Unschedulable || n.Annotations["fleetup.io/failed"] == "" {
			s.Errorf("decisions touched it: %+v", n.Annotations)
		}
		s.says(0, "left alone for the rest", "node", "skip", s.inventory, "n2")
	})
}

// A node that a run was killed on in mid-drain is given back by hand, and left alone by that run.
func TestNodeRelease(t *testing.T) {
	inYard(t, 2, "[upgrade]\nkubelet = \"1.37.2\"\n", func(s *yard) {
		p := s.process(s.path("state"))
		at := time.AfterFunc(1500*time.Millisecond, p.kill)
		defer at.Stop()
		p.fleetup("run", s.inventory)
		if n := s.node("n1"); n.Annotations["fleetup.io/run"] == "" {
			t.Fatalf("killed before the claim: %s", p.err)
		}
		s.says(0, "n1 is given back, cordoned or not as it was found", "node", "release", s.inventory, "n1")
		if n := s.node("n1"); n.Spec.Unschedulable || n.Annotations["fleetup.io/run"] != "" {
			t.Errorf("not given back: %v", n.Annotations)
		}
		s.says(1, "nothing to give back", "node", "release", s.inventory, "n1")
		s.says(0, "done", "run", s.inventory)
		if v1, v2 := s.Machines["n1"].Installed("kubelet"), s.Machines["n2"].Installed("kubelet"); v1 != "1.36.4-1.1" || v2 != "1.37.2-1.1" {
			t.Errorf("kubelets %s and %s", v1, v2)
		}
	})
}

// A node that is done stays so: skipped, it would be left out of what takes its wave back.
func TestDoneNodeIsNotSkipped(t *testing.T) {
	inYard(t, 2, lostUpgrade, func(s *yard) {
		s.killedAfter(20 * time.Second)
		s.says(1, "node n1 is done in run", "node", "skip", s.inventory, "n1")
		s.says(0, "2 nodes done", "run", s.inventory)
	})
}

// Paused from another machine, a run starts nothing; resumed, it goes on.
func TestPauseAndResume(t *testing.T) {
	inYard(t, 2, "[upgrade]\nkubelet = \"1.37.2\"\n", func(s *yard) {
		s.says(0, "nothing to do", "resume", s.inventory)
		s.says(0, "no run is under way", "pause", s.inventory)
		over := make(chan int, 1)
		p := s.process(s.path("state"))
		p.identity = "rack/1/2/3"
		go func() { over <- p.fleetup("run", s.inventory) }()
		time.Sleep(10 * time.Minute)
		if n := s.node("n1"); n.Spec.Unschedulable || n.Status.NodeInfo.KubeletVersion != "v1.37.2" && n.Annotations["fleetup.io/run"] != "" {
			t.Errorf("a paused run closed a node: %v", n.Annotations)
		}
		elsewhere := s.process(s.path("elsewhere"))
		elsewhere.identity = "laptop/1/2/3"
		if code := elsewhere.fleetup("node", "skip", s.inventory, "n1"); code != exitHeld {
			t.Errorf("node skip beside a run: exit %d: %s", code, elsewhere.err)
		}
		s.says(0, "is running", "resume", s.inventory)
		if code := <-over; code != 0 {
			t.Errorf("exit %d: %s", code, p.err)
		}
		if said := p.err.String(); strings.Count(said, "nothing new begins: paused; `fleetup resume") != 1 || strings.Count(said, "\ngoing on\n") != 1 {
			t.Errorf("what held it up isn't said once:\n%s", said)
		}
	})
}

// SIGTERM, a pod's end, and SIGHUP park what is in flight within the pod's grace; the next run goes on.
func TestFault01SignalsPark(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			inYard(t, 2, sweepUpgrade, func(s *yard) {
				p := s.process(s.path("state"))
				var took time.Duration
				at := time.AfterFunc(8*time.Second, func() {
					took = -time.Since(s.began)
					p.signal(sig)
				})
				defer at.Stop()
				code := p.fleetup("run", s.inventory)
				if took += time.Since(s.began); code != exitInterrupted || took > 10*time.Second {
					t.Errorf("exit %d after %s:\n%s", code, took, p.err)
				}
				s.says(0, "going on with it", "run", s.inventory)
			})
		})
	}
}

// A run's taint without a claim, out of a backup say, keeps pods off for good unless somebody is told.
func TestStrayTaint(t *testing.T) {
	inYard(t, 2, "[upgrade]\nkubelet = \"1.36.4\"\n", func(s *yard) {
		s.must(kubetest.Change(s.API, "", "n1", func(n *corev1.Node) {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: kube.TaintMaintenance, Value: "20251127-172051-3ba7", Effect: corev1.TaintEffectNoSchedule})
		}))
		s.says(0, "kubectl taint node n1 fleetup.io/maintenance-", "check", s.inventory)
		s.says(0, "tainted by 20251127-172051-3ba7 without a claim", "status", s.inventory)
	})
}
