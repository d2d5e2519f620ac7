package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// booters are the steps whose change is tried in a boot of its own.
func (l *life) booters(yes func(Item) bool) []playbooks.Booter {
	var list []playbooks.Booter
	for _, i := range l.items {
		if b, ok := i.Step.(playbooks.Booter); ok && yes(i) {
			list = append(list, b)
		}
	}
	return list
}

// arm makes the reboot that follows the trial of what waits for it.
func (l *life) arm(ctx context.Context) error {
	for _, b := range l.booters(func(i Item) bool { return i.Status.Staged && i.Status.Reboot }) {
		if err := l.trial(ctx, b, "armed: booted once, and what ran before stays the default", b.Arm); err != nil {
			return err
		}
	}
	return nil
}

// landed is asked after each boot, and first of all by a run that picks the node up: the machine may be in its trial boot
// just then, or back from it.
func (l *life) landed(ctx context.Context) error {
	for _, b := range l.booters(func(i Item) bool { return !i.Status.Clean }) {
		if err := l.ask(ctx, func(ctx context.Context) error { return b.Landed(ctx, l.w.Machine) }); err != nil {
			return err
		}
	}
	return nil
}

// confirm makes what has been verified what boots from now on, and asks the steps' own checks whether it does.
func (l *life) confirm(ctx context.Context) error {
	for n, i := range l.items {
		b, ok := i.Step.(playbooks.Booter)
		if !ok || !i.Status.Trial {
			continue
		}
		if err := l.held(ctx); err != nil {
			return err
		}
		if err := l.trial(ctx, b, "verified: it becomes the default", b.Keep); err != nil {
			return err
		}
		st, err := l.checked(ctx, b)
		if err != nil {
			return err
		}
		if l.items[n].Status = st; !st.Clean {
			return fmt.Errorf("step %q: verified, and still not what boots from now on: %v", b.Name(), st.Changes)
		}
	}
	return nil
}

// callOff ends what is being tried on a node that is given back unverified: nothing may reboot it later on.
func (l *life) callOff(ctx context.Context) error {
	for _, s := range l.w.Steps {
		if b, ok := s.(playbooks.Booter); ok {
			if err := l.ask(ctx, func(ctx context.Context) error { return b.CallOff(ctx, l.w.Machine) }); err != nil {
				return fmt.Errorf("step %q: %w", s.Name(), err)
			}
		}
	}
	return nil
}

// trial journals what is about to be done for a trial boot, and does it.
func (l *life) trial(ctx context.Context, b playbooks.Booter, what string, do func(context.Context, playbooks.Host) error) error {
	if err := l.tell(Event{Event: EventStep, Step: b.Name(), Message: what}); err != nil {
		return err
	}
	if err := l.ask(ctx, func(ctx context.Context) error { return do(ctx, l.w.Machine) }); err != nil {
		return fmt.Errorf("step %q: %w", b.Name(), err)
	}
	return nil
}

// cycle cuts the power of a machine that hasn't come back in time, and gives it back, where there is a way to do that; then
// it waits as long again. What it boots is its default, never a trial: that was the boot which hung.
func (l *life) cycle(ctx context.Context, late error, back func(context.Context) error) error {
	var tooLate *lateError
	if !errors.As(late, &tooLate) || l.w.Power == nil {
		return late
	}
	if err := l.held(ctx); err != nil {
		return err
	}
	why := fmt.Sprintf("no login for %s: its power is cut and given back (BMC)", l.w.RebootTimeout)
	if err := l.tell(Event{Event: EventStep, Step: "power cycle", Message: why}); err != nil {
		return err
	}
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupPowerCycle", why, true)
	if err := within(ctx, powerTimeout, "the power cycle", l.w.Power.Cycle); err != nil {
		return fmt.Errorf("%w; and its power could not be cycled: %w", late, err)
	}
	return within(ctx, l.w.RebootTimeout, "the boot after a power cycle", back)
}

// powerTimeout bounds the BMC's answer.
const powerTimeout = 5 * time.Minute
