package runner

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// reboot reboots once for all steps that want it. It is done only when the boot id has changed and a login succeeds.
func (l *life) reboot(ctx context.Context) error {
	if err := l.kept(ctx); err != nil {
		return err
	}
	why, err := l.wantsReboot(ctx)
	if err != nil || why == "" {
		return err
	}
	if err := l.unmounted(ctx); err != nil {
		return err
	}
	if err := l.hook(ctx, hookBeforeReboot); err != nil {
		return err
	}
	if err := l.arm(ctx); err != nil { // the last thing: a node that fails here boots nothing untried, whoever reboots it
		return err
	}
	l.say("rebooting, as " + why)
	if err := l.rebootNow(ctx); err != nil {
		return err
	}
	l.stopped = playbooks.StopNothing // a runtime mask doesn't outlive the boot
	return nil
}

// wantsReboot returns why the node has to be rebooted now; "" if it hasn't.
func (l *life) wantsReboot(ctx context.Context) (string, error) {
	if l.w.RebootPolicy == rebootNever {
		return "", nil
	}
	for _, i := range l.items {
		if i.Status.Staged && i.Status.Reboot || i.Status.Reboot && !i.Status.Clean {
			return fmt.Sprintf("step %q shows only after it", i.Step.Name()), nil
		}
	}
	boot, err := l.bootID(ctx)
	if err != nil {
		return "", err
	}
	if boot != l.lastBoot() {
		return "", nil // rebooted since, by an earlier process perhaps
	}
	if l.w.RebootPolicy == rebootAlways && l.state[begun] != "" { // one that was closed for another reason has nothing new
		return `reboot = "always"`, nil
	}
	for _, i := range l.items {
		if i.Status.Reboot {
			return fmt.Sprintf("step %q wants it", i.Step.Name()), nil
		}
	}
	return l.required(ctx)
}

// changedIn is the key of the claim's state for the boot in which a step was begun, where that isn't the claim's own: a
// step that reboots in place came before it. Without it the process after a crash would take that reboot for the last.
const changedIn = "changed_boot_id"

// lastBoot is the boot in which the last change was made: where this process has applied no step itself, by what an
// earlier one noted before it did, else the claim's.
func (l *life) lastBoot() string { return cmp.Or(l.applied, l.state[changedIn], l.booted) }

// changing notes, before a step changes the machine, in which boot it does.
func (l *life) changing(ctx context.Context) error {
	if l.light || l.w.RebootPolicy == rebootNever {
		return nil
	}
	boot, err := l.bootID(ctx)
	if err != nil || boot == l.lastBoot() {
		return err
	}
	if err := l.r.Cluster.Note(ctx, l.w.Node, l.r.Run, map[string]string{changedIn: boot}); err != nil {
		return err
	}
	l.state[changedIn] = boot
	return nil
}

// required asks the operating system.
func (l *life) required(ctx context.Context) (why string, err error) {
	err = l.ask(ctx, func(ctx context.Context) error {
		required, reason, err := playbooks.RebootRequired(ctx, l.w.Machine)
		if required {
			why = reason
		}
		return err
	})
	return why, err
}

// rebootHere is the reboot step: it reboots where it stands, and stops again what the steps after it need stopped.
func (l *life) rebootHere(ctx context.Context) error {
	if err := l.unmounted(ctx); err != nil {
		return err
	}
	if err := l.hook(ctx, hookBeforeReboot); err != nil {
		return err
	}
	if err := l.rebootNow(ctx); err != nil {
		return err
	}
	if l.stopped == playbooks.StopNothing {
		return nil
	}
	return l.run(ctx, "stop the kubelet", stopScript(l.stopped))
}

// rebootStep is the name by which the journal knows that a machine was asked to reboot.
const rebootStep = "reboot"

// rebootNow reboots the machine from the boot that it runs now. One that doesn't come back has its power cycled.
func (l *life) rebootNow(ctx context.Context) error {
	before, err := l.bootID(ctx)
	if err == nil {
		err = l.touch(ctx)
	}
	if err != nil {
		return err
	}
	if err := l.tell(Event{Event: EventStep, Step: rebootStep, Data: map[string]string{"boot_id": before}}); err != nil {
		return err
	}
	if err := l.held(ctx); err != nil { // the machine's fence may not know yet of whoever has the lease now
		return err
	}
	l.r.Cluster.Down(l.w.Node, true)
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupReboot", "rebooting", false)
	begun := time.Now()
	l.since = begun
	back := func(ctx context.Context) error { return l.w.Machine.Reboot(ctx, before) }
	err = l.cycle(ctx, within(ctx, l.w.RebootTimeout, "the reboot", back), back)
	if err != nil {
		return err
	}
	l.alone = false // what keeps its automatic upgrades off doesn't outlive the boot either
	l.say(fmt.Sprintf("back after %s, with a new boot id", time.Since(begun).Round(time.Second)))
	return l.landed(ctx)
}

// start starts the runtime and the kubelet, and waits until the node is whole again; the cordon stays.
func (l *life) start(ctx context.Context) error {
	if l.since.IsZero() && l.reclaimed { // what an earlier order did is not known to the second
		l.since = time.Now()
	} // else nothing was stopped: the kubelet posts when it likes, and the API's word is as good as it was
	if _, err := playbooks.KeepOff(ctx, l.w.Machine); err != nil {
		return err
	}
	if err := l.run(ctx, "start the kubelet", startScript); err != nil {
		return err
	}
	l.stopped = playbooks.StopNothing
	l.verifyBy = time.Time{}
	return l.verified(ctx, "the kubelet's start", func(ctx context.Context) error {
		if err := l.awaitReady(ctx, l.w.KubeletVersion, l.since); err != nil {
			return err
		}
		l.r.Cluster.Down(l.w.Node, false)
		if err := l.r.Cluster.Untaint(ctx, l.w.Node, l.r.Run); err != nil {
			return err
		}
		if !l.r.cordoned(l.w.Node) {
			l.say("somebody uncordoned the node while it was down: cordoned again")
			if _, err := l.r.Cluster.Claim(ctx, l.w.Node, l.r.Run, nil); err != nil {
				return err
			}
			if err := l.r.Cluster.Untaint(ctx, l.w.Node, l.r.Run); err != nil {
				return err
			}
		}
		return l.r.Cluster.AwaitWhole(ctx, l.w.Node, l.whole(), l.waiting)
	})
}

// awaitReady waits for the API to see the kubelet, and watches the unit on the machine meanwhile: a kubelet that
// crash-loops ends the wait at once, with its own log lines.
func (l *life) awaitReady(ctx context.Context, version string, since time.Time) error {
	c, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if err := l.watchKubelet(c); err != nil {
			cancel(err)
		}
	}()
	err := l.r.Cluster.AwaitReady(c, l.w.Node, version, since, l.waiting)
	cause := context.Cause(c)
	cancel(nil)
	<-watched
	if err != nil && cause != nil && ctx.Err() == nil {
		return cause
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w%s", err, l.kubeletLog(context.WithoutCancel(ctx)))
	}
	return err
}

// bringBack starts the kubelet again after a failure, as well as that goes: the node stays cordoned, but its
// network and storage pods can run.
func (l *life) bringBack(ctx context.Context) {
	c, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := l.w.Machine.Run(c, startScript); err != nil {
		l.say("the kubelet could not be started again: " + err.Error())
		return
	}
	l.say("the kubelet was started again; the node stays cordoned")
}

// wake starts what a vanished run may have left stopped, for giving the node back.
func (l *life) wake(ctx context.Context) error {
	state, err := l.r.Cluster.Claim(ctx, l.w.Node, l.r.Run, nil)
	if err != nil {
		return err
	}
	l.state, l.booted = state, state["boot_id"]
	if err := l.callOff(ctx); err != nil {
		return err
	}
	begun := time.Now()
	if err := l.run(ctx, "start the kubelet", startScript); err != nil {
		return err
	}
	return within(ctx, l.w.VerifyTimeout, "the kubelet's start", func(ctx context.Context) error {
		return l.awaitReady(ctx, "", begun)
	})
}

// verifyAsFound refuses to give back a node on which a step was begun and not ended.
func (l *life) verifyAsFound(ctx context.Context) error {
	out, err := l.w.Machine.Run(ctx, auditScript)
	if err != nil {
		return err
	}
	if out != "" {
		return fmt.Errorf("packages are half installed, so it stays cordoned; `fleetup run INVENTORY` finishes them: %s", out)
	}
	return l.r.Cluster.AwaitWhole(ctx, l.w.Node, l.whole(), l.waiting)
}

// giveBack returns the node as it was found.
func (l *life) giveBack(ctx context.Context) error {
	if err := playbooks.LetGo(ctx, l.w.Machine); err != nil {
		return err
	}
	if err := l.r.Cluster.Release(ctx, l.w.Node, l.r.Run, nil); err != nil {
		return err
	}
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupAborted", "the run was aborted; given back", false)
	return nil
}
