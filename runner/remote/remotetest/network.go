package remotetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/memnet"
	"github.com/fleetup/fleetup/runner/remote/remotetest/shell"
)

// Network is several machines, each at its address. Their sshds forward connections to one another, as jump hosts do.
type Network struct {
	mu       sync.Mutex
	machines map[string]*Machine
}

// Add puts a machine at address ("10.0.0.1:22"); one machine may have several.
func (n *Network) Add(address string, m *Machine) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.machines == nil {
		n.machines = map[string]*Machine{}
	}
	n.machines[address] = m
	m.mu.Lock()
	defer m.mu.Unlock()
	m.network = n
}

// Dial connects to the machine at addr. It has the signature of net.Dialer's DialContext.
func (n *Network) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	m := n.machines[addr]
	n.mu.Unlock()
	if m == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: address(addr), Err: syscall.EHOSTUNREACH}
	}
	return m.Dial(ctx, network, addr)
}

// Close closes all machines.
func (n *Network) Close() {
	n.mu.Lock()
	machines := maps.Clone(n.machines)
	n.mu.Unlock()
	for _, m := range machines { // without the lock: what they forward looks for machines
		m.Close()
	}
}

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// unanswered is how long Linux looks for the hardware address of a machine that is off.
const unanswered = 3 * time.Second

// Dial connects to the machine's sshd in memory. While the machine is down nobody answers, for three seconds; while
// it boots the connection is refused.
func (m *Machine) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	m.mu.Lock()
	on, up := m.sys != nil, m.sshd
	frozen := time.Now().Before(m.frozen)
	m.mu.Unlock()
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: address(addr), Err: err}
	}
	switch {
	case ctx.Err() != nil:
		return fail(ctx.Err())
	case !on:
		return fail(m.silence(ctx))
	case !up:
		return fail(syscall.ECONNREFUSED)
	}
	client, server := memnet.Pair(clientAddr(), address(addr))
	if frozen {
		client.Freeze()
	}
	if !m.serve(server) {
		return fail(syscall.ECONNREFUSED)
	}
	return client, nil
}

func (m *Machine) silence(ctx context.Context) error {
	t := time.NewTimer(unanswered)
	defer t.Stop()
	select {
	case <-t.C:
		return syscall.EHOSTUNREACH
	case <-ctx.Done():
		return ctx.Err()
	}
}

var (
	portMu   sync.Mutex
	nextPort = 40000
)

func clientAddr() net.Addr {
	portMu.Lock()
	defer portMu.Unlock()
	nextPort++
	return address("192.0.2.1:" + strconv.Itoa(nextPort%20000+40000))
}

// Serve accepts connections of a real listener until it is closed. While the machine is down they are closed at once.
func (m *Machine) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept for %s: %w", m.o.Name, err)
		}
		if !m.serve(conn) {
			conn.Close()
		}
	}
}

// serve hands a connection to sshd and reports false where there is none.
func (m *Machine) serve(conn net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.sshd || m.closed {
		return false
	}
	m.conns[conn] = true
	m.wg.Go(func() {
		m.sshConn(conn)
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.conns, conn)
	})
	return true
}

// ping says that machines of the network that are up answer, all of twenty packets, and others none.
func (m *Machine) ping(p *shell.Proc) int {
	host := p.Args[len(p.Args)-1]
	m.mu.Lock()
	n := m.network
	m.mu.Unlock()
	lost := 100
	if n != nil {
		n.mu.Lock()
		peer := n.machines[net.JoinHostPort(host, "22")]
		n.mu.Unlock()
		if peer != nil && peer.Up() {
			lost = 0
		}
	}
	if !p.Sleep(time.Second) {
		return 1
	}
	p.Printf("--- %s ping statistics ---\n20 packets transmitted, %d received, %d%% packet loss, time 1000ms\n", host, 20-lost/5, lost)
	if lost > 0 {
		return 1
	}
	p.Printf("rtt min/avg/max/mdev = 0.100/0.200/0.300/0.010 ms\n")
	return 0
}
