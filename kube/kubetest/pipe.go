package kubetest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// newPipe returns the two ends of a connection that lives in memory. Unlike net.Pipe it is buffered: a write never
// waits for the reader, as with a socket whose buffer is large. Reads block on channels and timers only, so that a
// synctest bubble counts them as idle.
func newPipe() (client, server net.Conn) {
	up, down := newStream(), newStream()
	return &pipeConn{in: down, out: up, name: "client"}, &pipeConn{in: up, out: down, name: "server"}
}

// pipeConn is one end.
type pipeConn struct {
	in, out *stream
	name    string
}

func (c *pipeConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *pipeConn) Write(p []byte) (int, error) { return c.out.write(p) }

func (c *pipeConn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

func (c *pipeConn) LocalAddr() net.Addr  { return pipeAddr(c.name) }
func (c *pipeConn) RemoteAddr() net.Addr { return pipeAddr("peer of " + c.name) }

func (c *pipeConn) SetDeadline(t time.Time) error {
	_ = c.SetWriteDeadline(t)
	return c.SetReadDeadline(t)
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(t)
	return nil
}

// SetWriteDeadline has nothing to do: writes never block.
func (c *pipeConn) SetWriteDeadline(time.Time) error { return nil }

type pipeAddr string

func (pipeAddr) Network() string  { return "memory" }
func (a pipeAddr) String() string { return string(a) }

// stream is one direction of a pipe.
type stream struct {
	mu       sync.Mutex
	data     []byte
	closed   bool
	deadline time.Time
	changed  chan struct{} // closed and replaced whenever anything above changes
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

func (s *stream) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	s.data = append(s.data, p...)
	s.tell()
	return len(p), nil
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.tell()
	}
}

func (s *stream) setDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	s.tell()
}

// read blocks until there is data, the stream is closed or the deadline has passed. What was written before the close
// is still read.
func (s *stream) read(p []byte) (int, error) {
	for {
		n, changed, left, err := s.tryRead(p)
		if changed == nil {
			return n, err
		}
		if left < 0 {
			<-changed
			continue
		}
		timer := time.NewTimer(left)
		select {
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// tryRead reads what is there, or returns a channel to wait on and the time left until the deadline, -1 without one.
func (s *stream) tryRead(p []byte) (n int, changed chan struct{}, left time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.deadline.IsZero() && !time.Now().Before(s.deadline) {
		return 0, nil, 0, os.ErrDeadlineExceeded
	}
	if len(s.data) > 0 || len(p) == 0 {
		n = copy(p, s.data)
		if s.data = s.data[n:]; len(s.data) == 0 {
			s.data = nil
		}
		return n, nil, 0, nil
	}
	if s.closed {
		return 0, nil, 0, io.EOF
	}
	if s.deadline.IsZero() {
		return 0, s.changed, -1, nil
	}
	return 0, s.changed, time.Until(s.deadline), nil
}
