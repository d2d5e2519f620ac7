package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/fleetup/fleetup/runner/hardware"
)

// Swap is what hardware work needs beside the node's Work. A run with a Swap is about one node.
type Swap struct {
	By, Reason   string
	Expect       []string // of this command, beside those that were announced before
	OutOfService bool     // set node.kubernetes.io/out-of-service once the machine is surely off

	// Hardware asks the machine what it is made of.
	Hardware func(context.Context) (hardware.Document, error)
	// Trust makes sure that the key which the machine shows is known, asking a human about a new one. It returns once the
	// machine shows one.
	Trust func(context.Context) error
	// Taint sets or takes off node.kubernetes.io/out-of-service.
	Taint func(ctx context.Context, on bool) error
	// Wake turns on a machine that has no Power, and Locate its locator light; nil where that can't be done.
	Wake   func(context.Context) error
	Locate func(ctx context.Context, on bool) error
}

// Carry takes a node through one order, outside of what Decide would do. It returns a *KeptError where the order ended
// with the node still held, and why.
func (r *Runner) Carry(ctx context.Context, o Order) error {
	state, _ := r.Cluster.Recorded(o.Node)
	if state[factSwapBy] == "" {
		state = r.Swap.facts()
	}
	if err := r.emit(Event{Event: EventOrder, Node: o.Node, Order: o.Name, Data: heldFacts(state)}); err != nil {
		return err
	}
	if err := r.live(ctx, o); err != nil {
		return err
	}
	switch p := r.Progress.Nodes[o.Node]; p.State {
	case Failed, Blocked:
		return errors.New(p.Why)
	case Held:
		if p.Why != "" {
			return &KeptError{p.Why}
		}
	}
	return nil
}

// KeptError says why a node is still held.
type KeptError struct{ Why string }

func (e *KeptError) Error() string { return e.Why }

// swapClaim closes the node, and records that it is for hardware work. On a node that an earlier process has come further
// with it asks the BMC, for the machine itself may be off already.
func (l *life) swapClaim(ctx context.Context) error {
	if !l.r.claimed(l.w.Node) {
		return l.claimWith(ctx, l.swap.facts())
	}
	return l.holdAgain(ctx)
}

// facts are what the claim records of hardware work that begins.
func (s *Swap) facts() map[string]string {
	return map[string]string{
		factSwapBy: s.By, factSwapReason: s.Reason, factSwapSince: time.Now().UTC().Format(time.RFC3339), factSwapExpect: listText(s.Expect),
	}
}

// wantsHold reports whether the order's phases that take a node off are gone: those of an upgrade only where a step asks for it.
func (l *life) wantsHold() bool {
	return l.order != OrderUpgrade && l.order != OrderUpgradeClosed || l.onHold || slices.ContainsFunc(l.items, func(i Item) bool { return i.Step.Traits().Holds && !i.Status.Clean })
}

// holdAgain goes on with a hold that an earlier process began.
func (l *life) holdAgain(ctx context.Context) error {
	if err := l.holding(ctx); err != nil {
		return err
	}
	l.booted, l.reclaimed, l.reopened = l.state["boot_id"], true, !l.r.cordoned(l.w.Node)
	l.off = l.state[factSwapOff] != ""
	if !l.off && l.state[factSwapUnits] != "" && l.w.Power != nil {
		state, err := l.w.Power.State(ctx)
		l.off = err == nil && state == PowerOff
	}
	return nil
}

// swapDrain drains a machine that isn't off yet: one that is was drained before.
func (l *life) swapDrain(ctx context.Context) error {
	if l.off {
		return nil
	}
	return l.drain(ctx)
}

func listText(list []string) string {
	b, err := json.Marshal(append([]string{}, list...))
	if err != nil {
		return "[]"
	}
	return string(b)
}

// recordHardware writes down what the machine is made of, once: a second look might already see what was pulled out. In a run
// the hold begins with it.
func (l *life) recordHardware(ctx context.Context) error {
	if l.onHold = true; l.swap == nil {
		return errors.New("nobody can hold it here for hardware work: `fleetup run INVENTORY` can")
	}
	if l.state[factSwapBy] == "" {
		if err := l.note(ctx, l.swap.facts()); err != nil {
			return err
		}
	}
	if l.off || l.state[factSwapHardware] != "" {
		return nil
	}
	d, err := l.swap.Hardware(ctx)
	if err != nil {
		return err
	}
	packed, err := pack(d)
	if err != nil {
		return err
	}
	for _, gap := range d.Gaps {
		l.say("not recorded: " + gap)
	}
	return l.note(ctx, map[string]string{factSwapHardware: packed})
}

// note adds facts to the claim's state, there and here.
func (l *life) note(ctx context.Context, facts map[string]string) error {
	if err := l.r.Cluster.Note(ctx, l.w.Node, l.r.Run, facts); err != nil {
		return err
	}
	maps.Copy(l.state, facts)
	return nil
}

// disable stops the kubelet and the runtime for longer than a boot: after the work they must not start before the
// hardware was looked at. What was enabled is noted first.
func (l *life) disable(ctx context.Context) error {
	if l.off {
		return nil
	}
	if err := l.held(ctx); err != nil {
		return err
	}
	if l.state[factSwapUnits] == "" {
		out, err := l.w.Machine.Run(ctx, enabledScript)
		if err != nil {
			return err
		}
		if err := l.note(ctx, map[string]string{factSwapUnits: strings.Join(strings.Fields(out), " "), begun: l.phase}); err != nil {
			return err
		}
	}
	l.r.Cluster.Down(l.w.Node, true)
	return l.run(ctx, "stop and disable the kubelet", disableScript)
}

// enabledScript prints those of our units that are enabled.
const enabledScript = `for u in containerd docker cri-docker crio kubelet; do
	[ "$(systemctl is-enabled "$u.service" 2>/dev/null)" = enabled ] && echo "$u"
done
exit 0
`

const disableScript = `for u in kubelet containerd docker cri-docker crio; do
	state=$(systemctl is-enabled "$u.service" 2>/dev/null)
	case "$state" in
	enabled) systemctl disable --quiet "$u.service" || exit 1 ;;
	esac
	systemctl is-active --quiet "$u.service" && { systemctl stop "$u.service" || exit 1; }
done
sync
exit 0
`

// How long an operating system may take to shut down before its power is taken away, and how long power may take to be
// seen to be on or off. systemd gives a service 90 seconds to stop.
const (
	shutdownGrace = 3 * time.Minute
	powerSeen     = 2 * time.Minute
	powerPoll     = 5 * time.Second
)

// powerOff shuts the machine down and makes sure that it is off. Without a BMC nobody can tell: it is gone when it
// doesn't answer.
func (l *life) powerOff(ctx context.Context) error {
	if err := l.held(ctx); err != nil {
		return err
	}
	if l.state[factSwapOff] != "" {
		return nil
	}
	if l.w.Power == nil {
		return l.powerOffBlind(ctx)
	}
	state, err := l.w.Power.State(ctx)
	if err != nil {
		return err
	}
	if state != PowerOff {
		if err := l.shutDown(ctx); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil { // a machine that doesn't listen has its power taken
			l.say("could not be told to shut down: " + err.Error())
		}
		if l.awaitPower(ctx, PowerOff, shutdownGrace) != nil && ctx.Err() == nil {
			l.say(fmt.Sprintf("it hasn't shut down within %s: its power is taken away", shutdownGrace))
			if err := l.w.Power.Off(ctx, true); err != nil {
				return err
			}
		}
	}
	if err := l.awaitPower(ctx, PowerOff, powerSeen); err != nil {
		return err
	}
	return l.note(ctx, map[string]string{factSwapOff: time.Now().UTC().Format(time.RFC3339)})
}

// toldTime is how long the machine may take to hear that it shall shut down.
const toldTime = 30 * time.Second

// shutDown tells the operating system to shut down. One that does seldom says so: its network is gone before the answer has
// come, so none within toldTime is no error where it answered before. It is told of its boot, for a lost connection has the
// script run again, perhaps after somebody has turned the machine on.
func (l *life) shutDown(ctx context.Context) error {
	c, cancel := context.WithTimeout(ctx, toldTime)
	defer cancel()
	boot, err := l.w.Machine.BootID(c)
	if err != nil {
		return err
	}
	_, err = l.w.Machine.Run(c, fmt.Sprintf(poweroffScript, shellescape.Quote(boot)))
	if c.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

const poweroffScript = `[ "$(cat /proc/sys/kernel/random/boot_id)" = %s ] || exit 0
systemctl poweroff
`

// powerOffBlind is for a machine without a BMC. That it is off isn't verified, so nothing that relies on it is done.
func (l *life) powerOffBlind(ctx context.Context) error {
	if err := l.shutDown(ctx); err != nil {
		return err
	}
	_ = l.w.Machine.Close()
	l.say("it has no BMC: it was told to shut down, and nobody can see whether its power is off; look before you touch it")
	return l.note(ctx, map[string]string{factSwapOff: "unverified"})
}

// awaitPower waits until the BMC says so. A BMC that doesn't answer for a moment is asked again.
func (l *life) awaitPower(ctx context.Context, want string, d time.Duration) error {
	return within(ctx, d, "the power to be "+want, func(ctx context.Context) error {
		var last error
		for {
			state, err := l.w.Power.State(ctx)
			if err == nil && state == want {
				return nil
			}
			if err != nil && ctx.Err() == nil {
				last = err
			}
			l.waiting("the power to be " + want)
			if err := pause(ctx, powerPoll); err != nil {
				return errors.Join(err, last)
			}
		}
	})
}

// outOfService tells Kubernetes that the machine is off, so that volumes and pods which it still counts there are freed.
// That is right only for one that is surely off: a machine that still wrote to a volume would ruin it. What the state says
// may be ahead of the taint, which is set again.
func (l *life) outOfService(ctx context.Context) error {
	if !l.swap.OutOfService {
		return nil
	}
	if l.state[factSwapOff] == "unverified" || l.w.Power == nil {
		return errors.New("node.kubernetes.io/out-of-service is set only on a machine whose BMC says that it is off, and this one has none")
	}
	state, err := l.w.Power.State(ctx)
	if err != nil {
		return fmt.Errorf("node.kubernetes.io/out-of-service is only for a machine that is off, and whether it is isn't known: %w", err)
	}
	if state != PowerOff {
		return fmt.Errorf("node.kubernetes.io/out-of-service is only for a machine that is off, and its BMC says that it is %s", state)
	}
	if err := l.note(ctx, map[string]string{factOutOfService: "set"}); err != nil {
		return err
	}
	return l.swap.Taint(ctx, true)
}

// hold leaves the node as it is, until somebody finishes or cancels the work.
func (l *life) hold(ctx context.Context) error {
	if l.swap.Locate != nil {
		if err := l.swap.Locate(ctx, true); err != nil {
			l.say("the locator light could not be lit: " + err.Error())
		}
	}
	if l.state[factSwapTroubles] != "" { // an earlier try's
		if err := l.note(ctx, map[string]string{factSwapTroubles: ""}); err != nil {
			return err
		}
	}
	h, _ := HoldOf(l.r.Run, l.state)
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupHeld", h.String(), false)
	return errHolding
}

// errHolding ends an order with the node held, as it shall be.
var errHolding = errors.New("held")

// keep ends an order of hardware work that went wrong: the node stays held, with why. What went wrong before the machine
// was touched gives it back instead.
func (l *life) keep(ctx context.Context, err error) error {
	if errors.Is(err, errHolding) {
		return l.tell(Event{Event: EventHeld, Data: heldFacts(l.state)})
	}
	why := fmt.Sprintf("%s: %v", l.phase, err)
	if l.order == OrderSwapBegin && l.state[begun] == "" {
		if l.state != nil {
			if rerr := l.r.Cluster.Release(ctx, l.w.Node, l.r.Run, nil); rerr != nil {
				why += "; and it could not be given back: " + rerr.Error()
			}
			l.r.Cluster.Draining(l.w.Node, false)
		}
		return l.tell(Event{Event: EventFailed, Message: why})
	}
	if nerr := l.note(ctx, map[string]string{factSwapTroubles: why}); nerr != nil {
		l.say("the reason could not be written to the node: " + nerr.Error())
	}
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupHeld", "still held: "+why, true)
	return l.tell(Event{Event: EventHeld, Message: why, Data: heldFacts(l.state)})
}
