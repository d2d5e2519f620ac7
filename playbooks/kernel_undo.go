package playbooks

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Undoable: the kernel before stays installed beside the new one, so that GRUB can boot it again.
func (s *kernel) Undoable() string { return "" }

// Before notes the kernel that runs: "release 6.1.0-51-amd64".
func (s *kernel) Before(ctx context.Context, h Host) (string, error) {
	out, err := h.Run(ctx, "uname -r")
	if err != nil {
		return "", s.failed("note the kernel", err)
	}
	return "release " + strings.TrimSpace(out), nil
}

// Undo makes GRUB boot the kernel before again, from now on. It has run on this machine already, so its boot is no trial.
func (s *kernel) Undo(record string) Step {
	release, _ := strings.CutPrefix(record, "release ")
	if len(strings.Fields(release)) != 1 {
		release = ""
	}
	back := &kernelBack{inverse: s.inverse(), of: s, release: release}
	return back
}

// kernelBack boots the kernel of a record again. The one that was installed stays, beside it.
type kernelBack struct {
	inverse
	of      *kernel
	release string // "": the record names none
}

// Check is clean where the kernel of the record runs and boots by default, and staged until the reboot once it does the latter.
func (s *kernelBack) Check(ctx context.Context, h Host) (Status, error) {
	f, err := s.of.look(ctx, h)
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	return s.status(f), nil
}

func (s *kernelBack) status(f kernelFacts) Status {
	if s.release == "" {
		return backTo([]string{s.name}, []string{"which kernel ran before isn't recorded: boot it by hand, and make it GRUB's default"})
	}
	isDefault := f.trial.to == "" && f.saves && f.saved != "" && f.saved == f.entries[s.release]
	runs := f.running == s.release
	if runs && (isDefault || f.trial.to == "" && s.bootsAnyway(f)) {
		return Status{Clean: true}
	}
	change := "kernel " + f.running + " → " + s.release
	if runs {
		change = "kernel " + s.release + " boots from now on, as before"
	}
	status := backTo([]string{change}, s.missing(f))
	status.Reboot, status.Staged = !runs, isDefault && !runs
	status.Commands = []string{"keep " + s.release + " as what boots by default"}
	return status
}

// bootsAnyway reports whether GRUB, which goes for the newest kernel here, finds none that is newer than the record's.
func (s *kernelBack) bootsAnyway(f kernelFacts) bool {
	return !f.saves && !slices.ContainsFunc(f.installed, func(other string) bool {
		return flavour(other) == flavour(s.release) && compareVersions(other, s.release) > 0
	})
}

// missing says what stands against booting the kernel of the record.
func (s *kernelBack) missing(f kernelFacts) []string {
	switch {
	case f.grub == "":
		return []string{fmt.Sprintf("this machine has no GRUB (grub-editenv): make its boot loader boot %s, then it is done", s.release)}
	case f.entries[s.release] == "":
		return []string{fmt.Sprintf("GRUB's menu has no kernel %s any more: install its package again", s.release)}
	}
	return nil
}

// Apply makes it the default, and ends a trial that is under way.
func (s *kernelBack) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	script := lib(grubShell, trialShell, efiShell) + "set -e\ngrub_find || fail 'this machine has no GRUB'\ngrub_save " + words(s.release) + "\ntrial_end\n"
	if _, err := h.Do(ctx, s.script("default"), script, said(say)); err != nil {
		return s.failed("make "+s.release+" the default", err)
	}
	return nil
}
