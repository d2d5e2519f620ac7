package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/runner"
)

// abortJob ends the run of a process that was killed while it upgraded one node of two.
var abortJob = job{nodes: 2, args: []string{"abort", "--yes"}, before: func(s *yard) {
	s.killedAfter(2500 * time.Millisecond)
	time.Sleep(time.Minute)
	if s.node("n1").Annotations["fleetup.io/run"] == "" {
		s.Fatalf("nothing is in flight:\n%s", s.said())
	}
}}

// TestFault01KillSweepOfAnAbort kills an abort at each of its points; the next one ends what it left.
func TestFault01KillSweepOfAnAbort(t *testing.T) { abortJob.sweep(t, 3) }

// An abort that was killed after the journal's last line, and before the Lease knew, leaves neither the run nor its halt there:
// for the next abort, and for the next run, whoever begins it.
func TestAbortedAndNotYetOnTheLease(t *testing.T) {
	for name, then := range map[string]func(s *yard){
		"abort again": func(s *yard) {
			s.says(0, "nothing to do", "abort", "--yes", s.inventory)
			if l := s.leaseStands(); l != `holder "", run "", halt ""` {
				t.Errorf("the lease: %s", l)
			}
		},
		"unattended": func(s *yard) { s.says(0, "2 nodes done", "run", "--unattended", s.inventory) },
	} {
		t.Run(name, func(t *testing.T) {
			inYard(t, 2, lostUpgrade, func(s *yard) {
				s.Machines["n1"].BreakKubelet("1.37.2")
				s.says(1, "halted", "run", "--unattended", s.inventory)
				s.Machines["n1"].MendKubelet("1.37.2")
				time.Sleep(10 * time.Minute) // the node is Ready again
				p := s.process(s.path("state"))
				killed := false
				s.API.Fail(func(r *http.Request) (int, time.Duration, bool) {
					if killed || r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/leases/fleetup") || s.renewal(r) || !s.over(p) {
						return 0, 0, false
					}
					killed = true
					p.kill()
					return 0, 0, true
				})
				p.fleetup("abort", "--yes", s.inventory)
				if !killed {
					s.Fatalf("not killed:\n%s", s.said())
				}
				time.Sleep(time.Minute)
				then(s)
			})
		})
	}
}

// over reports whether the newest journal of a process is finished.
func (s *yard) over(p *process) bool {
	path, ok := runner.Latest(s.journals(p))
	if !ok {
		return false
	}
	_, progress, _, err := runner.ReadJournal(path)
	return err == nil && progress.Finished
}
