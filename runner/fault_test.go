package runner

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFault04NewJournalIsOnTheDisk: the folders that are made for a journal, and its own entry in them, are fsynced before
// Create returns (etcd#6368).
func TestFault04NewJournalIsOnTheDisk(t *testing.T) {
	real, synced := syncDir, []string{}
	defer func() { syncDir = real }()
	root := t.TempDir()
	dir := filepath.Join(root, "state", "fleet")
	syncDir = func(d string) error {
		entries, _ := os.ReadDir(d)
		for _, e := range entries {
			synced = append(synced, filepath.Join(d, e.Name()))
		}
		return real(d)
	}
	j, err := Create(dir, testRun)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, entry := range []string{filepath.Dir(dir), dir, j.Path()} {
		if !slices.Contains(synced, entry) {
			t.Errorf("the entry of %s isn't on the disk; only %v", entry, synced)
		}
	}
}

// TestFault08WhatTheRunDependsOnGoesLast: the node of fleetup's own pod, or a jump host, comes last, with the reason.
func TestFault08WhatTheRunDependsOnGoesLast(t *testing.T) {
	f := fleetOf("n1", "n2", "cp1 group=control-plane")
	w := worldOf(f)
	w.Self = []string{"n1"}
	p := build(t, f, w)
	last := p.Nodes[len(p.Nodes)-1]
	if last.Name != "n1" || last.Why != selfWhy {
		t.Errorf("last is %+v", last)
	}
}

// TestFault29WrongClocks: a machine's wrong clock is warned of, our own stands against the run: leases are at stake.
func TestFault29WrongClocks(t *testing.T) {
	v := dirty(Work{Node: "n1"})
	v.Offset = -26 * time.Hour
	found := Judge(map[string]*Surveyed{"n1": v}, Situation{
		Nodes: map[string]SituationNode{"n1": {}}, ClockOffset: 5 * time.Minute,
	}, "fail")
	machine := slices.IndexFunc(found, func(f Finding) bool { return f.Node == "n1" && strings.Contains(f.Why, "26h0m0s off") && !f.Refuse })
	ours := slices.IndexFunc(found, func(f Finding) bool { return f.Node == "" && strings.Contains(f.Why, "5m0s off the API server's") })
	if machine < 0 || ours < 0 || !strings.Contains(found[machine].Why, "chrony") {
		t.Errorf("%v", found)
	}
}

// fencedError is what a machine answers to a run whose epoch is over.
type fencedError struct{}

func (fencedError) Error() string { return "this run's epoch is 1, the machine has seen 2" }
func (fencedError) Fenced() bool  { return true }

// What goes wrong once another run has the lease is no failure of the node: the order is the other's now, so it is neither
// marked nor journaled as failed, and the kubelet, which the other may have stopped, isn't started.
func TestFault06WhatFailsAfterTheLossIsNoFailure(t *testing.T) {
	for _, c := range []struct {
		name string
		lost bool
		err  error
	}{{"the lease is lost", true, errors.New("evictions aren't sent: lease lost")}, {"a machine has seen the next epoch", false, fencedError{}}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newFakeWorld("n1")
				s := w.kubeletStep("n1", "2")
				s.fails = c.err
				f := newFleet(t, w, w.work("n1", s))
				lost := make(chan struct{})
				j, p, kind := f.journal()
				defer j.Close()
				r := &Runner{Run: f.run, Plan: f.plan, Work: f.work, Cluster: w, Journal: j, Progress: p,
					Held: func() error { return nil }, Lost: lost, Stop: make(chan struct{})}
				if err := r.emit(Event{Event: kind}); err != nil {
					t.Fatal(err)
				}
				r.Show = func(e Event) {
					if c.lost && e.Event == EventStep {
						close(lost)
					}
				}
				end, err := r.Go(t.Context())
				if end.Exit != 4 || !errors.Is(err, errLeaseLost) || !c.lost && !strings.Contains(end.Why, "the machine has seen 2") {
					t.Errorf("end %+v, %v", end, err)
				}
				n := w.see("n1")
				if n.failed != "" || !n.tainted || n.kubelet || r.Progress.Nodes["n1"].State != Running {
					t.Errorf("after the loss: %+v, %+v", n, r.Progress.Nodes["n1"])
				}
			})
		})
	}
}
