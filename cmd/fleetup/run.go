package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

// runFlags are the flags of run alone.
type runFlags struct {
	plan       string
	allowed    consent
	waitLock   bool
	wait       bool
	unattended bool
	serve      serveFlags
}

func (a *app) runCommand() *cobra.Command {
	var rf runFlags
	c := &cobra.Command{
		Use:   "run INVENTORY",
		Short: "Upgrade the fleet, node by node, with zero downtime",
		Long: `Upgrade the fleet, node by node: cordon, drain, stop the kubelet, upgrade, reboot, verify, uncordon.

An unfinished run of the inventory is picked up: nodes that were in flight first, then those that failed, one by one,
then the others. Ctrl-C once ends after what is in flight; twice parks it where it is. Either way, run again goes on.`,
		Example: `  fleetup run prod.toml
  fleetup run prod.toml --limit node007       # one node first, as a trial
  fleetup run prod.toml --yes --output json    # in a pipeline`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.run(c.Context(), args[0], rf) },
	}
	c.Flags().StringVar(&rf.plan, "plan", "", "carry out the plan in this `FILE` (fleetup plan -o FILE), or refuse if it is stale")
	rf.allowed.flags(c)
	rf.serve.flags(c)
	c.Flags().BoolVar(&rf.wait, "wait", false, "wait for the next window where one closes with work left, instead of exit 5")
	c.Flags().BoolVar(&rf.waitLock, "wait-lock", false, "wait while another run holds the lease")
	c.Flags().BoolVar(&rf.unattended, "unattended", false, "for jobs: a run that was halted stays so, exit 3, until fleetup resume lifts it")
	return c
}

// flags are those by which a command is told what it may do to workloads.
func (c *consent) flags(of *cobra.Command) {
	of.Flags().StringArrayVar(&c.pastBudget, "past-budget", nil, "`NS/PDB` that may be violated in this run, after its refusal")
	of.Flags().StringArrayVar(&c.acceptDowntime, "accept-downtime", nil,
		"`NS/NAME` of a Service, or of a workload, that may have no endpoint while a pod moves that nothing else can spare")
}

// valid finds names that can't be any.
func (c consent) valid() error {
	for _, b := range c.pastBudget {
		if !isObject(b) {
			return usage("--past-budget %q: write NAMESPACE/BUDGET, as shop/web", b)
		}
	}
	for _, s := range c.acceptDowntime {
		if !isObject(s) {
			return usage("--accept-downtime %q: write NAMESPACE/SERVICE, as shop/db", s)
		}
	}
	return nil
}

// valid finds what can be known to be wrong before anybody is asked.
func (rf runFlags) valid() error {
	if err := rf.allowed.valid(); err != nil {
		return err
	}
	if rf.plan != "" {
		if _, err := os.Stat(rf.plan); err != nil {
			return usage("--plan: %w; `fleetup plan INVENTORY -o FILE` saves one", err)
		}
	}
	return nil
}

// isObject accepts namespace/name.
func isObject(s string) bool {
	ns, name, ok := strings.Cut(s, "/")
	return ok && ns != "" && name != "" && !strings.Contains(name, "/")
}

// run is the main job.
func (a *app) run(ctx context.Context, path string, rf runFlags) error {
	if err := rf.valid(); err != nil {
		return err
	}
	stop, err := a.serve(ctx, rf.serve)
	if err != nil {
		return err
	}
	defer stop()
	return a.working(ctx, path, true, func(ctx context.Context, rec *record, stop <-chan struct{}) error {
		rec.s.cluster.allow(rf.allowed)
		rec.waits = true
		return rec.underLease(ctx, rf.waitLock, func() error {
			if runner.IsRollback(rec.run) {
				return exitWith(exitFailed, fmt.Errorf("run %s is a rollback and isn't finished: `fleetup rollback INVENTORY` goes on with it, `fleetup abort INVENTORY` ends it", rec.run))
			}
			rec.unattended = rf.unattended
			return rec.s.carryOut(ctx, rec, rf, stop)
		})
	})
}

// carryOut looks, asks, runs and tells how it ended, with the lease held.
func (s *session) carryOut(ctx context.Context, rec *record, rf runFlags, stop <-chan struct{}) error {
	why, err := rec.halted(ctx)
	if err != nil {
		return exitWith(exitFailed, err)
	}
	if rf.unattended && why != "" {
		return exitWith(exitHalted, fmt.Errorf("halted: %s\nan unattended run goes on after `fleetup resume INVENTORY` alone", firstLine(why)))
	}
	found, findings, err := s.preflight(ctx)
	if err != nil {
		return err
	}
	s.warn(findings)
	if err := refusal(findings); err != nil {
		return err
	}
	web := runner.NewHTTPWatch(s.cluster.targets(s.fleet.HTTP))
	plan, err := s.build(found, rec.progress)
	if err != nil {
		return err
	}
	if err := s.fresh(rf.plan, plan, found); err != nil {
		return err
	}
	if idle(found) && !rec.unfinished() {
		return s.nothingToDo(found)
	}
	if err := s.ask(ctx, plan, found, rec); err != nil {
		return err
	}
	if err := rec.begin(plan, found); err != nil {
		return err
	}
	if err := rec.foresee(plan, found); err != nil {
		return err
	}
	r := &runner.Runner{Plan: plan, Pending: s.toClose(plan, found), Gates: s.judges(web), HTTP: web, Stop: stop, Wait: rf.wait}
	return s.watched(ctx, rec, r)
}

// judges are what decides whether the run may go on: the inventory's gates and, of a run that soaks, the application's own
// URLs.
func (s *session) judges(web *runner.HTTPWatch) []runner.Gate {
	if s.fleet.Strategy.Soak > 0 && len(s.fleet.HTTP) > 0 {
		return append(slices.Clone(s.asked), runner.HTTPGate(web))
	}
	return s.asked
}

// watched carries the run out while the zero-downtime proof and the application's own URLs are watched. What r holds is the
// plan and what it needs beside the session and the record.
func (s *session) watched(ctx context.Context, rec *record, r *runner.Runner) error {
	s.cluster.proof = s.cluster.Proof()
	s.cluster.Guard(rec.lease.Held)
	wctx, done := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { r.HTTP.Run(wctx) })
	defer func() { done(); watching.Wait() }()

	d := s.app.newDisplay(len(r.Plan.Nodes))
	people := s.app.teller(s.fleet, rec, d.note)
	defer people.close()
	for _, e := range rec.first {
		d.event(e)
		people.event(e)
	}
	tctx, told := context.WithCancel(ctx)
	var telling sync.WaitGroup
	show := func(e runner.Event) {
		d.event(e)
		people.event(e)
		s.app.page.Event(e)
		if e.Event == runner.EventHalted { // at once: what is in flight may take an hour, and this process may not live to its end
			telling.Go(func() { _ = rec.lease.Halt(tctx, e.Message) })
		}
	}
	r.Run, r.Work, r.Cluster, r.Journal, r.Progress = rec.run, s.work, s.cluster, rec.journal, rec.progress
	r.Show, r.Decided = show, func(dec runner.Decision) { d.heldUp(rec.heldUp()); d.decided(dec) }
	r.Held, r.Lost, r.Paused = rec.lease.Held, rec.lease.Lost(), rec.paused
	r.Endpoints = s.cluster.proof.Lows
	r.Hooks, r.Self = s.hooks(), s.cluster.SelfNode()
	if s.app.wrap != nil {
		s.app.wrap(r)
	}
	begun := time.Now()
	end, err := r.Go(ctx)
	told()
	telling.Wait() // before the end is written, which has the last word
	d.close()
	sum := s.summary(rec.run, end, r.Progress, r.HTTP, time.Since(begun))
	if sum.Moves != nil {
		sum.Moves.Part = rec.first[0].Event == runner.EventResumed
	}
	if ferr := rec.end(end, r.Progress, sum); err == nil {
		err = ferr
	}
	people.finished(sum)
	s.app.showSummary(sum)
	s.showNext(rec, end)
	if err != nil {
		return exitWith(end.Exit, err)
	}
	if end.Exit != exitDone {
		return silent(end.Exit)
	}
	return nil
}

// showNext tells people where to read on, and what they can do, after a run that has not done all.
func (s *session) showNext(rec *record, end runner.End) {
	if s.app.json() || end.Exit == exitDone {
		return
	}
	if path, ok := runner.JournalPath(rec.dir, rec.run); ok {
		fmt.Fprintln(paper(s.app.err), "journal: "+path)
	}
	switch {
	case end.Finished:
	case s.app.vanishes:
		fmt.Fprintln(paper(s.app.err), "next: `fleetup demo` begins anew, for its machines are gone; on real ones `fleetup run INVENTORY` would go on")
	default:
		fmt.Fprintf(paper(s.app.err), "next: %s, `fleetup abort INVENTORY` gives back what is safe to give back\n", rec.next(rec.progress.Halted != ""))
	}
}

// next says how this run, halted or not, goes on.
func (r *record) next(halted bool) string {
	if r.unattended && halted {
		return "`fleetup resume INVENTORY` lets its next run go on"
	}
	return fmt.Sprintf("`fleetup %s INVENTORY` goes on", runner.Again(r.run))
}

// warn says what preflight found that doesn't stand against the run.
func (s *session) warn(findings []runner.Finding) {
	for _, f := range together(findings) {
		if !f.Refuse {
			fmt.Fprintln(paper(s.app.err), "note: "+f.String())
		}
	}
}

// idle reports whether no machine has anything to do.
func idle(found map[string]*runner.Surveyed) bool {
	for _, v := range found {
		if v.Work.Hold == "" && !v.NothingToDo() {
			return false
		}
	}
	return true
}

// ask shows the plan's summary on a terminal and asks once.
func (s *session) ask(ctx context.Context, plan runner.Plan, found map[string]*runner.Surveyed, rec *record) error {
	if rec.unfinished() {
		fmt.Fprintf(paper(s.app.err), "run %s is unfinished%s: going on with it\n", rec.run, rec.why())
	}
	if !s.app.terminal() || s.app.flags.yes {
		return nil
	}
	s.planText(paper(s.app.err), plan, rec.progress, found, s.forecast(plan, found), false)
	return s.app.confirm(ctx, "go ahead")
}

// signals turns the first SIGINT into "end after what is in flight", the second, or SIGTERM or SIGHUP, into "park". At a
// question the first one is enough.
func (a *app) signals(cancel context.CancelCauseFunc) (<-chan struct{}, func()) {
	stop, quit := make(chan struct{}), make(chan struct{})
	got := make(chan os.Signal, 2)
	notify := a.notify
	if notify == nil {
		notify = realSignals
	}
	deaf := notify(got)
	var wg sync.WaitGroup
	wg.Go(func() {
		for once := false; ; {
			select {
			case <-quit:
				return
			case sig := <-got:
				if sig == syscall.SIGINT && !once && !a.asking.Load() {
					once = true
					a.stopping.Store(true)
					close(stop)
					fmt.Fprintln(paper(a.err), a.freshLine()+"interrupted: what is in flight is finished, nothing more is started; once more parks it")
					continue
				}
				cancel(fmt.Errorf("%w (%s)", errSignal, sig))
			}
		}
	})
	return stop, func() { deaf(); close(quit); wg.Wait() }
}

// realSignals leaves alone those that were ignored when this process began, as nohup and a shell's & want it.
func realSignals(got chan<- os.Signal) (stop func()) {
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(got, s)
		}
	}
	return func() { signal.Stop(got) }
}

var errSignal = errors.New("asked to end at once")

// lockError explains who holds the lease. waits says that the command is run, which alone can wait for it.
func lockError(err error, waits bool) error {
	var held *kube.HeldError
	if !errors.As(err, &held) {
		return exitWith(exitFailed, err)
	}
	hint := "try again once it has ended"
	if waits {
		hint = "`fleetup run INVENTORY --wait-lock` waits for it"
	}
	return exitWith(exitHeld, fmt.Errorf("another run holds the lease: %w\nCtrl-C ends it there, `fleetup pause INVENTORY` holds it from here, %s", err, hint))
}
