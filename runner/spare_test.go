package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tiredBMC is one that switches on, and can't switch off.
type tiredBMC struct{ *fakeBMC }

func (b tiredBMC) Off(context.Context, bool) error {
	b.takes = append(b.takes, "refused")
	return errors.New("insufficient privilege")
}

// spares are nodes of a run that are lent, as a run takes them and an abort gives them back.
type spares struct {
	*fleet
	said []string
}

func (s *spares) with(do func(*Runner)) {
	s.t.Helper()
	j, p, kind := s.journal()
	defer j.Close()
	r := &Runner{
		Run: s.run, Plan: s.plan, Work: s.work, Cluster: s.w, Journal: j, Progress: p,
		Held: func() error { return nil }, Lost: make(chan struct{}), Stop: make(chan struct{}),
	}
	if err := r.emit(Event{Event: kind}); err != nil {
		s.t.Fatal(err)
	}
	r.Show = func(e Event) { s.said = append(s.said, e.Message) }
	do(r)
}

func (s *spares) order(name string) NodeProgress {
	s.t.Helper()
	var n NodeProgress
	s.with(func(r *Runner) {
		o := Order{Node: "n1", Name: name}
		if err := r.emit(Event{Event: EventOrder, Node: o.Node, Order: o.Name}); err != nil {
			s.t.Fatal(err)
		}
		if err := r.live(s.t.Context(), o); err != nil {
			s.t.Fatal(err)
		}
		n = r.Progress.Nodes["n1"]
	})
	return n
}

// TestSpare: a spare is lent with whether it had power, and goes back as it was found: empty, and off where it was off. One
// that can't be switched off is told, and given back all the same.
func TestSpare(t *testing.T) {
	off := func() *fakeBMC { return &fakeBMC{state: PowerOff} }
	for name, c := range map[string]struct {
		bmc     *fakeBMC
		tired   bool
		unready bool
		found   string // as its claim records it
		takes   []string
		told    string
	}{
		"off":                            {bmc: off(), unready: true, found: PowerOff, takes: []string{"on", "off, hard false"}},
		"on":                             {bmc: &fakeBMC{state: PowerOn}, found: PowerOn},
		"without a BMC":                  {},
		"off, and can't be switched off": {bmc: off(), unready: true, tired: true, found: PowerOff, takes: []string{"on", "refused"}, told: "could not be powered off again: insufficient privilege"},
		"the BMC can't tell, it is Ready": {
			bmc: &fakeBMC{err: errors.New("wake-on-lan only wakes")}, found: PowerOn,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newFakeWorld("n1")
				w.nodes["n1"].cordoned, w.nodes["n1"].ready = true, !c.unready
				wk := w.work("n1")
				if c.bmc != nil {
					wk.Power = c.bmc
				}
				if c.tired {
					wk.Power = tiredBMC{c.bmc}
				}
				s := &spares{fleet: newFleet(t, w, wk)}
				if n := s.order(OrderWake); n.State != Done {
					t.Fatalf("%+v", n)
				}
				n := w.see("n1")
				if n.state[factLent] == "" || n.state[factPower] != c.found || n.tainted || n.run != s.run {
					t.Errorf("lent: %+v", n)
				}
				if n := s.order(OrderReturn); n.State != Done {
					t.Errorf("%+v", n)
				}
				n = w.see("n1")
				if n.run != "" || !n.cordoned || n.pods != 0 || c.bmc != nil && !slices.Equal(c.bmc.takes, c.takes) {
					t.Errorf("given back: %+v, %+v", n, c.bmc)
				}
				if text := strings.Join(s.said, "\n"); !strings.Contains(text, c.told) || c.told == "" && strings.Contains(text, "it was off, and") {
					t.Errorf("told %s", text)
				}
			})
		})
	}
}

// TestSpareWithoutAWay: a spare that is off, and whose BMC has left the inventory since it was claimed, fails with what there
// is to do.
func TestSpareWithoutAWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		wk := w.work("n1")
		wk.Machine = silentMachine{fakeMachine{w, "n1"}}
		s := &spares{fleet: newFleet(t, w, wk)}
		w.nodes["n1"].run, w.nodes["n1"].state = s.run, map[string]string{factLent: "true", factPower: PowerOff}
		n := s.order(OrderWake)
		if n.State != Failed || !strings.Contains(n.Why, "no route to host; it may be off, and without a bmc key of its host nobody but you can power it on") {
			t.Errorf("%+v", n)
		}
	})
}

// silentMachine never answers.
type silentMachine struct{ fakeMachine }

func (silentMachine) BootID(context.Context) (string, error) {
	return "", errors.New("no route to host")
}

func (silentMachine) Run(context.Context, string) (string, error) {
	return "", errors.New("no route to host")
}

// TestGiveBack: an abort gives every node back as it was found, all at once, and tells what is left of those that it can't.
func TestGiveBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1", "n2", "n3", "n4")
		off, tired := &fakeBMC{state: PowerOn}, &fakeBMC{state: PowerOn}
		var work []Work
		for i, power := range []Power{nil, off, tiredBMC{tired}, nil} {
			wk := w.work(fmt.Sprintf("n%d", i+1))
			wk.Power = power
			work = append(work, wk)
		}
		work[3].Machine = silentMachine{fakeMachine{w, "n4"}}
		s := &spares{fleet: newFleet(t, w, work...)}
		for _, name := range w.names() {
			n := w.nodes[name]
			n.run, n.cordoned, n.tainted, n.state = s.run, true, true, map[string]string{"cordoned": "false", begun: "apply"}
			if name == "n2" || name == "n3" {
				n.state = map[string]string{"cordoned": "true", factLent: "true", factPower: PowerOff}
			}
		}
		s.with(func(r *Runner) {
			left, err := r.GiveBack(t.Context(), w.names())
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{"n3", "n4"}, keys(left)); diff != "" {
				t.Errorf("left %+v", left)
			}
			if l := left["n3"]; !l.Given || !l.Spare || !l.Off || !strings.Contains(l.Why, "insufficient privilege") {
				t.Errorf("n3: %+v", l)
			}
			if l := left["n4"]; l.Given || l.Spare || !strings.Contains(l.Why, "no route to host") {
				t.Errorf("n4: %+v", l)
			}
		})
		for name, cordoned := range map[string]bool{"n1": false, "n2": true, "n3": true} {
			if n := w.see(name); n.run != "" || n.cordoned != cordoned || cordoned && n.pods != 0 {
				t.Errorf("%+v", n)
			}
		}
		if n := w.see("n4"); n.run != s.run || !n.cordoned || off.state != PowerOff {
			t.Errorf("n4 %+v, n2 is %s", n, off.state)
		}
	})
}

func keys(left map[string]Leftover) []string {
	var list []string
	for n := range left {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}
