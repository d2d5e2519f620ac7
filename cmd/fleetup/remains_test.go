package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/kube/kubetest"
)

// killAt kills a process right before a request for which at is true the first time.
func (s *yard) killAt(p *process, at func(*http.Request) bool) (killed *bool) {
	killed = new(bool)
	s.API.Fail(func(r *http.Request) (int, time.Duration, bool) {
		if *killed || !at(r) {
			return 0, 0, false
		}
		*killed = true
		p.kill()
		return 0, 0, true
	})
	return killed
}

// A process that was killed at its run's very end, before it gave kured's lock back, doesn't keep kured off for good: whoever
// comes next gives it back, though there is nothing to do.
func TestFault01KuredsLockOfAKilledRun(t *testing.T) {
	inKuredsYard(t, "", func(s *yard) {
		p := s.process(s.path("state"))
		killed := s.killAt(p, func(r *http.Request) bool {
			return r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/daemonsets/kured") && s.kuredsLock() != ""
		})
		p.fleetup("run", s.inventory)
		if !*killed || !strings.Contains(s.kuredsLock(), "fleetup") {
			s.Fatalf("killed %v, kured's lock is %q:\n%s", *killed, s.kuredsLock(), s.said())
		}
		time.Sleep(time.Minute)
		s.says(0, "nothing to do", "run", s.inventory)
		if lock := s.kuredsLock(); lock != "" {
			t.Errorf("kured's lock is still %q", lock)
		}
	})
}

// A run of one inventory gives kured's lock back to that of another which still has a node closed, and not to kured.
func TestKuredsLockBetweenInventories(t *testing.T) {
	inYard(t, 3, sweepUpgrade, func(s *yard) {
		s.must(s.API.AddDaemonSet("kube-system", "kured", nil))
		s.must(s.Settle(context.Background(), 10))
		s.haltedBeside()
		run := s.node("n1").Annotations["fleetup.io/run"]
		s.says(0, "2 nodes done", "run", "--limit", "n2,n3", "--set", "strategy.max_unavailable=2", s.inventory)
		if lock := s.kuredsLock(); run == "" || !strings.Contains(lock, run) {
			t.Errorf("n1 is claimed by %q, kured's lock is %q", run, lock)
		}
	})
}

// Hardware work keeps kured off while the node is on, and no longer.
func TestKuredsLockOfHardwareWork(t *testing.T) {
	inYardWith(t, box.Options{Nodes: box.Workers(3), Cluster: kubetest.Config{Seed: 1}, BMC: true}, "", func(s *yard) {
		s.must(s.API.AddDaemonSet("kube-system", "kured", nil))
		s.must(s.Settle(context.Background(), 10))
		for _, step := range []string{"begin", "finish"} {
			s.says(0, "n2", "swap", step, s.inventory, "n2", "--yes")
			if lock := s.kuredsLock(); lock != "" {
				t.Errorf("after swap %s kured's lock is %q", step, lock)
			}
		}
	})
}

// A process that was killed around a claim leaves no Machine that MachineHealthChecks pass over for ever.
func TestFault01MachineOfAKilledClaim(t *testing.T) {
	const skip = "cluster.x-k8s.io/skip-remediation"
	inYard(t, 2, lostUpgrade, func(s *yard) {
		s.must(kubetest.Change(s.API, "", "n1", func(n *corev1.Node) {
			n.Annotations = map[string]string{"cluster.x-k8s.io/machine": "machine-n1", "cluster.x-k8s.io/cluster-namespace": "metal"}
		}))
		s.must(s.API.Add(&kubetest.Machine{PartialObjectMetadata: metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "metal", Name: "machine-n1"}}}))
		time.Sleep(time.Second)
		skipped := func() bool {
			_, is := kubetest.Get[*kubetest.Machine](s.API, "metal", "machine-n1").Annotations[skip]
			return is
		}
		p := s.process(s.path("state"))
		killed := s.killAt(p, func(r *http.Request) bool {
			return r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/nodes/n1") && skipped()
		})
		p.fleetup("run", s.inventory)
		if !*killed || !skipped() {
			s.Fatalf("killed %v, skipped %v:\n%s", *killed, skipped(), s.said())
		}
		time.Sleep(time.Minute)
		s.says(0, "aborted", "abort", "--yes", s.inventory)
		if skipped() {
			t.Errorf("machine-n1 is passed over still:\n%s", s.said())
		}
	})
}

// haltedBeside makes an inventory beside the yard's own, whose run of n1 halts.
func (s *yard) haltedBeside() {
	text, err := os.ReadFile(s.inventory)
	s.must(err)
	other := filepath.Join(filepath.Dir(s.inventory), "other.toml")
	s.must(os.WriteFile(other, text, 0o600))
	s.Machines["n1"].BreakKubelet("1.37.2")
	s.says(1, "halted: node n1 failed", "run", "--limit", "n1", "--unattended", other)
}

// besideJob is a run of one inventory where another one's has halted on a node of its own.
var besideJob = job{nodes: 3, args: []string{"run", "--limit", "n2,n3", "--set", "strategy.max_unavailable=2"}, before: (*yard).haltedBeside,
	look: func(s *yard, standing map[string]string) {
		aside := kubetest.Get[*coordinationv1.Lease](s.API, "kube-system", "fleetup").Annotations["fleetup.io/aside"]
		if !strings.Contains(aside, `"other"`) || !strings.Contains(aside, "node n1 failed") || strings.Contains(aside, `"inventory"`) {
			s.Errorf("aside stands %q", aside)
		}
	}}

// TestFault01KillSweepBesideAnotherInventory: wherever the run is killed, what the Lease says of the other inventory's stays.
func TestFault01KillSweepBesideAnotherInventory(t *testing.T) { besideJob.sweep(t, 16) }

// A halt that somebody lifted is none any more, also for who asks before the run goes on.
func TestStatusAfterResume(t *testing.T) {
	inYard(t, 2, lostUpgrade, func(s *yard) {
		s.Machines["n1"].BreakKubelet("1.37.2")
		s.says(1, "halted: node n1 failed", "run", "--unattended", s.inventory)
		s.says(0, ": halted: node n1 failed", "status", s.inventory)
		s.says(0, "resumed", "resume", s.inventory)
		s.says(0, ": unfinished\n", "status", s.inventory)
	})
}

// A run that can't take its lease, as the API server is away at that moment, says so.
func TestFault09RunWaitsForItsLease(t *testing.T) {
	inYard(t, 2, lostUpgrade, func(s *yard) {
		from := time.Now()
		s.API.Fail(func(r *http.Request) (int, time.Duration, bool) {
			return http.StatusServiceUnavailable, 0, r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/leases") && time.Since(from) < time.Minute
		})
		s.says(0, "note: lease kube-system/fleetup waits for the API server, which doesn't answer: ", "run", s.inventory)
	})
}
