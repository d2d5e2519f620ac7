package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/playbooks"
)

const backRun = "20261123-020000-0002"

// back makes of a fleet's plan one that rolls all its nodes back, as a run of its own with a journal of its own.
func (f *fleet) back() *fleet {
	b := *f
	b.dir, b.work, b.run = f.t.TempDir(), maps.Clone(f.work), backRun
	stage := Stage{Name: "roll back", Order: OrderRollBack}
	for name, w := range b.work {
		w.Undo.Run = testRun
		b.work[name] = w
	}
	for _, n := range f.plan.Nodes {
		stage.Nodes = append(stage.Nodes, n.Name)
	}
	b.plan.Stages = []Stage{stage}
	return &b
}

// upgraded is a fleet of one node that a run has just taken from version 1 to 2.
func upgraded(t *testing.T, change func(*fakeWorld, *Work)) *fleet {
	t.Helper()
	w := newFakeWorld("n1")
	wk := w.work("n1", w.kubeletStep("n1", "2"))
	if change != nil {
		change(w, &wk)
	}
	f := newFleet(t, w, wk)
	if end, _ := f.process(nil); end.Exit != 0 || w.see("n1").version != "2" {
		t.Fatalf("the upgrade: %+v", end)
	}
	w.effects = nil
	return f
}

func TestRollBackOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := upgraded(t, nil)
		if n := f.w.see("n1"); n.last[beforeKey+"version.0"] != "1" {
			t.Fatalf("left on the node: %v", n.last)
		}
		end, p := f.back().process(nil)
		if end.Exit != 0 || !end.Finished || p.Nodes["n1"].State != Done {
			t.Fatalf("end %+v, node %+v", end, p.Nodes["n1"])
		}
		want := []string{"claim", "stop", "install 1", "start", "untaint", "release"}
		if d := cmp.Diff(want, f.w.of("n1")); d != "" {
			t.Error(d)
		}
		n := f.w.see("n1")
		if n.version != "1" || n.cordoned || n.last["run"] != backRun || n.last[factBack] != testRun || beforeOf(n.last) != nil {
			t.Errorf("left behind: %+v", n)
		}
		f.w.effects = nil
		if end, p := f.back().process(nil); end.Exit != 0 || !p.Nodes["n1"].UpToDate || len(f.w.of("n1")) != 0 {
			t.Errorf("a second time: %+v, %v", end, f.w.of("n1"))
		}
		f.dir = t.TempDir()
		if end, _ := f.process(nil); end.Exit != 0 || f.w.see("n1").version != "2" {
			t.Errorf("upgraded again: %+v, %v", end, f.w.of("n1"))
		}
	})
}

// TestRollBackKeepsAHumansCordon, and a kernel's kind of change goes back through the reboot.
func TestRollBackKeepsAHumansCordon(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := upgraded(t, func(w *fakeWorld, wk *Work) {
			s := w.kubeletStep("n1", "2")
			s.staged = true
			wk.Steps, wk.RebootPolicy = []playbooks.Step{s}, "if-required"
		})
		f.w.nodes["n1"].cordoned = true
		b := f.back()
		b.plan.Cordoned = "upgrade"
		end, _ := b.process(nil)
		if n := f.w.see("n1"); end.Exit != 0 || n.version != "1" || !n.cordoned || n.boot != 2 {
			t.Errorf("end %+v, node %+v: %v", end, n, f.w.of("n1"))
		}
	})
}

// TestRollBackInPlace: what needed no drain needs none on the way back, and is known all the same.
func TestRollBackInPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := upgraded(t, func(w *fakeWorld, wk *Work) {
			s := w.kubeletStep("n1", "2")
			s.traits = playbooks.Traits{Timeout: time.Hour}
			wk.Steps = []playbooks.Step{s}
		})
		if n := f.w.see("n1"); n.last[beforeKey+"version.0"] != "1" {
			t.Fatalf("left on the node: %v", n.last)
		}
		end, _ := f.back().process(nil)
		if d := cmp.Diff([]string{"install 1", "remember"}, f.w.of("n1")); end.Exit != 0 || d != "" {
			t.Errorf("end %+v: %s", end, d)
		}
		if n := f.w.see("n1"); beforeOf(n.last) != nil || n.last[factBack] != testRun {
			t.Errorf("left behind: %v", n.last)
		}
	})
}

// TestRollBackOfAFailedNode: what the run that failed on it found is where it goes back to, also by another run.
func TestRollBackOfAFailedNode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2")))
		w.nodes["n1"].crashes = true
		if end, _ := f.process(nil); end.Exit != 1 || w.see("n1").failed == "" {
			t.Fatalf("it didn't fail: %+v", end)
		}
		w.nodes["n1"].crashes = false
		w.inherit, w.steps = true, 3
		waited := ""
		end, _ := f.back().process(func(e Event, _ context.CancelFunc) {
			if e.Event == EventWaiting && e.Phase == "check" {
				waited = e.Message
			}
		})
		if !strings.Contains(waited, "/var/lib/fleetup/r/kubelet.0.install") || w.steps != 0 {
			t.Errorf("didn't wait for the step that still ran: %q", waited)
		}
		if n := w.see("n1"); end.Exit != 0 || n.version != "1" || n.cordoned || n.failed != "" || n.run != "" {
			t.Errorf("end %+v, node %+v", end, n)
		}
	})
}

// TestRollBackThatFails leaves the node closed, with why, and the next try goes on from there.
func TestRollBackThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := upgraded(t, nil)
		s := f.work["n1"].Steps[0].(fakeStep)
		s.failsBack = errors.New("the archive is broken")
		b := f.back()
		wk := b.work["n1"]
		wk.Steps = []playbooks.Step{s}
		b.work["n1"] = wk
		end, p := b.process(nil)
		n := f.w.see("n1")
		if end.Exit != 1 || p.Nodes["n1"].State != Failed || !n.cordoned || n.tainted || !n.kubelet || !strings.Contains(n.failed, "the archive is broken") {
			t.Errorf("end %+v, node %+v", end, n)
		}
		s.failsBack = nil
		wk.Steps = []playbooks.Step{s}
		b.work["n1"] = wk
		if end, _ = b.process(nil); end.Exit != 0 || f.w.see("n1").version != "1" || f.w.see("n1").cordoned {
			t.Errorf("again: %+v, %+v", end, f.w.see("n1"))
		}
	})
}

// burnt is a step that can't be taken back, and may stop half way.
type burnt struct {
	fakeStep
	clean *bool
}

func (burnt) ID() string       { return "burnt.0" }
func (burnt) Name() string     { return "burnt" }
func (burnt) Undoable() string { return "it is burnt in" }
func (s burnt) Check(context.Context, playbooks.Host) (playbooks.Status, error) {
	return playbooks.Status{Clean: *s.clean, Changes: []string{"burn"}}, nil
}
func (s burnt) Apply(context.Context, playbooks.Host, func(string)) error {
	if s.fails == nil {
		*s.clean = true
	}
	return s.fails
}

// TestRollBackOfWhatStays: a step that can't be taken back stays where it was done to its end or never begun; half done,
// the node isn't given back.
func TestRollBackOfWhatStays(t *testing.T) {
	for _, c := range []struct {
		name        string
		done, first bool // it was applied to its end; it comes before the step that fails
		exit        int
	}{{"done", true, true, 0}, {"half done", false, true, 1}, {"never begun", false, false, 0}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newFakeWorld("n1")
				clean := false
				b := burnt{w.kubeletStep("n1", "2"), &clean}
				s := w.kubeletStep("n1", "2")
				s.traits.Playbook, b.traits.Playbook = "version", "burnt"
				if c.first && !c.done {
					b.fails = errors.New("no power")
				} else {
					s.fails = errors.New("no room")
				}
				steps := []playbooks.Step{s, b}
				if c.first {
					steps = []playbooks.Step{b, s}
				}
				f := newFleet(t, w, w.work("n1", steps...))
				if end, _ := f.process(nil); end.Exit != 1 {
					t.Fatalf("it didn't fail: %+v", end)
				}
				w.inherit = true
				end, _ := f.back().process(nil)
				if n := w.see("n1"); end.Exit != c.exit || n.cordoned != (c.exit == 1) {
					t.Errorf("end %+v, node %+v", end, n)
				}
			})
		})
	}
}

// TestRollBackWithinTheRun is on_failure = rollback: the failed node goes back and is opened, and the next process
// upgrades it again, under new names.
func TestRollBackWithinTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1", "n2")
		f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2")), w.work("n2", w.kubeletStep("n2", "2")))
		f.plan.OnFailure, f.plan.MaxFailures = "rollback", 1
		w.nodes["n1"].crashes = true
		w.after = func(node, effect string) {
			if effect == "install 1" {
				w.nodes[node].crashes = false
			}
		}
		_, p := f.process(nil)
		n := w.see("n1")
		if n.version != "1" || n.cordoned || n.run != "" || n.last[factBack] != testRun || w.see("n2").version != "2" {
			t.Errorf("n1 %+v, progress %+v", n, p.Nodes["n1"])
		}
		if end, p := f.process(nil); end.Exit != 0 || w.see("n1").version != "2" || p.Nodes["n1"].State != Done {
			t.Errorf("again: %+v, %+v", end, p.Nodes["n1"])
		}
	})
}

// TestSpareThatGoesBackIsGivenBack: wherever the process ends, a spare whose new kubelet doesn't come up is at the end as its owner
// left it, closed and nobody's.
func TestSpareThatGoesBackIsGivenBack(t *testing.T) {
	run := func(t *testing.T, kill int) (map[string]string, int) {
		w := newFakeWorld("n1", "s1")
		w.nodes["s1"].cordoned = true
		w.after = func(node, effect string) {
			w.nodes[node].crashes = node == "s1" && w.nodes[node].version == "2"
		}
		f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2")), w.work("s1", w.kubeletStep("s1", "2")))
		f.plan.OnFailure, f.plan.MaxFailures = "rollback", 1
		f.plan.Nodes[1].Spare = true
		spares := []string{"s1"}
		f.plan.Stages = append(lent(spares), Stage{Name: "nodes", Order: OrderUpgrade, Nodes: []string{"n1"}},
			Stage{Name: "give the spares back", Order: OrderReturn, Nodes: spares, Always: true})
		_, events := f.processUntil(kill)
		if kill > 0 {
			f.process(nil)
		}
		ends := map[string]string{}
		for _, name := range w.names() {
			n := w.see(name)
			ends[name] = fmt.Sprintf("version %s, cordoned %v, run %q, failed %q", n.version, n.cordoned, n.run, n.failed)
		}
		return ends, events
	}
	bubble(t, func(t *testing.T) {
		want := map[string]string{"n1": `version 2, cordoned false, run "", failed ""`, "s1": `version 1, cordoned true, run "", failed ""`}
		ends, points := run(t, 0)
		if d := cmp.Diff(want, ends); d != "" {
			t.Fatalf("undisturbed: %s", d)
		}
		for kill := 1; kill < points; kill++ {
			if d := cmp.Diff(want, first(run(t, kill))); d != "" {
				t.Errorf("killed at event %d: %s", kill, d)
			}
		}
	})
}

// TestRollBackByTheJournal: a node that has lost its annotations goes back by what the journal says.
func TestRollBackByTheJournal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := upgraded(t, nil)
		path, _ := JournalPath(f.dir, testRun)
		events, _, _, err := ReadJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		f.w.nodes["n1"].last = nil
		b := f.back()
		wk := b.work["n1"]
		wk.Undo.Record = Befores(events)["n1"]
		b.work["n1"] = wk
		if end, _ := b.process(nil); end.Exit != 0 || f.w.see("n1").version != "1" {
			t.Errorf("end %+v: %v", end, f.w.of("n1"))
		}
	})
}

func TestRecorded(t *testing.T) {
	w := Work{Steps: []playbooks.Step{fakeStep{}, burnt{}}}
	before := func(run string) map[string]string {
		return map[string]string{"run": run, "kubelet": "v1", beforeKey + "version.0": "1", beforeKey + "burnt.0": ""}
	}
	both, one := map[string]string{"version.0": "1", "burnt.0": ""}, map[string]string{"version.0": "1"}
	for _, c := range []struct {
		name        string
		state, last map[string]string
		undo        Undo
		want        map[string]string
		fails       bool
	}{
		{"the last run's", nil, before("r1"), Undo{Run: "r1"}, both, false},
		{"this run's own", nil, before("r2"), Undo{}, both, false},
		{"an older run's", nil, before("r0"), Undo{Run: "r1"}, nil, false},
		{"a claim's, what was never begun left out", before(""), before("r1"), Undo{Run: "r1"}, one, false},
		{"claimed, and nothing begun", map[string]string{"kubelet": "v1"}, before("r1"), Undo{Run: "r1"}, nil, false},
		{"begun, and nothing noted", map[string]string{begun: "stop"}, nil, Undo{Run: "r1"}, nil, true},
		{"begun, and the journal knows", map[string]string{begun: "stop"}, nil, Undo{Run: "r1", Record: one}, one, false},
		{"the journal's", nil, nil, Undo{Run: "r1", Record: one}, one, false},
		{"nothing", nil, nil, Undo{Run: "r1"}, nil, false},
	} {
		w.Undo = c.undo
		got, _, err := w.Recorded("r2", c.state, c.last)
		if d := cmp.Diff(c.want, got); d != "" && len(got)+len(c.want) > 0 || (err != nil) != c.fails {
			t.Errorf("%s: %v %s", c.name, err, d)
		}
	}
}

// restart is due once the version isn't the one that it was started with.
type restart struct {
	fakeStep
	runs *string
}

func (restart) ID() string       { return "restart.1" }
func (restart) Name() string     { return "restart" }
func (restart) Undoable() string { return "" }
func (s restart) Check(context.Context, playbooks.Host) (playbooks.Status, error) {
	v := s.w.see(s.node).version
	return playbooks.Status{Clean: *s.runs == v, Changes: []string{"restart with " + v}}, nil
}
func (s restart) Apply(context.Context, playbooks.Host, func(string)) error {
	*s.runs = s.w.see(s.node).version
	return nil
}

// TestFollowersAreAskedAgain: what was clean at first is due once the steps before it have changed something, and the node
// is drained for it where it is disruptive.
func TestFollowersAreAskedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		runs := "1"
		s, r := w.kubeletStep("n1", "2"), restart{w.kubeletStep("n1", "2"), &runs}
		s.traits = playbooks.Traits{Playbook: "own", Timeout: time.Hour}
		r.traits = playbooks.Traits{Playbook: "own", Timeout: time.Hour, Disruptive: true, Follows: true}
		f := newFleet(t, w, w.work("n1", s, r))
		if end, _ := f.process(nil); end.Exit != 0 || runs != "2" || w.of("n1")[0] != "claim" {
			t.Errorf("end %+v, runs %s: %v", end, runs, w.of("n1"))
		}
	})
}
