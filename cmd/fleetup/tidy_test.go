package main

import (
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/kube"
)

// soft names the nodes that carry the soft taint.
func (s *yard) soft() (names []string) {
	for _, n := range []string{"n1", "n2", "n3"} {
		for _, t := range s.node(n).Spec.Taints {
			if t.Key == kube.TaintPending {
				names = append(names, n)
			}
		}
	}
	return names
}

// dies lets a run begin, and kills it once nodes are marked as still to come. It returns those.
func (s *yard) dies(state string) []string {
	first := s.process(state)
	over := make(chan int, 1)
	go func() { over <- first.fleetup("run", s.inventory) }()
	for range 600 {
		if s.node("n1").Annotations[kube.AnnotationRun] != "" && strings.Join(s.soft(), " ") == "n2 n3" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	first.kill()
	<-over
	time.Sleep(time.Second)
	return s.soft()
}

// What a killed run left on nodes that it hadn't come to is gone after abort, after a run that is refused before it
// touches anything, and after one that goes on.
func TestSoftTaintOfAKilledRun(t *testing.T) {
	for name, c := range map[string]struct {
		command string
		exit    int
		before  func(s *yard)
	}{
		"abort":              {"abort", 0, nil},
		"run, refused":       {"run", 1, func(s *yard) { s.Machines["n3"].PowerOff() }},
		"run, which goes on": {"run", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inYard(t, 3, sweepUpgrade, func(s *yard) {
				if left := s.dies(s.path("state")); strings.Join(left, " ") != "n2 n3" {
					t.Fatalf("a killed run left its mark on %v", left)
				}
				if c.before != nil {
					c.before(s)
				}
				next := s.process(s.path("state"))
				if code := next.fleetup(c.command, "--yes", s.inventory); code != c.exit {
					t.Errorf("exit %d\n%s%s", code, next.out, next.err)
				}
				if left := s.soft(); len(left) > 0 {
					t.Errorf("still on %v\n%s%s", left, next.out, next.err)
				}
			})
		})
	}
}
