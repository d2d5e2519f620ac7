package playbooks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

var _ = register("kernel", stepType{
	keys:     map[string]kind{"version": aString, "insurance": aBool, "trial": aDuration},
	required: []string{"version"},
	defaults: Traits{Disruptive: true, Repeatable: true, Timeout: 45 * time.Minute},
	build:    buildKernel,
})

// bootSpace is what a kernel with its initramfs may take in /boot, in KiB, where the running one's size is unknown.
const bootSpace = 150 << 10

// kernel installs a kernel beside the running one; the node's one reboot brings it up. Insured, that boot is a trial
// (Booter): the running kernel stays the machine's default until the node has been verified on the new one.
type kernel struct {
	base
	version string // as uname -r says it, or latest
	insured bool
	patient time.Duration // how long a trial boot waits for fleetup's login before the machine goes back by itself
}

// longestTrial is how long a trial boot waits where the inventory doesn't say.
const longestTrial = 10 * time.Minute

func buildKernel(b *binding) Step {
	s := &kernel{base: b.base(), version: b.version("version", "latest"), insured: b.flag("insurance", true)}
	limit := b.target.RebootTimeout
	s.patient = longestTrial
	if limit > 0 {
		s.patient = min(s.patient, limit/3)
	}
	s.patient = b.duration("trial", s.patient)
	if limit > 0 && s.patient > limit/2 {
		b.fail("trial", "%s is more than half of reboot.timeout (%s): the machine could not be back in time with the kernel before", s.patient, limit)
	}
	return s
}

// Check compares uname -r. Installed but not running is staged, once its trial boot is prepared.
func (s *kernel) Check(ctx context.Context, h Host) (Status, error) {
	f, err := s.look(ctx, h)
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	status := s.status(f)
	if want := s.wanted(f); f.secureBoot && s.insured && !status.Clean && !status.Staged && len(status.Problems) == 0 {
		if status.Problems, err = s.unsigned(ctx, h, want); err != nil {
			return Status{}, s.failed("check", err)
		}
	}
	return status, nil
}

// status judges the facts.
func (s *kernel) status(f kernelFacts) Status {
	want := s.wanted(f)
	switch {
	case s.version == "latest" && f.unlisted != "" && f.trial.to == "" && !f.trying:
		return Status{Changes: []string{"kernel " + f.running + " → latest"}, Problems: []string{
			"which kernel is the latest can't be told (" + f.unlisted + "): run `dnf makecache` on it, mend the repository that it names, or name the version"}}
	case want == "":
		return Status{Changes: []string{"kernel " + f.running + " → latest"}, Problems: []string{"no kernel package is installed or known that is like the running " + f.running + ": name the version"}}
	case want == f.running:
		return s.statusRunning(f)
	}
	status := Status{Reboot: true, Changes: []string{"kernel " + f.running + " → " + want}}
	if s.insured {
		s.insure(f, want, &status)
	} else {
		status.Notes = []string{"no boot fallback is armed (insurance = false): a kernel that doesn't boot needs a hand on the machine"}
		status.Problems = bootedInstead(f, want)
	}
	if f.grub == "" {
		status.Stays = []string{"which kernel boots is said by no GRUB here: going back takes a hand on its boot loader"}
	}
	if slices.Contains(f.installed, want) {
		status.Staged = s.prepared(f, want)
		return status
	}
	status.Commands = append([]string{"install the package of kernel " + want}, status.Commands...)
	status.Problems = append(status.Problems, missing(f, want)...)
	return status
}

// statusRunning is that of a machine which runs what is wanted: perhaps in its trial boot.
func (s *kernel) statusRunning(f kernelFacts) Status {
	switch {
	case f.trial.to == f.running || f.trying && f.saved != f.entries[f.running]:
		return Status{Staged: true, Trial: true, Changes: []string{"kernel " + f.running + " becomes the default once verified"}}
	case f.trial.to != "":
		return Status{Trial: true, Changes: []string{"the trial boot of kernel " + f.trial.to + " is called off"}}
	}
	return Status{Clean: true}
}

// prepared says that nothing but the boot is left to be done.
func (s *kernel) prepared(f kernelFacts, want string) bool {
	switch {
	case !s.insured:
		return f.trial.to == "" && (!f.saves || f.entries[want] == f.saved)
	case !f.saves || f.saved == "" || f.saved != f.entries[f.running]:
		return false
	}
	how, _ := f.insurance()
	return how == byFirmware || f.tried == want
}

// bootedInstead says that another kernel would come up: without insurance the newest one that is installed does, unless
// GRUB was told otherwise.
func bootedInstead(f kernelFacts, want string) (problems []string) {
	for _, other := range f.installed {
		if !f.saves && flavour(other) == flavour(want) && compareVersions(other, want) > 0 {
			problems = append(problems, fmt.Sprintf("kernel %s is installed and newer than %s: the machine would boot it instead; remove it or want it", other, want))
		}
	}
	return problems
}

// missing says what stands against installing the kernel.
func missing(f kernelFacts, want string) (problems []string) {
	known := slices.Concat(f.meta, f.available)
	if len(known) > 0 && !slices.Contains(known, want) {
		problems = append(problems, fmt.Sprintf("no repository of this machine has kernel %s; the newest there is %s", want, slices.MaxFunc(known, compareVersions)))
	}
	if need := f.need(); f.freeKiB != unmeasured && f.freeKiB < need {
		problems = append(problems, fmt.Sprintf("/boot has %d MiB free, a kernel needs about %d: remove old kernels (cleanup = { kernels = 2 } leaves the two newest)", f.freeKiB>>10, need>>10))
	}
	return problems
}

// Apply installs the kernel's package beside what is there. Insured, what runs now is made what boots before that, since
// a package may make its kernel the default as it is installed; and its trial boot's entry is written after it.
func (s *kernel) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	f, err := s.look(ctx, h)
	if err != nil {
		return s.failed("look", err)
	}
	want := s.wanted(f)
	switch {
	case want == "":
		return fmt.Errorf("%s: no kernel like the running %s is known", s.name, f.running)
	case want == f.running && f.trial.to != "" && f.trial.to != want:
		return s.end(ctx, h)
	case want == f.running:
		return nil
	}
	how, problem := f.insurance()
	if s.insured && problem != "" {
		return fmt.Errorf("%s: %s", s.name, problem)
	}
	if _, err := h.Do(ctx, s.script("install"), withTool(grubShells()+s.installScript(f, want, how)), said(say)); err != nil {
		return s.failed("install", err)
	}
	return nil
}

func (s *kernel) installScript(f kernelFacts, want string, how method) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("set -e\ngrub_find || :")
	if s.insured {
		line("quiet_default\ngrub_save %s", words(f.running))
	}
	if !slices.Contains(f.installed, want) {
		line("prepare 600\nsay %s\ninstall_fresh $(kernel_packages %s)\nsync", words("installing kernel "+want), words(want))
	}
	switch {
	case !s.insured:
		line("trial_end\nif [ -n \"$(grub_entries 2>/dev/null)\" ] && grub_saves; then grub_default %s; fi", words(want))
	case how == byFirmware:
		line("grub_default %s\nloud_default", words(f.running))
	default:
		line("[ -n \"$(grub_entries | grep -F %s)\" ] || grub_menu", words(" "+want+" "))
		line("grub_default %s\nloud_default\ntrial_entry %s", words(f.running), words(want))
	}
	if s.insured && f.secureBoot {
		line("signed_image %s", words(want))
	}
	return b.String()
}

// Verify fails where another kernel came up than the one that was wanted.
func (s *kernel) Verify(ctx context.Context, h Host) error {
	f, err := s.look(ctx, h)
	if err != nil {
		return s.failed("verify", err)
	}
	if want := s.wanted(f); f.running != want {
		return fmt.Errorf("%s: the machine runs kernel %s, not %s: look at its boot menu's default", s.name, f.running, want)
	}
	return nil
}
