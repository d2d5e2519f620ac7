package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/hardware"
)

// fakeBMC is a machine's power.
type fakeBMC struct {
	state string
	err   error // of State
	stuck bool  // only Off takes the power away
	takes []string
}

func (b *fakeBMC) State(context.Context) (string, error) { return b.state, b.err }
func (b *fakeBMC) Cycle(context.Context) error           { return nil }

func (b *fakeBMC) On(context.Context) error {
	b.state, b.takes = PowerOn, append(b.takes, "on")
	return nil
}

func (b *fakeBMC) Off(_ context.Context, hard bool) error {
	b.state, b.takes = PowerOff, append(b.takes, fmt.Sprintf("off, hard %t", hard))
	return nil
}

// swapMachine is a machine with systemd that shuts down when told to.
type swapMachine struct {
	fakeMachine
	bmc *fakeBMC
	did *[]string
}

func (m swapMachine) Run(ctx context.Context, script string) (string, error) {
	did := func(what string) { *m.did = append(*m.did, what) }
	switch {
	case strings.HasSuffix(script, enabledScript):
		return "containerd\nkubelet\n", nil
	case strings.HasSuffix(script, disableScript):
		did("disable")
		return "", nil
	case strings.Contains(script, "systemctl poweroff"):
		did("poweroff")
		if m.bmc != nil && !m.bmc.stuck {
			m.bmc.state = PowerOff
		}
		return "", nil
	case strings.Contains(script, "systemctl enable"):
		did(strings.TrimSpace(script[strings.Index(script, "systemctl enable"):]))
		return "", nil
	}
	return m.fakeMachine.Run(ctx, script)
}

// TestDisableSaysWhy: what systemctl says of a unit that it can't disable is what the node is told to have failed of.
func TestDisableSaysWhy(t *testing.T) {
	bin := t.TempDir()
	const systemctl = `#!/bin/sh
case $1 in
is-enabled) echo enabled ;;
disable) echo 'Failed to disable unit: Read-only file system' >&2; exit 1 ;;
esac
`
	if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte(systemctl), 0o700); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "sh", "-c", disableScript)
	c.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "Read-only file system") {
		t.Errorf("%v: %q", err, out)
	}
}

// work is hardware work on n1 as the swap commands have it done.
type swapWork struct {
	*fleet
	bmc     *fakeBMC
	swap    Swap
	did     []string // by the machine and the taint
	said    []string
	disks   []hardware.Disk
	asked   int // how often for the hardware
	taintTo error
}

func newSwapWork(t *testing.T, bmc *fakeBMC) *swapWork {
	w := newFakeWorld("n1")
	s := &swapWork{bmc: bmc, disks: []hardware.Disk{{Name: "sda", Model: "Old", Serial: "A1", Bytes: 1 << 40}}}
	wk := w.work("n1")
	wk.Machine = swapMachine{fakeMachine{w, "n1"}, bmc, &s.did}
	if bmc != nil {
		wk.Power = bmc
	}
	s.fleet = newFleet(t, w, wk)
	s.swap = Swap{
		By: "ann", Reason: "a disk", Expect: []string{"disk +1"},
		Hardware: func(context.Context) (hardware.Document, error) {
			s.asked++
			return hardware.Document{Version: 1, Disks: s.disks}, nil
		},
		Trust: func(context.Context) error { return nil },
		Taint: func(_ context.Context, on bool) error {
			if s.taintTo == nil {
				s.did = append(s.did, fmt.Sprintf("taint %t", on))
			}
			return s.taintTo
		},
	}
	return s
}

// carry is one command.
func (s *swapWork) carry(order string) error {
	s.t.Helper()
	j, p, kind := s.journal()
	defer j.Close()
	r := &Runner{
		Run: s.run, Plan: s.plan, Work: s.work, Cluster: s.w, Journal: j, Progress: p, Swap: &s.swap,
		Held: func() error { return nil }, Lost: make(chan struct{}), Stop: make(chan struct{}),
	}
	if err := r.emit(Event{Event: kind}); err != nil {
		s.t.Fatal(err)
	}
	r.Show = func(e Event) { s.said = append(s.said, e.Message) }
	return r.Carry(s.t.Context(), Order{Node: "n1", Name: order})
}

func (s *swapWork) told(text string) bool {
	return slices.ContainsFunc(s.said, func(m string) bool { return strings.Contains(m, text) })
}

// TestSwap: a node is emptied, its services are kept from starting, it is turned off and held; then it is turned on, has
// the disk that was announced, and is given back as it was found.
func TestSwap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwapWork(t, &fakeBMC{state: PowerOn})
		s.swap.OutOfService = true
		if err := s.carry(OrderSwapBegin); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"disable", "poweroff", "taint true"}, s.did); diff != "" || s.bmc.state != PowerOff || s.bmc.takes != nil {
			t.Errorf("%+v (-want +got):\n%s", s.bmc, diff)
		}
		n := s.w.see("n1")
		if h, held := HoldOf(s.run, n.state); !held || !h.Off || !h.OutOfServe || h.By != "ann" || !n.cordoned || n.pods != 0 {
			t.Errorf("%+v: %+v", n, h)
		}

		s.disks, s.swap.OutOfService = append(s.disks, hardware.Disk{Name: "sdb", Model: "New", Serial: "B1", Bytes: 1 << 40}), false
		s.swap.Expect = nil
		s.did = nil
		if err := s.carry(OrderSwapFinish); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"taint false", "systemctl enable --quiet containerd.service kubelet.service"}, s.did); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := s.w.see("n1"); n.run != "" || n.cordoned || !s.told("as expected: ") || !slices.Equal(s.bmc.takes, []string{"on"}) {
			t.Errorf("%+v, %v, told %q", n, s.bmc.takes, s.said)
		}
	})
}

// TestSwapFinishUnlike: a machine that isn't as announced stays held, closed, with why; once more is announced it comes back.
// Whoever cancels gets it back as it is.
func TestSwapFinishUnlike(t *testing.T) {
	for name, order := range map[string]string{"finish": OrderSwapFinish, "cancel": OrderSwapCancel} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newSwapWork(t, &fakeBMC{state: PowerOn})
				if err := s.carry(OrderSwapBegin); err != nil {
					t.Fatal(err)
				}
				s.disks, s.swap.Expect = nil, nil // somebody pulled the wrong one
				err := s.carry(OrderSwapFinish)
				kept, ok := errors.AsType[*KeptError](err)
				if !ok || !strings.Contains(kept.Why, "Old") || !strings.Contains(kept.Why, "--expect") {
					t.Fatalf("%v", err)
				}
				n := s.w.see("n1")
				if h, held := HoldOf(s.run, n.state); !held || h.Troubles != kept.Why || !n.cordoned || slices.ContainsFunc(s.did, func(d string) bool { return strings.HasPrefix(d, "systemctl enable") }) {
					t.Errorf("%+v: %+v, did %q", n, h, s.did)
				}
				if order == OrderSwapFinish {
					s.disks = []hardware.Disk{{Name: "sda", Model: "Old", Serial: "A1", Bytes: 1 << 40}, {Name: "sdb", Serial: "B1", Bytes: 1 << 40}}
				}
				if err := s.carry(order); err != nil {
					t.Error(err)
				}
				if n := s.w.see("n1"); n.run != "" || n.cordoned {
					t.Errorf("not given back: %+v", n)
				}
			})
		})
	}
}

// TestSwapPowerOff: what is told to shut down, and how it is made sure that it is off.
func TestSwapPowerOff(t *testing.T) {
	for name, c := range map[string]struct {
		bmc   *fakeBMC
		takes []string
		off   string // as recorded; "" for a time
		told  string
	}{
		"shuts down":           {bmc: &fakeBMC{state: PowerOn}},
		"is off already":       {bmc: &fakeBMC{state: PowerOff}},
		"doesn't shut down":    {bmc: &fakeBMC{state: PowerOn, stuck: true}, takes: []string{"off, hard true"}, told: "its power is taken away"},
		"nobody sees it":       {off: "unverified", told: "look before you touch it"},
		"its BMC is out of it": {bmc: &fakeBMC{err: errors.New("no route to host")}, off: "-"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newSwapWork(t, c.bmc)
				err := s.carry(OrderSwapBegin)
				off := s.w.see("n1").state[factSwapOff]
				if c.off == "-" {
					if kept, ok := errors.AsType[*KeptError](err); !ok || !strings.Contains(kept.Why, "no route to host") || off != "" {
						t.Errorf("%v, off %q", err, off)
					}
					return
				}
				_, perr := time.Parse(time.RFC3339, off)
				if err != nil || off != c.off && (c.off != "" || perr != nil) || c.told != "" && !s.told(c.told) {
					t.Errorf("%v, off %q, told %q", err, off, s.said)
				}
				if c.bmc != nil && !slices.Equal(c.bmc.takes, c.takes) {
					t.Errorf("took %q", c.bmc.takes)
				}
			})
		})
	}
}

// TestSwapOutOfService: the taint that frees volumes is set only while the BMC says that the machine is off, and a begin
// that was cut off before it was set sets it when it is begun again.
func TestSwapOutOfService(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwapWork(t, &fakeBMC{state: PowerOn})
		s.swap.OutOfService = true
		s.taintTo = errors.New("the API is away")
		kept, ok := errors.AsType[*KeptError](s.carry(OrderSwapBegin))
		if !ok || kept.Why != "out of service: the API is away" {
			t.Fatalf("%v", kept)
		}
		s.taintTo = nil
		s.bmc.state = PowerOn // by somebody at the rack
		kept, ok = errors.AsType[*KeptError](s.carry(OrderSwapBegin))
		if want := "out of service: node.kubernetes.io/out-of-service is only for a machine that is off, and its BMC says that it is on"; !ok || kept.Why != want {
			t.Errorf("%v", kept)
		}
		s.bmc.err = errors.New("no route to host")
		if kept, ok = errors.AsType[*KeptError](s.carry(OrderSwapBegin)); !ok || !strings.HasSuffix(kept.Why, "whether it is isn't known: no route to host") {
			t.Errorf("%v", kept)
		}
		s.bmc.err, s.bmc.state = nil, PowerOff
		if err := s.carry(OrderSwapBegin); err != nil || !slices.Contains(s.did, "taint true") || s.asked != 1 {
			t.Errorf("%v, did %q, asked %d times for the hardware", err, s.did, s.asked)
		}
	})
	for name, lost := range map[string]bool{"without a BMC": false, "whose BMC left the inventory": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var bmc *fakeBMC
				if lost {
					bmc = &fakeBMC{state: PowerOn}
				}
				s := newSwapWork(t, bmc)
				if lost {
					if err := s.carry(OrderSwapBegin); err != nil {
						t.Fatal(err)
					}
					wk := s.work["n1"]
					wk.Power = nil
					s.work["n1"] = wk
				}
				s.swap.OutOfService = true
				kept, ok := errors.AsType[*KeptError](s.carry(OrderSwapBegin))
				if !ok || !strings.Contains(kept.Why, "this one has none") || slices.Contains(s.did, "taint true") {
					t.Errorf("%v, did %q", kept, s.did)
				}
			})
		})
	}
}

// TestSwapUntouched: what goes wrong before the machine was touched gives the node back; what goes wrong after keeps it.
func TestSwapUntouched(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSwapWork(t, &fakeBMC{state: PowerOn})
		s.swap.Hardware = func(context.Context) (hardware.Document, error) {
			return hardware.Document{}, errors.New("no answer")
		}
		err := s.carry(OrderSwapBegin)
		if err == nil || err.Error() != "hardware: no answer" {
			t.Errorf("%v", err)
		}
		if n := s.w.see("n1"); n.run != "" || n.cordoned || s.did != nil {
			t.Errorf("%+v, did %q", n, s.did)
		}
		if err := s.carry(OrderSwapFinish); err == nil || !strings.Contains(err.Error(), "it isn't held for hardware work") {
			t.Errorf("the finish of what isn't held: %v", err)
		}
	})
}
