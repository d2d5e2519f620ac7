package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/playbooks"
)

// fleet is a run of a fakeWorld: its plan and its journal in a folder.
type fleet struct {
	t    *testing.T
	w    *fakeWorld
	dir  string
	plan Plan
	work map[string]Work
	run  string // its id

	change func(*Runner) // before it begins; may be nil
}

const testRun = "20261123-010000-0001"

func newFleet(t *testing.T, w *fakeWorld, work ...Work) *fleet {
	f := &fleet{t: t, w: w, dir: t.TempDir(), work: map[string]Work{}, run: testRun}
	f.plan = Plan{OnFailure: "stop", Requeues: 2, Cordoned: "skip", Limits: []Limit{{Why: "max_unavailable 1", AtMost: 1}}}
	for _, wk := range work {
		f.work[wk.Node] = wk
		f.plan.Nodes = append(f.plan.Nodes, PlanNode{Name: wk.Node, Host: wk.Node, OnBlocked: wk.OnBlocked})
		f.plan.Stages = oneStage(f.plan)
	}
	return f
}

// process is one process of the run: it begins the journal or goes on with it. show sees each event and may cancel.
func (f *fleet) process(show func(Event, context.CancelFunc)) (End, Progress) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	j, p, kind := f.journal()
	defer j.Close()
	r := &Runner{
		Run: f.run, Plan: f.plan, Work: f.work, Cluster: f.w, Journal: j, Progress: p,
		Held: func() error { return nil }, Lost: make(chan struct{}), Stop: make(chan struct{}),
	}
	if err := r.emit(Event{Event: kind}); err != nil {
		f.t.Fatal(err)
	}
	r.Show = func(e Event) {
		if show != nil {
			show(e, cancel)
		}
	}
	if f.change != nil {
		f.change(r)
	}
	end, err := r.Go(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	return end, r.Progress
}

func (f *fleet) journal() (*Journal, Progress, Kind) {
	f.t.Helper()
	if path, ok := JournalPath(f.dir, f.run); ok {
		j, p, _, err := Open(path)
		if err != nil {
			f.t.Fatal(err)
		}
		return j, p, EventResumed
	}
	j, err := Create(f.dir, f.run)
	if err != nil {
		f.t.Fatal(err)
	}
	return j, Progress{}, EventStarted
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestLifeOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2")))
		end, p := f.process(nil)
		if end.Exit != 0 || !end.Finished || p.Nodes["n1"].State != Done {
			t.Fatalf("end %+v, node %+v", end, p.Nodes["n1"])
		}
		want := []string{"claim", "evict", "evict", "evict", "stop", "install 2", "start", "untaint", "probe", "release"}
		if d := cmp.Diff(want, w.of("n1")); d != "" {
			t.Error(d)
		}
		n := w.see("n1")
		if n.cordoned || n.tainted || n.run != "" || n.last["run"] != testRun || n.last["kubelet"] != "v1" {
			t.Errorf("left behind: %+v", n)
		}
	})
}

func TestLifeUpToDateIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "1")))
		if end, p := f.process(nil); end.Exit != 0 || p.Nodes["n1"].Why != "" || !p.Nodes["n1"].UpToDate {
			t.Errorf("end %+v, node %+v", end, p.Nodes["n1"])
		}
		if got := w.of("n1"); len(got) != 0 {
			t.Errorf("touched: %v", got)
		}
	})
}

func TestLifeOfAHarmlessChangeStaysOpen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		s := w.kubeletStep("n1", "2")
		s.traits = playbooks.Traits{Timeout: time.Hour}
		f := newFleet(t, w, w.work("n1", s))
		if end, _ := f.process(nil); end.Exit != 0 {
			t.Fatalf("end %+v", end)
		}
		if d := cmp.Diff([]string{"remember", "install 2"}, w.of("n1")); d != "" {
			t.Error(d)
		}
	})
}

func TestLifeReboots(t *testing.T) {
	for _, c := range []struct {
		policy string
		staged bool
		want   int
	}{{"always", false, 1}, {"never", false, 0}, {"if-required", true, 1}, {"always", true, 1}, {"never", true, 0}} {
		t.Run(fmt.Sprintf("%s staged=%v", c.policy, c.staged), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newFakeWorld("n1")
				s := w.kubeletStep("n1", "2")
				s.staged = c.staged
				wk := w.work("n1", s)
				wk.RebootPolicy = c.policy
				end, _ := newFleet(t, w, wk).process(nil)
				if got := strings.Count(strings.Join(w.of("n1"), " "), "reboot"); end.Exit != 0 || got != c.want {
					t.Errorf("exit %d, %d reboots, want %d: %v", end.Exit, got, c.want, w.of("n1"))
				}
			})
		})
	}
}

func TestFault17AHumansCordonIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1", "n2")
		w.nodes["n1"].cordoned = true
		f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2")), w.work("n2", w.kubeletStep("n2", "2")))
		_, p := f.process(nil)
		if p.Nodes["n1"].State != Skipped || len(w.of("n1")) != 0 || w.see("n2").version != "2" {
			t.Errorf("skip: %+v, %v", p.Nodes["n1"], w.of("n1"))
		}
		f.plan.Cordoned, f.dir = "upgrade", t.TempDir()
		if end, _ := f.process(nil); end.Exit != 0 || w.see("n1").version != "2" || !w.see("n1").cordoned {
			t.Errorf("upgrade: %+v", w.see("n1"))
		}
	})
}

func TestFault16BlockedDrainIsGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1", "n2")
		w.blocked["n1"] = []string{"budget shop/web needs 3 healthy pods and has 3"}
		f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2")), w.work("n2", w.kubeletStep("n2", "2")))
		end, p := f.process(nil)
		if end.Exit != 1 || p.Nodes["n1"].State != Blocked || p.Nodes["n2"].State != Done {
			t.Errorf("end %+v, %+v", end, p.Nodes)
		}
		if strings.Count(end.Why, "budget shop/web") != 1 {
			t.Errorf("the blocker isn't named once: %q", end.Why)
		}
		if got := w.of("n1"); len(got) != 0 {
			t.Errorf("n1 was touched: %v", got)
		}
	})
}

func TestLifeFailedStaysClosedWithWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1", "n2")
		s := w.kubeletStep("n1", "2")
		s.fails = errors.New("no room on /var")
		f := newFleet(t, w, w.work("n1", s), w.work("n2", w.kubeletStep("n2", "2")))
		end, _ := f.process(nil)
		n := w.see("n1")
		if end.Exit != 1 || !n.cordoned || n.tainted || !strings.Contains(n.failed, `step "version": no room on /var`) {
			t.Errorf("end %+v, node %+v", end, n)
		}
		if !n.kubelet {
			t.Error("the kubelet was not brought back")
		}
		if len(w.of("n2")) != 0 {
			t.Errorf("the next node was touched: %v", w.of("n2"))
		}
	})
}

// The kubelet's own lines are shown, and the wait ends at once.
func TestFault30CrashingKubeletEndsTheWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		w.nodes["n1"].crashes = true
		begun := time.Now()
		newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2"))).process(nil)
		n := w.see("n1")
		if !strings.Contains(n.failed, "restarted it 7 times") || !strings.Contains(n.failed, "flag --gone is not known") {
			t.Errorf("why: %q", n.failed)
		}
		if took := time.Since(begun); took > 2*time.Minute {
			t.Errorf("noticed after %s", took)
		}
	})
}

// slowVerify is a step whose verify takes its time.
type slowVerify struct {
	fakeStep
	takes time.Duration
}

func (s slowVerify) Verify(ctx context.Context, _ playbooks.Host) error { return pause(ctx, s.takes) }

// One time counts from the kubelet's start through the probe, however many things are verified.
func TestLifeVerifyTimeoutIsOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, takes := range []time.Duration{4 * time.Minute, 6 * time.Minute} {
			w := newFakeWorld("n1")
			var steps []playbooks.Step
			for range 3 {
				steps = append(steps, slowVerify{w.kubeletStep("n1", "2"), takes})
			}
			end, p := newFleet(t, w, w.work("n1", steps...)).process(nil)
			switch n := p.Nodes["n1"]; {
			case takes == 4*time.Minute && end.Exit != 0:
				t.Errorf("three of %s: %+v", takes, n)
			case takes == 6*time.Minute && (end.Exit != 1 || !strings.Contains(n.Why, "verify, counted from the kubelet's start, took longer than 15m0s")):
				t.Errorf("three of %s: exit %d, %+v", takes, end.Exit, n)
			}
		}
	})
}

func TestLifeInterruptedStep(t *testing.T) {
	for _, repeatable := range []bool{true, false} {
		t.Run(fmt.Sprintf("repeatable=%v", repeatable), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newFakeWorld("n1")
				cuts := 1
				s := interruptedStep{w.kubeletStep("n1", "2"), &cuts}
				s.traits.Repeatable = repeatable
				end, _ := newFleet(t, w, w.work("n1", s)).process(nil)
				if repeatable != (end.Exit == 0) {
					t.Errorf("end %+v: %s", end, w.see("n1").failed)
				}
			})
		})
	}
}

// Another controller uncordons before the reboot.
func TestFault18UncordonedInBetweenIsClosedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		wk := w.work("n1", w.kubeletStep("n1", "2"))
		wk.RebootPolicy = "always"
		newFleet(t, w, wk).process(func(e Event, _ context.CancelFunc) {
			if e.Event == EventChanged { // just before the reboot
				w.do("n1", "human uncordons", func(n *fakeNode) { n.cordoned = false; n.pods = 2 })
			}
		})
		got := strings.Join(w.of("n1"), ", ")
		if !strings.Contains(got, "human uncordons, claim, evict, evict, reboot") {
			t.Error(got)
		}
	})
}

// A node that failed after its reboot, and that somebody then uncordoned, has workloads again when the run goes on.
// Somebody takes the run's annotations off a node in the middle of its work.
func TestFault18ClaimTakenOffInBetweenIsPutBack(t *testing.T) {
	for _, at := range []Kind{EventStep, EventChanged} {
		bubble(t, func(t *testing.T) {
			w := newFakeWorld("n1")
			wk := w.work("n1", w.kubeletStep("n1", "2"))
			wk.RebootPolicy = "always"
			said := ""
			end, _ := newFleet(t, w, wk).process(func(e Event, _ context.CancelFunc) {
				said += e.Message + "\n"
				if e.Event == at && e.Step != rebootStep {
					w.do("n1", "human strips", func(n *fakeNode) { n.run = "" })
				}
			})
			n := w.see("n1")
			if end.Exit != 0 || n.cordoned || n.tainted || n.run != "" || n.last["run"] != testRun {
				t.Errorf("%s: exit %d, left behind %+v", at, end.Exit, n)
			}
			if !strings.Contains(said, "they are put back") {
				t.Errorf("%s: not said", at)
			}
		})
	}
}

func TestFault18UncordonedAfterTheFailureIsDrainedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		w.nodes["n1"].crashes = true
		wk := w.work("n1", w.kubeletStep("n1", "2"))
		wk.RebootPolicy = "always"
		f := newFleet(t, w, wk)
		f.process(nil)
		w.do("n1", "human uncordons", func(n *fakeNode) { n.cordoned, n.ready, n.crashes, n.pods = false, true, false, 2 })
		f.work["n1"] = w.work("n1", w.kubeletStep("n1", "3"))
		end, _ := f.process(nil)
		got := strings.Join(w.of("n1"), ", ")
		if end.Exit != 0 || !strings.Contains(got, "human uncordons, claim, evict, evict, stop, install 3") {
			t.Errorf("end %+v: %s", end, got)
		}
	})
}

// The machine is rebooted by somebody else while the drain waits and nobody runs fleetup: what waited is still there.
func TestLifeRebootInTheMiddleOfADrainIsNoDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2")))
		f.process(func(e Event, cancel context.CancelFunc) {
			if e.Phase == "drain" {
				cancel()
			}
		})
		w.do("n1", "power cut", func(n *fakeNode) { n.boot++ })
		end, _ := f.process(nil)
		got := strings.Join(w.of("n1"), ", ")
		if end.Exit != 0 || !strings.Contains(got, "power cut, claim, evict, evict, evict, stop") {
			t.Errorf("end %+v: %s", end, got)
		}
	})
}

// The next process fails before it comes to what its predecessor had stopped: the kubelet is brought back all the same.
func TestLifeFailedAfterResumeBringsTheKubeletBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2")))
		f.process(func(e Event, cancel context.CancelFunc) {
			if e.Event == EventStep {
				cancel()
			}
		})
		if w.see("n1").kubelet {
			t.Fatal("the kubelet runs: nothing is tested here")
		}
		f.work["n1"] = w.work("n1", blindStep{w.kubeletStep("n1", "2")})
		f.process(nil)
		if n := w.see("n1"); !n.kubelet || !strings.Contains(n.failed, "no dpkg here") {
			t.Errorf("kubelet %v, failed %q", n.kubelet, n.failed)
		}
	})
}

// blindStep can't tell where it stands.
type blindStep struct{ fakeStep }

func (blindStep) Check(context.Context, playbooks.Host) (playbooks.Status, error) {
	return playbooks.Status{}, errors.New("no dpkg here")
}

// threeNodes is a fleet in which each node is another case: rebooted anyway, staged until a reboot, cordoned by somebody.
func threeNodes(t *testing.T) *fleet {
	w := newFakeWorld("n1", "n2", "n3")
	w.nodes["n3"].cordoned = true
	var work []Work
	for i, n := range w.names() {
		s := w.kubeletStep(n, "2")
		s.staged = i == 1
		wk := w.work(n, s)
		wk.RebootPolicy = []string{"always", "if-required", "never"}[i]
		work = append(work, wk)
	}
	f := newFleet(t, w, work...)
	f.plan.Cordoned = "upgrade"
	return f
}

// processUntil ends the process at an event, counted from 1, and returns how many there were; 0: it goes on to its end.
func (f *fleet) processUntil(kill int) (end End, events int) {
	f.t.Helper()
	end, _ = f.process(func(_ Event, cancel context.CancelFunc) {
		if events++; events == kill {
			cancel()
		}
	})
	return end, events
}

// TestFault01KillAtEachEvent ends the process at every journal write of a run of three nodes, lets the next process go on, and
// compares the end with that of an undisturbed run (fault 1).
func TestFault01KillAtEachEvent(t *testing.T) {
	run := func(t *testing.T, kill int) (map[string]string, int) {
		f := threeNodes(t)
		end, events := f.processUntil(kill)
		if kill > 0 {
			end, _ = f.process(nil)
		}
		if end.Exit != 0 || !end.Finished {
			t.Errorf("killed at event %d: end %+v", kill, end)
		}
		return f.w.standing(), events
	}
	bubble(t, func(t *testing.T) {
		undisturbed, points := run(t, 0)
		for kill := 1; kill < points; kill++ {
			if d := cmp.Diff(undisturbed, first(run(t, kill))); d != "" {
				t.Errorf("killed at event %d: %s", kill, d)
			}
		}
		t.Logf("shown: %d points at the interfaces, all ends equal", points-1)
	})
}

// TestDoneSaysWhatEarlierProcessesChanged: wherever the process ends, the one that goes on tells of each node what was changed.
func TestDoneSaysWhatEarlierProcessesChanged(t *testing.T) {
	run := func(t *testing.T, kill int) (map[string]string, int) {
		f, said, events := threeNodes(t), map[string]string{}, 0
		show := func(e Event, cancel context.CancelFunc) {
			if e.Event == EventDone {
				said[e.Node] = e.Message
			}
			if events++; events == kill {
				cancel()
			}
		}
		f.process(show)
		points := events
		if kill > 0 {
			f.process(show)
		}
		return said, points
	}
	bubble(t, func(t *testing.T) {
		undisturbed, points := run(t, 0)
		if undisturbed["n1"] == "done" || undisturbed["n1"] == upToDate {
			t.Fatalf("undisturbed: %v", undisturbed)
		}
		for kill := 1; kill < points; kill++ {
			if d := cmp.Diff(undisturbed, first(run(t, kill))); d != "" {
				t.Errorf("killed at event %d: %s", kill, d)
			}
		}
	})
}

func first[A, B any](a A, _ B) A { return a }

// standing is the end state that matters, a line a node.
func (w *fakeWorld) standing() map[string]string {
	all := map[string]string{}
	for _, name := range w.names() {
		n := w.see(name)
		installs := strings.Count(strings.Join(w.of(name), "\n"), "install")
		all[name] = fmt.Sprintf("version %s, boots %d, installs %d, cordoned %v, tainted %v, ready %v, run %q, failed %q",
			n.version, n.boot, installs, n.cordoned, n.tainted, n.ready, n.run, n.failed)
	}
	return all
}

// A playbook's bare reboot step has no end by itself: it counts only beside a change of the same playbook.
func TestLifeRebootStep(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		flash := w.kubeletStep("n1", "2")
		flash.traits.Playbook = "nic"
		again := fakeStep{w: w, node: "n1", want: "-", traits: playbooks.Traits{Playbook: "nic", Reboots: true, Disruptive: true, Timeout: time.Hour}}
		f := newFleet(t, w, w.work("n1", flash, again))
		if end, _ := f.process(nil); end.Exit != 0 || w.see("n1").boot != 1 {
			t.Fatalf("end %+v: %v", end, w.of("n1"))
		}
		f.dir = t.TempDir()
		if _, p := f.process(nil); !p.Nodes["n1"].UpToDate || w.see("n1").boot != 1 {
			t.Errorf("the second run: %+v, %v", p.Nodes["n1"], w.of("n1"))
		}
	})
}

// A detached step keeps its result under its name: an order that tries again must not find the old failure.
func TestLifeTriesAgainUnderNewNames(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		var names []string
		s := namedStep{w.kubeletStep("n1", "2"), true}
		wk := w.work("n1", &s)
		wk.Machine = namingMachine{fakeMachine{w, "n1"}, &names}
		f := newFleet(t, w, wk)
		if end, _ := f.process(nil); end.Exit != 1 {
			t.Fatalf("end %+v", end)
		}
		s.broken = false
		if end, _ := f.process(nil); end.Exit != 0 {
			t.Fatalf("end %+v: %s", end, w.see("n1").failed)
		}
		if d := cmp.Diff([]string{"install", "install.1"}, names); d != "" {
			t.Error(d)
		}
	})
}

// namedStep runs something detached first.
type namedStep struct {
	fakeStep
	broken bool
}

func (s *namedStep) Apply(ctx context.Context, h playbooks.Host, say func(string)) error {
	if _, err := h.Do(ctx, "install", "", nil); err != nil || s.broken {
		return errors.New("broken")
	}
	return s.fakeStep.Apply(ctx, h, say)
}

type namingMachine struct {
	fakeMachine
	names *[]string
}

func (m namingMachine) Do(_ context.Context, name, _ string, _ func(string)) (string, error) {
	*m.names = append(*m.names, name)
	return "", nil
}
