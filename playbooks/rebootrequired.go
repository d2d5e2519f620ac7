package playbooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RebootRequired reports whether what is installed takes effect only after a reboot, and why.
//
// On Debian and its like: the flag file that packages set, or an installed kernel newer than the running one, unless
// GRUB boots a saved entry, which is then what counts; a machine without a kernel of its own (a container) needs none. On Red Hat and its like needs-restarting is asked: a
// machine without it is an error that says what to install, for neither yes nor no would be true.
func RebootRequired(ctx context.Context, h Host) (required bool, why string, err error) {
	out, err := h.Run(ctx, withTool(grubShell.sent()+"echo \"tool $(tool)\"\nreboot_required\ngrub_boots\n"))
	if err != nil {
		return false, "", fmt.Errorf("is a reboot required: %w", err)
	}
	return rebootRequired(out)
}

func rebootRequired(output string) (required bool, why string, err error) {
	var flags, kernels []string
	running, boots, code, yes := "", "", "", false
	for _, line := range lines(output) {
		key, value, _ := strings.Cut(line, " ")
		switch value = strings.TrimSpace(value); key {
		case "notool":
			return false, "", errors.New("whether a reboot is required can't be told: dnf install dnf-utils (it has needs-restarting)")
		case "flag":
			flags = append(flags, value)
		case "kernel":
			kernels = append(kernels, value)
		case "running":
			running = value
		case "boots":
			boots = value
		case "says":
			yes = true
		case "code":
			code = value
		}
	}
	switch {
	case code == "1" && yes, code == "" && len(flags) > 0:
		return true, reason(flags), nil
	case code != "" && code != "0":
		return false, "", fmt.Errorf("whether a reboot is required can't be told: needs-restarting -r ended with status %s", code)
	}
	if boots != "" {
		kernels = []string{boots}
	}
	if latest := newestKernel(kernels, running); latest != "" && (compareVersions(latest, running) > 0 || boots != "" && boots != running) {
		return true, fmt.Sprintf("kernel %s is installed to be booted, %s runs", latest, running), nil
	}
	return false, "", nil
}

func reason(flags []string) string {
	why := strings.Join(flags, ", ")
	if strings.Trim(why, ", ") == "" {
		return "the machine's packages say so"
	}
	return why
}

// newestKernel is the newest of those of the running one's flavour, or of all where none is.
func newestKernel(kernels []string, running string) string {
	same := slices.DeleteFunc(slices.Clone(kernels), func(v string) bool { return flavour(v) != flavour(running) })
	if len(same) == 0 {
		same = kernels
	}
	if len(same) == 0 {
		return ""
	}
	return slices.MaxFunc(same, compareVersions)
}
