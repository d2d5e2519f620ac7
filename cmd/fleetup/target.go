package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

// target is what a rollback takes back: one run's doing on some nodes.
type target struct {
	run     string   // "": no run is known
	nodes   []string // selected ones on which something may have to be taken back, in the inventory's order
	journal map[string]map[string]string
	left    string // the unfinished run that is left behind for it; "" there is none
	others  int    // nodes of the run that aren't selected
}

// leave gives a command that rolls back a run of its own; an unfinished upgrade is left behind.
func (r *record) leave() {
	if !r.back || r.unfinished() && runner.IsRollback(r.run) {
		return
	}
	if r.left = ""; r.unfinished() {
		r.left = r.run
	}
	r.path, r.progress, r.adopted = "", runner.Progress{}, false
	r.own = cmp.Or(r.own, runner.NewRollbackID(time.Now()))
	r.run = r.own
}

// target finds the last run and the selected nodes that it has changed: by what the nodes say, and by the journal where
// they say nothing.
func (r *record) target() (target, error) {
	t := target{left: r.left}
	nodes := r.s.cluster.Nodes()
	for _, h := range r.s.fleet.Hosts {
		t.run = max(t.run, r.doneBy(nodes[h.Node]))
	}
	t.run = cmp.Or(r.left, t.run)
	if path, ok := runner.JournalPath(r.dir, t.run); ok && t.run != "" {
		events, _, _, err := runner.ReadJournal(path)
		if err != nil {
			return t, exitWith(exitFailed, err)
		}
		t.journal = runner.Befores(events)
	}
	for _, h := range r.s.fleet.Hosts {
		switch {
		case !r.changed(nodes[h.Node], t):
		case slices.ContainsFunc(r.s.hosts, func(s inventory.Host) bool { return s.Node == h.Node }):
			t.nodes = append(t.nodes, h.Node)
		default:
			t.others++
		}
	}
	return t, nil
}

// doneBy is the run whose doing a node shows: that which holds it, or ended there last, or was taken back there last.
func (r *record) doneBy(n kube.Node) string {
	of := func(notes map[string]string) bool {
		inventory := notes[factInventory]
		return inventory == "" || inventory == r.s.fleet.Name
	}
	switch {
	case runner.IsRun(n.Run) && !runner.IsRollback(n.Run) && of(n.State):
		return n.Run
	case of(n.Last):
		return cmp.Or(n.Last["back"], n.Last["run"])
	}
	return ""
}

// changed reports whether a node has something of the target to take back.
func (r *record) changed(n kube.Node, t target) bool {
	switch {
	case n.Name == "" || t.run == "":
		return false
	case r.progress.Nodes[n.Name].Begun(): // it may be released already, and not yet have been watched at its work
		return true
	case n.Run != "":
		return n.Run == t.run || n.Run == r.run
	case n.Last["run"] == t.run:
		return n.Last["back"] == ""
	}
	return n.Last == nil && t.journal[n.Name] != nil
}

// nothing says why there is nothing to roll back; "" where there may be.
func (t target) nothing() string {
	switch {
	case len(t.nodes) > 0:
		return ""
	case t.run == "":
		return "no run has left word on a node"
	case t.others > 0:
		return fmt.Sprintf("run %s has changed none of the selected nodes, or they are back already; it has changed others", t.run)
	case t.left != "":
		return fmt.Sprintf("run %s has changed nothing; `fleetup abort INVENTORY` ends it", t.run)
	}
	return fmt.Sprintf("what run %s changed is taken back already", t.run)
}

// what is the question's middle part.
func (t target) what() string {
	return fmt.Sprintf("%s (%s) to what ran before run %s", plural(len(t.nodes), "node"), fold(t.nodes), t.run)
}

// takeOver makes the nodes that the run left behind has in flight ours to take: its process is gone, for we hold the lease.
func (r *record) takeOver(ctx context.Context) error {
	nodes := r.s.cluster.Nodes()
	for _, h := range r.s.hosts {
		n := nodes[h.Node]
		if n.Run == "" || n.Run == r.run || n.Failed != "" {
			continue
		}
		if err := r.add(runner.Event{Event: runner.EventSaid, Node: h.Node, Message: "taken over from run " + n.Run}); err != nil {
			return err
		}
		if err := r.s.cluster.Fail(ctx, h.Node, n.Run, "left in mid-flight; taken over by "+r.run); err != nil {
			return exitWith(exitFailed, err)
		}
	}
	return nil
}
