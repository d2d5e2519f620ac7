package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

// record is what is known of a run outside of this process: its id, its journal here, its lease in the cluster.
type record struct {
	s          *session
	dir        string
	run        string
	path       string          // of the journal of the unfinished run; "" if there is none here
	journal    *runner.Journal // nil until the run begins
	progress   runner.Progress
	lease      *kube.Lease
	first      []runner.Event // what was journaled before the runner took over
	adopted    bool           // known from the cluster, not from a journal here
	over       bool           // the Lease names a run that the journal here has seen the end of
	stale      bool           // a process that is gone holds the Lease, for no run
	unattended bool           // a job's run: halted, it stays so until somebody resumes it
	waits      bool           // the command is run, which can wait for the lease
	back       bool           // the command rolls back: another unfinished run isn't gone on with
	left       string         // rolling back: the unfinished run that is left behind for it
	own        string         // rolling back: the id that was made up for it
	uid        string
}

// record finds the unfinished run of the inventory, or makes up the id of a new one.
func (s *session) record(ctx context.Context) (*record, error) {
	dir, err := s.app.stateDir(s.fleet.Name)
	if err != nil {
		return nil, err
	}
	r := &record{s: s, dir: dir}
	if r.uid, err = s.cluster.UID(ctx); err != nil {
		return nil, exitWith(exitFailed, fmt.Errorf("cluster: %w", err))
	}
	lease, err := s.cluster.Cluster.Lease(ctx)
	if err != nil {
		return nil, exitWith(exitFailed, fmt.Errorf("cluster: %w", err))
	}
	r.stale = lease.Holder.Identity != "" && lease.Holder.Run == "" && !underWay(lease)
	return r, r.find(lease.Of(s.fleet.Name).Holder)
}

// find decides which run this is. The cluster outranks the journal: a run that its Lease or its nodes name is the
// one, whatever an old journal here says.
func (r *record) find(last kube.Holder) error {
	r.path, r.run, r.progress, r.adopted = "", "", runner.Progress{}, false
	defer r.leave()
	known := last.Run
	if last.Inventory != r.s.fleet.Name {
		known = ""
	}
	if known == "" {
		known = r.s.claimedRun()
	}
	if known != "" && !runner.IsRun(known) {
		return exitWith(exitFailed, r.s.strangeRun(known))
	}
	path, ok := runner.Latest(r.dir)
	switch {
	case known != "":
		path, ok = runner.JournalPath(r.dir, known)
	case last.Inventory == r.s.fleet.Name: // another machine has ended what a journal here may still call unfinished
		ok = false
	}
	over := false
	if ok {
		var err error
		if over, err = r.read(path); err != nil {
			return err
		}
	}
	r.over = over && known != ""
	switch {
	case known != "" && r.path == "" && !r.over:
		r.run, r.adopted = known, true
	case r.run == "":
		r.run = runner.NewRunID(time.Now())
	}
	return nil
}

// claimedRun is the run of this inventory that nodes of the selection are claimed by; "" if none is.
func (s *session) claimedRun() string {
	nodes := s.cluster.Nodes()
	for _, h := range s.hosts {
		n := nodes[h.Node]
		if _, swap := runner.HoldOf(n.Run, n.State); swap { // hardware work is no run of this inventory
			continue
		}
		if of := n.State[factInventory]; n.Run != "" && (of == "" || of == s.fleet.Name) {
			return n.Run
		}
	}
	return ""
}

// unfinished reports whether there is a run to go on with.
func (r *record) unfinished() bool { return r.path != "" || r.adopted }

// why says how the unfinished run came to stand.
func (r *record) why() string {
	switch {
	case r.progress.Halted != "":
		return " (halted: " + firstLine(r.progress.Halted) + ")"
	case r.adopted:
		return " (no journal here: rebuilt from the cluster)"
	}
	return ""
}

// lock takes the lease, and looks again at which run is unfinished where that changed meanwhile.
func (r *record) lock(ctx context.Context, wait bool) error {
	var said kube.Holder
	for {
		lease, err := r.s.cluster.Acquire(ctx, r.holder(), gone)
		if err == nil {
			r.lease = lease
			return r.locked(ctx)
		}
		var held *kube.HeldError
		if !wait || !errors.As(err, &held) {
			return lockError(err, r.waits)
		}
		if held.Holder != said { // once: a job waits for hours
			fmt.Fprintf(r.s.app.err, "waiting: %v\n", err)
			said = held.Holder
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(held.Seconds()) * time.Second):
		}
	}
}

func (r *record) holder() kube.Holder {
	return kube.Holder{Identity: cmp.Or(r.s.app.identity, identity()), User: username(), Run: r.run, Inventory: r.s.fleet.Name}
}

// locked says whom the lease was taken from, and reads again what the holder before us may have changed.
func (r *record) locked(ctx context.Context) error {
	if took := r.lease.Took(); took != "" {
		fmt.Fprintln(r.s.app.err, "note: "+took)
	}
	before := r.lease.Before()
	err := r.find(kube.Holder{Run: before[kube.AnnotationRun], Inventory: before[kube.AnnotationInventory]})
	if err == nil && r.over { // the process before us came no further than the journal's last line
		err = r.lease.Finish(ctx)
	}
	if err == nil && r.run != r.lease.Annotations()[kube.AnnotationRun] {
		err = r.lease.Begin(ctx, r.run)
	}
	if err != nil {
		r.unlock()
	}
	return err
}

// paused reports whether somebody, anywhere, asked this run to start nothing new.
func (r *record) paused() bool { return r.lease.Annotations()[kube.AnnotationPaused] != "" }

// halted is why the run was halted, "" where it wasn't or somebody lifted it: what the Lease says. Where the process before
// us ended without giving the lease up, or the Lease was deleted since, the journal may know of a halt that the Lease doesn't:
// it is written there now, for `fleetup resume` to lift.
func (r *record) halted(ctx context.Context) (string, error) {
	why := r.lease.Annotations()[kube.AnnotationHalt]
	lifted := r.lease.Took() == "" && r.lease.Before()[kube.AnnotationRun] == r.run
	if why != "" || r.progress.Halted == "" || lifted {
		return why, nil
	}
	return r.progress.Halted, r.lease.Halt(ctx, r.progress.Halted)
}

// heldUp is why this run begins nothing new, whatever its nodes are up to: somebody paused it, or its journal's disk is full.
func (r *record) heldUp() string {
	if r.paused() {
		return "paused; `fleetup resume INVENTORY` goes on"
	}
	if full := r.journal.Full(); full != nil {
		return full.Error()
	}
	return ""
}

// cutOff is why a command ends with its order parked: another run has the lease now, this process was asked to end, or what
// err says. again is the command that goes on.
func (r *record) cutOff(ctx context.Context, err error, again string) error {
	switch lost := r.lease.Held(); {
	case errors.Is(lost, kube.ErrLost):
		return exitWith(exitHeld, lost)
	case ctx.Err() != nil:
		return exitWith(exitInterrupted, fmt.Errorf("interrupted: what was in flight stands where it was; `fleetup %s` again goes on", again))
	}
	return exitWith(exitFailed, err)
}

// unlock frees the lease; what it says of an unfinished run stays.
func (r *record) unlock() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch {
	case r.journal != nil || r.unfinished():
	case r.left != "": // nothing began, and the run before is where it was
		_ = r.lease.Begin(ctx, r.left)
	default:
		_ = r.lease.Finish(ctx)
	}
	r.s.leaveKured(ctx, r.run)
	if err := r.lease.Release(ctx); err != nil {
		fmt.Fprintf(r.s.app.err, "note: the lease could not be released, it runs out by itself: %v\n", err)
	}
}

func username() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}
