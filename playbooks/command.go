package playbooks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

var _ = register("command", stepType{
	keys:     map[string]kind{"check": aShell, "apply": aShell, "verify": aShell, "rollback": aShell, "reboot": aBool},
	required: []string{"apply", "check"},
	defaults: Traits{Disruptive: true, Timeout: 30 * time.Minute},
	build:    buildCommand,
	topLevel: true,
})

// command runs the user's own scripts: check says with exit 0 that nothing is to be done, apply does it.
type command struct {
	base
	check, apply, verify, rollback string
	reboot                         bool
	mark                           string // file that says that apply ran, and since which boot
	begun                          string // file that says that apply was begun and not taken back since
	digest                         string
}

func buildCommand(b *binding) Step {
	s := &command{
		base: b.base(), check: b.script("check"), apply: b.script("apply"),
		verify: b.script("verify"), rollback: b.script("rollback"), reboot: b.flag("reboot", false),
	}
	sum := sha256.Sum256([]byte(s.apply))
	s.digest = hex.EncodeToString(sum[:8])
	s.mark = "/var/lib/fleetup/kept/staged-" + s.id
	s.begun = "/var/lib/fleetup/kept/begun-" + s.id
	return s
}

// Check runs the script in check. Where the step waits for the reboot, what apply left behind says so: the boot id is
// still the one that apply ran under.
func (s *command) Check(ctx context.Context, h Host) (Status, error) {
	script := "(\n" + s.check + "\n) >/dev/null 2>&1\necho \"rc $?\"\n" + s.staged()
	out, err := h.Run(ctx, script)
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	status := Status{Clean: strings.Contains(out, "rc 0\n")}
	if strings.Contains(out, "staged\n") {
		return Status{Staged: true, Reboot: true, Changes: []string{s.name + ": shows after the reboot"}}, nil
	}
	if !status.Clean {
		status.Reboot = s.reboot
		status.Changes = []string{s.name}
		status.Commands = lines(strings.TrimSpace(s.apply))
	}
	return status, nil
}

// staged is the part of Check that looks for the mark.
func (s *command) staged() string {
	if !s.reboot {
		return ""
	}
	return "boot=$(cat /proc/sys/kernel/random/boot_id) || exit\n" +
		"if [ -r " + s.mark + " ] && [ \"$(cat " + s.mark + ")\" = \"$boot " + s.digest + "\" ]; then echo staged; fi\n"
}

// Apply runs the script in apply, detached.
func (s *command) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	script := s.apply + "\n"
	if s.reboot {
		script = "(\n" + s.apply + "\n) || exit $?\necho \"$(cat /proc/sys/kernel/random/boot_id) " + s.digest + "\" >" + s.mark + "\n"
	}
	if s.reboot || s.rollback != "" {
		script = "mkdir -p /var/lib/fleetup/kept && : >" + s.begun + " || exit\n" + script
	}
	if err := streamed(ctx, h, s.script("apply"), script, say); err != nil {
		return s.failed("apply", err)
	}
	return nil
}

// Verify runs the script in verify, where there is one.
func (s *command) Verify(ctx context.Context, h Host) error {
	if s.verify == "" {
		return nil
	}
	if _, err := h.Run(ctx, s.verify); err != nil {
		return s.failed("verify", err)
	}
	return nil
}
