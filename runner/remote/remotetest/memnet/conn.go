// Package memnet gives connections in memory that real network protocols can be spoken over, also inside a
// testing/synctest bubble.
//
// The connections are buffered without limit: net.Pipe, which isn't, deadlocks the SSH handshake, where both sides
// write first. They keep deadlines, and may be frozen: what is written is kept back until they are thawed, as with a
// cable that was pulled and plugged in again.
package memnet

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// ErrReset is what both sides of a connection read and write after Cut.
var ErrReset = errors.New("connection reset by peer")

// Pair makes a connection between two addresses and returns both of its ends.
func Pair(client, server net.Addr) (*Conn, *Conn) {
	up, down := newHalf(), newHalf()
	a := &Conn{in: down, out: up, local: client, remote: server}
	b := &Conn{in: up, out: down, local: server, remote: client}
	return a, b
}

// Conn is one end of a connection in memory.
type Conn struct {
	in, out       *half
	local, remote net.Addr
}

// Read waits for bytes, the end, or the deadline.
func (c *Conn) Read(b []byte) (int, error) { return c.in.read(b) }

// Write never blocks.
func (c *Conn) Write(b []byte) (int, error) { return c.out.write(b) }

// Close ends both directions; the other side reads what was sent before, then io.EOF.
func (c *Conn) Close() error {
	c.out.end(io.EOF, false)
	c.in.end(net.ErrClosed, true)
	return nil
}

// Cut ends the connection as a reset does: what is under way is lost, both sides get ErrReset.
func (c *Conn) Cut() {
	c.out.end(ErrReset, true)
	c.in.end(ErrReset, true)
}

// Freeze keeps back what either side writes from now on, until Thaw.
func (c *Conn) Freeze() { c.in.freeze(true); c.out.freeze(true) }

// Thaw delivers what was kept back.
func (c *Conn) Thaw() { c.in.freeze(false); c.out.freeze(false) }

// LocalAddr is this end's address.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the other end's address.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets the time after which Read fails with os.ErrDeadlineExceeded. Write never waits.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline sets the time after which Read fails with os.ErrDeadlineExceeded; zero means never.
func (c *Conn) SetReadDeadline(t time.Time) error { c.in.deadline(t); return nil }

// SetWriteDeadline has no effect: Write never waits.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// half is one direction.
type half struct {
	mu     sync.Mutex
	wake   *sync.Cond
	buf    []byte
	err    error // set when it ended
	frozen bool
	late   bool // the deadline has passed
	timer  *time.Timer
}

func newHalf() *half {
	h := &half{}
	h.wake = sync.NewCond(&h.mu)
	return h
}

func (h *half) read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case len(b) == 0:
			return 0, nil
		case len(h.buf) > 0 && !h.frozen:
			n := copy(b, h.buf)
			h.buf = h.buf[n:]
			return n, nil
		case h.err != nil && !h.frozen:
			return 0, h.err
		case h.late:
			return 0, os.ErrDeadlineExceeded
		}
		h.wake.Wait()
	}
}

func (h *half) write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return 0, net.ErrClosed
	}
	h.buf = append(h.buf, b...)
	h.wake.Broadcast()
	return len(b), nil
}

// end lets readers have err once the buffer is read, or at once where drop says so.
func (h *half) end(err error, drop bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
	}
	if drop {
		h.buf, h.frozen = nil, false
	}
	if h.timer != nil {
		h.timer.Stop()
	}
	h.wake.Broadcast()
}

func (h *half) freeze(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frozen = on && h.err == nil
	h.wake.Broadcast()
}

func (h *half) deadline(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	h.late = false
	if t.IsZero() || h.err != nil {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(time.Until(t), func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.timer == timer {
			h.late = true
			h.wake.Broadcast()
		}
	})
	h.timer = timer
}
