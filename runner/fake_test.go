package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fleetup/fleetup/playbooks"
)

// fakeWorld is a cluster and its machines as far as orders can see them: what they do to it, and in which order.
type fakeWorld struct {
	mu      sync.Mutex
	nodes   map[string]*fakeNode
	effects []string // "n1: claim", in order
	changed chan struct{}
	steps   int                       // how often a step that was begun is still found running
	inherit bool                      // a node that another run failed on may be claimed, as the cluster has it
	blocked map[string][]string       // nodes whose drain budgets refuse
	stays   string                    // why the run's own pod can't start elsewhere
	after   func(node, effect string) // looks at the world after each effect, under its lock; may be nil
}

// fakeNode is both sides of one node: the Node object and the machine.
type fakeNode struct {
	name                     string
	cordoned, tainted, ready bool
	soft                     string // the run of the soft taint
	run, failed              string
	state, last              map[string]string
	pods                     int

	boot    int
	kubelet bool // the unit runs
	version string
	pending string // takes effect at the next boot
	crashes bool   // the new kubelet doesn't come up
	idle    bool   // no pod on it comes up
}

func newFakeWorld(names ...string) *fakeWorld {
	w := &fakeWorld{nodes: map[string]*fakeNode{}, changed: make(chan struct{}), blocked: map[string][]string{}}
	for _, n := range names {
		w.nodes[n] = &fakeNode{name: n, ready: true, kubelet: true, version: "1", pods: 3}
	}
	return w
}

// busy is a step that was begun, while it runs.
func (w *fakeWorld) busy() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.steps == 0 {
		return ""
	}
	w.steps--
	return "/var/lib/fleetup/r/kubelet.0.install\n"
}

// do changes the world under its lock and notes the effect.
func (w *fakeWorld) do(node, effect string, f func(*fakeNode)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w.nodes[node])
	if effect != "" {
		w.effects = append(w.effects, node+": "+effect)
	}
	if w.after != nil {
		w.after(node, effect)
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// with runs f under the world's lock.
func (w *fakeWorld) with(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *fakeWorld) see(node string) fakeNode {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *w.nodes[node]
}

// of lists a node's effects, without its name.
func (w *fakeWorld) of(node string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, e := range w.effects {
		if rest, ok := strings.CutPrefix(e, node+": "); ok {
			list = append(list, rest)
		}
	}
	return list
}

func (w *fakeWorld) Claim(ctx context.Context, node, run string, facts map[string]string) (map[string]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var state map[string]string
	var err error
	w.do(node, "claim", func(n *fakeNode) {
		if n.run != "" && n.run != run && (!w.inherit || n.failed == "") {
			err = fmt.Errorf("claimed by %s", n.run)
			return
		}
		if n.run == "" && n.state == nil { // a claim that was taken off is put back as it was
			n.state = maps.Clone(facts)
			if n.state == nil {
				n.state = map[string]string{}
			}
			n.state["cordoned"] = fmt.Sprint(n.cordoned)
		}
		n.run, n.cordoned, n.tainted, n.failed, n.soft = run, true, true, "", ""
		state = maps.Clone(n.state)
	})
	return state, err
}

func (w *fakeWorld) Pend(ctx context.Context, run string, nodes []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, name := range w.names() {
		want := ""
		if n := w.see(name); slices.Contains(nodes, name) && n.run == "" {
			want = run
		}
		if w.see(name).soft != want {
			w.do(name, "", func(n *fakeNode) { n.soft = want })
		}
	}
	return nil
}

func (w *fakeWorld) Note(_ context.Context, node, run string, facts map[string]string) error {
	return w.held(node, run, "", func(n *fakeNode) { maps.Copy(n.state, facts) })
}

// held is do for what only the run that holds the node may do.
func (w *fakeWorld) held(node, run, effect string, f func(*fakeNode)) error {
	if has := w.see(node).run; has != run {
		return fmt.Errorf("held by %q", has)
	}
	w.do(node, effect, f)
	return nil
}

func (w *fakeWorld) Untaint(_ context.Context, node, _ string) error {
	w.do(node, "untaint", func(n *fakeNode) { n.tainted = false })
	return nil
}

func (w *fakeWorld) Open(ctx context.Context, node, run string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.held(node, run, "open", func(n *fakeNode) { n.cordoned, n.tainted = false, false })
}

func (w *fakeWorld) Release(ctx context.Context, node, _ string, last map[string]string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.do(node, "release", func(n *fakeNode) {
		if n.run == "" {
			return
		}
		n.cordoned = n.state["cordoned"] == "true"
		n.run, n.failed, n.tainted, n.state = "", "", false, nil
		if last != nil {
			n.last = last
		}
	})
	return nil
}

func (w *fakeWorld) Recorded(node string) (state, last map[string]string) {
	n := w.see(node)
	return maps.Clone(n.state), maps.Clone(n.last)
}

func (w *fakeWorld) Remember(ctx context.Context, node string, last map[string]string) error {
	if ctx.Err() == nil {
		w.do(node, "remember", func(n *fakeNode) { n.last = last })
	}
	return ctx.Err()
}

func (w *fakeWorld) Fail(_ context.Context, node, run, why string) error {
	return w.held(node, run, "fail", func(n *fakeNode) { n.failed, n.tainted = why, false })
}

// blockedError is what a drain returns that budgets refuse.
type blockedError struct{ by []string }

func (e blockedError) Error() string     { return strings.Join(e.by, "; ") }
func (e blockedError) Blocked() []string { return e.by }

func (w *fakeWorld) TryDrain(ctx context.Context, node string, waiting func(string)) error {
	w.mu.Lock()
	by := w.blocked[node]
	w.mu.Unlock()
	if by == nil {
		return ctx.Err()
	}
	waiting(by[0])
	return blockedError{by}
}

func (w *fakeWorld) Drain(ctx context.Context, node string, _ func(string) error, _ func(string)) error {
	for w.see(node).pods > 0 {
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		w.do(node, "evict", func(n *fakeNode) { n.pods-- })
	}
	return ctx.Err()
}

func (w *fakeWorld) LBSettle(string) time.Duration { return 0 }

func (w *fakeWorld) HandOver(string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stays == "" {
		return nil
	}
	return blockedError{[]string{w.stays}}
}

func (w *fakeWorld) AwaitReady(ctx context.Context, node, version string, _ time.Time, waiting func(string)) error {
	for {
		n := w.see(node)
		if n.kubelet && !n.crashes && (version == "" || version == "v"+n.version) {
			w.do(node, "", func(n *fakeNode) { n.ready = true })
			return nil
		}
		waiting("the kubelet to be Ready")
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

func (w *fakeWorld) AwaitWhole(ctx context.Context, _ string, _ map[string]string, _ func(string)) error {
	return ctx.Err()
}

func (w *fakeWorld) AwaitConfigured(ctx context.Context, node string, _ map[string]any, _ func(string)) error {
	w.do(node, "configz", func(*fakeNode) {})
	return ctx.Err()
}

func (w *fakeWorld) AwaitServed(ctx context.Context, node string, _ time.Time, _ func(string)) error {
	if w.see(node).idle {
		return errors.New("its pods don't run")
	}
	return ctx.Err()
}

func (w *fakeWorld) Probe(ctx context.Context, node, _ string, _ func(string)) error {
	w.do(node, "probe", func(*fakeNode) {})
	return ctx.Err()
}

func (w *fakeWorld) AwaitControlPlane(ctx context.Context, _ string, _ func(string)) error {
	return ctx.Err()
}

func (w *fakeWorld) Facts(node string) map[string]string {
	return map[string]string{"kubelet": "v" + w.see(node).version, "cpu": "4"}
}

func (w *fakeWorld) Troubles() []Trouble { return nil }

func (w *fakeWorld) Observe() (map[string]NodeObserved, []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]NodeObserved{}
	for name, n := range w.nodes {
		seen[name] = NodeObserved{Ready: n.ready, Cordoned: n.cordoned, Run: n.run, Failed: n.failed}
	}
	return seen, nil
}

func (w *fakeWorld) Carried() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	carried := map[string]int{}
	for name, n := range w.nodes {
		carried[name] = n.pods
	}
	return carried
}

func (w *fakeWorld) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *fakeWorld) Event(context.Context, string, string, string, bool) {}
func (w *fakeWorld) Down(string, bool)                                   {}
func (w *fakeWorld) Draining(string, bool)                               {}

// fakeMachine answers the few scripts that phases send by what they do.
type fakeMachine struct {
	w    *fakeWorld
	node string
}

func (m fakeMachine) Run(ctx context.Context, script string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	n := m.w.see(m.node)
	switch {
	case strings.HasSuffix(script, stopBody):
		m.w.do(m.node, "stop", func(n *fakeNode) { n.kubelet, n.ready = false, false })
	case script == startScript:
		m.w.do(m.node, "start", func(n *fakeNode) { n.kubelet = true })
	case script == kubeletScript && n.crashes:
		return "ActiveState=activating\nNRestarts=7\nResult=exit-code\n", nil
	case script == kubeletScript:
		return "ActiveState=active\nNRestarts=0\nResult=success\n", nil
	case script == busyScript:
		return m.w.busy(), nil
	case strings.HasPrefix(script, "journalctl"):
		return "E1123 flag --gone is not known\n", nil
	}
	return "", nil
}

func (m fakeMachine) Do(ctx context.Context, _, _ string, _ func(string)) (string, error) {
	return "", ctx.Err()
}
func (m fakeMachine) Upload(context.Context, string, string, fs.FileMode) error { return nil }
func (m fakeMachine) Download(context.Context, string, string) error            { return nil }
func (m fakeMachine) Close() error                                              { return nil }
func (m fakeMachine) Expect() error                                             { return nil }
func (m fakeMachine) Sweep(ctx context.Context, _ string) error                 { return ctx.Err() }

func (m fakeMachine) BootID(ctx context.Context) (string, error) {
	return fmt.Sprintf("boot-%d", m.w.see(m.node).boot), ctx.Err()
}

func (m fakeMachine) Reboot(ctx context.Context, before string) error {
	if now, err := m.BootID(ctx); err != nil || now != before {
		return err
	}
	m.w.do(m.node, "reboot", func(n *fakeNode) {
		n.boot++
		n.ready, n.kubelet = false, true
		if n.pending != "" {
			n.version, n.pending = n.pending, ""
		}
	})
	return pause(ctx, 2*time.Minute)
}

// fakeStep wants a version of the machine.
type fakeStep struct {
	w      *fakeWorld
	node   string
	want   string
	traits playbooks.Traits
	staged bool // shows after the reboot only
	fails  error

	failsBack error // of its undo
}

func (s fakeStep) Name() string             { return "version" }
func (s fakeStep) Traits() playbooks.Traits { return s.traits }

func (s fakeStep) Check(ctx context.Context, _ playbooks.Host) (playbooks.Status, error) {
	n := s.w.see(s.node)
	switch s.want {
	case n.version:
		return playbooks.Status{Clean: true}, ctx.Err()
	case n.pending:
		return playbooks.Status{Staged: true, Reboot: true, Changes: []string{"staged"}}, ctx.Err()
	}
	return playbooks.Status{Changes: []string{n.version + " → " + s.want}}, ctx.Err()
}

func (s fakeStep) Apply(ctx context.Context, _ playbooks.Host, say func(string)) error {
	if s.fails != nil {
		return s.fails
	}
	if err := pause(ctx, 30*time.Second); err != nil {
		return err
	}
	say("installing " + s.want)
	s.w.do(s.node, "install "+s.want, func(n *fakeNode) {
		if s.staged {
			n.pending = s.want
		} else {
			n.version = s.want
		}
	})
	return nil
}

func (s fakeStep) Verify(context.Context, playbooks.Host) error { return nil }
func (s fakeStep) ID() string                                   { return "version.0" }
func (s fakeStep) Undoable() string                             { return "" }

// Before notes the version.
func (s fakeStep) Before(ctx context.Context, _ playbooks.Host) (string, error) {
	return s.w.see(s.node).version, ctx.Err()
}

// Undo wants the noted version.
func (s fakeStep) Undo(record string) playbooks.Step {
	s.want, s.fails = record, s.failsBack
	return s
}

// interruptedStep is cut short once.
type interruptedStep struct {
	fakeStep
	cuts *int
}

type cutShort struct{ error }

func (cutShort) Interrupted() bool { return true }

func (s interruptedStep) Apply(ctx context.Context, h playbooks.Host, say func(string)) error {
	if *s.cuts > 0 {
		*s.cuts--
		return cutShort{errors.New("the machine was reset")}
	}
	return s.fakeStep.Apply(ctx, h, say)
}

// kubeletStep is the usual step of these tests.
func (w *fakeWorld) kubeletStep(node, want string) fakeStep {
	return fakeStep{w: w, node: node, want: want, traits: playbooks.Traits{
		Disruptive: true, Stop: playbooks.StopKubelet, Repeatable: true, Timeout: time.Hour,
	}}
}

// work is the node's work with these steps.
func (w *fakeWorld) work(node string, steps ...playbooks.Step) Work {
	return Work{
		Node: node, Host: node, Machine: fakeMachine{w, node}, Steps: steps,
		RebootPolicy: rebootNever, RebootTimeout: 30 * time.Minute, VerifyTimeout: 15 * time.Minute,
		LBSettle: 0, OnBlocked: onBlockedRequeue,
	}
}

// names are the world's nodes, in order.
func (w *fakeWorld) names() []string { return slices.Sorted(maps.Keys(w.nodes)) }
