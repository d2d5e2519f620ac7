package runner

import (
	"context"
	"strings"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// keepOff keeps the machine from upgrading itself while we work on it: two that install at once undo each other, and
// one of them may reboot. One that is at it is waited for, for as long as a reboot may take. Once a boot.
func (l *life) keepOff(ctx context.Context) error {
	if l.alone {
		return nil
	}
	return within(ctx, l.w.RebootTimeout, "the end of automatic upgrades", func(ctx context.Context) error {
		for {
			busy, err := playbooks.KeepOff(ctx, l.w.Machine)
			if err != nil || len(busy) == 0 {
				l.alone = err == nil
				return err
			}
			l.waiting(strings.Join(busy, ", ") + ", which is upgrading the machine by itself")
			if err := pause(ctx, 2*time.Second); err != nil {
				return err
			}
		}
	})
}
