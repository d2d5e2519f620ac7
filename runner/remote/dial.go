package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

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
	signing  signing
}

func (p *peer) clientConfig() (*ssh.ClientConfig, *shownKey, error) {
	known, err := p.net.known.open(p.e.files())
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
		all[i] = modernSigner(watched(s, &shown.signing), p.e.hostKeys())
		shown.tried = append(shown.tried, s.name)
	}
	cfg := &ssh.ClientConfig{
		Config: p.e.config(), User: p.e.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(all...)},
		HostKeyAlgorithms: known.algorithms(p.e), ClientVersion: "SSH-2.0-fleetup",
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

// modernSigner keeps RSA keys, and certificates of such, from signing with SHA-1, which x/crypto does for servers that
// ask for nothing better; unless ssh-rsa, which means just that, is among what is allowed.
func modernSigner(s ssh.Signer, allowed []string) ssh.Signer {
	a, ok := s.(ssh.AlgorithmSigner)
	if t := s.PublicKey().Type(); !ok || t != ssh.KeyAlgoRSA && t != ssh.CertAlgoRSAv01 || slices.Contains(allowed, ssh.KeyAlgoRSA) {
		return s
	}
	if m, err := ssh.NewSignerWithAlgorithms(a, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}); err == nil {
		return m
	}
	return s
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
	type opened struct {
		conn  ssh.Conn
		chans <-chan ssh.NewChannel
		reqs  <-chan *ssh.Request
		err   error
	}
	got := make(chan opened, 1)
	if !p.net.own(func() {
		c, chans, reqs, err := ssh.NewClientConn(w, p.e.addr(), cfg)
		got <- opened{c, chans, reqs, err}
	}) {
		conn.Close()
		return nil, errClosed
	}
	select {
	case o := <-got:
		p.answered(o.err == nil || ctx.Err() == nil)
		if o.err == nil {
			return newLink(w, o.conn, o.chans, o.reqs, p.net.o.Keepalive), nil
		}
		conn.Close()
		if ctx.Err() != nil {
			o.err = context.Cause(ctx)
		}
		return nil, p.refused(o.err, shown)
	case <-ctx.Done():
	}
	conn.Close()
	if key := shown.signing.Load(); key != nil { // the agent takes as long as it likes; nobody waits for it here
		return nil, p.unsigned(*key, context.Cause(ctx), shown)
	}
	o := <-got // soon, on a connection that is closed
	if o.err == nil {
		_ = o.conn.Close()
	}
	p.answered(false)
	return nil, p.refused(context.Cause(ctx), shown)
}

// unsigned says that a key wasn't used in time, which is no fault of the machine.
func (p *peer) unsigned(key string, err error, shown *shownKey) error {
	var slow noAnswer
	if !errors.As(err, &slow) {
		return err
	}
	return &LoginError{Host: p.e.name, User: p.e.user, Address: p.e.addr(), Tried: shown.tried, Notes: shown.notes,
		Err: fmt.Errorf("%s wasn't used to sign for %s: the agent may wait for a touch, a confirmation or its own lock; name another key in ssh.identity_files", key, time.Duration(slow))}
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
	early := !errors.As(err, &algorithms)
	if !early {
		err = tooOld(algorithms)
	}
	failed := p.unreachable(err)
	var connect *ConnectError
	if errors.As(failed, &connect) {
		connect.early = early
	}
	return failed
}
