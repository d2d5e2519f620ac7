package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// schedule is one random run of a small fleet through as many processes as it takes, and the invariants that hold all
// the while.
type schedule struct {
	seed  uint64
	rng   *rand.Rand
	world *fakeWorld
	plan  Plan
	work  map[string]Work
	disk  *memory
	limit int

	human  map[string]bool   // nodes that a human cordoned
	phase  map[string]string // by node: what the journal last said it is about to do
	closed map[string]bool   // nodes of a pool that the strategy has closed: what is done to them takes nothing away
	broken []string          // invariants that didn't hold

	// sabotage makes the run wrong on purpose; nil in earnest.
	sabotage func(*Runner)

	gate  Gate // nil: none
	keeps bool // the journal is never lost
}

// shared is a source that the nodes' goroutines, the gates' and the schedule itself may draw from at once.
type shared struct {
	mu  sync.Mutex
	src rand.Source
}

func (s *shared) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.src.Uint64()
}

func newSchedule(seed uint64) *schedule {
	s := &schedule{
		seed: seed, rng: rand.New(&shared{src: rand.NewPCG(seed, 1)}), human: map[string]bool{}, phase: map[string]string{},
		closed: map[string]bool{}, work: map[string]Work{}, disk: &memory{},
	}
	names := []string{"n1", "n2", "n3", "n4"}[:2+s.rng.IntN(3)]
	s.world = newFakeWorld(names...)
	s.world.after = s.check
	s.limit = 1 + s.rng.IntN(2)
	s.plan = Plan{
		OnFailure: []string{"stop", "quarantine", "rollback"}[s.rng.IntN(3)], MaxFailures: s.rng.IntN(3), Requeues: 2,
		Cordoned: []string{"skip", "upgrade"}[s.rng.IntN(2)], Limits: []Limit{{Why: "max_unavailable", AtMost: s.limit}},
	}
	for _, n := range names {
		s.add(n)
	}
	s.strategy(names)
	return s
}

// strategy makes the plan one of the strategies, with a gate that may be bad while processes suffer.
func (s *schedule) strategy(names []string) {
	half := len(names) / 2
	switch s.rng.IntN(3) {
	case 0:
		return
	case 1:
		s.waves(names[:half], names[half:])
	case 2:
		s.pools(names[:half], names[half:])
	}
	s.gate = fakeGate{"errors", func(context.Context, []string, []string) (string, error) {
		return []string{"1", "1", "1", "1", "9"}[s.rng.IntN(5)], nil
	}}
	s.plan.Gates = PlanGates([]Gate{s.gate})
}

// waves makes the plan a canary's.
func (s *schedule) waves(first, second []string) {
	s.plan.Stages = []Stage{
		{Name: "wave 1 of 2", Order: OrderUpgrade, Nodes: first, Soak: time.Minute, Wave: true},
		{Name: "wave 2 of 2", Order: OrderUpgrade, Nodes: second, Soak: time.Minute, Wave: true},
	}
}

// pools makes it a blue-green one.
func (s *schedule) pools(old, fresh []string) {
	s.plan.Stages = []Stage{
		{Name: "upgrade green", Order: OrderUpgradeClosed, Nodes: fresh, MustSucceed: true},
		{Name: "open green", Order: OrderOpen, Nodes: fresh, MustSucceed: true, Back: true},
		{Name: "close blue", Order: OrderClose, Nodes: old, MustSucceed: true, Back: true, Soak: time.Minute},
		{Name: "upgrade blue", Order: OrderUpgrade, Nodes: old},
	}
	s.plan.Back = []Stage{
		{Name: "open blue again", Order: OrderOpenAgain, Nodes: old},
		{Name: "close green again", Order: OrderCloseAgain, Nodes: fresh},
	}
}

// add makes a node's work up.
func (s *schedule) add(n string) {
	step := s.world.kubeletStep(n, "2")
	step.staged = s.rng.IntN(3) == 0
	w := s.world.work(n, step)
	w.RebootPolicy = []string{rebootAlways, "if-required", rebootNever}[s.rng.IntN(3)]
	if step.staged {
		w.RebootPolicy = rebootAlways
	}
	if s.rng.IntN(5) == 0 {
		s.human[n], s.world.nodes[n].cordoned = true, true
	}
	s.work[n] = w
	s.plan.Nodes = append(s.plan.Nodes, PlanNode{Name: n, Host: n, OnBlocked: onBlockedRequeue})
	s.plan.Stages = oneStage(s.plan)
}

// check looks at the whole world after each effect on it.
func (s *schedule) check(node, effect string) {
	down := 0
	for _, n := range s.world.nodes {
		if (n.run != "" || !n.ready) && !s.closed[n.name] {
			down++
		}
		if n.soft != "" && n.run != "" {
			s.breaks("%s is claimed and still to come, by %q on %s", n.name, effect, node)
		}
		if s.human[n.name] && !n.cordoned {
			s.breaks("the cordon that a human put on %s is gone, by %q on %s", n.name, effect, node)
		}
	}
	if down > s.limit {
		s.breaks("%d nodes down, at most %d may be, by %q on %s", down, s.limit, effect, node)
	}
	if n := s.world.nodes[node]; effect == "evict" && (!n.cordoned || n.run != testRun) {
		s.breaks("evicted from %s, which isn't closed", node)
	}
	if !s.announced(node, effect) {
		s.breaks("%q on %s, and the journal last said %q", effect, node, s.phase[node])
	}
}

// announcedBy are the phases, or steps, in which an effect may happen.
var announcedBy = map[string][]string{
	"claim": {"claim", "stop", "reboot", "start", "verify again", "found"}, "evict": {"drain", "stop", "reboot"},
	"stop": {"stop"}, "install 2": {"step version"}, "install 1": {"step version"}, "reboot": {"step reboot"}, "untaint": {"start", "untaint"},
	"release": {"uncordon", "drain"},
}

func (s *schedule) announced(node, effect string) bool {
	by, limited := announcedBy[effect]
	return !limited || slices.Contains(by, s.phase[node])
}

func (s *schedule) breaks(format string, args ...any) {
	if len(s.broken) < 5 {
		s.broken = append(s.broken, fmt.Sprintf(format, args...))
	}
}

// heard takes in an event once it is in the journal.
func (s *schedule) heard(e Event) {
	switch e.Event {
	case EventPhase:
		s.phase[e.Node] = e.Phase
	case EventStep:
		s.phase[e.Node] = "step " + e.Step
	case EventThrough, EventBack, EventDone:
		s.closed[e.Node] = closes[e.Order]
	case EventOrder:
		if e.Order == OrderUpgrade || s.world.nodes[e.Node].run == "" {
			delete(s.closed, e.Node)
		}
	case EventFailed:
		if n := s.world.nodes[e.Node]; n.run == testRun && !n.cordoned {
			s.breaks("%s failed after its claim and is open", e.Node)
		}
	}
}

// process is one process of the run, behind faults at a rate. over is whether the run has ended for good.
func (s *schedule) process(t *testing.T, rate float64) (end End, over bool) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &chaos{rng: s.rng, rate: rate, kill: cancel}
	s.disk.dead = c.isDead
	j, p, kind := s.disk.journal(testRun), Progress{}, EventStarted
	if s.rng.IntN(4) == 0 && !s.keeps { // the journal is lost: a Job rescheduled, a laptop stolen
		s.disk.data = nil
	}
	if len(s.disk.data) > 0 {
		var err error
		if j, p, err = s.disk.reopen(testRun); err != nil {
			s.breaks("%v", err)
			return End{}, true
		}
		kind = EventResumed
	}
	r := &Runner{
		Run: testRun, Plan: s.plan, Work: map[string]Work{}, Cluster: chaosCluster{s.world, c}, Journal: j, Progress: p,
		Held: func() error { return nil }, Lost: make(chan struct{}), Stop: make(chan struct{}), Pending: s.world.names(),
		Show: func(e Event) { s.world.with(func() { s.heard(e) }) },
	}
	for n, w := range s.work {
		w.Machine = chaosMachine{w.Machine, c}
		w.Steps = slices.Clone(w.Steps)
		for i := range w.Steps {
			w.Steps[i] = chaosStep{w.Steps[i], c}
		}
		r.Work[n] = w
	}
	if s.gate != nil {
		r.Gates = []Gate{s.gate}
	}
	if rate == 0 {
		r.Gates = []Gate{fakeGate{"errors", func(context.Context, []string, []string) (string, error) { return "1", nil }}}
	}
	if s.sabotage != nil {
		s.sabotage(r)
	}
	if err := errors.Join(r.emit(Event{Event: kind}), s.adopt(r)); err != nil {
		s.breaks("%v", err)
		return End{}, true
	}
	end, _ = r.Go(ctx)
	return end, end.Finished && !c.isDead()
}

// adopt writes down the nodes that say they are claimed and that the journal doesn't know.
func (s *schedule) adopt(r *Runner) error {
	for _, name := range s.world.names() {
		n := s.world.see(name)
		if _, known := r.Progress.Nodes[name]; known || n.run != testRun {
			continue
		}
		e := Event{Event: EventAdopted, Node: name, Order: cmp.Or(n.state[factOrder], OrderUpgrade)}
		if n.failed != "" {
			e.Data = map[string]string{dataFailed: n.failed}
		}
		if err := r.emit(e); err != nil {
			return err
		}
	}
	return nil
}

// play goes through processes that suffer until the run is over or ten are through, then through calm ones.
func (s *schedule) play(t *testing.T) {
	rate := []float64{0.02, 0.05, 0.15}[s.rng.IntN(3)]
	over := false
	for i := 0; i < 10 && !over && len(s.broken) == 0; i++ {
		_, over = s.process(t, rate)
	}
	var end End
	for i := 0; i < 3 && !over && len(s.broken) == 0; i++ {
		end, over = s.process(t, 0)
	}
	if len(s.broken) > 0 {
		return
	}
	if !over {
		s.breaks("not over after a calm process: %+v", end)
	}
	s.settled()
}

// settled looks at the world that a finished run leaves.
func (s *schedule) settled() {
	for _, name := range slices.Sorted(maps.Keys(s.world.nodes)) {
		n, left := s.world.nodes[name], strings.Join(s.world.of(name), ", ")
		alone := s.human[name] && s.plan.Cordoned == "skip"
		switch {
		case n.run != "" || n.tainted || n.failed != "":
			s.breaks("%s is still claimed by a finished run: %+v", name, n)
		case n.soft != "" && !strings.Contains(string(s.disk.data), "still carry the taint"):
			s.breaks("%s still carries the soft taint, and nobody says so", name)
		case n.cordoned != s.human[name]:
			s.breaks("%s: cordoned %v, by a human %v", name, n.cordoned, s.human[name])
		case !n.ready || !n.kubelet:
			s.breaks("%s is down: %s", name, left)
		case alone != (n.version == "1") || alone && left != "":
			s.breaks("%s runs %s: %s", name, n.version, left)
		case strings.Count(left, "install 2") > 1+strings.Count(left, "install 1"):
			s.breaks("%s: installed more than once: %s", name, left)
		case strings.Count(left, "reboot") > 1 && s.plan.OnFailure != "rollback": // each way, there and back, has one of its own
			s.breaks("%s: rebooted more than once: %s", name, left)
		}
	}
}

// schedules are how many random ones each test run plays.
const schedules = 1000

// TestFault01RandomSchedules: whatever fails, lies, lags or dies in whichever order, no invariant breaks, and a calm
// process at the end finishes the run.
func TestFault01RandomSchedules(t *testing.T) {
	first, err := strconv.ParseUint(os.Getenv("FLEETUP_SEED"), 10, 64) // one that failed, to play again
	if err != nil {
		first = uint64(time.Now().UnixNano())
	}
	for seed := first; seed < first+schedules; seed++ {
		synctest.Test(t, func(t *testing.T) {
			s := newSchedule(seed)
			s.play(t)
			for _, b := range s.broken {
				t.Errorf("seed %d: %s", seed, b)
			}
			if t.Failed() {
				t.Log(string(s.disk.data))
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("shown: %d random schedules from seed %d: every invariant held", schedules, first)
}

// TestBrokenInvariantsAreCaught builds runs that are wrong on purpose: the checks above must see each.
func TestBrokenInvariantsAreCaught(t *testing.T) {
	for name, c := range map[string]struct {
		sabotage func(*Runner)
		says     string
	}{
		"a limit is ignored":              {func(r *Runner) { r.Plan.Limits = nil }, "nodes down, at most"},
		"release always uncordons":        {func(r *Runner) { r.Cluster = unlocks{r.Cluster} }, "that a human put on"},
		"effects before their journaling": {func(r *Runner) { r.Cluster = hasty{r.Cluster} }, "the journal last said"},
		"the soft taint is forgotten":     {func(r *Runner) { r.Cluster = forgets{r.Cluster} }, "still carries the soft taint"},
		"a failed node is opened":         {func(r *Runner) { r.Cluster = gives{r.Cluster} }, "failed after its claim"},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(200) {
				caught := false
				synctest.Test(t, func(t *testing.T) {
					s := newSchedule(seed)
					s.sabotage = c.sabotage
					s.play(t)
					caught = strings.Contains(strings.Join(s.broken, "\n"), c.says)
				})
				if caught {
					return
				}
			}
			t.Error("not caught in 200 schedules")
		})
	}
}

// unlocks is a cluster whose Release uncordons whatever was found.
type unlocks struct{ Cluster }

func (o unlocks) Release(ctx context.Context, node, run string, last map[string]string) error {
	err := o.Cluster.Release(ctx, node, run, last)
	o.Cluster.(chaosCluster).Cluster.(*fakeWorld).do(node, "", func(n *fakeNode) { n.cordoned = false })
	return err
}

// hasty is a cluster that closes a node as soon as it is asked about its pods.
type hasty struct{ Cluster }

func (h hasty) TryDrain(ctx context.Context, node string, waiting func(string)) error {
	if _, err := h.Claim(ctx, node, testRun, nil); err != nil {
		return err
	}
	return h.Cluster.TryDrain(ctx, node, waiting)
}

// gives is a cluster that opens a node which failed.
type gives struct{ Cluster }

func (g gives) Fail(ctx context.Context, node, run, why string) error {
	err := g.Cluster.Fail(ctx, node, run, why)
	g.Cluster.(chaosCluster).Cluster.(*fakeWorld).do(node, "", func(n *fakeNode) { n.cordoned = false })
	return err
}

// forgets is a cluster that doesn't take the soft taint off at the end.
type forgets struct{ Cluster }

func (f forgets) Pend(ctx context.Context, run string, nodes []string) error {
	if len(nodes) == 0 {
		return nil
	}
	return f.Cluster.Pend(ctx, run, nodes)
}
