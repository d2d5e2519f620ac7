package kubetest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// listener accepts connections that Dial makes in memory.
type listener struct {
	queue  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	refuse  bool
	clients map[net.Conn]bool
}

func newListener() *listener {
	return &listener{queue: make(chan net.Conn), closed: make(chan struct{}), clients: map[net.Conn]bool{}}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return pipeAddr("kubetest") }

// Dial connects to the server in memory, whatever the address: give it to http.Transport.DialContext or rest.Config.Dial.
// While Refuse(true) holds, and after Close, it fails with ECONNREFUSED, as a server that isn't there.
func (s *Server) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	client, server := newPipe()
	kept := &keptConn{Conn: client, of: s.listen}
	if !s.listen.keep(kept) {
		return nil, refused(network, addr)
	}
	select {
	case s.listen.queue <- server:
		return kept, nil
	case <-s.listen.closed:
		_ = kept.Close()
		return nil, refused(network, addr)
	case <-ctx.Done():
		_ = kept.Close()
		return nil, fmt.Errorf("dial %s: %w", addr, ctx.Err())
	}
}

func refused(network, addr string) error {
	return &net.OpError{Op: "dial", Net: network, Addr: pipeAddr(addr), Err: syscall.ECONNREFUSED}
}

// Refuse makes the API unreachable in memory: open connections break, new ones are refused, until Refuse(false).
func (s *Server) Refuse(on bool) {
	for _, c := range s.listen.setRefuse(on) {
		_ = c.Close()
	}
}

func (l *listener) setRefuse(on bool) (cut []net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse = on; on {
		for c := range l.clients {
			cut = append(cut, c)
		}
	}
	return cut
}

func (l *listener) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse {
		return false
	}
	l.clients[c] = true
	return true
}

// keptConn is known to the listener until it is closed, so that Refuse can cut it.
type keptConn struct {
	net.Conn
	of *listener
}

func (c *keptConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.clients, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
