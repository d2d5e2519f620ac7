package main

import (
	"context"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

const kuredsLock = "weave.works/kured-node-lock"

// inKuredsYard is a yard in which kured runs, with its lock as given.
func inKuredsYard(t *testing.T, lock string, test func(s *yard)) {
	inYard(t, 2, sweepUpgrade, func(s *yard) {
		s.must(s.API.AddDaemonSet("kube-system", "kured", nil))
		s.must(s.Settle(context.Background(), 8))
		s.lockKured(lock)
		test(s)
	})
}

func (s *yard) lockKured(lock string) {
	s.must(kubetest.Change(s.API, "kube-system", "kured", func(d *appsv1.DaemonSet) {
		d.Annotations = map[string]string{kuredsLock: lock}
		if lock == "" {
			d.Annotations = nil
		}
	}))
}

func (s *yard) kuredsLock() string {
	return kubetest.Get[*appsv1.DaemonSet](s.API, "kube-system", "kured").Annotations[kuredsLock]
}

// watchKured fails the test where a node is claimed that kured could reboot.
func (s *yard) watchKured() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan bool)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			before := s.kuredsLock() // taken before the first claim, and given back after the last one
			nodes := kubetest.List[*corev1.Node](s.API, "")
			locks := before + s.kuredsLock()
			for _, n := range nodes {
				if n.Annotations["fleetup.io/run"] != "" && !strings.Contains(locks, "fleetup") {
					s.Errorf("%s is claimed, kured's lock is %q", n.Name, locks)
					return
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

// kured's lock is the run's while a node is claimed, also after its death, and is given back at its end.
func TestKuredIsKeptOff(t *testing.T) {
	inKuredsYard(t, "", func(s *yard) {
		defer s.watchKured()()
		s.says(0, "a run holds its lock, on daemonset kube-system/kured", "check", s.inventory)
		p := s.process(s.path("state"))
		at := time.AfterFunc(8*time.Second, p.kill)
		defer at.Stop()
		p.fleetup("run", s.inventory)
		if !strings.Contains(s.kuredsLock(), "fleetup") {
			s.Errorf("after its death: %q", s.kuredsLock())
		}
		s.says(0, "2 nodes done", "run", s.inventory)
		if lock := s.kuredsLock(); lock != "" {
			s.Errorf("at the end: %q", lock)
		}
	})
}

// A node that failed stays claimed, and kept from kured, until abort.
func TestKuredIsKeptOffWhatFailed(t *testing.T) {
	inKuredsYard(t, "", func(s *yard) {
		s.Machines["n1"].FailBoot()
		s.says(1, "n1", "run", s.inventory)
		if !strings.Contains(s.kuredsLock(), "fleetup") {
			s.Errorf("after the failure: %q", s.kuredsLock())
		}
		s.Machines["n1"].PowerOn()
		time.Sleep(time.Minute)
		s.says(0, "1 node given back", "abort", "--yes", s.inventory)
		if lock := s.kuredsLock(); lock != "" {
			s.Errorf("after abort: %q", lock)
		}
	})
}

// A node that kured reboots is waited for before the first one is closed.
func TestKuredIsWaitedFor(t *testing.T) {
	inKuredsYard(t, `{"nodeID":"n2"}`, func(s *yard) {
		at := time.AfterFunc(3*time.Minute, func() {
			for _, n := range kubetest.List[*corev1.Node](s.API, "") {
				if n.Spec.Unschedulable {
					s.Errorf("%s was closed", n.Name)
				}
			}
			s.lockKured("")
		})
		defer at.Stop()
		s.says(0, "kured is rebooting n2", "run", s.inventory)
	})
}
