// Package runner takes a fleet from what it runs to what its inventory asks for.
//
// Data flows one way. Build makes a Plan from the inventory: plain values. A run's journal holds Events; Progress is
// those events folded. Decide, a pure function, looks at plan, progress and what is observed, and says which orders
// to start, who waits for what, or how the run ends. A Runner carries that out: each order is a list of phases
// (orders.go), each in a goroutine of run.go, each phase safe to enter again. A run that starts and one that
// resumes take the same path: fold the journal, observe, decide.
//
//	j, err := runner.Create(dir, id)
//	r := &runner.Runner{Run: id, Plan: plan, Work: work, Cluster: cluster, Journal: j, …}
//	end, err := r.Go(ctx)
//
// What a run needs of Kubernetes is the interface Cluster, of a machine the interface Machine; both promise that
// every effect is safe to repeat.
package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fleetup/fleetup/runner/parts"
)

// Runner carries out one run in one process. Fill in the exported fields, then call Go once.
type Runner struct {
	Run     string
	Plan    Plan
	Work    map[string]Work // by node name
	Pending []string        // the nodes that this run is to close, as preflight found: soft tainted until their turn
	Cluster Cluster
	Journal *Journal

	// Progress is the journal folded so far: zero for a run that begins.
	Progress Progress
	// Swap is set where the run is hardware work on one node.
	Swap *Swap
	// Show gets every event after it was journaled, one at a time. May be nil.
	Show func(Event)
	// Decided gets every decision's waits, for the display. May be nil.
	Decided func(Decision)
	// Held returns nil while the lease is surely ours; Lost is closed once somebody else has it.
	Held func() error
	Lost <-chan struct{}
	// Stop is closed when the run shall end after what is in flight.
	Stop <-chan struct{}
	// Paused reports whether somebody asked to start nothing new. May be nil.
	Paused func() bool
	// Gates are asked where the plan names them.
	Gates []Gate
	// Endpoints returns, by Service, the least ready endpoints since it was called before, for the journal. May be nil.
	Endpoints func() map[string]int
	// Wait: a closed window is waited for, instead of ending the process.
	Wait bool
	// HTTP asks the application's own URLs all through the run. May be nil.
	HTTP *HTTPWatch

	counted counted

	// Self is the node that this process's own pod runs on; "" outside of the cluster. The run ends rather than drain it, for
	// another pod to go on elsewhere.
	Self string
	// Hooks run at their moments, in their order. May be nil.
	Hooks []Hook

	troubles []Trouble            // as last observed
	told     map[string]time.Time // troubles that were said, by what they are: when they were

	mu sync.Mutex // guards Progress, the journal and on

	on map[string]string // the spares that were off and could not be switched off again: why

	pended   []string  // the nodes that carry the soft taint
	pendSaid bool      // the journal knows
	pendNext time.Time // when it may be tried again after a failure
}

// emit journals an event, folds it and shows it, in that order. What machines print is in its message, so that is made plain.
func (r *Runner) emit(e Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Version, e.Run, e.Time, e.Message = 1, r.Run, time.Now().UTC(), parts.Plain(e.Message)
	if err := r.Journal.Append(&e); err != nil {
		return &journalError{err}
	}
	if err := r.Progress.Apply(e); err != nil {
		return &journalError{err}
	}
	if r.Show != nil {
		r.Show(e)
	}
	return nil
}

// journalError ends the run: without a journal no effect may happen.
type journalError struct{ err error }

func (e *journalError) Error() string { return "journal: " + e.err.Error() }
func (e *journalError) Unwrap() error { return e.err }

// superseded returns errLeaseLost, with a machine's own words where it was one that refused, when another run has the lease
// now, and nil else. What went wrong since then is nothing that this process may call a failure: its order is another's.
func (r *Runner) superseded(err error) error {
	var fenced interface{ Fenced() bool }
	if errors.As(err, &fenced) && fenced.Fenced() {
		return fmt.Errorf("%w: %w", errLeaseLost, err)
	}
	select {
	case <-r.Lost:
		return errLeaseLost
	default:
		return nil
	}
}

// claimed reports whether the node bears our claim.
func (r *Runner) claimed(node string) bool {
	nodes, _ := r.Cluster.Observe()
	return nodes[node].Run == r.Run
}

func (r *Runner) cordoned(node string) bool {
	nodes, _ := r.Cluster.Observe()
	return nodes[node].Cordoned
}

// awaitHTTP waits until every target of verify.http has answered as wanted.
func (r *Runner) awaitHTTP(ctx context.Context, waiting func(string)) error {
	if r.HTTP == nil {
		return nil
	}
	return r.HTTP.AwaitGood(ctx, waiting)
}

// progressOf is what the journal says of the node.
func (r *Runner) progressOf(node string) NodeProgress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Progress.Nodes[node]
}
