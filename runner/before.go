package runner

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// How a machine was before a run is kept in the claim's state, and afterwards in what the run leaves on the node: one key
// for each step that had something to do, with what its Before noted.
const (
	beforeKey = "before/" // and the step's ID
	begunKey  = "begun/"  // and the ID of a step that can't be taken back: it was begun
)

// dataBefore is the key of a step event's Data that has the same, for a node that loses its annotations.
const (
	dataBefore = "before"
	dataID     = "id"
)

// factBack is the key of what is left on a node that was rolled back: the run whose doing was taken back.
const factBack = "back"

// beforeOf takes the records out of a claim's state, or out of what a run left; nil where there are none.
func beforeOf(notes map[string]string) map[string]string {
	var record map[string]string
	for key, text := range notes {
		if id, ok := strings.CutPrefix(key, beforeKey); ok {
			if record == nil {
				record = map[string]string{}
			}
			record[id] = text
		}
	}
	return record
}

// Befores are the records that a run's journal has, by node and step. What was noted first is how it was.
func Befores(events []Event) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, e := range events {
		before, noted := e.Data[dataBefore]
		if e.Event != EventStep || !noted || e.Order == OrderRollBack {
			continue
		}
		if all[e.Node] == nil {
			all[e.Node] = map[string]string{}
		}
		if _, known := all[e.Node][e.Data[dataID]]; !known {
			all[e.Node][e.Data[dataID]] = before
		}
	}
	return all
}

// keepBefore puts into facts how the machine is before anything is applied, for each step that has something to do and of
// which the node has no record yet.
func (l *life) keepBefore(ctx context.Context, facts map[string]string) error {
	if l.target != nil { // it is to become what it was then, however often that is begun
		for id, text := range l.record {
			facts[beforeKey+id] = text
		}
		maps.Copy(facts, l.target)
		return nil
	}
	state, last := l.r.Cluster.Recorded(l.w.Node)
	known := beforeOf(state)
	if state == nil && last["run"] == l.r.Run { // what an earlier part of this run has changed was before it what it says
		known = beforeOf(last)
	}
	l.record = map[string]string{}
	maps.Copy(l.record, known)
	err := l.ask(ctx, func(ctx context.Context) error {
		kept, err := playbooks.Keep(ctx, l.w.Machine, l.unrecorded())
		maps.Copy(l.record, kept)
		return err
	})
	for id, text := range l.record {
		facts[beforeKey+id] = text
	}
	return err
}

// unrecorded are the steps that have something to do and no record.
func (l *life) unrecorded() (steps []playbooks.Step) {
	for _, i := range l.items {
		if _, known := l.record[i.Step.ID()]; !known && !i.Status.Clean && !i.Status.Trial {
			steps = append(steps, i.Step)
		}
	}
	return steps
}

// noteBefore adds to the claim the records that it lacks: it was made by an earlier order, which had less to do.
func (l *life) noteBefore(ctx context.Context, facts map[string]string) error {
	lacks := map[string]string{}
	for key, text := range facts {
		if _, there := l.state[key]; !there && strings.HasPrefix(key, beforeKey) {
			lacks[key] = text
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return l.note(ctx, lacks)
}

// noteBegun notes that a step was begun which can't be taken back: whether it was decides what may become of the node.
func (l *life) noteBegun(ctx context.Context, s playbooks.Step) error {
	key := begunKey + s.ID()
	if _, there := l.state[key]; there || l.light || l.target != nil || s.Undoable() == "" {
		return nil
	}
	return l.note(ctx, map[string]string{key: ""})
}

// before is what the journal says of a step's record; nil where there is none.
func (l *life) before(s playbooks.Step) map[string]string {
	text, noted := l.record[s.ID()]
	if !noted || l.target != nil {
		return nil
	}
	return map[string]string{dataID: s.ID(), dataBefore: text}
}

// lastRun is what the run leaves on the node: what was done, and what it ran before.
func (l *life) lastRun() map[string]string {
	last := map[string]string{"run": l.r.Run, "time": time.Now().UTC().Format(time.RFC3339)}
	keys := []string{"inventory", "changes"}
	if l.target != nil {
		last[factBack] = l.takenBackFrom()
	} else {
		keys = append(keys, "kubelet", "kernel", "runtime")
	}
	for _, k := range keys {
		if v := l.state[k]; v != "" {
			last[k] = v
		}
	}
	if l.target == nil {
		for id, text := range beforeOf(l.state) {
			last[beforeKey+id] = text
		}
	}
	return last
}

// remember leaves on a node that stays open, before anything is applied to it, what it ran before.
func (l *life) remember(ctx context.Context) error {
	if l.target != nil {
		return nil // forget says so afterwards
	}
	facts := maps.Clone(l.r.Cluster.Facts(l.w.Node))
	if facts == nil {
		facts = map[string]string{}
	}
	facts["changes"] = strings.Join(l.todo(), ", ")
	if err := l.keepBefore(ctx, facts); err != nil || len(l.record) == 0 { // a trial that is kept changes nothing any more
		return err
	}
	l.state = facts
	last := l.lastRun()
	l.state = nil
	_, there := l.r.Cluster.Recorded(l.w.Node)
	if there["run"] == l.r.Run && slices.Equal(slices.Sorted(maps.Keys(beforeOf(there))), slices.Sorted(maps.Keys(beforeOf(last)))) {
		return nil
	}
	return l.r.Cluster.Remember(ctx, l.w.Node, last)
}
