package remote

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"al.essio.dev/pkg/shellescape"
)

// What runs on the machines. All of it is POSIX shell, with flock, setsid and systemd-run where they are needed.
var (
	//go:embed scripts/head.sh
	headScript string
	//go:embed scripts/fence.sh
	fenceScript string
	//go:embed scripts/state.sh
	stateScript string
	//go:embed scripts/wrapper.sh
	wrapperScript string
	//go:embed scripts/claim.sh
	claimScript string
	//go:embed scripts/follow.sh
	followScript string
	//go:embed scripts/sweep.sh
	sweepScript string
)

// Exit statuses of our own scripts, away from those that programs use.
const (
	exitInterrupted = 96
	exitFenced      = 97
	exitRefused     = 98
)

var quote = shellescape.Quote

// call returns the shell command that runs program, one of the scripts above, with arguments.
func call(program, name string, args ...string) string {
	return "sh -c " + quote(program) + " " + name + " " + shellescape.QuoteCommand(args)
}

// locked is call under the machine's lock, in base.
func locked(base, program, name string, args ...string) string {
	return "flock " + quote(base+"/lock") + " " + call(program, name, args...)
}

// fenced returns script with what every script begins with, and with the fence where there is an epoch.
func (h *Host) fenced(script string) string {
	if h.fence.Epoch <= 0 {
		return headScript + "cd /\n" + script
	}
	base := h.net.o.Base
	return headScript + "cd /\n" + makeBase(base) +
		locked(base, fenceScript, "fence", base, strconv.FormatInt(h.fence.Epoch, 10)) + " || exit $?\n" + script
}

func makeBase(base string) string {
	b := quote(base)
	return fmt.Sprintf("[ -d %s ] || { mkdir -p %s && chmod 0700 %s; } || exit %d\n", b, b, b, exitRefused)
}

// fencedBy looks for what fence.sh says when it refuses.
func (h *Host) fencedBy(status int, stderr string) error {
	if status != exitFenced {
		return nil
	}
	for _, line := range strings.Split(stderr, "\n") {
		if w := strings.Fields(line); len(w) == 3 && w[0] == "fleetup-fenced" {
			return &FencedError{Host: h.login.Name, Ours: w[1], Seen: w[2], Base: h.net.o.Base}
		}
	}
	return nil
}
