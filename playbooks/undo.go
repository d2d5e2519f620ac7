package playbooks

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Stay is what going back leaves as it is, and why.
type Stay struct{ Step, Why string }

// Back returns the steps that take a node back to what its record says, in the order in which they are to be applied, and
// what stays as it is. The record has what each step's Before noted, by the step's ID; a step that isn't in it changed
// nothing and is left alone.
//
// The order is the reverse of the one in which they were applied, but for services, which come last: they have to run with
// what was put back. A playbook goes back from its end as far as it can: before a step that can't be taken back nothing
// is, for what it did rests on them.
func Back(steps []Step, record map[string]string) (back []Step, stays []Stay) {
	var services []Step
	stuck := map[string]string{} // by playbook: the step that it can't go back over
	known := map[string]bool{}
	for _, s := range slices.Backward(steps) {
		before, changed := record[s.ID()]
		known[s.ID()] = true
		if !changed {
			continue
		}
		playbook := s.Traits().Playbook
		if why := staysFor(s, stuck[playbook]); why != "" {
			stays = append(stays, Stay{s.Name(), why})
			stuck[playbook] = s.Name()
			continue
		}
		switch undo := s.Undo(before).(type) {
		case nil:
		case *serviceBack:
			services = append(services, undo)
		default:
			back = append(back, undo)
		}
	}
	slices.Reverse(stays)
	return append(back, services...), append(stays, orphans(record, known)...)
}

// staysFor says why a step isn't taken back, "" where it is; stuck is the step behind it that stays.
func staysFor(s Step, stuck string) string {
	if why := s.Undoable(); why != "" {
		return why
	}
	if stuck != "" {
		return fmt.Sprintf("%q, which came after it and rests on it, stays", stuck)
	}
	return ""
}

// orphans are what the record knows of and the inventory doesn't any more.
func orphans(record map[string]string, known map[string]bool) (stays []Stay) {
	for id := range record {
		if !known[id] {
			stays = append(stays, Stay{id, "its playbook isn't in the inventory's [upgrade] any more, or was changed: with it, it could be taken back"})
		}
	}
	slices.SortFunc(stays, func(a, b Stay) int { return strings.Compare(a.Step, b.Step) })
	return stays
}

// Keep asks Before of each of the steps, and returns the record of all by their IDs.
func Keep(ctx context.Context, h Host, steps []Step) (map[string]string, error) {
	record := make(map[string]string, len(steps))
	for _, s := range steps {
		before, err := s.Before(ctx, h)
		if err != nil {
			return nil, fmt.Errorf("step %q: note what there is: %w", s.Name(), err)
		}
		record[s.ID()] = strings.TrimSpace(before)
	}
	return record, nil
}

// inverse is what the steps that take others back have in common. They aren't taken back themselves: the step they
// belong to is applied again instead.
type inverse struct{ base }

// inverse makes the common part of the step that takes s back; its detached scripts have names of their own.
func (s *base) inverse() inverse {
	i := inverse{*s}
	i.id, i.traits.Repeatable, i.traits.Running = s.id+".undo", true, false
	return i
}

// backTo is the Status of a step that takes back: what differs from the record, and what is missing for it.
func backTo(changes, problems []string) Status {
	return Status{Clean: len(changes) == 0, Changes: changes, Problems: problems}
}
