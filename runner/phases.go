package runner

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// check looks at every step. A node with nothing to do is left alone; one that must be drained is first asked
// whether its pods may go, so that a budget's no never closes a node for nothing.
func (l *life) check(ctx context.Context) error {
	state, _ := l.r.Cluster.Recorded(l.w.Node)
	if _, held := HoldOf(l.r.Run, state); held && l.r.claimed(l.w.Node) { // it may be off already
		l.onHold = true
		return l.holdAgain(ctx)
	}
	err := l.look(ctx)
	if err != nil && l.rebooting { // an earlier order left it there
		err = l.cycle(ctx, err, l.look)
	}
	if err != nil {
		return err
	}
	if l.r.claimed(l.w.Node) || l.taken {
		return l.landed(ctx)
	}
	if l.w.AllClean(l.items) {
		if err := l.givenAlready(ctx); err != nil {
			return err
		}
		message := upToDate
		if len(l.r.progressOf(l.w.Node).Did) > 0 { // a process before this one gave it back, and came no further
			message = l.summary()
		}
		if err := l.well(message); err != nil {
			return err
		}
		return errSettled
	}
	if !l.w.NeedsDrain(l.items) {
		l.light = true
		return l.remember(ctx)
	}
	if l.w.ControlPlane {
		if err := l.r.Cluster.AwaitControlPlane(ctx, l.w.Node, l.waiting); err != nil {
			return err
		}
	}
	return l.r.Cluster.TryDrain(ctx, l.w.Node, l.waiting)
}

// claim closes the node in one update, remembering how it was found, and lets load balancers see it.
func (l *life) claim(ctx context.Context) error { return l.claimWith(ctx, nil) }

// claimWith closes the node and records more facts.
func (l *life) claimWith(ctx context.Context, more map[string]string) error {
	if err := l.held(ctx); err != nil {
		return err
	}
	if err := l.leaves(); err != nil {
		return err
	}
	l.reclaimed = l.r.claimed(l.w.Node) || l.taken
	l.reopened = l.reclaimed && !l.r.cordoned(l.w.Node)
	facts, err := l.facts(ctx)
	if err != nil {
		return err
	}
	maps.Copy(facts, more)
	if l.state, err = l.r.Cluster.Claim(ctx, l.w.Node, l.r.Run, facts); err != nil {
		return err
	}
	l.booted = l.state["boot_id"]
	l.tryAgain()
	if err := l.noteBefore(ctx, facts); err != nil {
		return err
	}
	if l.reclaimed {
		return l.noteOrder(ctx)
	}
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupClaimed", "cordoned for "+facts["changes"], false)
	return l.settle(ctx)
}

// leaves asks, before the node that this run's own pod is on is closed or drained, whether another pod could go on elsewhere: nobody
// else would bring the node back.
func (l *life) leaves() error {
	if l.w.Node != l.r.Self {
		return nil
	}
	return l.r.Cluster.HandOver(l.w.Node)
}

// settle gives load balancers the time to stop sending to the node.
func (l *life) settle(ctx context.Context) error {
	d := l.w.LBSettle
	if d < 0 {
		d = l.r.Cluster.LBSettle(l.w.Node)
	}
	if d == 0 {
		return nil
	}
	l.waiting(fmt.Sprintf("load balancers to leave the node: %s", d))
	return pause(ctx, d)
}

// drain empties the node. One whose machine was touched, and has been rebooted since its claim, was drained before and
// is not drained again, as long as it stayed closed: what runs there now is what comes back by itself. A reboot alone
// proves nothing: it may have come in the middle of a drain.
func (l *life) drain(ctx context.Context) error {
	boot, err := l.bootID(ctx)
	if err != nil || boot != l.booted && l.state[begun] != "" && !l.reopened {
		return err
	}
	if err := l.held(ctx); err != nil {
		return err
	}
	if err := l.leaves(); err != nil {
		return err
	}
	if l.w.Node == l.r.Self {
		return errHandOver
	}
	if err := l.hook(ctx, hookBeforeDrain); err != nil {
		return err
	}
	l.r.Cluster.Draining(l.w.Node, true)
	if err := l.r.Cluster.Drain(ctx, l.w.Node, l.announce, l.waiting); err != nil {
		return err
	}
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupDrained", "its pods are gone and their volumes detached", false)
	if err := l.hook(ctx, hookAfterDrain); err != nil {
		return err
	}
	return l.unmounted(ctx)
}

// kept makes sure that the node is still closed: somebody may have uncordoned it. Before the reboot it is then
// closed and drained again.
func (l *life) kept(ctx context.Context) error {
	if l.r.cordoned(l.w.Node) {
		return l.stillClaimed(ctx)
	}
	l.say("somebody uncordoned the node: cordoned and drained again")
	if _, err := l.r.Cluster.Claim(ctx, l.w.Node, l.r.Run, nil); err != nil {
		return err
	}
	l.reopened = true
	return l.drain(ctx)
}

// stillClaimed puts the claim back that somebody took off a closed node: the next process, and every other tool, goes by it.
func (l *life) stillClaimed(ctx context.Context) error {
	if l.r.claimed(l.w.Node) {
		return nil
	}
	l.say("somebody took the run's annotations off the node: they are put back; `fleetup node release INVENTORY " + l.w.Node + "` is the way to take it out of a run")
	_, err := l.r.Cluster.Claim(ctx, l.w.Node, l.r.Run, nil)
	return err
}

// kubeadm applies the steps that need a running kubelet.
func (l *life) kubeadm(ctx context.Context) error {
	return l.each(ctx, true)
}

// stop stops what the steps to come need stopped. A change that only wants a reboot leaves the kubelet up, so that
// its graceful shutdown works.
func (l *life) stop(ctx context.Context) error {
	if err := l.kept(ctx); err != nil {
		return err
	}
	what := stopFor(l.items)
	if what == playbooks.StopNothing {
		return nil
	}
	if err := l.held(ctx); err != nil {
		return err
	}
	if err := l.touch(ctx); err != nil {
		return err
	}
	l.r.Cluster.Down(l.w.Node, true)
	l.stopped, l.since = what, time.Now()
	return l.run(ctx, "stop the kubelet", stopScript(what))
}

// apply applies all other steps, in their order; after each its check is clean, or staged until the reboot.
func (l *life) apply(ctx context.Context) error {
	err := l.each(ctx, false)
	if err == nil && len(l.changed) > 0 {
		l.r.Cluster.Event(ctx, l.w.Node, "FleetupUpgraded", l.summary(), false)
	}
	return err
}

func (l *life) each(ctx context.Context, running bool) error {
	changed := map[string]bool{} // playbooks
	for n := range l.items {
		i := &l.items[n]
		t := i.Step.Traits()
		if t.Running != running || t.Holds {
			continue
		}
		if i.settled() && t.Follows && changed[t.Playbook] {
			st, err := l.checked(ctx, i.Step)
			if err != nil {
				return fmt.Errorf("step %q: check: %w", i.Step.Name(), err)
			}
			i.Status = st
		}
		if i.settled() {
			continue
		}
		changed[t.Playbook] = true
		if err := l.step(ctx, i); err != nil {
			return fmt.Errorf("step %q: %w", i.Step.Name(), err)
		}
	}
	return nil
}

// step applies one step: the journal knows before it begins, and its own check is the judge of its end.
func (l *life) step(ctx context.Context, i *Item) error {
	if err := l.held(ctx); err != nil {
		return err
	}
	t := i.Step.Traits()
	if err := l.touch(ctx); err != nil {
		return err
	}
	if err := l.noteBegun(ctx, i.Step); err != nil {
		return err
	}
	if err := l.tell(Event{Event: EventStep, Step: i.Step.Name(), Message: strings.Join(i.Status.Changes, ", "), Data: l.before(i.Step)}); err != nil {
		return err
	}
	before := i.Status.Changes
	if t.Reboots {
		if err := l.rebootHere(ctx); err != nil {
			return err
		}
		i.Status.Clean = true
	} else if err := l.changing(ctx); err != nil {
		return err
	} else if err := l.install(ctx, i, t); err != nil {
		return err
	} else if err := l.again(ctx, i); err != nil {
		return err
	}
	l.changed = append(l.changed, before...)
	return l.tell(Event{Event: EventChanged, Step: i.Step.Name(), Message: strings.Join(before, ", ")})
}

// install runs the step's Apply within its timeout. One that an interruption cut short runs again where it is safe
// to repeat or where its check has become clean since, and fails otherwise.
func (l *life) install(ctx context.Context, i *Item, t playbooks.Traits) error {
	apply := func() error {
		return within(ctx, t.Timeout, "apply", func(ctx context.Context) error {
			return i.Step.Apply(ctx, l.w.Machine, l.say)
		})
	}
	err := apply()
	if !playbooks.Interrupted(err) {
		return err
	}
	l.say(fmt.Sprintf("step %q was cut short: %v", i.Step.Name(), err))
	st, cerr := l.checked(ctx, i.Step)
	switch {
	case cerr != nil:
		return cerr
	case st.Clean || st.Staged:
		return nil
	case !t.Repeatable:
		return fmt.Errorf("%w; it isn't declared repeatable: finish it by hand, then `fleetup %s INVENTORY` again", err, Again(l.r.Run))
	}
	return apply()
}

// again asks the step's own check after its Apply.
func (l *life) again(ctx context.Context, i *Item) error {
	st, err := l.checked(ctx, i.Step)
	if err == nil {
		l.applied, err = l.bootID(ctx)
	}
	if err != nil {
		return fmt.Errorf("check after apply: %w", err)
	}
	st.Reboot = st.Reboot || i.Status.Reboot
	i.Status = st
	if !i.settled() {
		return fmt.Errorf("applied without an error, and still differs: %s", strings.Join(st.Changes, ", "))
	}
	return nil
}

func (l *life) checked(ctx context.Context, s playbooks.Step) (st playbooks.Status, err error) {
	err = l.ask(ctx, func(ctx context.Context) error {
		st, err = s.Check(ctx, l.w.Machine)
		return err
	})
	return st, err
}

// verify asks all steps once more, and what each wants asked of the running node. What was tried until then stays.
func (l *life) verify(ctx context.Context) error {
	was := l.items
	if err := l.verified(ctx, "the steps' check"+fromStart, l.look); err != nil {
		return err
	}
	for _, i := range l.items {
		if i.Status.Clean || i.Status.Trial || i.Status.Staged && l.w.RebootPolicy == rebootNever || i.Step.Traits().Holds {
			continue
		}
		return fmt.Errorf("step %q: not as wanted after the upgrade: %s", i.Step.Name(), strings.Join(i.Status.Changes, ", "))
	}
	for _, i := range was {
		if err := l.verified(ctx, "verify"+fromStart, func(ctx context.Context) error {
			return i.Step.Verify(ctx, l.w.Machine)
		}); err != nil {
			return fmt.Errorf("step %q: verify: %w", i.Step.Name(), err)
		}
	}
	if err := l.configured(ctx, was); err != nil {
		return err
	}
	return l.confirm(ctx)
}

// uncordon gives the node back as it was found, with what this run did to it.
func (l *life) uncordon(ctx context.Context) error {
	if !l.r.cordoned(l.w.Node) {
		l.say("somebody uncordoned the node before it was verified")
	} else if err := l.stillClaimed(ctx); err != nil {
		return err
	}
	if err := playbooks.LetGo(ctx, l.w.Machine); err != nil { // before: once it is released nobody would come back for it
		return err
	}
	if err := l.letIn(ctx); err != nil {
		return err
	}
	if err := l.w.Machine.Sweep(ctx, l.r.Run); err != nil {
		l.say("what earlier runs left on the machine could not be removed: " + err.Error())
	}
	l.prune(ctx)
	l.r.Cluster.Draining(l.w.Node, false)
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupDone", "verified and given back", false)
	return nil
}

// prune removes from the machine what earlier runs have kept there for going back: the node's record is this run's now.
func (l *life) prune(ctx context.Context) {
	if l.target != nil || len(l.record) == 0 {
		return
	}
	l.r.mu.Lock()
	age := time.Since(l.r.Progress.Started)
	l.r.mu.Unlock()
	switch gone, err := playbooks.Prune(ctx, l.w.Machine, l.record, age); {
	case err != nil:
		l.say(err.Error())
	case len(gone) > 0:
		l.say("removed, as no way back needs them any more: " + strings.Join(gone, ", "))
	}
}

// letIn opens the node: one that is only lent keeps the record of how it was found, all others are given back.
func (l *life) letIn(ctx context.Context) error {
	if l.r.spare(l.w.Node) {
		return l.r.Cluster.Open(ctx, l.w.Node, l.r.Run)
	}
	return l.r.Cluster.Release(ctx, l.w.Node, l.r.Run, l.lastRun())
}

// pause waits for d, or for the context's end.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
