package playbooks

import (
	"context"
	"fmt"
)

// KeepOff keeps the machine from upgrading itself (unattended-upgrades, dnf-automatic) until LetGo or its next reboot, and
// returns the services that are at it just now: they are not interrupted. Safe to repeat; without such services it does
// nothing.
func KeepOff(ctx context.Context, h Host) (busy []string, err error) {
	out, err := h.Run(ctx, lib(automaticShell)+"keep_off\n")
	if err != nil {
		return nil, fmt.Errorf("keep automatic upgrades off: %w", err)
	}
	return lines(out), nil
}

// LetGo lets the machine upgrade itself again. Safe to repeat.
func LetGo(ctx context.Context, h Host) error {
	if _, err := h.Run(ctx, lib(automaticShell)+"let_go\n"); err != nil {
		return fmt.Errorf("let automatic upgrades go on: %w", err)
	}
	return nil
}
