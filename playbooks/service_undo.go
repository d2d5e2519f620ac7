package playbooks

import (
	"context"
)

// Undoable: a unit goes back to whether it ran and was enabled.
func (s *service) Undoable() string { return "" }

// Before asks systemd.
func (s *service) Before(ctx context.Context, h Host) (string, error) {
	out, err := h.Run(ctx, lib(serviceShell)+"state "+words(s.unit)+"\n")
	if err != nil {
		return "", s.failed("look", err)
	}
	return out, nil
}

// Undo brings the unit to the state in which it was.
func (s *service) Undo(record string) Step {
	was := facts(record)
	back := &serviceBack{inverse: s.inverse(), want: *s, load: was["load"]}
	back.want.base, back.want.state, back.want.enabled = back.base, "stopped", nil
	if was["active"] == "active" {
		back.want.state, back.traits.Follows = "restarted", true // with the files that were put back
	}
	if s.enabled != nil && (was["enabled"] == "enabled" || was["enabled"] == "disabled") {
		enabled := was["enabled"] == "enabled"
		back.want.enabled = &enabled
	}
	return back
}

// serviceBack is the service step that wants what was.
type serviceBack struct {
	inverse
	want service
	load string // not-found: there was no such unit
}

// Check is the service's own. A unit that is gone again, as it was, is as it was.
func (s *serviceBack) Check(ctx context.Context, h Host) (Status, error) {
	status, err := s.want.Check(ctx, h)
	if err == nil && s.load == "not-found" && len(status.Changes) == 0 {
		return Status{Clean: true}, nil
	}
	return status, err
}

// Apply is the service's own.
func (s *serviceBack) Apply(ctx context.Context, h Host, say func(string)) error {
	return s.want.Apply(ctx, h, say)
}

// Verify asks whether it runs, where it did.
func (s *serviceBack) Verify(ctx context.Context, h Host) error { return s.want.Verify(ctx, h) }
