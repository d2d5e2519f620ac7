package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/playbooks"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/bmc"
	"github.com/fleetup/fleetup/runner/hardware"
)

// bmcOf opens what the inventory says of the host's BMC; nothing is asked of it yet. Nil where it names none.
func (a *app) bmcOf(h inventory.Host) (bmc.Starter, error) {
	if h.BMC.IsZero() {
		return nil, nil
	}
	c := bmc.Config{
		Type: h.BMC.Type, Address: h.BMC.Address, User: h.BMC.User, Fingerprint: h.BMC.Fingerprint, System: h.BMC.System, MAC: h.MAC,
		Programs: bmc.Programs{Status: h.BMC.Status, On: h.BMC.On, Off: h.BMC.Off, Cycle: h.BMC.Cycle},
		Dial:     a.dial, Run: a.bmcProgram(h),
	}
	if !h.BMC.Password.IsZero() {
		c.Password = func(ctx context.Context) (string, error) { return a.secret(ctx, "bmc.password", h.BMC.Password) }
	}
	b, err := bmc.Open(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	return b, nil
}

// bmcProgram runs one of the operator's programs, which learns from its environment whom it is to switch.
func (a *app) bmcProgram(h inventory.Host) func(context.Context, []string) (string, error) {
	return func(ctx context.Context, argv []string) (string, error) {
		c := exec.CommandContext(ctx, argv[0], argv[1:]...)
		c.Env = append(os.Environ(), "FLEETUP_HOST="+h.Name, "FLEETUP_NODE="+h.Node, "FLEETUP_ADDRESS="+h.Address)
		return bmc.RunProgram(c)
	}
}

// power is a host's switch as an order uses it. A host that has none, or one that can only be turned on, gives nil.
func (a *app) power(h inventory.Host) (*powerSwitch, error) {
	b, err := a.bmcOf(h)
	if p, ok := b.(bmc.Power); ok && err == nil {
		return &powerSwitch{p}, nil
	}
	return nil, err
}

// wirePower gives each machine's work its switch.
func (s *session) wirePower() error {
	for _, h := range s.hosts {
		w := s.work[h.Node]
		p, err := s.app.power(h)
		if err != nil {
			return err
		}
		if p != nil { // or the interface would hold a nil that isn't one
			w.Power = p
		}
		w.Swap = s.swapOf(h, w)
		s.work[h.Node] = w
	}
	return nil
}

// swapOf is what a run needs to hold a host for the hardware work that its playbooks ask for; nil where none does.
func (s *session) swapOf(h inventory.Host, w runner.Work) *runner.Swap {
	var reasons, expect []string
	for _, step := range w.Steps {
		if holder, holds := step.(playbooks.Holder); holds {
			reasons, expect = append(reasons, step.Name()), append(expect, holder.Expect()...)
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	sw := &runner.Swap{By: username(), Reason: strings.Join(reasons, ", "), Expect: expect, Hardware: func(ctx context.Context) (hardware.Document, error) {
		return s.app.inventoried(ctx, h, s.machines[h.Node])
	}}
	if b, err := s.app.bmcOf(h); err == nil {
		if l, can := b.(bmc.Locator); can {
			sw.Locate = l.Locate
		}
	}
	return sw
}

// powerSwitch implements runner.Power: states are plain strings there.
type powerSwitch struct{ bmc.Power }

// State implements runner.Power.
func (p *powerSwitch) State(ctx context.Context) (string, error) {
	s, err := p.Power.State(ctx)
	return string(s), err
}

// noBMC is what to do about a host whose inventory names no BMC.
func noBMC(h inventory.Host) error {
	return fmt.Errorf(`%s: the inventory names no BMC for it: bmc = { type = "redfish", address = "…", user = "…", password = { env = "…" } }, or ipmi, command, wol`, h.Name)
}

// graceToShutDown is how long an operating system may take to shut down before its power is taken away: systemd gives a
// service 90 seconds to stop.
const graceToShutDown = 3 * time.Minute

// oneLine keeps an error of a BMC on one line of a table.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
