package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// Keys of a claim's state that speak of a spare.
const (
	factLent  = "lent"  // it is one: there in every claim of a spare
	factPower = "power" // PowerOff: it was off when we came
)

// spare reports whether the plan only borrows the node.
func (r *Runner) spare(node string) bool {
	return slices.ContainsFunc(r.Plan.Nodes, func(n PlanNode) bool { return n.Name == node && n.Spare })
}

// claimSpare claims a spare before anything else, with whether it has power: it goes back as it was found.
func (l *life) claimSpare(ctx context.Context) error {
	if err := l.held(ctx); err != nil {
		return err
	}
	facts := maps.Clone(l.r.Cluster.Facts(l.w.Node))
	if facts == nil {
		facts = map[string]string{}
	}
	facts[factOrder], facts[factLent] = l.order, "true"
	if !l.r.claimed(l.w.Node) && l.w.Power != nil {
		facts[factPower] = l.powerFound(ctx)
	}
	var err error
	l.state, err = l.r.Cluster.Claim(ctx, l.w.Node, l.r.Run, facts)
	return err
}

// powerFound is whether a spare has power. A BMC that can't tell, as Wake-on-LAN, leaves it to whether the API hears the kubelet.
func (l *life) powerFound(ctx context.Context) string {
	state, err := l.w.Power.State(ctx)
	if err == nil {
		return state
	}
	nodes, _ := l.r.Cluster.Observe()
	if nodes[l.w.Node].Ready {
		return PowerOn
	}
	l.say("whether it has power can't be asked, and it isn't Ready: taken for off: " + err.Error())
	return PowerOff
}

// spareOn switches a spare on that was off. Without a BMC there is no way to, and somebody may have done it by hand.
func (l *life) spareOn(ctx context.Context) error {
	if l.state[factPower] != PowerOff || l.w.Power == nil {
		return nil
	}
	if err := l.held(ctx); err != nil {
		return err
	}
	l.say("it was off: powering it on")
	if err := l.w.Power.On(ctx); err != nil {
		return fmt.Errorf("power on: %w", err)
	}
	return l.w.Machine.Expect()
}

// awake waits until a spare answers and its kubelet is Ready.
func (l *life) awake(ctx context.Context) error {
	boot, err := l.bootID(ctx)
	if err != nil && l.w.Power == nil {
		return fmt.Errorf("%w; it may be off, and without a bmc key of its host nobody but you can power it on", err)
	}
	if err != nil {
		return err
	}
	if err := l.r.Cluster.Note(ctx, l.w.Node, l.r.Run, map[string]string{"boot_id": boot}); err != nil {
		return err
	}
	if err := l.run(ctx, "start the kubelet", startScript); err != nil {
		return err
	}
	return within(ctx, l.w.VerifyTimeout, "the kubelet's start", func(ctx context.Context) error {
		if err := l.awaitReady(ctx, "", time.Time{}); err != nil {
			return err
		}
		return l.r.Cluster.Untaint(ctx, l.w.Node, l.r.Run)
	})
}

// claimAgain closes a spare that has served, and lets load balancers see it. It has to be drained, whatever was done to
// it since its claim.
func (l *life) claimAgain(ctx context.Context) error {
	if err := l.held(ctx); err != nil {
		return err
	}
	var err error
	if l.state, err = l.r.Cluster.Claim(ctx, l.w.Node, l.r.Run, nil); err != nil {
		return err
	}
	l.booted, l.reclaimed, l.reopened = l.state["boot_id"], true, true
	return l.settle(ctx)
}

// wakeSpare has a spare run before it is given back for good, as any node, closed: it has to be drained, whatever was done to
// it since its claim.
func (l *life) wakeSpare(ctx context.Context) error {
	l.reclaimed, l.reopened = true, true
	return l.wake(ctx)
}

// spareOff switches a spare off that was off when we came, and waits until it is. One that can't be is said, and given back
// all the same.
func (l *life) spareOff(ctx context.Context) error {
	if l.state[begun] != "" {
		if err := playbooks.LetGo(ctx, l.w.Machine); err != nil { // before: nothing reaches a machine that is off
			return err
		}
	}
	if l.state[factPower] != PowerOff || l.w.Power == nil {
		return nil
	}
	if err := l.held(ctx); err != nil {
		return err
	}
	l.r.Cluster.Down(l.w.Node, true)
	err := within(ctx, l.w.RebootTimeout, "powering off", l.awaitOff)
	if err != nil && ctx.Err() == nil {
		l.say("it was off, and could not be powered off again: " + err.Error())
		l.r.stillOn(l.w.Node, err)
		return nil
	}
	return err
}

// awaitOff asks the machine to shut down, and waits until it has no power.
func (l *life) awaitOff(ctx context.Context) error {
	if err := l.w.Power.Off(ctx, false); err != nil {
		return err
	}
	for {
		state, err := l.w.Power.State(ctx)
		if err == nil && state == PowerOff {
			return nil
		}
		l.waiting("the machine to power off")
		if perr := pause(ctx, 5*time.Second); perr != nil {
			return errors.Join(perr, err)
		}
	}
}

// giveSpareBack ends the way back of a spare: it is given back as it was found, for it was lent for what it runs no more.
func (l *life) giveSpareBack(ctx context.Context) error {
	for _, do := range []func(context.Context) error{l.forget, l.spareOff, l.givenBackSpare} {
		if err := do(ctx); err != nil {
			return err
		}
	}
	if err := l.well(l.summary()); err != nil {
		return err
	}
	return errSettled
}

// givenBackSpare gives a spare back as it was found.
func (l *life) givenBackSpare(ctx context.Context) error {
	if err := l.r.Cluster.Release(ctx, l.w.Node, l.r.Run, l.lastRun()); err != nil {
		return err
	}
	l.r.Cluster.Draining(l.w.Node, false)
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupDone", "a spare again", false)
	return nil
}
