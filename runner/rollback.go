package runner

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// Phases of the order that puts a node back to what it ran before.

// Back is the work of taking back what a record says of a node, and what of it stays as it is. ran is what the node ran
// before, by the names of a claim's state.
func (w Work) Back(record, ran map[string]string) (Work, []playbooks.Stay) {
	steps, stays := playbooks.Back(w.Steps, record)
	w.Steps, w.Wanted, w.KubeletVersion, w.KubeadmVersion = steps, playbooks.Wanted{}, "", ""
	for _, s := range steps {
		if s.Traits().Playbook == "kubelet" {
			w.KubeletVersion = ran["kubelet"]
			w.Wanted.Kubelet, _, _ = strings.Cut(strings.TrimPrefix(ran["kubelet"], "v"), "-")
		}
	}
	return w, stays
}

// Recorded says what a node ran before what is to be taken back: by step, and by the names of a claim's state. A claim
// outranks what an earlier run left, and the node outranks the journal. None: there is nothing to take back. run is the one
// that rolls back.
func (w Work) Recorded(run string, state, last map[string]string) (record, ran map[string]string, err error) {
	record, ran = w.begunOf(state), state
	switch {
	case state != nil && len(record) == 0 && state[begun] != "" && w.Undo.Record == nil:
		return nil, nil, fmt.Errorf("something was begun on it, and how it was before isn't recorded: go back by hand, then `fleetup node release INVENTORY %s`", w.Node)
	case state != nil && (len(record) > 0 || state[begun] == ""):
		return record, ran, nil
	case last["run"] == cmp.Or(w.Undo.Run, run):
		record, ran = beforeOf(last), last
	}
	if len(record) == 0 {
		record = w.Undo.Record
	}
	return record, ran, nil
}

// begunOf is the record of a claim, without the steps that can't be taken back and were never begun.
func (w Work) begunOf(state map[string]string) map[string]string {
	record := beforeOf(state)
	for _, s := range w.Steps {
		if _, begun := state[begunKey+s.ID()]; !begun && s.Undoable() != "" {
			delete(record, s.ID())
		}
	}
	return record
}

// checkBack finds out what has to be taken back, and goes on as any check does. What can't be taken back may stay, as long
// as it was done to its end: a half applied step is no place to give a node back from.
func (l *life) checkBack(ctx context.Context) error {
	state, last := l.r.Cluster.Recorded(l.w.Node)
	record, ran, err := l.w.Recorded(l.r.Run, state, last)
	if err != nil {
		return err
	}
	if state != nil {
		if err := l.quiet(ctx); err != nil {
			return err
		}
	}
	if err := l.finished(ctx, state); err != nil {
		return err
	}
	l.record, l.target = record, map[string]string{}
	for _, k := range []string{"kubelet", "kernel", "runtime"} {
		if v := ran[k]; v != "" {
			l.target[k] = v
		}
	}
	work, stays := l.w.Back(record, ran)
	for _, s := range stays {
		l.say(fmt.Sprintf("%s stays: %s", s.Step, s.Why))
	}
	l.w, l.taken = work, state != nil
	return l.check(ctx)
}

// busyScript prints the detached steps that still run. The process's start tells it from another one with its id.
const busyScript = `for step in /var/lib/fleetup/*/*/; do
	[ -e "$step/pid" ] && [ ! -e "$step/rc" ] || continue
	read -r pid start <"$step/pid"
	stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
	stat=${stat##*)}
	[ "$(echo "$stat" | cut -d ' ' -f 21)" != "$start" ] || echo "${step%/}"
done
`

// quiet waits until nothing that was begun on the machine still runs there: a step that took too long, or that its runner
// didn't see the end of, must not go on while it is taken back.
func (l *life) quiet(ctx context.Context) error {
	return l.ask(ctx, func(ctx context.Context) error {
		for {
			out, err := l.w.Machine.Run(ctx, busyScript)
			if err != nil || out == "" {
				l.waiting("")
				return err
			}
			l.waiting("a step that was begun to end: " + strings.Join(strings.Fields(out), ", "))
			if err := pause(ctx, time.Second); err != nil {
				return err
			}
		}
	})
}

// finished makes sure that each step which can't be taken back was applied to its end, or not at all.
func (l *life) finished(ctx context.Context, state map[string]string) error {
	for _, s := range l.w.Steps {
		if _, begun := state[begunKey+s.ID()]; !begun {
			continue
		}
		st, err := l.checked(ctx, s)
		if err != nil {
			return fmt.Errorf("step %q: check: %w", s.Name(), err)
		}
		if !st.Clean && !st.Staged {
			return fmt.Errorf("step %q was begun and isn't done, and can't be taken back: %s", s.Name(), s.Undoable())
		}
	}
	return nil
}

// takenBackFrom is the run whose doing is taken back.
func (l *life) takenBackFrom() string { return cmp.Or(l.w.Undo.Run, l.r.Run) }

// undo applies the steps that take back.
func (l *life) undo(ctx context.Context) error {
	err := l.each(ctx, false)
	if err == nil && len(l.changed) > 0 {
		l.r.Cluster.Event(ctx, l.w.Node, "FleetupRolledBack", l.summary(), false)
	}
	return err
}

// forget leaves on the node that it was rolled back, where it never was claimed for it, and removes what the detached steps
// of this run have left: whoever upgrades it again in this run must not be answered with their results.
func (l *life) forget(ctx context.Context) error {
	if l.light {
		l.state = l.r.Cluster.Facts(l.w.Node)
		last := l.lastRun()
		l.state = nil
		if err := l.r.Cluster.Remember(ctx, l.w.Node, last); err != nil {
			return err
		}
	}
	if err := l.w.Machine.Sweep(ctx, ""); err != nil {
		l.say("what the run left on the machine could not be removed: " + err.Error())
	}
	return nil
}
