package remote

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// rebootScript asks for the reboot unless it has happened. It doesn't wait for it: the shutdown takes the connection.
const rebootScript = `[ "$(cat /proc/sys/kernel/random/boot_id)" = %s ] || exit 0
if [ -d %s ]; then
	systemctl reboot
else
	reboot
fi
`

// Reboot asks for a reboot where the boot id is still before, and returns once it is another and a login succeeds.
// A connection that drops proves nothing. It may be called again after any error: a machine that has rebooted since
// isn't rebooted a second time. Logins that are refused for a while, as by pam_nologin during the boot, are tried again,
// until ctx ends.
func (h *Host) Reboot(ctx context.Context, before string) error {
	if before == "" {
		return fmt.Errorf("host %s: reboot: the boot id before it is unknown", h.login.Name)
	}
	if err := h.Expect(); err != nil { // after a restart of fleetup the machine may be down already
		return err
	}
	_, err := h.run(ctx, "ask for the reboot", fmt.Sprintf(rebootScript, quote(before), quote(h.net.o.systemdDir)))
	var exit *ExitError
	if err != nil && !(errors.As(err, &exit) && exit.Status > 128) { // the shutdown may take the script with it, by a signal
		return err
	}
	for {
		id, err := h.stillThere(ctx)
		switch {
		case err == nil && id != before:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("host %s: reboot: not back with a new boot id: %w (last: %w)", h.login.Name, context.Cause(ctx), orErr(err, errSame))
		case permanent(err):
			return err
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return fmt.Errorf("host %s: reboot: not back with a new boot id: %w", h.login.Name, err)
		}
	}
}

var errSame = errors.New("it answers with the boot id from before")

// stillThere asks for the boot id. A connection that doesn't answer within two seconds is given up for a new one: a
// machine that goes down seldom says goodbye.
func (h *Host) stillThere(ctx context.Context) (string, error) {
	l, err := h.link(ctx)
	if err != nil {
		return "", err
	}
	short, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	id, err := h.bootID(short, l)
	if err != nil && ctx.Err() == nil {
		var exit *ExitError
		if !errors.As(err, &exit) {
			l.close(fmt.Errorf("%w: %w", errLost, err))
		}
	}
	return id, err
}

// expect says that the machine is known to exist, so that a login which fails is tried again.
func (p *peer) expect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = true
}
