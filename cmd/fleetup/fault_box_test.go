package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/kube/kubetest"
)

// yard is a small data centre in a bubble of virtual time, and the processes of fleetup that work on it.
type yard struct {
	*testing.T
	*box.Box
	began     time.Time
	inventory string
	processes []*process
}

const yardUpgrade = `[upgrade]
containerd = "2.1.4"
kubelet    = "1.37.2"
reboot     = "always"
`

// inYard runs a test in a bubble, on n machines with a Deployment, its budget and a DaemonSet on them.
func inYard(t *testing.T, n int, rest string, test func(s *yard)) {
	t.Helper()
	inYardOf(t, box.Workers(n), rest, test)
}

func inYardOf(t *testing.T, nodes []box.Node, rest string, test func(s *yard)) {
	t.Helper()
	inYardWith(t, box.Options{Nodes: nodes, Cluster: kubetest.Config{Seed: 1}}, rest, test)
}

func inYardWith(t *testing.T, o box.Options, rest string, test func(s *yard)) {
	t.Helper()
	isolated(t)
	synctest.Test(t, func(t *testing.T) {
		b, err := box.New(context.Background(), filepath.Join(t.TempDir(), "box"), o)
		s := &yard{T: t, Box: b, began: time.Now()}
		s.must(err)
		defer b.Close()
		s.must(errors.Join(
			b.API.AddDeployment("shop", "web", 4, nil), b.API.AddPDB("shop", "web", "web", "3", ""),
			b.API.AddService("shop", "web", "web"), b.API.AddDaemonSet("kube-system", "cni", nil),
		))
		s.must(b.Settle(context.Background(), 4+len(o.Nodes)))
		s.inventory, err = b.Inventory(rest)
		s.must(err)
		test(s)
	})
}

// isolated keeps the developer's own keys, agent and ssh_config out of the tests.
func isolated(t *testing.T) {
	t.Helper()
	isolate.Do(func() {
		home, err := os.MkdirTemp("", "fleetup-home")
		if err != nil {
			t.Fatal(err)
		}
		os.Setenv("HOME", home)
		os.Unsetenv("SSH_AUTH_SOCK")
	})
}

var isolate sync.Once

func (s *yard) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// process is one process of fleetup: it can be killed, which ends its connections and all that it could still do.
type process struct {
	*app
	wire     *wire
	out, err *output
	hearing  sync.Mutex
	signals  chan<- os.Signal // of the command that listens; guarded by hearing
	ctx      context.Context
	cancel   context.CancelFunc
	state    string
}

// process makes a new one with its journals in the folder state.
func (s *yard) process(state string) *process {
	p := &process{wire: &wire{dial: s.Dial}, out: &output{}, err: &output{}, state: state}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.app = &app{
		out: p.out, err: p.err, getenv: func(string) string { return "" }, dial: p.wire.Dial,
		notify: func(c chan<- os.Signal) func() {
			p.hearing.Lock()
			defer p.hearing.Unlock()
			p.signals = c
			return func() {}
		},
		boottime: func() time.Duration { return time.Since(s.began) },
		identity: thisMachine(4_000_000 + len(s.processes)), // no such process: what it holds may be taken over at once
	}
	p.flags.stateDir = state
	s.processes = append(s.processes, p)
	return p
}

// said is what all processes printed.
func (s *yard) said() string {
	var text strings.Builder
	for i, p := range s.processes {
		fmt.Fprintf(&text, "--- process %d\n%s%s", i+1, p.err, p.out)
	}
	return text.String()
}

// thisMachine is the identity of a process of this machine with another id.
func thisMachine(pid int) string {
	parts := strings.Split(identity(), "/")
	return strings.Join([]string{parts[0], parts[1], processID(pid), "1"}, "/")
}

// fleetup runs one command line and returns its exit code.
func (p *process) fleetup(args ...string) int {
	defer p.cancel()
	defer p.wire.closeIdle()
	defer p.ending.Wait()
	return p.main(p.ctx, append([]string{"--state-dir", p.state}, args...))
}

// signal is what the process hears.
func (p *process) signal(sig os.Signal) {
	p.hearing.Lock()
	defer p.hearing.Unlock()
	p.signals <- sig
}

// kill ends the process as SIGKILL does, as far as the world can tell: nothing that it still does comes through. It doesn't
// hear of its cut connections before it is told to end: it would take them for a fault of the world, and write that down.
func (p *process) kill() { p.wire.cut(p.cancel) }

// wire is a process's network.
type wire struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu    sync.Mutex
	dead  bool
	conns []net.Conn
	fault func() bool // asked at each read: true cuts the connection; may be nil
}

var errKilled = errors.New("the process is gone")

func (w *wire) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := w.dial(ctx, network, addr)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if w.dead {
		_ = c.Close()
		return nil, errKilled
	}
	if w.fault != nil {
		c = &faulty{c, w.fault}
	}
	w.conns = append(w.conns, c)
	return &wired{c, w}, nil
}

// wired is a connection whose end is heard of once cut is through.
type wired struct {
	net.Conn
	w *wire
}

func (c *wired) Read(b []byte) (int, error)  { return c.heard(c.Conn.Read(b)) }
func (c *wired) Write(b []byte) (int, error) { return c.heard(c.Conn.Write(b)) }

func (c *wired) heard(n int, err error) (int, error) {
	if err != nil {
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
	}
	return n, err
}

// faulty is a connection that ends in the middle: what the other side has done already, nobody hears of.
type faulty struct {
	net.Conn
	fault func() bool
}

func (c *faulty) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.fault() {
		_ = c.Close()
		return 0, syscall.ECONNRESET
	}
	return n, err
}

// cut closes all connections, and then calls and, before anybody has heard of it.
func (w *wire) cut(and func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = true
	for _, c := range w.conns {
		_ = c.Close()
	}
	and()
}

// closeIdle leaves nothing open behind a process that has ended.
func (w *wire) closeIdle() { w.cut(func() {}) }

// output is what a process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// standing is the end state that matters, a line a node: machine, packages, boots, and the Node object.
func (s *yard) standing() map[string]string {
	all := map[string]string{}
	for name, m := range s.Machines {
		n := s.node(name)
		up, version := m.Kubelet()
		all[name] = fmt.Sprintf("kubelet %s up %v held %v installed %d times, containerd %s, reboots %d; API: %s cordoned %v taints %v labels %v annotations %v ready %v",
			version, up, m.Held("kubelet"), m.Ran("--no-remove kubelet="), m.Installed("containerd"), m.Reboots(),
			n.Status.NodeInfo.KubeletVersion, n.Spec.Unschedulable, n.Spec.Taints, n.Labels, keysOf(n.Annotations), isReady(n))
	}
	return all
}

func (s *yard) node(name string) *corev1.Node { return kubetest.Get[*corev1.Node](s.API, "", name) }

// leaseStands says whether the lease is free and names no unfinished run.
func (s *yard) leaseStands() string {
	l := kubetest.Get[*coordinationv1.Lease](s.API, "kube-system", "fleetup")
	return fmt.Sprintf("holder %q, run %q, halt %q", *l.Spec.HolderIdentity, l.Annotations["fleetup.io/run"], l.Annotations["fleetup.io/halt"])
}

func isReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func keysOf(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func (s *yard) path(name string) string { return filepath.Join(s.Dir, name) }
