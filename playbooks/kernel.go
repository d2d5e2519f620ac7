package playbooks

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var _ = register("kernel", stepType{
	keys:     map[string]kind{"version": aString},
	required: []string{"version"},
	defaults: Traits{Disruptive: true, Repeatable: true, Timeout: 45 * time.Minute},
	build:    buildKernel,
})

// bootSpace is what a kernel with its initramfs may take in /boot, in KiB, where the running one's size is unknown.
const bootSpace = 150 << 10

// kernel installs a kernel beside the running one; the node's one reboot brings it up.
type kernel struct {
	base
	version string // as uname -r says it, or latest
}

func buildKernel(b *binding) Step {
	return &kernel{base: b.base(), version: b.version("version", "latest")}
}

// kernelFacts is what the machine said.
type kernelFacts struct {
	running   string
	installed []string
	meta      []string // what the distribution's own metapackages point to
	available []string
	freeKiB   int64 // in /boot
	needKiB   int64 // what the running kernel takes there
}

// Check compares uname -r. Installed but not running is staged.
func (s *kernel) Check(ctx context.Context, h Host) (Status, error) {
	f, err := s.look(ctx, h)
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	return s.status(f), nil
}

func (s *kernel) look(ctx context.Context, h Host) (kernelFacts, error) {
	out, err := h.Run(ctx, withTool(`running=$(uname -r)
echo "running $running"
kernels
kernel_candidates "`+flavourInShell+`"
echo "free $(df -Pk /boot 2>/dev/null | awk 'NR == 2 { print $4 }')"
echo "need $(du -ck "/boot/vmlinuz-$running" "/boot/initrd.img-$running" "/boot/initramfs-$running.img" 2>/dev/null | tail -n 1 | cut -f 1)"
`))
	if err != nil {
		return kernelFacts{}, err
	}
	return parseKernelFacts(out), nil
}

// flavourInShell is amd64 of 6.1.0-56-amd64, cloud-amd64 of 6.1.0-56-cloud-amd64: what follows the last number.
const flavourInShell = `$(printf '%s' "$running" | sed 's/^[0-9.]*\(+[a-z0-9.]*\)\{0,1\}\(-[0-9][0-9.]*\)*\(+[a-z0-9.]*\)\{0,1\}-//')`

var flavourPattern = regexp.MustCompile(`^[0-9.]*(\+[a-z0-9.]*)?(-[0-9][0-9.]*)*(\+[a-z0-9.]*)?-`)

// flavour is the same in Go.
func flavour(release string) string { return flavourPattern.ReplaceAllString(release, "") }

func parseKernelFacts(output string) kernelFacts {
	var f kernelFacts
	for _, line := range lines(output) {
		key, value, _ := strings.Cut(line, " ")
		switch value = strings.TrimSpace(value); key {
		case "running":
			f.running = value
		case "kernel":
			f.installed = append(f.installed, value)
		case "meta":
			f.meta = append(f.meta, value)
		case "available":
			f.available = append(f.available, value)
		case "free":
			f.freeKiB, _ = strconv.ParseInt(value, 10, 64)
		case "need":
			f.needKiB, _ = strconv.ParseInt(value, 10, 64)
		}
	}
	return f
}

// wanted is the release that the step goes for; "" where latest finds none. The distribution's metapackage decides;
// without one, the newest of the same series and flavour.
func (s *kernel) wanted(f kernelFacts) string {
	if s.version != "latest" {
		return s.version
	}
	candidates := slices.Concat(f.meta, f.installed)
	if len(f.meta) == 0 {
		candidates = slices.Concat(f.available, f.installed)
	}
	candidates = slices.DeleteFunc(candidates, func(v string) bool {
		return flavour(v) != flavour(f.running) || len(f.meta) == 0 && series(v) != series(f.running)
	})
	if len(candidates) == 0 {
		return ""
	}
	return slices.MaxFunc(candidates, compareVersions)
}

// series is 6.1 of 6.1.0-56-amd64.
func series(release string) string {
	parts := strings.SplitN(release, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

func (s *kernel) status(f kernelFacts) Status {
	want := s.wanted(f)
	switch {
	case want == "":
		return Status{Changes: []string{"kernel " + f.running + " → latest"}, Problems: []string{"no kernel package is installed or known that is like the running " + f.running + ": name the version"}}
	case want == f.running:
		return Status{Clean: true}
	}
	status := Status{Reboot: true, Changes: []string{"kernel " + f.running + " → " + want, "no boot fallback is armed: a kernel that doesn't boot needs a hand on the machine"}}
	for _, other := range f.installed {
		if flavour(other) == flavour(want) && compareVersions(other, want) > 0 {
			status.Problems = append(status.Problems, fmt.Sprintf("kernel %s is installed and newer than %s: the machine would boot it instead; remove it or want it", other, want))
		}
	}
	if slices.Contains(f.installed, want) {
		status.Staged = true
		return status
	}
	status.Commands = []string{"install the package of kernel " + want}
	known := slices.Concat(f.meta, f.available)
	if len(known) > 0 && !slices.Contains(known, want) {
		status.Problems = append(status.Problems, fmt.Sprintf("no repository of this machine has kernel %s; the newest there is %s", want, slices.MaxFunc(known, compareVersions)))
	}
	need := max(f.needKiB*5/4, bootSpace/3)
	if f.needKiB == 0 {
		need = bootSpace
	}
	if f.freeKiB > 0 && f.freeKiB < need {
		status.Problems = append(status.Problems, fmt.Sprintf("/boot has %d MiB free, a kernel needs about %d: remove old kernels (the playbook cleanup leaves them)", f.freeKiB>>10, need>>10))
	}
	return status
}

// Apply installs the kernel's package; what is installed already, and the running one above all, stays.
func (s *kernel) Apply(ctx context.Context, h Host, say func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, s.traits.Timeout)
	defer cancel()
	f, err := s.look(ctx, h)
	if err != nil {
		return s.failed("look", err)
	}
	want := s.wanted(f)
	if want == "" {
		return fmt.Errorf("%s: no kernel like the running %s is known", s.name, f.running)
	}
	if slices.Contains(f.installed, want) {
		return nil
	}
	script := "set -e\nprepare 600\nsay " + words("installing kernel "+want) + "\ninstall_fresh $(kernel_packages " + words(want) + ")\nsync\n"
	if _, err := h.Do(ctx, s.script("install"), withTool(script), said(say)); err != nil {
		return s.failed("install", err)
	}
	return nil
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
