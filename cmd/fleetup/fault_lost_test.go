package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/runner"
)

const lostUpgrade = "[upgrade]\nkubelet = \"1.37.2\"\n"

// killedAfter runs a process that is killed so long after its begin, and returns the newest journal that it left.
func (s *yard) killedAfter(d time.Duration) string {
	s.Helper()
	p := s.process(s.path("state"))
	at := time.AfterFunc(d, p.kill)
	defer at.Stop()
	p.fleetup("run", s.inventory)
	dir := s.journals(p)
	path, ok := runner.Latest(dir)
	if !ok {
		s.Fatalf("no journal in %s\n%s", dir, s.said())
	}
	return path
}

// journals is the folder in which a process keeps those of this inventory.
func (s *yard) journals(p *process) string {
	s.Helper()
	f, _, err := p.load(s.inventory, needs{})
	s.must(err)
	dir, err := p.stateDir(f.Name)
	s.must(err)
	return dir
}

// begunJournal is a journal without a line.
func (s *yard) begunJournal() *runner.Journal {
	s.Helper()
	j, err := runner.Create(s.journals(s.process(s.path("state"))), runner.NewRunID(time.Now()))
	s.must(err)
	return j
}

// A journal that a crash, or a full disk, left without its first line is begun by the next process: whether or not nodes
// bear the run's claim, as they do where the disk lied about fsync.
func TestFault02BeforeTheFirstLine(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "torn": `{"version":1,"seq":1,"ti`} {
		t.Run(name, func(t *testing.T) {
			inYard(t, 2, lostUpgrade, func(s *yard) {
				s.must(os.WriteFile(s.killedAfter(1500*time.Millisecond), []byte(content), 0o600))
				if s.node("n1").Annotations["fleetup.io/run"] == "" {
					s.Fatalf("nothing was claimed:\n%s", s.said())
				}
				s.says(0, "2 nodes done", "run", s.inventory)
				s.says(0, "nothing to do", "run", s.inventory)
			})
		})
		t.Run(name+", nothing claimed", func(t *testing.T) {
			inYard(t, 2, lostUpgrade, func(s *yard) {
				j := s.begunJournal()
				s.must(j.Close())
				s.must(os.WriteFile(j.Path(), []byte(content), 0o600))
				time.Sleep(2 * time.Second)
				s.says(0, "no run", "status", s.inventory)
				s.says(0, "2 nodes done", "run", s.inventory)
			})
		})
	}
}

// A journal here that is another cluster's, of the same name: nobody takes its nodes for this one's, and whoever would run is
// told beforehand.
func TestJournalOfAnotherCluster(t *testing.T) {
	inYard(t, 2, lostUpgrade, func(s *yard) {
		j := s.begunJournal()
		s.must(errors.Join(
			j.Append(&runner.Event{Time: time.Now(), Event: runner.EventStarted, Data: map[string]string{"cluster": "elsewhere"}}),
			j.Append(&runner.Event{Time: time.Now(), Event: runner.EventDone, Node: "n1"}),
			j.Close(),
		))
		time.Sleep(2 * time.Second)
		const why = "is the journal of another cluster"
		s.says(0, why, "status", s.inventory)
		s.says(0, "no run is known", "status", s.inventory)
		for _, command := range []string{"check", "plan", "run"} {
			s.says(1, why, command, s.inventory)
		}
	})
}

// A halt that the journal knows of, and the Lease not yet, is no less one: the process was killed between the two.
func TestFault07HaltOfAKilledRun(t *testing.T) {
	inYard(t, 2, lostUpgrade, func(s *yard) {
		s.Machines["n1"].BreakKubelet("1.37.2")
		p := s.process(s.path("state"))
		p.wrap = func(r *runner.Runner) {
			show := r.Show
			r.Show = func(e runner.Event) {
				if e.Event == runner.EventHalted {
					p.kill()
				}
				show(e)
			}
		}
		p.fleetup("run", "--unattended", s.inventory)
		time.Sleep(time.Minute)
		s.says(3, "halted: node n1 failed", "run", "--unattended", s.inventory)
		s.says(3, "halted: node n1 failed", "run", "--unattended", s.inventory)
		s.says(0, "resumed", "resume", s.inventory)
		s.says(1, "goes on", "run", "--unattended", s.inventory)
	})
}

// A halt stands on the Lease at once, not only when what is in flight has ended.
func TestFault07HaltIsOnTheLeaseAtOnce(t *testing.T) {
	inYard(t, 3, lostUpgrade+"[strategy]\nmax_unavailable = 2\n", func(s *yard) {
		s.Machines["n1"].BreakKubelet("1.37.2")
		p := s.process(s.path("state"))
		in := false // flight
		onLease := ""
		p.wrap = func(r *runner.Runner) {
			w := r.Work["n2"]
			w.Machine = slowMachine{w.Machine}
			r.Work["n2"] = w
			show := r.Show
			r.Show = func(e runner.Event) {
				show(e)
				if e.Event == runner.EventHalted {
					time.AfterFunc(5*time.Second, func() {
						onLease = kubetest.Get[*coordinationv1.Lease](s.API, "kube-system", "fleetup").Annotations["fleetup.io/halt"]
						in = s.node("n2").Annotations["fleetup.io/run"] != ""
					})
				}
			}
		}
		if code := p.fleetup("run", s.inventory); code != exitFailed {
			t.Errorf("exit %d", code)
		}
		if !in || !strings.Contains(onLease, "n1 failed") {
			t.Errorf("n2 in flight %v, on the Lease %q:\n%s", in, onLease, p.err)
		}
	})
}

// A Lease that somebody deleted says nothing of a halt, which the journal still knows: nobody has lifted it.
func TestFault07HaltOutlivesTheLease(t *testing.T) {
	inYard(t, 2, lostUpgrade, func(s *yard) {
		s.Machines["n1"].BreakKubelet("1.37.2")
		s.says(1, "halted: node n1 failed", "run", "--unattended", s.inventory)
		s.must(s.API.Delete(kubetest.Get[*coordinationv1.Lease](s.API, "kube-system", "fleetup")))
		s.says(3, "halted: node n1 failed", "run", "--unattended", s.inventory)
		s.says(0, "resumed", "resume", s.inventory)
		s.says(1, "goes on", "run", "--unattended", s.inventory)
	})
}

// slowMachine takes ten minutes for each step.
type slowMachine struct{ runner.Machine }

func (m slowMachine) Do(ctx context.Context, name, script string, line func(string)) (string, error) {
	time.Sleep(10 * time.Minute)
	return m.Machine.Do(ctx, name, script, line)
}

// Somebody deletes the Lease to get rid of a lock, or etcd is put back from a backup: the epochs go on, or every machine
// would refuse whatever comes after.
func TestFault07LeaseIsLost(t *testing.T) {
	for name, lose := range map[string]func(s *yard, l *coordinationv1.Lease) error{
		"deleted": func(s *yard, l *coordinationv1.Lease) error { return s.API.Delete(l) },
		"of a backup": func(s *yard, _ *coordinationv1.Lease) error {
			return kubetest.Change(s.API, "kube-system", "fleetup", func(l *coordinationv1.Lease) { *l.Spec.LeaseTransitions = 3 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inYard(t, 2, lostUpgrade, func(s *yard) {
				s.killedAfter(1500 * time.Millisecond)
				s.killedAfter(2500 * time.Millisecond)
				s.must(lose(s, kubetest.Get[*coordinationv1.Lease](s.API, "kube-system", "fleetup")))
				s.says(0, "2 nodes done", "run", s.inventory)
			})
		})
	}
}

// A run that waits for its lease while the API server is away says so once, not with a line and an fsync each second.
func TestFault09DoubtIsSaidOnce(t *testing.T) {
	inYard(t, 2, yardUpgrade, func(s *yard) {
		p := s.process(s.path("state"))
		refused, said := false, 0
		p.wrap = func(r *runner.Runner) {
			show := r.Show
			r.Show = func(e runner.Event) {
				show(e)
				if !refused && e.Event == runner.EventStep {
					refused = true
					s.API.Refuse(true)
					time.AfterFunc(30*time.Minute, func() { s.API.Refuse(false) })
				}
				if e.Event == runner.EventWaiting && strings.Contains(e.Message, "lease") {
					said++
				}
			}
			w := r.Work["n1"]
			w.Machine = slowMachine{w.Machine}
			r.Work["n1"] = w
		}
		if code := p.fleetup("run", s.inventory); code != 0 || said != 1 {
			t.Errorf("exit %d, said %d times:\n%s", code, said, p.out)
		}
	})
}

// The run ends between the question about it and its answer: nothing is claimed for the sake of ending it.
func TestDecisionsAboutARunThatHasEnded(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
	}{{[]string{"abort", "--yes"}, 0}, {[]string{"node", "retry"}, 1}} {
		inYard(t, 2, lostUpgrade, func(s *yard) {
			s.killedAfter(1500 * time.Millisecond)
			looks, claims := 0, 0
			s.API.Fail(func(r *http.Request) (int, time.Duration, bool) {
				if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/nodes/n1") {
					claims++
				}
				if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/leases/fleetup") {
					return 0, 0, false
				}
				if looks++; looks != 2 { // the first reads whose run it is, the second takes the lease
					return 0, 0, false
				}
				s.must(kubetest.Change(s.API, "kube-system", "fleetup", func(l *coordinationv1.Lease) { delete(l.Annotations, "fleetup.io/run") }))
				s.must(kubetest.Change(s.API, "", "n1", func(n *corev1.Node) {
					delete(n.Annotations, "fleetup.io/run")
					delete(n.Annotations, "fleetup.io/state")
					n.Spec.Unschedulable, n.Spec.Taints = false, nil
				}))
				time.Sleep(time.Second) // the watches have shown it by then
				return 0, 0, false
			})
			args := append(c.args, s.inventory)
			if c.code != 0 {
				args = append(args, "n1")
			}
			s.says(c.code, "has ended meanwhile", args...)
			if claims != 0 {
				t.Errorf("%v: %d writes to n1", args, claims)
			}
		})
	}
}

// SIGTERM in mid-abort is an interruption, and says how to go on.
func TestAbortIsInterrupted(t *testing.T) {
	inYard(t, 2, lostUpgrade, func(s *yard) {
		s.killedAfter(2500 * time.Millisecond)
		time.Sleep(time.Minute)
		p := s.process(s.path("state"))
		at := time.AfterFunc(200*time.Millisecond, func() { p.signal(syscall.SIGTERM) })
		defer at.Stop()
		code := p.fleetup("abort", "--yes", s.inventory)
		if code != exitInterrupted || !strings.Contains(p.err.String(), "fleetup abort") {
			t.Errorf("exit %d:\n%s%s", code, p.err, p.out)
		}
		s.says(0, "aborted", "abort", "--yes", s.inventory)
	})
}
