package playbooks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

var _ Booter = (*kernel)(nil)

// verdict is what a trial's record and the running machine say together.
type verdict int

const (
	noTrial  verdict = iota
	notYet           // armed, and the machine hasn't been booted since
	cameUp           // the new kernel runs
	goneBack         // another kernel runs: the trial failed
	unlucky          // it had come up, and a later boot, for a reason of its own, went to the kernel before
)

// judge tells how a trial has ended.
func (f *kernelFacts) judge() verdict {
	switch {
	case f.trial.to == "":
		return noTrial
	case f.trial.to == f.running:
		return cameUp
	case f.trial.boot == f.boot:
		return notYet
	case f.trial.state == "armed":
		return goneBack
	}
	return unlucky
}

// Arm implements Booter. The running kernel must be what boots by default, and is made so again: somebody may have
// changed it since Apply.
func (s *kernel) Arm(ctx context.Context, h Host) error {
	f, err := s.look(ctx, h)
	if err != nil {
		return s.failed("look", err)
	}
	want := s.wanted(f)
	if !s.insured || want == f.running {
		return nil
	}
	how, problem := f.insurance()
	if problem != "" {
		return fmt.Errorf("%s: %s", s.name, problem)
	}
	script := fmt.Sprintf("grub_save %s\ntrial_arm %s %d %s\n", words(f.running), words(f.running, want), int(s.patient/time.Second), how)
	return s.boots(ctx, h, "arm the trial boot", script)
}

// Landed implements Booter.
func (s *kernel) Landed(ctx context.Context, h Host) error {
	f, err := s.look(ctx, h)
	if err != nil {
		return s.failed("look", err)
	}
	switch f.judge() {
	case cameUp:
		if f.trial.state == "running" && f.trial.boot == f.boot {
			return nil
		}
		return s.boots(ctx, h, "disarm the timer", "trial_came_up "+words(f.trial.from, f.trial.to)+"\n")
	case unlucky:
		return s.end(ctx, h)
	case goneBack:
		return s.lost(ctx, h, f)
	}
	return nil
}

// lost tells why the machine is back on the kernel before, and ends the trial.
func (s *kernel) lost(ctx context.Context, h Host, f kernelFacts) error {
	why := fmt.Sprintf("kernel %s didn't come up; the machine runs %s again, as it will at its next boots", f.trial.to, f.running)
	if f.expired != "" {
		why = fmt.Sprintf("kernel %s came up, and for %s fleetup couldn't log in; the machine went back by itself to %s, which it boots from now on too",
			f.trial.to, short(s.patient), f.running)
	}
	left, err := h.Run(ctx, lib(grubShell, trialShell)+"trial_evidence\n")
	switch left = strings.TrimSpace(left); {
	case err != nil:
		why += "; what that boot left could not be read: " + err.Error()
	case left == "":
		why += ". That boot has left nothing in a crash log or a journal: its console (BMC) would have shown it"
	default:
		why += ". That boot left: " + strings.Join(lines(left), " | ")
	}
	return errors.Join(errors.New(why), s.end(ctx, h))
}

// Keep implements Booter.
func (s *kernel) Keep(ctx context.Context, h Host) error {
	f, err := s.look(ctx, h)
	if err != nil {
		return s.failed("look", err)
	}
	if !s.insured || f.judge() != cameUp && !f.trying {
		return nil
	}
	return s.boots(ctx, h, "make it the default", "grub_default "+words(f.running)+"\ntrial_end\n")
}

// CallOff implements Booter.
func (s *kernel) CallOff(ctx context.Context, h Host) error {
	f, err := s.look(ctx, h)
	if err != nil {
		return s.failed("look", err)
	}
	if f.trial.to == "" && !f.trying && !f.quiet {
		return nil
	}
	return s.end(ctx, h)
}

// end removes what a trial has left.
func (s *kernel) end(ctx context.Context, h Host) error {
	return s.boots(ctx, h, "end the trial", "trial_end\n")
}

// boots runs a short script about what boots. It isn't detached: each is safe to repeat, and must not be answered with
// the result that it had before another boot.
func (s *kernel) boots(ctx context.Context, h Host, what, script string) error {
	if _, err := h.Run(ctx, lib(grubShell, trialShell, efiShell)+"set -e\ngrub_find || :\n"+script); err != nil {
		return s.failed(what, err)
	}
	return nil
}
