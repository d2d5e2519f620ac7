package playbooks

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// kernelFacts is what the machine said.
type kernelFacts struct {
	running   string
	installed []string
	meta      []string // what the distribution's own metapackages point to
	available []string
	unlisted  string // why the repositories' kernels can't be told
	freeKiB   int64  // in /boot, or unmeasured
	needKiB   int64  // what the running kernel takes there

	bootFacts
	trialFacts
}

// bootFacts is how the machine boots.
type bootFacts struct {
	grub        string            // prefix of GRUB's tools; "" where there is none
	entries     map[string]string // GRUB's entries by release
	saved       string            // entry
	saves       bool              // the saved entry is what boots
	custom      bool              // the menu takes an entry of ours
	abstraction string            // below GRUB's folder: lvm, diskfilter mdraid1x, …
	bootFS      string            // as GRUB calls it: ext2, xfs, btrfs, …; "" where its probe failed
	unprobed    string            // what it said then
	quiet       bool              // a new kernel doesn't become the default as it is installed: an installation of ours was cut off
	systemd     bool
	efi         bool
	secureBoot  bool
	esp         string // where the EFI system partition is mounted; "" where efibootmgr or the partition is missing
	espKiB      int64  // free on it
}

// trialFacts is how far a trial boot has come.
type trialFacts struct {
	trial struct{ from, to, boot, state string } // the record on the machine: releases, a boot id, armed or running

	tried   string // the kernel of the menu's entry for trials
	expired string // the boot in which the dead man's timer ran out
	trying  bool   // this very boot is a trial
	boot    string // id
}

// unmeasured is the room in /boot where df doesn't tell.
const unmeasured = -1

func (s *kernel) look(ctx context.Context, h Host) (kernelFacts, error) {
	out, err := h.Run(ctx, withTool(grubShells()+`running=$(uname -r)
echo "running $running"
kernels
kernel_candidates "`+flavourInShell+`"
echo "free $(df -Pk /boot 2>/dev/null | awk 'NR == 2 { print $4 }')"
echo "need $(du -ck "/boot/vmlinuz-$running" "/boot/initrd.img-$running" "/boot/initramfs-$running.img" 2>/dev/null | tail -n 1 | cut -f 1)"
grub_facts
efi_facts
trial_facts
`))
	if err != nil {
		return kernelFacts{}, err
	}
	return parseKernelFacts(out), nil
}

// grubShells are the parts of the library about what boots.
func grubShells() string { return grubShell.sent() + trialShell.sent() + efiShell.sent() }

// flavourInShell is amd64 of 6.1.0-56-amd64, cloud-amd64 of 6.1.0-56-cloud-amd64: what follows the last number.
const flavourInShell = `$(printf '%s' "$running" | sed 's/^[0-9.]*\(+[a-z0-9.]*\)\{0,1\}\(-[0-9][0-9.]*\)*\(+[a-z0-9.]*\)\{0,1\}-//')`

var flavourPattern = regexp.MustCompile(`^[0-9.]*(\+[a-z0-9.]*)?(-[0-9][0-9.]*)*(\+[a-z0-9.]*)?-`)

// flavour is the same in Go, and for Red Hat's releases: el9.x86_64 of 5.14.0-427.13.1.el9_4.x86_64, whose minor doesn't matter, and
// el9.x86_64+debug of another kind of kernel.
func flavour(release string) string {
	rest := flavourPattern.ReplaceAllString(release, "")
	if m := redhatPattern.FindStringSubmatch(rest); m != nil {
		return strings.TrimPrefix(m[1]+"."+m[2], ".")
	}
	return rest
}

// redhatPattern is the build, the distribution (el9_4, fc42, amzn2023), and the architecture with what may follow it.
var redhatPattern = regexp.MustCompile(`^[0-9][0-9.]*\.(?:([a-z]+[0-9]*[a-z]*)(?:_[0-9]+)?\.)?([a-z0-9_]+(?:\+[a-z0-9-]+)?)$`)

func parseKernelFacts(output string) kernelFacts {
	f := kernelFacts{freeKiB: unmeasured, bootFacts: bootFacts{entries: map[string]string{}}}
	for _, line := range lines(output) {
		key, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		if list := f.lists(key); list != nil {
			*list = append(*list, value)
		} else if text := f.texts(key); text != nil {
			*text = value
		} else if flag := f.flags(key); flag != nil {
			*flag = true
		} else {
			f.others(key, value)
		}
	}
	return f
}

func (f *kernelFacts) lists(key string) *[]string {
	return map[string]*[]string{"kernel": &f.installed, "meta": &f.meta, "available": &f.available}[key]
}

func (f *kernelFacts) texts(key string) *string {
	return map[string]*string{
		"running": &f.running, "grub": &f.grub, "saved": &f.saved, "abstraction": &f.abstraction, "bootfs": &f.bootFS, "unprobed": &f.unprobed, "unlisted": &f.unlisted,
		"trial_from": &f.trial.from, "trial_to": &f.trial.to, "trial_boot": &f.trial.boot, "trial_state": &f.trial.state,
		"tried": &f.tried, "expired": &f.expired, "boot": &f.boot,
	}[key]
}

func (f *kernelFacts) flags(key string) *bool {
	return map[string]*bool{
		"saves": &f.saves, "custom": &f.custom, "systemd": &f.systemd, "efi": &f.efi, "secureboot": &f.secureBoot, "trying": &f.trying, "quiet": &f.quiet,
	}[key]
}

func (f *kernelFacts) others(key, value string) {
	fields := strings.Fields(value)
	switch {
	case key == "free":
		if free, err := strconv.ParseInt(value, 10, 64); err == nil {
			f.freeKiB = free
		}
	case key == "need":
		f.needKiB, _ = strconv.ParseInt(value, 10, 64)
	case key == "esp" && len(fields) == 2:
		f.esp = fields[0]
		f.espKiB, _ = strconv.ParseInt(fields[1], 10, 64)
	case key == "entry" && len(fields) == 2 && f.entries[fields[0]] == "":
		f.entries[fields[0]] = fields[1]
	}
}

// need is what a kernel with its initramfs takes, in KiB: a quarter more than the running one's.
func (f *kernelFacts) need() int64 {
	if f.needKiB == 0 {
		return bootSpace
	}
	return max(f.needKiB*5/4, bootSpace/3)
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
