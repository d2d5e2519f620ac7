package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// throughOne is how many handshakes may be under way through one jump host: the sshd of the machines behind it, where it
// is one and the same, drops logins at random from the tenth. It counts one for a moment longer than we do: with 8 of
// ours some were dropped.
const throughOne = 6

// route is a list of jump chains that lead to the same place, and which of them answered last.
type route struct {
	chains [][]*peer // the last of each chain is dialled through those before it
	mu     sync.Mutex
	now    int
}

func (r *route) String() string {
	var names []string
	for _, chain := range r.chains {
		names = append(names, chain[len(chain)-1].e.name)
	}
	return strings.Join(names, " or ")
}

// jump returns a connected jump host: the one that answered last, or else the next alternative that answers.
func (r *route) jump(ctx context.Context) (*peer, *link, error) {
	r.mu.Lock()
	first := r.now
	r.mu.Unlock()
	var all []error
	for i := range r.chains {
		at := (first + i) % len(r.chains)
		chain := r.chains[at]
		p := chain[len(chain)-1]
		l, err := p.once(ctx, 0)
		if err == nil {
			r.mu.Lock()
			r.now = at
			r.mu.Unlock()
			return p, l, nil
		}
		if ctx.Err() != nil {
			return nil, nil, err
		}
		all = append(all, err)
	}
	return nil, nil, errors.Join(all...)
}

// dial opens a connection to addr through a jump host, and returns what to call when the handshake is over.
func (r *route) dial(ctx context.Context, addr string, timeout time.Duration) (net.Conn, func(), error) {
	for again := true; ; again = false {
		p, l, err := r.jump(ctx)
		if err != nil {
			return nil, nil, err
		}
		select {
		case p.through <- struct{}{}:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
		done := sync.OnceFunc(func() { <-p.through })
		c, err := l.forward(ctx, addr, timeout)
		if err == nil {
			return c, done, nil
		}
		done()
		if l.alive() || !again || ctx.Err() != nil {
			return nil, nil, fmt.Errorf("jump host %s: %w", p.e.name, err)
		}
	}
}

// forward opens a direct-tcpip channel. A jump host that doesn't get through itself says so or stays silent.
func (l *link) forward(ctx context.Context, addr string, timeout time.Duration) (net.Conn, error) {
	ctx, stop := context.WithTimeoutCause(ctx, timeout, errNoAnswer(timeout))
	defer stop()
	c, err := l.client.DialContext(ctx, "tcp", addr)
	var refused *ssh.OpenChannelError
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, &refused) && refused.Reason == ssh.Prohibited:
		return nil, fmt.Errorf("it forbids forwarding to %s (AllowTcpForwarding, PermitOpen): %w", addr, err)
	}
	return nil, err
}

type noAnswer time.Duration

func errNoAnswer(d time.Duration) error { return noAnswer(d) }

// Error names how long was waited.
func (d noAnswer) Error() string { return fmt.Sprintf("no answer within %s", time.Duration(d)) }

// Timeout makes it a net.Error's better half.
func (d noAnswer) Timeout() bool { return true }
