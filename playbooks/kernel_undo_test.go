package playbooks

import (
	"strings"
	"testing"
)

// TestKernelGoesBack: what stands against it is said beforehand, and a machine that went back by itself has nothing to do.
func TestKernelGoesBack(t *testing.T) {
	saved := bootFacts{grub: "grub", entries: map[string]string{oldKernel: "old", newKernel: "new"}, saves: true, saved: "new"}
	with := func(change func(*kernelFacts)) kernelFacts {
		f := kernelFacts{running: newKernel, installed: []string{oldKernel, newKernel}, bootFacts: saved}
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		facts                 kernelFacts
		clean, staged, reboot bool
		problem               string
	}{
		"the new one is the default": {with(func(*kernelFacts) {}), false, false, true, ""},
		"told to boot the old one":   {with(func(f *kernelFacts) { f.saved = "old" }), false, true, true, ""},
		"back":                       {with(func(f *kernelFacts) { f.saved, f.running = "old", oldKernel }), true, false, false, ""},
		"back by itself, and the trial isn't ended": {with(func(f *kernelFacts) {
			f.saved, f.running, f.trial.to = "old", oldKernel, newKernel
		}), false, false, false, ""},
		"never booted, and the next boot would": {with(func(f *kernelFacts) { f.saves, f.running = false, oldKernel }), false, false, false, ""},
		"never installed": {with(func(f *kernelFacts) {
			f.saves, f.running, f.installed = false, oldKernel, []string{oldKernel}
		}), true, false, false, ""},
		"the old one was removed": {with(func(f *kernelFacts) { f.entries = map[string]string{newKernel: "new"} }), false, false, true, "install its package again"},
		"no GRUB":                 {with(func(f *kernelFacts) { f.grub = "" }), false, false, true, "no GRUB"},
	} {
		s := &kernelBack{release: oldKernel}
		got := s.status(c.facts)
		if got.Clean != c.clean || got.Staged != c.staged || got.Reboot != c.reboot || !strings.Contains(strings.Join(got.Problems, ";"), c.problem) || c.problem == "" && len(got.Problems) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := (&kernel{}).Undo("").(*kernelBack).status(kernelFacts{}); len(got.Problems) != 1 {
		t.Errorf("a record without a kernel: %+v", got)
	}
}
