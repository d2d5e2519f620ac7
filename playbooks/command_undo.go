package playbooks

import (
	"context"
	"strings"
)

// Undoable: by the script in rollback, and by that alone.
func (s *command) Undoable() string {
	if s.rollback == "" {
		return "it has no rollback command"
	}
	return ""
}

// Undo runs the script in rollback.
func (s *command) Undo(string) Step {
	back := &commandBack{inverse: s.inverse(), command: s}
	back.traits.Repeatable = s.traits.Repeatable
	back.undone = "/var/lib/fleetup/kept/undone-" + s.id
	return back
}

// commandBack takes a command back. Nobody but its playbook knows what it did, so a mark decides: it stands from the
// beginning of apply to the end of rollback, whatever became of apply in between.
type commandBack struct {
	inverse
	command *command
	undone  string // file that says since which boot it is taken back
}

// Check looks for the mark of an apply that wasn't taken back. Where the step waits for the reboot, so does its undo.
func (s *commandBack) Check(ctx context.Context, h Host) (Status, error) {
	out, err := h.Run(ctx, "if [ -e "+s.command.begun+" ]; then echo begun; fi\n"+
		"if [ -r "+s.undone+" ] && [ \"$(cat "+s.undone+")\" = \"$(cat /proc/sys/kernel/random/boot_id)\" ]; then echo staged; fi\n")
	switch {
	case err != nil:
		return Status{}, s.failed("check", err)
	case strings.Contains(out, "begun\n"):
		return Status{Changes: []string{s.name + " taken back"}, Commands: lines(strings.TrimSpace(s.command.rollback)), Reboot: s.command.reboot}, nil
	case strings.Contains(out, "staged\n"):
		return Status{Staged: true, Reboot: true, Changes: []string{s.name + " is taken back after the reboot"}}, nil
	}
	return Status{Clean: true}, nil
}

// Apply runs the script in rollback, detached. The marks go only where it ended well.
func (s *commandBack) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	script := "(\n" + s.command.rollback + "\n) || exit $?\n"
	if s.command.reboot {
		script += "cat /proc/sys/kernel/random/boot_id >" + s.undone + " || exit\n"
	}
	script += "rm -f " + s.command.begun + " " + s.command.mark + "\n"
	if err := streamed(ctx, h, s.script("rollback"), script, say); err != nil {
		return s.failed("rollback", err)
	}
	return nil
}
