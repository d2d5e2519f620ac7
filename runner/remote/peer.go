package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// peer is a machine that we hold at most one connection to.
type peer struct {
	net     *Net
	e       endpoint
	via     *route        // nil: direct
	dialing chan struct{} // held by whoever dials
	through chan struct{} // handshakes under way through this machine

	mu     sync.Mutex
	link   *link
	seen   bool // a login has succeeded: from then on a lost connection is dialled until ctx ends
	fails  int  // dials that failed; those who waited for one share its error
	err    error
	denied error // what sudo said to the password: never asked twice
	slow   bool  // the last handshake got no answer in time
}

// peer returns the machine that l leads to, the same one for all who lead to it the same way.
func (n *Net) peer(l Login) (*peer, error) {
	e, chains, err := n.resolve(l)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, errClosed
	}
	return n.peerOver(e, n.routeTo(chains)), nil
}

// peerOver returns the peer for e over via; n.mu is held.
func (n *Net) peerOver(e endpoint, via *route) *peer {
	key := e.key()
	if via != nil {
		key += fmt.Sprintf(" via %p", via)
	}
	p := n.peers[key]
	if p == nil {
		p = &peer{net: n, e: e, via: via, dialing: make(chan struct{}, 1), through: make(chan struct{}, throughOne)}
		n.peers[key] = p
	}
	return p
}

// routeTo returns the one route over chains, so that all who take it share its connections; n.mu is held.
func (n *Net) routeTo(chains [][]endpoint) *route {
	if len(chains) == 0 {
		return nil
	}
	key := ""
	for _, chain := range chains {
		for _, e := range chain {
			key += e.key() + " > "
		}
		key += "| "
	}
	if r := n.routes[key]; r != nil {
		return r
	}
	r := &route{}
	n.routes[key] = r
	for _, chain := range chains {
		r.chains = append(r.chains, n.hops(chain))
	}
	return r
}

func (n *Net) hops(chain []endpoint) []*peer {
	var hops []*peer
	for i, e := range chain {
		var via *route
		if i > 0 {
			via = n.routeTo([][]endpoint{chain[:i]})
		}
		hops = append(hops, n.peerOver(e, via))
	}
	return hops
}

// drop ends the connection, if there is one, and waits for what ran on it.
func (p *peer) drop(why error) {
	p.mu.Lock()
	l := p.link
	p.link = nil
	p.mu.Unlock()
	if l != nil {
		l.close(why)
		l.wg.Wait()
	}
}

func (p *peer) current() *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link != nil && p.link.alive() {
		return p.link
	}
	return nil
}

// get returns a live connection. Before the first login it tries once; after it, until ctx ends.
func (p *peer) get(ctx context.Context) (*link, error) {
	refused := 0
	for {
		seen, quick := p.known(), time.Duration(0)
		if seen {
			quick = p.quick()
		}
		l, err := p.once(ctx, quick)
		if err == nil || !seen || permanent(err) {
			return l, err
		}
		if ctx.Err() == nil && pause(ctx, redialPause(err, &refused)) == nil {
			continue
		}
		return nil, fmt.Errorf("host %s: the connection was lost and isn't back: %w (last: %w)", p.e.name, context.Cause(ctx), err)
	}
}

// known reports whether a login has succeeded before.
func (p *peer) known() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// quick is how long one attempt to reach a machine that may be rebooting waits for TCP. The kernel repeats a SYN after
// 1, 3, 7, … seconds: a machine that comes back is noticed late unless we begin anew. A jump host keeps what we gave up.
func (p *peer) quick() time.Duration {
	if p.via != nil {
		return 3 * time.Second
	}
	return time.Second
}

// redialPause is how long to wait after err. Refused logins cost (OpenSSH 9.8: 5 s of penalty each, enforced from
// 15 s on), so from the second on they are 5 s apart; a refused connection costs nothing.
func redialPause(err error, refused *int) time.Duration {
	var login *LoginError
	var connect *ConnectError
	switch {
	case errors.As(err, &login):
		if *refused++; *refused > 1 {
			return 5 * time.Second
		}
		return time.Second
	case errors.As(err, &connect) && connect.early:
		return 700 * time.Millisecond
	}
	return 200 * time.Millisecond
}

// once returns a live connection, dialling where there is none. Those who come while somebody dials share the outcome.
// quick limits the wait for TCP; 0: the connect timeout.
func (p *peer) once(ctx context.Context, quick time.Duration) (*link, error) {
	if l := p.current(); l != nil {
		return l, nil
	}
	p.mu.Lock()
	fails := p.fails
	p.mu.Unlock()
	select {
	case p.dialing <- struct{}{}:
		defer func() { <-p.dialing }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-p.net.ctx.Done():
		return nil, errClosed
	}
	if l := p.current(); l != nil {
		return l, nil
	}
	p.mu.Lock()
	shared := p.err
	if p.fails == fails {
		shared = nil
	}
	p.mu.Unlock()
	if shared != nil {
		return nil, shared
	}
	return p.connect(ctx, quick)
}

// connect dials and keeps the outcome.
func (p *peer) connect(ctx context.Context, quick time.Duration) (*link, error) {
	dialCtx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(p.net.ctx, func() { stop(errClosed) })()
	l, err := p.patiently(dialCtx, quick)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		if ctx.Err() == nil { // a caller that gave up says nothing about the machine
			p.fails++
			p.err = err
		}
		return nil, err
	case p.net.ctx.Err() != nil:
		l.close(errClosed)
		l.wg.Wait()
		return nil, errClosed
	}
	p.link, p.seen = l, true
	return l, nil
}
