package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// softly plays a fleet of three whose nodes are all to be closed, and returns which carried the soft taint when each was
// drained, and how the run ended.
func softly(t *testing.T, w *fakeWorld, change func(*Runner), show func(Event, context.CancelFunc)) (drained map[string][]string, end End, p Progress) {
	f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2")), w.work("n2", w.kubeletStep("n2", "2")), w.work("n3", w.kubeletStep("n3", "2")))
	drained = map[string][]string{}
	w.after = func(node, effect string) {
		if effect == "evict" && drained[node] == nil {
			drained[node] = w.carrying()
		}
	}
	f.change = func(r *Runner) {
		r.Pending = []string{"n1", "n2", "n3"}
		if change != nil {
			change(r)
		}
	}
	end, p = f.process(show)
	return drained, end, p
}

// carrying are the nodes with the soft taint; the caller holds the world's lock, or is alone.
func (w *fakeWorld) carrying() []string {
	names := []string{}
	for name, n := range w.nodes {
		if n.soft == testRun {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestPending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1", "n2", "n3")
		drained, end, _ := softly(t, w, nil, nil)
		want := map[string][]string{"n1": {"n2", "n3"}, "n2": {"n3"}, "n3": {}}
		if d := cmp.Diff(want, drained); d != "" || end.Exit != 0 {
			t.Errorf("exit %d; still to come while a node was drained: %s", end.Exit, d)
		}
		if left := w.carrying(); len(left) > 0 {
			t.Errorf("left on %v", left)
		}
	})
}

// However a process ends, it leaves no soft taint behind.
func TestPendingIsNeverLeftBehind(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fakeWorld, *Runner)
		show   func(Event, context.CancelFunc)
		exit   int
	}{
		"a node fails":  {func(w *fakeWorld, _ *Runner) { w.nodes["n1"].crashes = true }, nil, 1},
		"all blocked":   {func(w *fakeWorld, _ *Runner) { w.blocked = map[string][]string{"n1": {"b"}, "n2": {"b"}, "n3": {"b"}} }, nil, 1},
		"asked to stop": {func(_ *fakeWorld, r *Runner) { r.Stop = closed() }, nil, 130},
		"parked": {nil, func(e Event, park context.CancelFunc) {
			if e.Event == EventPhase && e.Phase == "drain" {
				park()
			}
		}, 130},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newFakeWorld("n1", "n2", "n3")
				_, end, _ := softly(t, w, func(r *Runner) {
					if c.change != nil {
						c.change(w, r)
					}
				}, c.show)
				if left := w.carrying(); end.Exit != c.exit || len(left) > 0 {
					t.Errorf("exit %d, want %d; left on %v", end.Exit, c.exit, left)
				}
			})
		})
	}
}

// A node that is given back may be tried again, so it is to be avoided again; one that turned out to be up to date isn't.
func TestPendingFollowsTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1", "n2", "n3")
		w.nodes["n2"].version = "2"
		w.blocked["n1"] = []string{"budget b"}
		drained, _, p := softly(t, w, nil, nil)
		if p.Nodes["n1"].State != Blocked || !p.Nodes["n2"].UpToDate {
			t.Fatalf("%+v", p.Nodes)
		}
		if d := cmp.Diff(map[string][]string{"n3": {"n1"}}, drained); d != "" {
			t.Error(d)
		}
	})
}

// stubborn is a cluster whose nodes can't be written.
type stubborn struct {
	Cluster
	tries *int
}

func (s stubborn) Pend(context.Context, string, []string) error {
	*s.tries++
	return errors.New("no answer")
}

// A hint that can't be given stops nothing, is tried again now and then, and that it may have been left is said.
func TestPendingThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, tries, said := newFakeWorld("n1", "n2", "n3"), 0, ""
		began := time.Now()
		_, end, _ := softly(t, w, func(r *Runner) { r.Cluster = stubborn{w, &tries} }, func(e Event, _ context.CancelFunc) {
			if e.Event == EventSaid {
				said += e.Message + "\n"
			}
		})
		if most := 3 + int(time.Since(began)/pendPause); end.Exit != 0 || tries < 3 || tries > most {
			t.Errorf("exit %d after %d tries, at most %d", end.Exit, tries, most)
		}
		if !strings.Contains(said, "still carry the taint") || strings.Count(said, "still to come") != 1 {
			t.Error(said)
		}
	})
}

// Another run may have the lease by now, and what stands on the nodes may be its own.
func TestPendingAfterTheLeaseIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1", "n2", "n3")
		w.nodes["n1"].soft, w.nodes["n2"].soft = testRun, "another"
		r := &Runner{Run: testRun, Cluster: w, Pending: []string{"n1"}, Held: func() error { return errLeaseLost }}
		j, _, _ := newFleet(t, w).journal()
		defer j.Close()
		r.Journal = j
		r.unpend()
		if w.nodes["n2"].soft != "another" {
			t.Error("another run's taint was taken off")
		}
	})
}

func TestSomeOf(t *testing.T) {
	var many []string
	for i := range 10 {
		many = append(many, fmt.Sprint("n", i))
	}
	if got := someOf(many); got != "n0, n1, n2, n3, n4, n5, n6, n7 and 2 more" {
		t.Error(got)
	}
	if got := someOf(many[:2]); got != "n0, n1" {
		t.Error(got)
	}
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
