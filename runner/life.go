package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// life is one node going through one order.
type life struct {
	r     *Runner
	w     Work
	order string
	stage string // of the plan, that the order is of
	phase string

	items     []Item            // every step, with its last status
	state     map[string]string // what the claim recorded; nil while unclaimed
	off       bool              // the machine was turned off for hardware work by an earlier process
	swap      *Swap             // of hardware work; nil where there is none
	onHold    bool              // it is being turned off for hardware work: what fails then keeps it held
	light     bool              // no change needs the node drained: it stays open, and phases that close it are passed over
	stopped   playbooks.Stop    // what we have stopped
	verifyBy  time.Time         // the end of verify.timeout; zero until it counts
	since     time.Time         // when it was stopped or rebooted last: Ready counts from then
	reclaimed bool              // an earlier order, of this process or another, had claimed the node
	taken     bool              // rolling back: another run failed on the node, and left it closed
	reopened  bool              // somebody uncordoned the node after that: pods may have come
	booted    string            // boot id at the claim
	applied   string            // boot id after the last step that was applied here
	changed   []string          // what was applied, for people
	record    map[string]string // how the machine was before the run, by step
	target    map[string]string // rolling back: what the node ran before, by the claim's names; nil for all other orders
	last      string            // the last wait that was told
	alone     bool              // the machine's own automatic upgrades are kept off
	fails     int               // orders that failed on this node before, says the journal
	rebooting bool              // an earlier order asked it to reboot and, says the journal, never heard of it again
}

// errParked ends an order without an outcome: the node stays as it is, and the next run goes on with it.
var errParked = errors.New("parked")

// errHandOver ends the run for this process: its own pod is on the node that is to be drained. The node is closed, so that the
// next pod can't start there.
var errHandOver = errors.New("this run's own pod is on the node that comes next: it ends here, and a pod on another node goes on")

// errSettled ends an order early because all is done.
var errSettled = errors.New("settled")

// live takes the node through its order, and tells the journal how it ended. It returns errParked, errLeaseLost, an error of
// the journal itself, or nil.
func (r *Runner) live(ctx context.Context, o Order) error {
	was := r.progressOf(o.Node)
	l := &life{r: r, w: r.Work[o.Node], order: o.Name, stage: o.Stage, fails: was.Fails, rebooting: was.Rebooting}
	defer func() { _ = l.w.Machine.Close() }()
	if l.swap = r.Swap; l.swap == nil {
		l.swap = l.w.Swap
	}
	l.tryAgain()
	before := r.claimed(o.Node)
	if before {
		_ = l.w.Machine.Expect() // what is wrong with the way to it, its first use says
	}
	err := l.phases(ctx)
	var broken *journalError
	lost := r.superseded(err)
	switch {
	case errors.As(err, &broken), errors.Is(err, errHandOver):
		return err
	case errors.Is(err, errSettled):
		return nil
	case ctx.Err() != nil || errors.Is(err, errParked):
		return errParked
	case err != nil && lost != nil:
		return lost
	case err != nil && (holds[o.Name] || l.onHold):
		return l.keep(ctx, err)
	case err != nil:
		return l.ended(ctx, before, err)
	}
	return l.well(l.summary())
}

// well tells that the order has ended well: with it the node is done, through one of its stages, or back.
func (l *life) well(message string) error {
	return l.tell(Event{Event: l.r.Plan.ends(Order{l.w.Node, l.order, l.stage}), Message: message})
}

func (l *life) phases(ctx context.Context) error {
	for _, p := range orders[l.order] {
		if l.passes(p) {
			continue
		}
		if err := l.enter(p.name); err != nil {
			return err
		}
		if err := p.do(l, ctx); err != nil {
			return err
		}
	}
	return nil
}

// passes reports whether a phase of the order isn't for this node, or not as it stands.
func (l *life) passes(p phase) bool {
	return l.light && !p.light || l.onHold && !takesOff[p.name] || takesOff[p.name] && !l.wantsHold() ||
		p.name == phaseReturn && !l.r.spare(l.w.Node)
}

// enter journals that a phase begins, before its effects.
func (l *life) enter(phase string) error {
	l.phase = phase
	return l.tell(Event{Event: EventPhase})
}

// tell journals an event of this node and shows it.
func (l *life) tell(e Event) error {
	e.Node, e.Order, e.Phase = l.w.Node, l.order, l.phase
	return l.r.emit(e)
}

// say journals a line worth keeping. A journal that can't be written is noticed at the next event that matters.
func (l *life) say(line string) {
	if line = strings.TrimSpace(line); line != "" {
		_ = l.tell(Event{Event: EventSaid, Message: line})
	}
}

// announce journals an effect on the cluster before it happens.
func (l *life) announce(what string) error { return l.tell(Event{Event: EventSaid, Message: what}) }

// waiting tells what the node waits for, when that changes.
func (l *life) waiting(what string) {
	if what == l.last {
		return
	}
	l.last = what
	if what != "" {
		_ = l.tell(Event{Event: EventWaiting, Message: what})
	}
}

// ended decides what a failed order leaves behind: a drain that budgets blocked is given back where the inventory
// wants that; anything else stays cordoned, with why, and its kubelet is brought back where that is possible.
// before: the node bore our claim when the order began.
func (l *life) ended(ctx context.Context, before bool, err error) error {
	var b interface{ Blocked() []string }
	if errors.As(err, &b) && (returns[l.order] || l.w.OnBlocked == onBlockedRequeue && l.state[begun] == "") {
		return l.blocked(ctx, b.Blocked())
	}
	why := fmt.Sprintf("%s: %v", l.phase, err)
	if l.state != nil || l.r.claimed(l.w.Node) {
		if l.stopped > playbooks.StopNothing || before { // the process before us may have stopped it
			l.bringBack(ctx)
		}
		if ferr := errors.Join(l.count(ctx), l.r.Cluster.Fail(ctx, l.w.Node, l.r.Run, why)); ferr != nil {
			l.say("the reason could not be written to the node: " + ferr.Error())
		}
		l.r.Cluster.Draining(l.w.Node, false)
	}
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupFailed", why, true)
	l.failedHook(ctx, why)
	return l.tell(Event{Event: EventFailed, Message: err.Error()})
}

const onBlockedRequeue = "requeue"

// blocked gives back a node that couldn't be drained. A spare stays closed, with its record of how it was found: nobody else
// is there to take it back.
func (l *life) blocked(ctx context.Context, by []string) error {
	if l.state != nil && !returns[l.order] {
		if err := l.r.Cluster.Release(ctx, l.w.Node, l.r.Run, nil); err != nil {
			return l.tell(Event{Event: EventFailed, Message: "could not be given back after its drain was blocked: " + err.Error()})
		}
		l.r.Cluster.Draining(l.w.Node, false)
	}
	why := strings.Join(by, "; ")
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupBlocked", "drain blocked: "+why, true)
	return l.tell(Event{Event: EventBlocked, Message: why})
}

// held waits until the lease is surely ours; it returns errParked once somebody else has it.
func (l *life) held(ctx context.Context) error {
	for {
		err := l.r.Held()
		if err == nil {
			return nil
		}
		l.waiting("the lease: " + err.Error())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.r.Lost:
			return errParked
		case <-time.After(time.Second):
		}
	}
}

// begun is the key of the claim's state that says that the machine was touched: from then on the node isn't simply
// given back.
const begun = "begun"

// touch notes on the node, before the first effect on the machine, that there is one.
func (l *life) touch(ctx context.Context) error {
	if l.light {
		return nil
	}
	if l.state[begun] == "" {
		if err := l.r.Cluster.Note(ctx, l.w.Node, l.r.Run, map[string]string{begun: l.phase}); err != nil {
			return err
		}
		l.state[begun] = l.phase
	}
	return l.keepOff(ctx)
}

// factOrder is the key of the claim's state that says which order held the node last, for a run whose journal is lost.
const factOrder = "order"

// noteOrder notes on a node that an earlier order claimed which one holds it now.
func (l *life) noteOrder(ctx context.Context) error {
	if l.state[factOrder] == l.order {
		return nil
	}
	l.state[factOrder] = l.order
	return l.r.Cluster.Note(ctx, l.w.Node, l.r.Run, map[string]string{factOrder: l.order})
}

// look asks every step where it stands.
func (l *life) look(ctx context.Context) error {
	return l.ask(ctx, func(ctx context.Context) (err error) {
		l.items, err = Look(ctx, l.w)
		return err
	})
}

// ask bounds a question to the machine: a lost connection is dialled again that long, which covers a boot.
func (l *life) ask(ctx context.Context, f func(context.Context) error) error {
	return within(ctx, l.w.RebootTimeout, "an answer of the machine", f)
}

// bootID asks for the machine's boot id.
func (l *life) bootID(ctx context.Context) (id string, err error) {
	err = l.ask(ctx, func(ctx context.Context) error {
		id, err = l.w.Machine.BootID(ctx)
		return err
	})
	return id, err
}

// Look runs every step's Check on the node. It changes nothing.
func Look(ctx context.Context, w Work) ([]Item, error) {
	items := make([]Item, 0, len(w.Steps))
	for _, s := range w.Steps {
		st, err := s.Check(ctx, w.Machine)
		if err != nil {
			return items, fmt.Errorf("step %q: check: %w", s.Name(), err)
		}
		items = append(items, Item{Step: s, Status: st})
	}
	settleReboots(items)
	return items, nil
}

// settleReboots makes a reboot step clean where all others of its playbook are settled: by itself it has no end.
func settleReboots(items []Item) {
	for n := range items {
		t := items[n].Step.Traits()
		due := slices.ContainsFunc(items, func(i Item) bool {
			return i.Step.Traits().Playbook == t.Playbook && !i.Step.Traits().Reboots && !i.settled()
		})
		if t.Reboots && !due {
			items[n].Status = playbooks.Status{Clean: true}
		}
	}
}

// todo names the steps that aren't clean.
func (l *life) todo() []string {
	var names []string
	for _, i := range l.items {
		if !i.Status.Clean {
			names = append(names, i.Step.Name())
		}
	}
	return names
}

// summary says what the order has changed, also in processes before this one: by the journal, or where that was lost by the claim.
func (l *life) summary() string {
	changed := l.changed
	if did := l.r.progressOf(l.w.Node).Did; len(did) > 0 {
		changed = did
	}
	return cmp.Or(strings.Join(changed, ", "), ended[l.order], l.differs(), "done")
}

// differs is what the node runs now and didn't when it was claimed: "kubelet v1.36.4 → v1.37.2"; "" where that is nothing.
func (l *life) differs() string {
	var changes []string
	now := l.r.Cluster.Facts(l.w.Node)
	for _, k := range []string{"kernel", "runtime", "kubelet"} {
		if was := l.state[k]; was != "" && now[k] != "" && was != now[k] {
			changes = append(changes, k+" "+was+" → "+now[k])
		}
	}
	return strings.Join(changes, ", ")
}

// within runs f with a deadline of its own, and says so when that ends it.
func within(ctx context.Context, d time.Duration, what string, f func(context.Context) error) error {
	return by(ctx, time.Now().Add(d), fmt.Sprintf("%s took longer than %s", what, d), f)
}

// by runs f until a deadline; late says what is wrong when that ends it.
func by(ctx context.Context, deadline time.Time, late string, f func(context.Context) error) error {
	c, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err := f(c)
	if err != nil && c.Err() != nil && ctx.Err() == nil {
		return &lateError{fmt.Errorf("%s: %w", late, err)}
	}
	return err
}

// fromStart is said of what comes after the kubelet's start and has what that left of the time.
const fromStart = ", counted from the kubelet's start,"

// verified runs f within what is left of verify.timeout, which counts from the kubelet's start through the probe; where
// nothing was started, from what is verified first.
func (l *life) verified(ctx context.Context, what string, f func(context.Context) error) error {
	if l.verifyBy.IsZero() {
		l.verifyBy = time.Now().Add(l.w.VerifyTimeout)
	}
	return by(ctx, l.verifyBy, fmt.Sprintf("%s took longer than %s", what, l.w.VerifyTimeout), f)
}

// lateError says that something wasn't done in its time.
type lateError struct{ error }

func (e *lateError) Unwrap() error { return e.error }

// facts are what the claim records: what the API says of the node, and what the machine says.
func (l *life) facts(ctx context.Context) (map[string]string, error) {
	facts := maps.Clone(l.r.Cluster.Facts(l.w.Node))
	if facts == nil {
		facts = map[string]string{}
	}
	boot, err := l.bootID(ctx)
	if err != nil {
		return nil, err
	}
	facts["boot_id"], facts[factOrder] = boot, l.order
	facts["changes"] = strings.Join(l.todo(), ", ")
	return facts, l.keepBefore(ctx, facts)
}
