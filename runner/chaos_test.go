package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// chaos is the faults of one random schedule, told by its seed: errors, delays, cuts (the process is killed), and lies
// (what succeeded is reported as lost). It stands between a run and the two interfaces by which it reaches the world.
type chaos struct {
	mu   sync.Mutex
	rng  *rand.Rand
	rate float64 // of calls with a fault; 0: calm
	kill func()
	dead bool
}

var (
	errRefused = errors.New("chaos: refused")
	errLostIt  = errors.New("chaos: done, and the answer lost")
	errDead    = errors.New("chaos: the process is dead")
)

// fate is what happens to one call.
type fate int

const (
	goesWell fate = iota
	isRefused
	isSlow
	isLost
	diesBefore
	diesAfter
	fates
)

// draw decides about a call.
func (c *chaos) draw() (fate, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rng.Float64() >= c.rate {
		return goesWell, 0
	}
	return fate(1 + c.rng.IntN(int(fates)-1)), time.Duration(c.rng.IntN(int(5 * time.Minute)))
}

// through puts one call through, or not.
func (c *chaos) through(ctx context.Context, call func() error) error {
	if c.isDead() {
		return errDead
	}
	f, slow := c.draw()
	switch f {
	case isRefused:
		return errRefused
	case diesBefore:
		c.die()
		return errDead
	case isSlow:
		if err := pause(ctx, slow); err != nil {
			return err
		}
	}
	err := call()
	switch f {
	case isLost:
		return errLostIt
	case diesAfter:
		c.die()
		return errDead
	}
	return err
}

func (c *chaos) die() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dead {
		c.dead = true
		c.kill()
	}
}

func (c *chaos) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// chaosCluster is a Cluster behind chaos.
type chaosCluster struct {
	Cluster
	c *chaos
}

func (k chaosCluster) Claim(ctx context.Context, node, run string, facts map[string]string) (state map[string]string, err error) {
	err = k.c.through(ctx, func() error {
		state, err = k.Cluster.Claim(ctx, node, run, facts)
		return err
	})
	return state, err
}

func (k chaosCluster) Pend(ctx context.Context, run string, nodes []string) error {
	return k.c.through(ctx, func() error { return k.Cluster.Pend(ctx, run, nodes) })
}

func (k chaosCluster) Note(ctx context.Context, node, run string, facts map[string]string) error {
	return k.c.through(ctx, func() error { return k.Cluster.Note(ctx, node, run, facts) })
}

func (k chaosCluster) Untaint(ctx context.Context, node, run string) error {
	return k.c.through(ctx, func() error { return k.Cluster.Untaint(ctx, node, run) })
}

func (k chaosCluster) Release(ctx context.Context, node, run string, last map[string]string) error {
	return k.c.through(ctx, func() error { return k.Cluster.Release(ctx, node, run, last) })
}

func (k chaosCluster) Fail(ctx context.Context, node, run, why string) error {
	return k.c.through(ctx, func() error { return k.Cluster.Fail(ctx, node, run, why) })
}

func (k chaosCluster) TryDrain(ctx context.Context, node string, waiting func(string)) error {
	return k.c.through(ctx, func() error { return k.Cluster.TryDrain(ctx, node, waiting) })
}

func (k chaosCluster) Drain(ctx context.Context, node string, tell func(string) error, waiting func(string)) error {
	return k.c.through(ctx, func() error { return k.Cluster.Drain(ctx, node, tell, waiting) })
}

func (k chaosCluster) AwaitReady(ctx context.Context, node, version string, since time.Time, waiting func(string)) error {
	return k.c.through(ctx, func() error { return k.Cluster.AwaitReady(ctx, node, version, since, waiting) })
}

func (k chaosCluster) AwaitWhole(ctx context.Context, node string, before map[string]string, waiting func(string)) error {
	return k.c.through(ctx, func() error { return k.Cluster.AwaitWhole(ctx, node, before, waiting) })
}

func (k chaosCluster) AwaitConfigured(ctx context.Context, node string, want map[string]any, waiting func(string)) error {
	return k.c.through(ctx, func() error { return k.Cluster.AwaitConfigured(ctx, node, want, waiting) })
}

func (k chaosCluster) AwaitServed(ctx context.Context, node string, since time.Time, waiting func(string)) error {
	return k.c.through(ctx, func() error { return k.Cluster.AwaitServed(ctx, node, since, waiting) })
}

// chaosMachine is a Machine behind chaos.
type chaosMachine struct {
	Machine
	c *chaos
}

func (m chaosMachine) Run(ctx context.Context, script string) (out string, err error) {
	err = m.c.through(ctx, func() error {
		out, err = m.Machine.Run(ctx, script)
		return err
	})
	return out, err
}

func (m chaosMachine) Do(ctx context.Context, name, script string, line func(string)) (out string, err error) {
	err = m.c.through(ctx, func() error {
		out, err = m.Machine.Do(ctx, name, script, line)
		return err
	})
	return out, err
}

func (m chaosMachine) Upload(ctx context.Context, from, to string, mode fs.FileMode) error {
	return m.c.through(ctx, func() error { return m.Machine.Upload(ctx, from, to, mode) })
}

func (m chaosMachine) BootID(ctx context.Context) (id string, err error) {
	err = m.c.through(ctx, func() error {
		id, err = m.Machine.BootID(ctx)
		return err
	})
	return id, err
}

func (m chaosMachine) Reboot(ctx context.Context, before string) error {
	return m.c.through(ctx, func() error { return m.Machine.Reboot(ctx, before) })
}

// chaosStep is a step whose Apply goes through chaos, for fakeStep acts on the world and not through a Machine.
type chaosStep struct {
	playbooks.Step
	c *chaos
}

func (s chaosStep) Apply(ctx context.Context, h playbooks.Host, say func(string)) error {
	return s.c.through(ctx, func() error { return s.Step.Apply(ctx, h, say) })
}

func (s chaosStep) Check(ctx context.Context, h playbooks.Host) (st playbooks.Status, err error) {
	err = s.c.through(ctx, func() error {
		st, err = s.Step.Check(ctx, h)
		return err
	})
	return st, err
}

// memory is a journal's file that outlives the processes that write it; a dead one writes nothing more.
type memory struct {
	data []byte
	dead func() bool
}

func (m *memory) WriteAt(b []byte, off int64) (int, error) {
	if m.dead() {
		return 0, errDead
	}
	m.data = append(m.data[:off], b...)
	return len(b), nil
}

func (m *memory) Truncate(size int64) error {
	m.data = m.data[:size]
	return nil
}

func (m *memory) Sync() error                 { return nil }
func (m *memory) Reserve(_, _ int64) error    { return errors.ErrUnsupported }
func (m *memory) Close() error                { return nil }
func (m *memory) reader() io.ReaderAt         { return bytes.NewReader(m.data) }
func (m *memory) journal(run string) *Journal { return &Journal{path: "memory", run: run, file: m} }

// reopen is Open for a journal in memory.
func (m *memory) reopen(run string) (*Journal, Progress, error) {
	p, _, torn, end, err := fold(m.reader(), "memory")
	if err != nil || torn != "" {
		return nil, p, fmt.Errorf("journal: %q: %w", torn, err)
	}
	j := m.journal(run)
	j.seq, j.end = p.Seq, end
	return j, p, nil
}
