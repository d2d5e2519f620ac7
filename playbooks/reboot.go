package playbooks

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

var _ = register("reboot", stepType{
	keys:     map[string]kind{"max_uptime": aDuration, "here": aBool},
	defaults: Traits{Disruptive: true, Repeatable: true, Timeout: 30 * time.Minute},
	build:    buildReboot,
})

// reboot wants the node's one reboot when the machine has been up for too long; without max_uptime, or with here, it
// reboots where it stands: the runner does that, Apply isn't called then.
type reboot struct {
	base
	maxUptime time.Duration
}

func buildReboot(b *binding) Step {
	s := &reboot{base: b.base(), maxUptime: b.duration("max_uptime", 0)}
	here := b.flag("here", s.maxUptime == 0)
	if here && s.maxUptime > 0 {
		b.fail("here", "a reboot that stands here always happens: max_uptime doesn't go with it")
	}
	s.traits.Reboots = here
	if here {
		s.traits.Stop = StopKubelet
	}
	return s
}

// Check compares the uptime.
func (s *reboot) Check(ctx context.Context, h Host) (Status, error) {
	if s.traits.Reboots {
		return Status{Reboot: true, Changes: []string{"reboot"}}, nil
	}
	out, err := h.Run(ctx, "cut -d. -f1 /proc/uptime")
	if err != nil {
		return Status{}, s.failed("uptime", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return Status{}, s.failed("uptime", err)
	}
	up := time.Duration(seconds) * time.Second
	if up <= s.maxUptime {
		return Status{Clean: true}, nil
	}
	// without the uptime itself: a saved plan would be stale a minute later
	return Status{Staged: true, Reboot: true, Changes: []string{fmt.Sprintf("up for more than %s: reboot", days(s.maxUptime))}}, nil
}

// Apply has nothing to do: the runner reboots.
func (s *reboot) Apply(context.Context, Host, func(string)) error { return nil }

// Undoable: a reboot leaves nothing behind. Undo is base's: there is nothing to do.
func (s *reboot) Undoable() string { return "" }

// days is a long time as people say it.
func days(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.Round(time.Minute).String()
}
