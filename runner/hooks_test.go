package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeHook writes down that it ran, among the effects of its node.
type fakeHook struct {
	w     *fakeWorld
	at    string
	fails error
}

func (h fakeHook) At() string   { return h.at }
func (h fakeHook) Name() string { return "./" + h.at }

func (h fakeHook) Run(ctx context.Context, m Moment, say func(string)) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	node := m.Node
	if node == "" {
		node = "run"
	}
	h.w.do(node, strings.TrimSpace(fmt.Sprintf("hook %s %s %s", m.At, m.Phase, m.Exit)), func(*fakeNode) {})
	say("said by " + h.Name())
	return h.fails
}

// hooked is a fleet of one node with a hook at each moment; those in fails fail.
func hooked(t *testing.T, fails ...string) *fleet {
	w := newFakeWorld("n1", "run")
	work := w.work("n1", w.kubeletStep("n1", "2"))
	work.RebootPolicy = rebootAlways
	f := newFleet(t, w, work)
	var hooks []Hook
	for _, at := range []string{hookStarted, hookBeforeDrain, hookAfterDrain, hookBeforeReboot, hookAfterUncordon, hookFailed, hookFinished} {
		h := fakeHook{w: w, at: at}
		for _, fail := range fails {
			if fail == at {
				h.fails = errors.New("it says no")
			}
		}
		hooks = append(hooks, h)
	}
	f.change = func(r *Runner) { r.Hooks = hooks }
	return f
}

// TestHooksOrder: each at its moment, journaled before it runs.
func TestHooksOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := hooked(t)
		journaled := 0
		end, _ := f.process(func(e Event, _ context.CancelFunc) {
			if e.Event != EventHook {
				return
			}
			journaled++
			node := e.Node
			if node == "" {
				node = "run"
			}
			if done := f.w.of(node); len(done) > 0 && strings.HasPrefix(done[len(done)-1], "hook "+e.Data["at"]) {
				t.Errorf("%s ran before it was journaled", e.Message)
			}
		})
		if end.Exit != 0 || journaled != 6 {
			t.Errorf("%+v after %d hooks", end, journaled)
		}
		want := []string{
			"claim", "hook before-drain drain", "evict", "evict", "evict", "hook after-drain drain", "stop", "install 2",
			"hook before-reboot reboot", "reboot", "start", "untaint", "probe", "release", "hook after-uncordon verify again",
		}
		if d := cmp.Diff(want, f.w.of("n1")); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"hook started", "hook finished  0"}, f.w.of("run")); d != "" {
			t.Error(d)
		}
	})
}

// TestHooksFail: a failure before the drain fails the node with its pods still there; one after the uncordon closes it again;
// one at the start halts the run with nothing touched; those of a failure and of the end change nothing.
func TestHooksFail(t *testing.T) {
	for _, tc := range []struct {
		at    string
		exit  int
		why   string // of the node, or of the halt
		after string // the last effects on the node
	}{
		{hookStarted, 3, "hook started: it says no", ""},
		{hookBeforeDrain, 1, "hook before-drain: it says no", "claim,hook before-drain drain,fail,hook failed drain"},
		{hookBeforeReboot, 1, "hook before-reboot: it says no", ""},
		{hookAfterUncordon, 1, "hook after-uncordon: it says no", "hook after-uncordon verify again,claim,fail,hook failed verify again"},
		{hookFinished, 0, "", ""},
	} {
		t.Run(tc.at, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := hooked(t, tc.at, hookFailed)
				end, p := f.process(nil)
				why := p.Nodes["n1"].Why
				if tc.at == hookStarted {
					why = p.Halted
				}
				if end.Exit != tc.exit || why != tc.why {
					t.Errorf("exit %d, %q; want %d, %q", end.Exit, why, tc.exit, tc.why)
				}
				if got := strings.Join(f.w.of("n1"), ","); !strings.HasSuffix(got, tc.after) || tc.at == hookStarted && got != "" {
					t.Errorf("effects %s, want the end %s", got, tc.after)
				}
				if n := f.w.see("n1"); n.cordoned != (tc.exit == 1) {
					t.Errorf("left behind: %+v", n)
				}
			})
		})
	}
}

// TestHooksAfterACrash: killed at each event, no moment of a node that was finished was left out by all processes together.
func TestHooksAfterACrash(t *testing.T) {
	for kill := 1; ; kill++ {
		over := false
		bubble(t, func(t *testing.T) {
			f := hooked(t)
			n := 0
			f.process(func(_ Event, cancel context.CancelFunc) {
				if n++; n == kill {
					cancel()
				}
			})
			over = n < kill
			if end, _ := f.process(nil); end.Exit != 0 {
				t.Errorf("killed at %d: %+v", kill, end)
			}
			all := strings.Join(f.w.of("n1"), ",")
			for _, at := range []string{hookBeforeDrain, hookAfterDrain, hookBeforeReboot, hookAfterUncordon} {
				if !strings.Contains(all, "hook "+at) {
					t.Errorf("killed at %d: no %s in %s", kill, at, all)
				}
			}
		})
		if over || t.Failed() {
			return
		}
	}
}

// TestVerifiedAgainAfterACrash: a process that ended while the node that it had given back was watched at its work is made up
// for by the next one: a node whose pods don't come up is closed again, whoever sees it.
func TestVerifiedAgainAfterACrash(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := hooked(t)
		f.process(func(e Event, cancel context.CancelFunc) {
			if e.Phase == "verify again" {
				cancel()
			}
		})
		if n := f.w.see("n1"); n.cordoned || n.run != "" {
			t.Fatalf("not given back: %+v", n)
		}
		f.w.do("n1", "", func(n *fakeNode) { n.idle = true })
		end, p := f.process(nil)
		if n := f.w.see("n1"); end.Exit != 1 || !n.cordoned || p.Nodes["n1"].Why != "its pods don't run" {
			t.Errorf("%+v, %+v, left behind: %+v", end, p.Nodes["n1"], n)
		}
	})
}

// TestHandOver: a process whose own pod is on the node that comes next closes that node, drains nothing and ends; another
// process, elsewhere, goes on with it.
func TestHandOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := hooked(t)
		self, hooks := "n1", f.change
		f.change = func(r *Runner) { hooks(r); r.Self = self }
		end, p := f.process(nil)
		if end.Exit != 130 || !p.Interrupted || p.Nodes["n1"].State != Running {
			t.Errorf("%+v, %+v", end, p.Nodes["n1"])
		}
		if d := cmp.Diff([]string{"claim"}, f.w.of("n1")); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"hook started"}, f.w.of("run")); d != "" {
			t.Error(d)
		}
		self = "n2"
		if end, p = f.process(nil); end.Exit != 0 || p.Nodes["n1"].State != Done || f.w.see("n1").cordoned {
			t.Errorf("%+v, %+v, left behind: %+v", end, p.Nodes["n1"], f.w.see("n1"))
		}
	})
}

// TestHandOverWithoutAPlace: where no pod could go on elsewhere the node isn't closed, now or later; it is left, with why.
func TestHandOverWithoutAPlace(t *testing.T) {
	const why = "fleetup's own pod ops/fleetup-1 could start on no other node: 0/1 nodes are available: 1 Insufficient cpu"
	bubble(t, func(t *testing.T) {
		f := hooked(t)
		hooks := f.change
		f.change = func(r *Runner) { hooks(r); r.Self = "n1" }
		f.w.with(func() { f.w.stays = why })
		end, p := f.process(nil)
		if n := p.Nodes["n1"]; end.Exit != 1 || n.State != Blocked || n.Why != why {
			t.Errorf("%+v, %+v", end, n)
		}
		if got := f.w.of("n1"); len(got) > 0 {
			t.Errorf("done to the node: %q", got)
		}
		f.w.with(func() { f.w.stays = "" })
		if end, p = f.process(nil); end.Exit != 130 || p.Nodes["n1"].State != Running {
			t.Errorf("once there is room: %+v, %+v", end, p.Nodes["n1"])
		}
	})
}

// TestHandOverFindsNoPlaceAnyMore: a place that went while the node was being closed: it is opened again.
func TestHandOverFindsNoPlaceAnyMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := hooked(t)
		hooks := f.change
		f.change = func(r *Runner) { hooks(r); r.Self = "n1" }
		f.w.after = func(_, effect string) {
			if effect == "claim" {
				f.w.stays = "no room"
			}
		}
		end, p := f.process(nil)
		if n := p.Nodes["n1"]; end.Exit != 1 || n.State != Blocked || f.w.see("n1").cordoned || f.w.see("n1").run != "" {
			t.Errorf("%+v, %+v, left behind: %+v", end, n, f.w.see("n1"))
		}
	})
}
