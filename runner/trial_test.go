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

	"github.com/fleetup/fleetup/playbooks"
)

// bootWorld is a fakeWorld with one node, whose machine boots kernels: its default, or once what was armed.
type bootWorld struct {
	*fakeWorld
	installed, trial, armed bool
	running, byDefault      string
	armedAt                 int
	fault                   string // of the new kernel: panics or hangs
	hung                    bool
	cycles                  int
}

const (
	before = "6.1.0-51"
	after  = "6.1.0-56"
)

func newBootWorld() *bootWorld {
	return &bootWorld{fakeWorld: newFakeWorld("n1"), running: before, byDefault: before}
}

// boots is one boot of the machine, under the world's lock.
func (b *bootWorld) boots(n *fakeNode) {
	n.boot++
	n.ready, n.kubelet = false, true
	next := b.byDefault
	if b.armed {
		next, b.armed = after, false
		switch b.fault {
		case "panics":
			n.boot++
			next = b.byDefault
		case "hangs":
			b.hung = true
			return
		}
	}
	b.running = next
}

// bootMachine is the machine of a bootWorld.
type bootMachine struct {
	fakeMachine
	b *bootWorld
}

// stuck waits for ever where the machine hangs.
func (m bootMachine) stuck(ctx context.Context) error {
	hung := false
	m.b.with(func() { hung = m.b.hung })
	if !hung {
		return ctx.Err()
	}
	<-ctx.Done()
	return fmt.Errorf("no answer: %w", ctx.Err())
}

func (m bootMachine) Run(ctx context.Context, script string) (string, error) {
	if err := m.stuck(ctx); err != nil {
		return "", err
	}
	return m.fakeMachine.Run(ctx, script)
}

func (m bootMachine) BootID(ctx context.Context) (string, error) {
	if err := m.stuck(ctx); err != nil {
		return "", err
	}
	return m.fakeMachine.BootID(ctx)
}

func (m bootMachine) Reboot(ctx context.Context, before string) error {
	if now, err := m.BootID(ctx); err != nil || now != before {
		return err
	}
	m.b.do("n1", "reboot", m.b.boots)
	if err := pause(ctx, 2*time.Minute); err != nil {
		return err
	}
	return m.stuck(ctx)
}

// bootPower is its BMC.
type bootPower struct{ b *bootWorld }

func (bootPower) State(context.Context) (string, error) { return PowerOn, nil }
func (bootPower) On(context.Context) error              { return nil }
func (bootPower) Off(context.Context, bool) error       { return nil }
func (p bootPower) Cycle(ctx context.Context) error {
	p.b.do("n1", "power cycle", func(n *fakeNode) {
		p.b.cycles++
		p.b.hung = false
		p.b.boots(n)
	})
	return ctx.Err()
}

// bootStep wants the new kernel, and that it is tried.
type bootStep struct{ b *bootWorld }

func (bootStep) Name() string                                 { return "kernel" }
func (bootStep) ID() string                                   { return "kernel.0" }
func (bootStep) Verify(context.Context, playbooks.Host) error { return nil }
func (bootStep) Undoable() string                             { return "" }
func (bootStep) Undo(string) playbooks.Step                   { return nil }

func (bootStep) Before(context.Context, playbooks.Host) (string, error) { return "", nil }

func (bootStep) Traits() playbooks.Traits {
	return playbooks.Traits{Disruptive: true, Repeatable: true, Timeout: time.Hour}
}

func (s bootStep) Check(ctx context.Context, h playbooks.Host) (st playbooks.Status, err error) {
	if _, err := h.Run(ctx, "uname -r"); err != nil {
		return st, err
	}
	s.b.with(func() {
		switch {
		case s.b.running == after && s.b.trial:
			st = playbooks.Status{Staged: true, Trial: true, Changes: []string{"becomes the default"}}
		case s.b.running == after:
			st = playbooks.Status{Clean: true}
		default:
			st = playbooks.Status{Staged: s.b.installed, Reboot: true, Changes: []string{before + " → " + after}}
		}
	})
	return st, nil
}

func (s bootStep) Apply(context.Context, playbooks.Host, func(string)) error {
	s.b.do("n1", "install", func(*fakeNode) { s.b.installed = true })
	return nil
}

func (s bootStep) Arm(context.Context, playbooks.Host) error {
	s.b.do("n1", "arm", func(n *fakeNode) { s.b.armed, s.b.trial, s.b.armedAt = true, true, n.boot })
	return nil
}

func (s bootStep) Landed(ctx context.Context, h playbooks.Host) error {
	if _, err := h.Run(ctx, "uname -r"); err != nil {
		return err
	}
	lost := false
	s.b.do("n1", "", func(n *fakeNode) {
		lost = s.b.trial && s.b.running == before && n.boot != s.b.armedAt
		s.b.trial = s.b.trial && !lost
	})
	if lost {
		return errors.New("kernel " + after + " didn't come up")
	}
	return nil
}

func (s bootStep) Keep(context.Context, playbooks.Host) error {
	s.b.do("n1", "keep", func(*fakeNode) {
		if s.b.trial && s.b.running == after {
			s.b.byDefault, s.b.trial = after, false
		}
	})
	return nil
}

func (s bootStep) CallOff(context.Context, playbooks.Host) error {
	s.b.do("n1", "call off", func(*fakeNode) { s.b.trial, s.b.armed = false, false })
	return nil
}

func (b *bootWorld) fleet(t *testing.T, power Power) *fleet {
	w := b.work("n1", bootStep{b})
	w.Machine, w.RebootPolicy, w.Power = bootMachine{fakeMachine{b.fakeWorld, "n1"}, b}, "if-required", power
	return newFleet(t, b.fakeWorld, w)
}

// TestTrialBoot: armed right before the reboot, kept once the node is whole.
func TestTrialBoot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBootWorld()
		end, _ := b.fleet(t, nil).process(nil)
		want := []string{"claim", "evict", "evict", "evict", "install", "arm", "reboot", "start", "untaint", "keep", "probe", "release"}
		if diff := cmp.Diff(want, b.of("n1")); diff != "" || end.Exit != 0 || b.byDefault != after {
			t.Errorf("exit %d, default %s\n%s", end.Exit, b.byDefault, diff)
		}
	})
}

// TestNotArmedWhereAHookFails: a node that failed before its reboot boots nothing untried, whoever reboots it.
func TestNotArmedWhereAHookFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBootWorld()
		f := b.fleet(t, nil)
		f.change = func(r *Runner) {
			r.Hooks = []Hook{fakeHook{w: b.fakeWorld, at: hookBeforeReboot, fails: errors.New("it says no")}}
		}
		if end, p := f.process(nil); end.Exit != 1 || !strings.Contains(p.Nodes["n1"].Why, "it says no") {
			t.Errorf("exit %d, %q", end.Exit, p.Nodes["n1"].Why)
		}
		if b.armed || slices.Contains(b.of("n1"), "reboot") {
			t.Errorf("armed %v: %v", b.armed, b.of("n1"))
		}
	})
}

// TestFault01KillAroundATrial: killed at any event, the new kernel is the default only on a node that was Ready on it, and
// in the end it is.
func TestFault01KillAroundATrial(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for at := 1; ; at++ {
			b := newBootWorld()
			b.after = func(_, effect string) {
				if n := b.nodes["n1"]; effect == "keep" && (!n.ready || !n.cordoned || b.running != after) {
					t.Errorf("killed at event %d: kept on a node that wasn't verified: %+v", at, *n)
				}
			}
			f := b.fleet(t, nil)
			seen := 0
			_, _ = f.process(func(_ Event, kill context.CancelFunc) {
				if seen++; seen == at {
					kill()
				}
			})
			if seen < at {
				return
			}
			for range 3 {
				if end, _ := f.process(nil); end.Exit == 0 {
					break
				}
			}
			if n := b.see("n1"); b.byDefault != after || b.trial || b.running != after || n.cordoned || n.run != "" {
				t.Fatalf("killed at event %d: default %s, runs %s, trial %v, %+v", at, b.byDefault, b.running, b.trial, n)
			}
		}
	})
}

// TestFault25TrialFails: the node has failed and stays closed, its kubelet runs, and what ran before is the default.
func TestFault25TrialFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBootWorld()
		b.fault = "panics"
		end, p := b.fleet(t, nil).process(nil)
		n := b.see("n1")
		if end.Exit != 1 || b.byDefault != before || !n.cordoned || n.tainted || !n.kubelet || !strings.Contains(p.Nodes["n1"].Why, "didn't come up") {
			t.Errorf("exit %d, default %s, %q, %+v", end.Exit, b.byDefault, p.Nodes["n1"].Why, n)
		}
	})
}

// TestFault28HungTrialIsPowerCycled: once, after the reboot's timeout, and what comes up is the kernel before.
func TestFault28HungTrialIsPowerCycled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBootWorld()
		b.fault = "hangs"
		var said []string
		end, p := b.fleet(t, bootPower{b}).process(func(e Event, _ context.CancelFunc) { said = append(said, e.Step+" "+e.Message) })
		if end.Exit != 1 || b.cycles != 1 || b.byDefault != before || b.running != before || !strings.Contains(p.Nodes["n1"].Why, "didn't come up") {
			t.Errorf("exit %d, %d cycles, runs %s, %q", end.Exit, b.cycles, b.running, p.Nodes["n1"].Why)
		}
		if !slices.Contains(said, "power cycle no login for 30m0s: its power is cut and given back (BMC)") {
			t.Errorf("said:\n%s", strings.Join(said, "\n"))
		}
	})
}

// TestFault28HungMachineIsFoundByTheNextProcess: the first one died while it waited, or had no BMC to ask.
func TestFault28HungMachineIsFoundByTheNextProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBootWorld()
		b.fault = "hangs"
		f := b.fleet(t, nil)
		end, p := f.process(nil)
		if end.Exit != 1 || !strings.Contains(p.Nodes["n1"].Why, "the reboot took longer than 30m") || !p.Nodes["n1"].Rebooting {
			t.Fatalf("exit %d, %+v", end.Exit, p.Nodes["n1"])
		}
		w := f.work["n1"]
		w.Power = bootPower{b}
		f.work["n1"] = w
		end, p = f.process(nil)
		if end.Exit != 1 || b.cycles != 1 || b.running != before || !strings.Contains(p.Nodes["n1"].Why, "didn't come up") {
			t.Errorf("exit %d, %d cycles, %+v", end.Exit, b.cycles, p.Nodes["n1"])
		}
	})
}

// TestOnlyAMachineThatRebootsIsCycled: one that doesn't answer for another reason keeps its power.
func TestOnlyAMachineThatRebootsIsCycled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBootWorld()
		b.hung = true
		if end, _ := b.fleet(t, bootPower{b}).process(nil); end.Exit != 1 || b.cycles != 0 {
			t.Errorf("exit %d, %d cycles", end.Exit, b.cycles)
		}
	})
}

// TestVerifiedWithoutADrain: a trial that is left over from a run whose traces on the node are lost ends without closing it.
func TestVerifiedWithoutADrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBootWorld()
		b.running, b.trial, b.installed = after, true, true
		b.nodes["n1"].ready = true
		end, _ := b.fleet(t, nil).process(nil)
		if diff := cmp.Diff([]string{"keep"}, b.of("n1")); diff != "" || end.Exit != 0 || b.byDefault != after {
			t.Errorf("exit %d, default %s\n%s", end.Exit, b.byDefault, diff)
		}
	})
}

// TestGivenBackIsCalledOff: a node that is given back unverified has nothing on it that would reboot it later.
func TestGivenBackIsCalledOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBootWorld()
		f := b.fleet(t, nil)
		_, _ = f.process(func(e Event, kill context.CancelFunc) {
			if e.Step == rebootStep {
				kill()
			}
		})
		if !b.trial {
			t.Fatal("nothing is being tried")
		}
		j, p, _ := f.journal()
		defer j.Close()
		r := &Runner{Run: testRun, Plan: f.plan, Work: f.work, Cluster: b, Journal: j, Progress: p, Held: func() error { return nil }, Lost: make(chan struct{})}
		if err := r.live(t.Context(), Order{Node: "n1", Name: OrderGiveBack}); err != nil {
			t.Fatal(err)
		}
		if n := b.see("n1"); b.trial || n.cordoned || b.byDefault != before {
			t.Errorf("trial %v, default %s, %+v", b.trial, b.byDefault, n)
		}
	})
}
