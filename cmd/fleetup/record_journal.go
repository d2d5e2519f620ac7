package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

// The journal's side of a record: what an earlier process wrote, what is written before the runner takes over, and the end.

// read reads a journal of an earlier process, which may still be writing it. over: it is finished, which means a new
// run, whatever the Lease says: the process died before it could tell. Nodes outrank it: while one bears the run's
// claim, as one that `abort` couldn't give back, no other run could take it, so there is something to go on with.
func (r *record) read(path string) (over bool, err error) {
	_, p, note, err := runner.ReadJournal(path)
	if err != nil {
		return false, exitWith(exitFailed, err)
	}
	if note != "" {
		fmt.Fprintln(r.s.app.err, "note: "+note)
	}
	if p.Seq == 0 { // its process ended, or its disk was full, before the first line: nothing had begun
		return false, nil
	}
	if p.Finished && len(r.s.claimedBy(p.Run)) == 0 {
		return true, nil
	}
	if err := foreign(path, p, r.uid); err != nil {
		return false, exitWith(exitFailed, err)
	}
	r.path, r.progress, r.run = path, p, p.Run
	return false, nil
}

// foreign says that a journal is another cluster's, and what to do about it; nil where it is that of the cluster with uid.
func foreign(path string, p runner.Progress, uid string) error {
	if p.Cluster == "" || p.Cluster == uid {
		return nil
	}
	return fmt.Errorf("%s is the journal of another cluster (kube-system has UID %s there, %s here): check [cluster], or give this inventory "+
		"a `name` of its own at its top; if that cluster is gone for good, move the journal away", path, p.Cluster, uid)
}

// unfinished is the journal of the run that a `fleetup run` would go on with, where there is one here. An error says why it
// would go on with none.
func (s *session) unfinished(ctx context.Context) (runner.Progress, error) {
	dir, err := s.app.stateDir(s.fleet.Name)
	if err != nil {
		return runner.Progress{}, nil
	}
	path, ok := runner.Latest(dir)
	if !ok {
		return runner.Progress{}, nil
	}
	_, p, _, err := runner.ReadJournal(path)
	if err != nil || p.Finished { // whoever runs is told
		return runner.Progress{}, nil
	}
	uid, err := s.cluster.UID(ctx)
	if err != nil {
		return runner.Progress{}, fmt.Errorf("cluster: %w", err)
	}
	return p, foreign(path, p, uid)
}

// openJournal opens the run's journal for appending, or begins it: also one that an earlier process left without a line.
func (r *record) openJournal() (fresh bool, err error) {
	path, there := runner.JournalPath(r.dir, r.run)
	if !there {
		r.journal, err = runner.Create(r.dir, r.run)
		return true, exitWith(exitFailed, err)
	}
	r.journal, r.progress, _, err = runner.Open(path)
	return r.progress.Seq == 0, exitWith(exitFailed, err)
}

// begin opens the journal and writes its first events: started, or resumed and what was adopted. found is what a run has seen of
// the machines.
func (r *record) begin(plan runner.Plan, found map[string]*runner.Surveyed) error {
	fresh, err := r.openJournal()
	if err != nil {
		return err
	}
	if err := r.showPast(fresh); err != nil {
		return err
	}
	kind := runner.EventResumed
	if fresh {
		kind = runner.EventStarted
	}
	changed := !fresh && r.progress.Digest != r.s.fleet.Digest
	if err := r.add(runner.Event{Event: kind, Data: r.about(plan)}); err != nil {
		return err
	}
	if changed {
		if err := r.add(runner.Event{Event: runner.EventSaid, Message: "the inventory is another one now: every node is looked at anew"}); err != nil {
			return err
		}
	}
	return r.adopt(found)
}

// foresee writes down what is foreseen of the run, for the report: what then happens is held against it.
func (r *record) foresee(plan runner.Plan, found map[string]*runner.Surveyed) error {
	events, err := r.s.foresee(plan, found).journaled()
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := r.add(e); err != nil {
			return err
		}
	}
	return nil
}

// showPast tells whoever follows the run by its page what it did before this process.
func (r *record) showPast(fresh bool) error {
	if fresh || r.s.app.page == nil {
		return nil
	}
	events, _, _, err := runner.ReadJournal(r.journal.Path())
	if err != nil {
		return exitWith(exitFailed, err)
	}
	for _, e := range events {
		r.s.app.page.Event(e)
	}
	return nil
}

// adopt writes down the nodes that the journal doesn't know, and that bear this run's claim or what it left when it had ended on
// them: those that a rollback takes back too.
func (r *record) adopt(found map[string]*runner.Surveyed) error {
	nodes := r.s.cluster.Nodes()
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		n := nodes[name]
		if _, known := r.progress.Nodes[name]; known {
			continue
		}
		e := runner.Event{Event: runner.EventAdopted, Node: name}
		switch {
		case n.Run == r.run:
			e.Order, e.Message = cmp.Or(n.State["order"], runner.OrderUpgrade), "claimed by this run, says the node"
			if n.Failed != "" {
				e.Data = map[string]string{"failed": n.Failed}
			}
		case r.done(n, found[name]):
			e.Message, e.Data = "done by this run, says the node", map[string]string{"done": cmp.Or(n.Last["time"], "yes")}
		default:
			continue
		}
		if err := r.add(e); err != nil {
			return err
		}
	}
	return nil
}

// done reports whether this run has ended on the node, and the machine has nothing to do any more. A spare serves only while a
// run lasts: it is lent again.
func (r *record) done(n kube.Node, v *runner.Surveyed) bool {
	return n.Run == "" && n.Last["run"] == r.run && n.Last["back"] == "" && v != nil && v.NothingToDo() && !r.s.isSpare(n.Name)
}

// about is what started and resumed say.
func (r *record) about(plan runner.Plan) map[string]string {
	about := map[string]string{
		"cluster": r.uid, "inventory": r.s.fleet.Path, "digest": r.s.fleet.Digest, "version": version(),
		"nodes": strconv.Itoa(len(plan.Nodes)),
	}
	if past := r.s.cluster.pastBudget; len(past) > 0 { // whoever asks later why a budget was violated finds it here
		about["past_budget"] = strings.Join(past, " ")
	}
	if accepted := r.s.cluster.accepted(); len(accepted) > 0 {
		about["accept_downtime"] = strings.Join(accepted, " ")
	}
	return about
}

// add journals an event before the runner has taken over.
func (r *record) add(e runner.Event) error {
	e.Version, e.Run, e.Time = 1, r.run, time.Now().UTC()
	if err := r.journal.Append(&e); err != nil {
		return exitWith(exitFailed, err)
	}
	r.first = append(r.first, e)
	r.s.app.page.Event(e)
	return r.progress.Apply(e)
}

// end writes how the run ended for this process, here and on the Lease.
func (r *record) end(end runner.End, p runner.Progress, sum summary) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r.progress = p
	for _, e := range sum.proven() {
		if err := r.add(e); err != nil {
			break // the end matters more, and says what is wrong with the journal
		}
	}
	if !end.Finished {
		return r.lease.Halt(ctx, p.Halted)
	}
	if err := r.add(runner.Event{Event: runner.EventFinished, Message: end.Why, Data: sum.data()}); err != nil {
		return err
	}
	return r.lease.Finish(ctx)
}

func (r *record) close() {
	if r.journal != nil {
		_ = r.journal.Close()
	}
}
