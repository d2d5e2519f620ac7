package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Go carries the run out until it ends for this process, and returns how. Closing Stop lets what is in flight
// finish; the end of ctx parks it: nothing is lost, and the next run goes on. All goroutines have ended on return.
func (r *Runner) Go(ctx context.Context) (End, error) {
	if err := r.startedHook(ctx); err != nil {
		return End{Exit: 1, Why: err.Error()}, err
	}
	end, err := r.carryOut(ctx)
	if errors.Is(err, errHandOver) {
		return end, nil
	}
	if err == nil && ctx.Err() == nil {
		err = r.finishedHook(ctx, end)
	}
	return end, err
}

// carryOut decides and starts orders until the run ends for this process.
func (r *Runner) carryOut(ctx context.Context) (End, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer r.unpend()
	var flying sync.WaitGroup
	defer flying.Wait()
	ended := make(chan outcome)
	gates := &asks{answer: make(chan error, 1)}
	defer func() { cancel(nil); _ = gates.wait() }() // an error of the journal has ended the run already, or will at the next event
	inflight := 0
	for {
		if err := r.pend(ctx); err != nil {
			return r.broken(cancel, ended, inflight, err)
		}
		changed := r.Cluster.Changed() // before looking, so that no change falls between
		d := r.decide()
		if r.Decided != nil {
			r.Decided(d)
		}
		if err := errors.Join(r.count(time.Now()), r.tellTroubles(), r.settle(d)); err != nil {
			return r.broken(cancel, ended, inflight, err)
		}
		if d.End != nil && inflight == 0 {
			return *d.End, nil
		}
		if settledNow(d) {
			continue
		}
		r.ask(ctx, gates, d.Ask)
		for _, o := range d.Start {
			if err := r.emit(Event{Event: EventOrder, Node: o.Node, Order: o.Name, Stage: o.Stage}); err != nil {
				return r.broken(cancel, ended, inflight, err)
			}
			inflight++
			flying.Go(func() { ended <- outcome{r.live(ctx, o)} })
		}
		if err := r.sleep(ctx, d, changed, ended, gates, &inflight); err != nil {
			return r.broken(cancel, ended, inflight, err)
		}
	}
}

// outcome is how an order ended: an error that ends the run too, or nil.
type outcome struct{ err error }

// settledNow reports whether the decision journaled something that wants a new decision at once.
func settledNow(d Decision) bool { return len(d.Skip) > 0 || len(d.Tell) > 0 || d.Halt != "" }

// decide observes and asks Decide.
func (r *Runner) decide() Decision {
	var o Observed
	o.Nodes, o.Stranded = r.Cluster.Observe()
	r.troubles = r.Cluster.Troubles()
	o.Troubles = r.troubles
	if r.Plan.soaks() {
		o.Pods = r.Cluster.Carried()
	}
	o.Wait = r.Wait
	o.Paused = r.Paused != nil && r.Paused()
	if full := r.Journal.Full(); full != nil {
		o.Hold = full.Error()
	}
	select {
	case <-r.Stop:
		o.Stop = true
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return Decide(r.Plan, r.Progress, o, time.Now())
}

// tellTroubles says once what went wrong on a node that the run doesn't work on, as soon as it is seen: whether or not anything
// waits for it.
func (r *Runner) tellTroubles() error {
	for _, t := range r.troubles {
		key := t.Node + " " + t.What
		if last, told := r.told[key]; told && t.At.Sub(last) < troubleAgain {
			continue
		}
		if r.told == nil {
			r.told = map[string]time.Time{}
		}
		r.told[key] = t.At
		if err := r.emit(Event{Event: EventSaid, Message: "on " + key}); err != nil {
			return err
		}
	}
	return nil
}

// troubleAgain is by how much later the same trouble is another: clocks are compared anew each time, to half a second.
const troubleAgain = 5 * time.Second

// settle journals what a decision settles by itself.
func (r *Runner) settle(d Decision) error {
	for _, s := range d.Skip {
		if err := r.emit(Event{Event: EventSkipped, Node: s.Node, Message: s.Why}); err != nil {
			return err
		}
	}
	for _, e := range d.Tell {
		if err := r.emit(e); err != nil {
			return err
		}
	}
	if d.Halt == "" {
		return nil
	}
	e := Event{Event: EventHalted, Message: d.Halt}
	if d.By != "" {
		e.Data = map[string]string{dataBy: d.By}
	}
	return r.emit(e)
}

// sleep waits until something may have changed: an order ended, the cluster, the clock, a request to stop. It
// returns an error when the run can't go on.
func (r *Runner) sleep(ctx context.Context, d Decision, changed <-chan struct{}, ended chan outcome, gates *asks, inflight *int) error {
	if len(d.Start) > 0 {
		return nil // an order's start may fill or free a limit: decide again before waiting
	}
	again := time.NewTimer(r.untilAgain(d))
	defer again.Stop()
	stop := r.Stop
	select {
	case <-stop:
		stop = nil // seen already
	default:
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.Lost:
		return errLeaseLost
	case o := <-ended:
		*inflight--
		return fatal(o.err)
	case err := <-gates.answer:
		gates.under = false
		return fatal(err)
	case <-changed:
	case <-again.C:
	case <-stop:
	}
	return nil
}

var errLeaseLost = errors.New("the lease was lost to another run")

// fatal keeps only the errors that end a run: an order's own failures are in the journal.
func fatal(err error) error {
	var j *journalError
	if errors.As(err, &j) || errors.Is(err, errHandOver) || errors.Is(err, errLeaseLost) {
		return err
	}
	return nil
}

// untilAgain is how long to sleep at most; the API may be away, so never much longer than seconds.
func (r *Runner) untilAgain(d Decision) time.Duration {
	const most = 5 * time.Second
	if d.Again.IsZero() {
		return most
	}
	return min(max(time.Until(d.Again), 0), most)
}

// broken ends the run in the middle: everything in flight is parked, then the reason is returned.
func (r *Runner) broken(cancel context.CancelCauseFunc, ended chan outcome, inflight int, why error) (End, error) {
	cancel(why)
	for ; inflight > 0; inflight-- {
		<-ended
	}
	var j *journalError
	switch {
	case errors.As(why, &j):
		return End{Exit: 1, Why: why.Error()}, why
	case errors.Is(why, errLeaseLost):
		return End{Exit: 4, Why: why.Error()}, why
	}
	err := r.emit(Event{Event: EventInterrupted, Message: fmt.Sprint(why)})
	if errors.Is(why, errHandOver) && err == nil {
		return End{Exit: 130, Why: why.Error()}, why
	}
	return End{Exit: 130, Why: "interrupted: what was in flight is parked; `fleetup " + Again(r.Run) + " INVENTORY` goes on with it"}, err
}
