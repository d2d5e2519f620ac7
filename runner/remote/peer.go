package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
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

// patiently dials again where the machine hung up before it showed its key, as sshd does at random under a burst of
// logins (MaxStartups) or while it restarts.
func (p *peer) patiently(ctx context.Context, quick time.Duration) (*link, error) {
	for wait := 200 * time.Millisecond; ; wait *= 2 {
		l, err := p.dial(ctx, quick)
		var connect *ConnectError
		if err == nil || quick > 0 || !errors.As(err, &connect) || !connect.early || wait > 4*time.Second || ctx.Err() != nil {
			return l, err
		}
		if pauseErr := pause(ctx, wait/2+rand.N(wait)); pauseErr != nil {
			return nil, err
		}
	}
}

// dial makes one attempt: TCP, handshake and login.
func (p *peer) dial(ctx context.Context, quick time.Duration) (*link, error) {
	cfg, shown, err := p.clientConfig()
	if err != nil {
		return nil, err
	}
	return p.dialWith(ctx, quick, cfg, shown)
}

func (p *peer) dialWith(ctx context.Context, quick time.Duration, cfg *ssh.ClientConfig, shown *shownKey) (_ *link, err error) {
	tcp := p.e.timeout
	if quick > 0 && quick < tcp {
		tcp = quick
	}
	var conn net.Conn
	done := func() {}
	if p.via != nil {
		conn, done, err = p.via.dial(ctx, p.e.addr(), tcp)
		defer func() { done() }()
		if err != nil {
			done = func() {}
			return nil, p.unreachable(err)
		}
	}
	if err := p.net.takeSlot(ctx); err != nil {
		closeIf(conn)
		return nil, err
	}
	defer func() { <-p.net.slots }()
	if conn == nil {
		if conn, err = p.tcp(ctx, tcp); err != nil {
			return nil, p.unreachable(err)
		}
	}
	return p.handshake(ctx, conn, cfg, shown, p.patience(quick))
}

// patience is how long a handshake may take. Of a machine that is going down the kernel still accepts connections that
// nobody will answer: a redial gives the first such one up early, and is patient with the next.
func (p *peer) patience(quick time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if quick > 0 && !p.slow {
		return min(p.e.timeout, 3*time.Second)
	}
	return p.e.timeout
}

func (p *peer) answered(inTime bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow = !inTime
}

func closeIf(c net.Conn) {
	if c != nil {
		c.Close()
	}
}

func (n *Net) takeSlot(ctx context.Context) error {
	select {
	case n.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *peer) tcp(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	ctx, stop := context.WithTimeoutCause(ctx, timeout, errNoAnswer(timeout))
	defer stop()
	c, err := p.net.o.Dial(ctx, "tcp", p.e.addr())
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return c, err
}

// unreachable wraps err, unless it already says which host failed and why.
func (p *peer) unreachable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, errClosed) {
		return err
	}
	var op *net.OpError
	if errors.As(err, &op) && errors.Is(err, syscall.ECONNREFUSED) {
		err = op.Err
	}
	via := ""
	if p.via != nil {
		via = p.via.String()
	}
	return &ConnectError{Host: p.e.name, Address: p.e.addr(), Via: via, Err: err}
}

// shownKey is what became of the host key in one handshake.
type shownKey struct {
	accepted bool
	err      error
	notes    []string
	tried    []string
}

func (p *peer) clientConfig() (*ssh.ClientConfig, *shownKey, error) {
	known, err := p.net.known.open(p.e.known)
	if err != nil {
		return nil, nil, &setupError{p.e.name, err}
	}
	signers, notes, err := p.net.keys.signers(p.e)
	if err != nil {
		return nil, nil, &setupError{p.e.name, err}
	}
	shown := &shownKey{notes: notes}
	all := make([]ssh.Signer, len(signers))
	for i, s := range signers {
		all[i] = s.Signer
		shown.tried = append(shown.tried, s.name)
	}
	cfg := &ssh.ClientConfig{
		Config: modern(), User: p.e.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(all...)},
		HostKeyAlgorithms: known.algorithms(p.e.addr()), ClientVersion: "SSH-2.0-fleetup",
	}
	cfg.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
		shown.err = known.check(p.e, key)
		shown.accepted = shown.err == nil
		return shown.err
	}
	return cfg, shown, nil
}

// modern leaves out what only SHA-1 protects; x/crypto still offers it by default.
func modern() ssh.Config {
	all := ssh.SupportedAlgorithms()
	var macs []string
	for _, m := range all.MACs {
		if m != ssh.HMACSHA1 {
			macs = append(macs, m)
		}
	}
	return ssh.Config{KeyExchanges: all.KeyExchanges, Ciphers: all.Ciphers, MACs: macs}
}

// handshake logs in on conn. The connect timeout stands still while somebody is asked for a passphrase.
func (p *peer) handshake(ctx context.Context, conn net.Conn, cfg *ssh.ClientConfig, shown *shownKey, timeout time.Duration) (*link, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var timer *time.Timer
	ready := make(chan struct{})
	timer = time.AfterFunc(timeout, func() {
		<-ready
		if p.net.keys.asking.Load() > 0 {
			timer.Reset(time.Second)
			return
		}
		cancel(errNoAnswer(timeout))
	})
	close(ready)
	defer timer.Stop()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	w := &watchedConn{Conn: conn}
	c, chans, reqs, err := ssh.NewClientConn(w, p.e.addr(), cfg)
	p.answered(err == nil || ctx.Err() == nil)
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, p.refused(err, shown)
	}
	return newLink(w, c, chans, reqs, p.net.o.Keepalive), nil
}

// refused says what a handshake that failed got to.
func (p *peer) refused(err error, shown *shownKey) error {
	var slow noAnswer
	switch {
	case shown.err != nil:
		return shown.err
	case errors.Is(err, context.Canceled), errors.Is(err, errClosed):
		return err
	case errors.As(err, &slow):
		return p.unreachable(err)
	case shown.accepted:
		if p.known() {
			p.net.keys.forget() // it worked before: the agent may have been restarted
		}
		return &LoginError{Host: p.e.name, User: p.e.user, Address: p.e.addr(), Tried: shown.tried, Notes: shown.notes, Err: err}
	}
	var algorithms *ssh.AlgorithmNegotiationError
	c := p.unreachable(err).(*ConnectError)
	c.early = !errors.As(err, &algorithms)
	return c
}
