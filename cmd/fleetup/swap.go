package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/bmc"
	"github.com/fleetup/fleetup/runner/hardware"
	"github.com/fleetup/fleetup/runner/remote"
)

// swapOptions are what the three commands of hardware work may be told.
type swapOptions struct {
	reason       string
	expect       []string
	outOfService bool
}

func (a *app) swapCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "swap",
		Example: `  fleetup swap begin prod.toml node007 --reason "new DIMM"
  fleetup swap finish prod.toml node007`,
		Short: "Hardware work on one node: empty it and turn it off; turn it on, compare, give it back",
		Long: `Hardware work on one node. begin says what lies on which disk, which card carries the node's address and what will miss the
node; then it drains the node, writes down its hardware, stops it and turns it off; from then on it
is held, for hours or days, by no process: ` + "`fleetup status INVENTORY`" + ` shows it, and other runs leave it alone. finish turns it on, compares
the hardware with before and with what was announced, and gives the node back; or says what is wrong and keeps holding.
cancel gives it back whatever is different.`,
	}
	var o swapOptions
	add := func(name, short string, do func(context.Context, string, string, swapOptions) error) *cobra.Command {
		sub := &cobra.Command{Use: name + " INVENTORY NODE", Short: short, Args: cobra.ExactArgs(2), RunE: func(c *cobra.Command, args []string) error {
			for _, e := range o.expect {
				if _, err := hardware.ParseExpect(e); err != nil {
					return usage("--expect: %w", err)
				}
			}
			ctx, release := a.interruptible(c.Context()) // at the first Ctrl-C: there is but one machine in flight, and it shall not be turned off now
			defer release()
			return do(ctx, args[0], args[1], o)
		}}
		c.AddCommand(sub)
		return sub
	}
	begin := add("begin", "Empty a node, write down its hardware, turn it off and hold it", a.swapBegin)
	finish := add("finish", "Turn a held node on, compare its hardware, and give it back if it is as it should be", a.swapFinish)
	add("cancel", "Give a held node back, whatever is different", a.swapCancel)
	begin.Flags().StringVar(&o.reason, "reason", "", "`TEXT`: why, for whoever asks meanwhile")
	begin.Flags().BoolVar(&o.outOfService, "out-of-service", false, "once it is surely off, let Kubernetes free its volumes (taint node.kubernetes.io/out-of-service)")
	for _, sub := range []*cobra.Command{begin, finish} {
		sub.Flags().StringArrayVar(&o.expect, "expect", nil, "`CHANGE` of the hardware: "+hardware.HowExpect)
	}
	return chooses(c)
}

// swapDir is the folder beside the runs' journals that holds those of hardware work.
const swapDir = "swap"

// swapping is one command of hardware work under way.
type swapping struct {
	s       *session
	host    inventory.Host
	options swapOptions
	run     string
	hold    runner.Hold // zero before it began
	lease   *kube.Lease
	journal *runner.Journal
	shown   *display
}

// openSwap opens the inventory, and looks at how the node stands.
func (a *app) openSwap(ctx context.Context, path, node string, o swapOptions) (*swapping, error) {
	s, err := a.open(ctx, path, false)
	if err != nil {
		return nil, err
	}
	w := &swapping{s: s, options: o}
	for _, h := range s.fleet.Hosts {
		if h.Node == node || h.Name == node {
			w.host = h
		}
	}
	n, there := s.cluster.Node(w.host.Node)
	switch {
	case w.host.Node == "":
		if _, err = selectNamed(s.fleet, node); err == nil {
			err = usage("node %s: hardware work is for one node at a time", node)
		}
	case !there:
		err = exitWith(exitFailed, fmt.Errorf("node %s: the cluster has no such node", w.host.Node))
	default:
		w.hold, _ = runner.HoldOf(n.Run, n.State)
		if w.run = w.hold.Run; n.Run != "" && w.run == "" {
			err = exitWith(exitFailed, fmt.Errorf("node %s is held by run %s: end that first (`fleetup run INVENTORY`, `fleetup abort INVENTORY`, `fleetup node release INVENTORY %[1]s`)", n.Name, n.Run))
		}
	}
	if err != nil {
		s.close()
		return nil, err
	}
	s.hosts = []inventory.Host{w.host}
	return w, nil
}

func (a *app) swapBegin(ctx context.Context, path, node string, o swapOptions) error {
	w, err := a.openSwap(ctx, path, node, o)
	if err != nil {
		return err
	}
	defer w.close()
	if w.hold.Off {
		a.tell("%s is %s", w.host.Node, w.hold)
		return nil
	}
	if w.run == "" {
		w.run = runner.NewRunID(time.Now())
		if err := w.foretell(ctx); err != nil {
			return err
		}
	}
	if err := a.confirm(ctx, fmt.Sprintf("empty %s, turn it off and hold it", w.host.Node)); err != nil {
		return err
	}
	if err := w.carry(ctx, runner.OrderSwapBegin); err != nil {
		return err
	}
	a.tell("%s is off and held; when the work is done: `fleetup swap finish INVENTORY %s`", w.host.Node, w.host.Name)
	return nil
}

func (a *app) swapFinish(ctx context.Context, path, node string, o swapOptions) error {
	return a.swapEnd(ctx, path, node, o, runner.OrderSwapFinish, "is back, as it should be")
}

func (a *app) swapCancel(ctx context.Context, path, node string, o swapOptions) error {
	return a.swapEnd(ctx, path, node, o, runner.OrderSwapCancel, "is back")
}

func (a *app) swapEnd(ctx context.Context, path, node string, o swapOptions, order, text string) error {
	w, err := a.openSwap(ctx, path, node, o)
	if err != nil {
		return err
	}
	defer w.close()
	if w.run == "" {
		return exitWith(exitFailed, fmt.Errorf("node %s isn't held for hardware work; `fleetup swap begin INVENTORY %[1]s` begins it", w.host.Node))
	}
	if order == runner.OrderSwapFinish && !w.hold.Off {
		return exitWith(exitFailed, fmt.Errorf("node %s: the work was begun and cut off before the machine was off: `fleetup swap begin INVENTORY %[1]s` goes on with it, `fleetup swap cancel INVENTORY %[1]s` gives it back", w.host.Node))
	}
	fmt.Fprintf(paper(a.err), "%s is %s\n", w.host.Node, w.hold)
	if err := a.confirm(ctx, fmt.Sprintf("turn %s on and give it back", w.host.Node)); err != nil {
		return err
	}
	if err := w.carry(ctx, order); err != nil {
		return err
	}
	a.tell("%s %s", w.host.Node, text)
	return nil
}

// carry takes the lease for as long as the order takes, journals, and carries the order out.
func (w *swapping) carry(ctx context.Context, order string) error {
	s := w.s
	if err := w.lock(ctx); err != nil {
		return err
	}
	defer w.unlock()
	if w.hold.Run != "" { // somebody may have given it back while this command asked
		if err := s.cluster.Note(ctx, w.host.Node, w.run, nil); err != nil {
			return exitWith(exitFailed, fmt.Errorf("node %s isn't held any more: %w", w.host.Node, err))
		}
	}
	s.cluster.run = w.run
	if err := s.compile(remote.Fence{Run: w.run, Epoch: w.lease.Epoch()}); err != nil {
		return exitWith(exitInventory, err)
	}
	progress, err := w.open(ctx)
	if err != nil {
		return err
	}
	s.cluster.Guard(w.lease.Held)
	work := s.work[w.host.Node]
	work.Steps, work.KubeletVersion = nil, "" // the node comes back as it was, whatever the inventory wants
	w.shown = s.app.newDisplay(1)
	r := &runner.Runner{
		Run: w.run, Work: map[string]runner.Work{w.host.Node: work}, Cluster: s.cluster, Journal: w.journal, Progress: progress,
		Show: w.show, Held: w.lease.Held, Lost: w.lease.Lost(), Swap: w.swap(ctx),
	}
	if s.app.wrap != nil {
		s.app.wrap(r)
	}
	err = r.Carry(ctx, runner.Order{Node: w.host.Node, Name: order})
	w.shown.close()
	var kept *runner.KeptError
	switch {
	case errors.As(err, &kept):
		return exitWith(exitFailed, fmt.Errorf("node %s stays held: %s", w.host.Node, kept.Why))
	case err != nil && errors.Is(w.lease.Held(), kube.ErrLost):
		return exitWith(exitHeld, fmt.Errorf("node %s stays as it is, and the same command goes on: %w", w.host.Node, kube.ErrLost))
	case ctx.Err() != nil:
		return exitWith(exitInterrupted, fmt.Errorf("interrupted; node %s stays as it is: the same command goes on, `fleetup swap cancel INVENTORY %[1]s` gives it back", w.host.Node))
	case err != nil:
		return exitWith(exitFailed, fmt.Errorf("node %s: %w", w.host.Node, err))
	}
	return nil
}

// show shows an event. Why the node stays held, or could not be taken, the end of the command says.
func (w *swapping) show(e runner.Event) {
	told := e.Event == runner.EventFailed || e.Event == runner.EventHeld && e.Message != ""
	if !told || w.s.app.json() {
		w.shown.event(e)
	}
}

// lock takes the lease. What it says of a run that is unfinished stays: hardware work goes on beside one that is halted.
func (w *swapping) lock(ctx context.Context) error {
	s := w.s
	rec := record{s: s} // of no run
	var err error
	if w.lease, err = s.cluster.Acquire(ctx, rec.holder(), gone); err != nil {
		return lockError(err, false)
	}
	if took := w.lease.Took(); took != "" {
		fmt.Fprintln(paper(s.app.err), "note: "+took)
	}
	return nil
}

func (w *swapping) unlock() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	w.s.leaveKured(ctx, w.run)
	if err := w.lease.Release(ctx); err != nil {
		fmt.Fprintf(w.s.app.err, "note: the lease could not be released, it runs out by itself: %v\n", err)
	}
}

// open opens the journal of this piece of work, in a folder of its own: no run picks it up. Without it here, as after it
// was begun on another machine, a new one begins.
func (w *swapping) open(ctx context.Context) (p runner.Progress, err error) {
	dir, err := w.s.app.stateDir(w.s.fleet.Name)
	if err != nil {
		return p, err
	}
	dir = filepath.Join(dir, swapDir)
	if path, ok := runner.JournalPath(dir, w.run); ok {
		w.journal, p, _, err = runner.Open(path)
		return p, exitWith(exitFailed, err)
	}
	uid, err := w.s.cluster.UID(ctx)
	if err != nil {
		return p, exitWith(exitFailed, fmt.Errorf("cluster: %w", err))
	}
	if w.journal, err = runner.Create(dir, w.run); err != nil {
		return p, exitWith(exitFailed, err)
	}
	rec := record{s: w.s, run: w.run, journal: w.journal, uid: uid}
	err = rec.add(runner.Event{Event: runner.EventStarted, Data: rec.about(runner.Plan{Nodes: []runner.PlanNode{{Name: w.host.Node, Host: w.host.Name}}})})
	return rec.progress, err
}

func (w *swapping) close() {
	if w.journal != nil {
		_ = w.journal.Close()
	}
	w.s.close()
}

// swap is what the order needs beside the node's work.
func (w *swapping) swap(ctx context.Context) *runner.Swap {
	a, h := w.s.app, w.host
	sw := &runner.Swap{
		By: username(), Reason: w.options.reason, Expect: w.options.expect, OutOfService: w.options.outOfService,
		Hardware: func(ctx context.Context) (hardware.Document, error) {
			return a.inventoried(ctx, h, w.s.machines[h.Node])
		},
		Trust: w.trust,
		Taint: func(ctx context.Context, on bool) error { return w.s.cluster.OutOfService(ctx, h.Node, w.run, on) },
	}
	b, err := a.bmcOf(h)
	if err != nil || b == nil {
		return sw
	}
	if _, full := b.(bmc.Power); !full {
		sw.Wake = b.On
	}
	if l, can := b.(bmc.Locator); can {
		sw.Locate = l.Locate
	}
	return sw
}

// trust waits until the machine shows its host keys, and has new ones confirmed: both fingerprints are shown first.
func (w *swapping) trust(ctx context.Context) error {
	a, login := w.s.app, w.s.app.login(w.host)
	for {
		keys, err := w.s.net.HostKeys(ctx, login)
		if err == nil {
			return a.trustNew(ctx, w.s.net, offered{login, keys, nil})
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(2 * time.Second):
		}
	}
}

// trustNew asks about keys that aren't known, and keeps them on yes.
func (a *app) trustNew(ctx context.Context, n *remote.Net, o offered) error {
	if _, fresh := strange(n, o); !fresh {
		return nil
	}
	a.showOffer(n, o)
	if err := a.confirm(ctx, fmt.Sprintf("%s shows another host key than before; is that the machine", o.login.Name)); err != nil {
		if errors.Is(err, errNo) { // much was touched by now
			return exitWith(exitFailed, fmt.Errorf("%s: its new host key was not accepted; `fleetup swap finish INVENTORY %[1]s` asks again", o.login.Name))
		}
		return err
	}
	name, files, err := n.KnownAs(o.login)
	if err == nil {
		err = remote.Trust(files[0], []string{name}, o.keys, true)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.login.Name, err)
	}
	a.tell("%s: kept in %s", o.login.Name, files[0])
	return nil
}

// foretell says before anything is touched what this node's absence will mean, and refuses what can't work.
func (w *swapping) foretell(ctx context.Context) error {
	a, node := w.s.app, w.host.Node
	if !w.host.BMC.IsZero() {
		p, err := a.power(w.host)
		if err == nil && p != nil {
			_, err = p.State(ctx)
		}
		if err != nil {
			return exitWith(exitFailed, fmt.Errorf("refused before anything was touched: %w", err))
		}
	} else {
		fmt.Fprintf(paper(a.err), "note: the inventory names no BMC for %s: nobody can see whether it is off, and somebody has to turn it on\n", node)
	}
	if w.options.outOfService && (w.host.BMC.IsZero() || w.host.BMC.Type == "wol") {
		return usage("--out-of-service needs a BMC that can tell that %s is off", w.host.Name)
	}
	d := w.s.cluster.PlanDrain(node, w.s.cluster.options(node))
	for _, text := range append(d.Warnings, storageOn(d)...) {
		fmt.Fprintf(paper(a.err), "note: %s\n", text)
	}
	for _, text := range w.askMachine(ctx) {
		fmt.Fprintf(paper(a.err), "note: %s\n", text)
	}
	var refused []string
	for _, p := range d.Refuse {
		refused = append(refused, fmt.Sprintf("pod %s/%s: %s", p.Namespace, p.Name, p.Why))
	}
	if len(refused) > 0 {
		return exitWith(exitFailed, fmt.Errorf("refused before anything was touched: %s", strings.Join(refused, "; ")))
	}
	return nil
}
