package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxSessions is how many sessions we open at once on one connection; sshd allows 10 by default (MaxSessions).
const maxSessions = 8

// link is one live connection. It is dead once; whoever needs the machine again dials a new one.
type link struct {
	client   *ssh.Client
	conn     *watchedConn
	sessions chan struct{}
	asking   chan struct{} // holds one who asks for a sign of life: ssh takes one at a time
	dead     chan struct{}
	wg       sync.WaitGroup

	mu      sync.Mutex
	closing bool
	why     error

	rootMu sync.Mutex
	root   *rootWay // how to become root here, once that is known
	uid    string
}

// watchedConn remembers when the other side was last heard.
type watchedConn struct {
	net.Conn
	heard atomic.Int64
}

func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

func newLink(c *watchedConn, conn ssh.Conn, chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request, keepalive time.Duration) *link {
	l := &link{client: ssh.NewClient(conn, chans, reqs), conn: c, sessions: make(chan struct{}, maxSessions), asking: make(chan struct{}, 1), dead: make(chan struct{})}
	l.wg.Go(func() {
		err := l.client.Wait()
		l.close(fmt.Errorf("%w: %w", errLost, orErr(err, errLost)))
	})
	l.wg.Go(func() { l.keepalive(keepalive) })
	return l
}

func orErr(err, fallback error) error {
	if err == nil {
		return fallback
	}
	return err
}

// close ends the connection. The first reason given is the one that errors name.
func (l *link) close(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closing {
		l.closing, l.why = true, why
		close(l.dead)
		l.conn.Close()
	}
}

// begin keeps wg from ending while the caller works on the link, until it calls wg.Done. False: the link is dead.
func (l *link) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closing {
		l.wg.Add(1)
	}
	return !l.closing
}

func (l *link) alive() bool {
	select {
	case <-l.dead:
		return false
	default:
		return true
	}
}

// keepalive asks the other side for a sign of life every so often, and gives it up when nothing at all has come from
// there for two such times. TCP alone takes a quarter of an hour to notice that a jump host has lost its power.
func (l *link) keepalive(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-l.dead:
			return
		case <-tick.C:
		}
		answered := make(chan struct{})
		asked := time.Now()
		l.wg.Go(func() {
			defer close(answered)
			_ = l.ask() // an error means that the link died: Wait says so
		})
		if !l.answered(answered, asked, every) {
			l.close(fmt.Errorf("%w: nothing heard for %s", errLost, 2*every))
			return
		}
	}
}

// ask asks the other side for a sign of life, and waits for it.
func (l *link) ask() error {
	l.asking <- struct{}{}
	defer func() { <-l.asking }()
	_, _, err := l.client.SendRequest("keepalive@openssh.com", true, nil)
	return err
}

// answered waits for a keepalive's answer. Anything heard since it was asked will do: on a slow line a long upload
// holds the answer up.
func (l *link) answered(answer <-chan struct{}, asked time.Time, every time.Duration) bool {
	timer := time.NewTimer(2 * every)
	defer timer.Stop()
	for {
		select {
		case <-answer:
			return true
		case <-l.dead:
			return true
		case <-timer.C:
		}
		heard := time.Unix(0, l.conn.heard.Load())
		if !heard.After(asked) {
			return false
		}
		asked = heard
		timer.Reset(2 * every)
	}
}

// session opens a channel for one command. It returns when ctx ends, also where the other side doesn't answer.
func (l *link) session(ctx context.Context) (ssh.Channel, <-chan *ssh.Request, func(), error) {
	for {
		select {
		case l.sessions <- struct{}{}:
		case <-l.dead:
			return nil, nil, nil, l.why
		case <-ctx.Done():
			return nil, nil, nil, context.Cause(ctx)
		}
		ch, reqs, err := l.open(ctx)
		if err == nil {
			return ch, reqs, sync.OnceFunc(func() { <-l.sessions }), nil
		}
		others := len(l.sessions) > 1
		<-l.sessions
		if !channelRefused(err) || !others {
			return nil, nil, nil, err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil { // a lower MaxSessions: wait for one of ours to end
			return nil, nil, nil, err
		}
	}
}

func (l *link) open(ctx context.Context) (ssh.Channel, <-chan *ssh.Request, error) {
	type opened struct {
		ch   ssh.Channel
		reqs <-chan *ssh.Request
		err  error
	}
	got := make(chan opened, 1)
	l.wg.Go(func() {
		ch, reqs, err := l.client.OpenChannel("session", nil)
		got <- opened{ch, reqs, err}
	})
	select {
	case o := <-got:
		if o.err != nil && !channelRefused(o.err) {
			o.err = fmt.Errorf("%w: %w", errLost, o.err)
		}
		return o.ch, o.reqs, o.err
	case <-l.dead:
		return nil, nil, l.why
	case <-ctx.Done():
		l.wg.Go(func() {
			if o := <-got; o.err == nil {
				go ssh.DiscardRequests(o.reqs) // ends with the channel
				_ = o.ch.Close()
			}
		})
		return nil, nil, context.Cause(ctx)
	}
}

// channelRefused tells a machine that gives no further session from a connection that was lost.
func channelRefused(err error) bool {
	var refused *ssh.OpenChannelError
	return errors.As(err, &refused)
}

// pause waits, or returns why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
