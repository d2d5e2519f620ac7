package runner

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fleetup/fleetup/inventory"
)

// bigFleet is a plan of n nodes in racks of 40 and zones of 10 racks, in the middle of its run: some are done, some work,
// some are down.
func bigFleet(n int) (Plan, Progress, Observed, time.Time) {
	f := &inventory.Fleet{Strategy: inventory.Strategy{MaxUnavailable: inventory.Amount{N: 5, Percent: true}, OnFailure: "quarantine",
		MaxFailures: inventory.Amount{N: n}, Spread: map[string]int{"rack": 1}, Domains: map[string]int{"zone": 3}}}
	w := World{Nodes: map[string]WorldNode{}}
	p := Progress{Run: simRun, Nodes: map[string]NodeProgress{}}
	o := Observed{Nodes: map[string]NodeObserved{}}
	for i := range n {
		h := inventory.Host{Name: fmt.Sprintf("n%04d", i), Labels: map[string]string{"rack": fmt.Sprint(i / 40), "zone": fmt.Sprint(i / 400)}}
		h.Node, h.Drain.OnBlocked = h.Name, "requeue"
		f.Hosts = append(f.Hosts, h)
		w.Nodes[h.Node] = WorldNode{}
		o.Nodes[h.Node] = NodeObserved{Ready: i%97 != 0}
		switch {
		case i%10 == 0:
			p.Nodes[h.Node] = NodeProgress{State: Done}
		case i%211 == 0:
			p.Nodes[h.Node] = NodeProgress{State: Failed, Why: "no boot"}
		case i%401 == 0:
			p.Nodes[h.Node] = NodeProgress{State: Running}
		}
	}
	plan, err := Build(f, f.Hosts, w)
	if err != nil {
		panic(err)
	}
	return plan, p, o, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
}

// TestDecideIsQuick: Decide is asked after every event, so it must not be quadratic: ten times the nodes would then take
// a hundred times as long. Test machines are busy, so it is this process's own time that counts, and the best of many.
func TestDecideIsQuick(t *testing.T) {
	took := func(n int) time.Duration {
		plan, p, o, now := bigFleet(n)
		best := time.Hour
		for range 15 {
			begin := cpuTime(t)
			if d := Decide(plan, p, o, now); len(d.Waits) == 0 {
				t.Fatalf("nobody waits: %+v", d)
			}
			best = min(best, cpuTime(t)-begin)
		}
		return best
	}
	for range 3 {
		small, big := took(500), took(5000)
		t.Logf("500 nodes: %v, 5,000 nodes: %v", small, big)
		if big < 50*small {
			return
		}
	}
	t.Error("grows with more than the nodes")
}

// cpuTime is how long processors have worked for this process.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkDecide5000(b *testing.B) {
	plan, p, o, now := bigFleet(5000)
	for b.Loop() {
		Decide(plan, p, o, now)
	}
}

// randomFleet is a fleet, and whether anything on it goes wrong.
func randomFleet(r *rand.Rand, trouble bool) (*inventory.Fleet, World) {
	n := 1 + r.IntN(40)
	racks := 1 + r.IntN(8)
	f := &inventory.Fleet{GroupLimits: map[string]inventory.Amount{}, Strategy: inventory.Strategy{
		MaxUnavailable: inventory.Amount{N: 1 + r.IntN(6)}, OnFailure: []string{"stop", "quarantine"}[r.IntN(2)],
		MaxFailures: inventory.Amount{N: 1 + r.IntN(4)}, Cordoned: []string{"skip", "upgrade"}[r.IntN(2)], Unreachable: "skip"}}
	if r.IntN(3) > 0 {
		f.Strategy.Spread = map[string]int{"rack": 1 + r.IntN(2)}
	}
	if r.IntN(4) == 0 {
		f.GroupLimits["gpu"] = inventory.Amount{N: 1 + r.IntN(2)}
	}
	if trouble && r.IntN(3) == 0 {
		f.Strategy.Domains = map[string]int{"rack": 1 + r.IntN(3)}
	}
	w := World{Nodes: map[string]WorldNode{}, Unreachable: map[string]string{}, KubeadmControlPlane: r.IntN(2) == 0}
	for i := range n {
		h := inventory.Host{Name: fmt.Sprintf("n%02d", i), Labels: map[string]string{"rack": fmt.Sprint(r.IntN(racks))}}
		h.Node, h.Drain.OnBlocked = h.Name, []string{"requeue", "fail"}[r.IntN(2)]
		if r.IntN(5) == 0 {
			h.Groups = append(h.Groups, "gpu")
		}
		if trouble && r.IntN(10) == 0 {
			h.Groups = append(h.Groups, "control-plane")
		}
		if trouble && r.IntN(30) == 0 {
			w.Unreachable[h.Name] = "no route to host"
		}
		f.Hosts = append(f.Hosts, h)
		w.Nodes[h.Node] = WorldNode{}
	}
	return f, w
}

// strategies makes the fleet's strategy any that there is, with gates and windows.
func strategies(r *rand.Rand, f *inventory.Fleet, w *World) {
	s := &f.Strategy
	s.Kind = []string{"rolling", "canary", "blue-green"}[r.IntN(3)]
	s.OnFailure = []string{"stop", "quarantine", "rollback"}[r.IntN(3)]
	if s.Kind != "rolling" {
		s.Soak = time.Duration(r.IntN(20)) * time.Minute
	}
	switch s.Kind {
	case "canary":
		s.Waves = []inventory.Amount{{N: 1 + r.IntN(3)}, {N: 10 + r.IntN(50), Percent: true}, {N: 100, Percent: true}}
		if s.Soak > 0 {
			s.MinPods = r.IntN(2)
		}
	case "blue-green":
		s.Pools = []string{"blue", "green"}
	}
	for i := range f.Hosts {
		f.Hosts[i].Groups = append(f.Hosts[i].Groups, []string{"blue", "green"}[r.IntN(2)])
		if s.Kind != "blue-green" && !f.Hosts[i].ControlPlane() && r.IntN(6) == 0 {
			f.Hosts[i].Spare = true
			s.MaxSurge += r.IntN(2)
		}
	}
	for range r.IntN(3) {
		w.Gates = append(w.Gates, PlanGate{Name: fmt.Sprintf("g%d", len(w.Gates)), Deadline: time.Duration(1+r.IntN(3)) * time.Minute})
	}
	if r.IntN(4) == 0 {
		f.Windows = inventory.Windows{{Start: "0 * * * *", Duration: 40 * time.Minute, Timezone: "UTC"}}
	}
}

// forFleets runs check for many seeds. A failure names its seed, with which it can be repeated.
func forFleets(t *testing.T, check func(t *testing.T, r *rand.Rand)) {
	fleets := uint64(1000)
	if testing.Short() {
		fleets = 100
	}
	var seed uint64
	defer func() {
		if t.Failed() {
			t.Logf("with seed %d", seed)
		}
	}()
	for ; seed < fleets && !t.Failed(); seed++ {
		check(t, rand.New(rand.NewPCG(seed, 42)))
	}
}

// TestDecideProperties: on random fleets, under every strategy, on which everything goes wrong that can, no start passes a
// limit, nor is begun outside of a window, before the gates are good, or while something is ill elsewhere (the simulator checks
// each); soaks last; every run ends, with 3 where a gate was bad; no node starts that shouldn't.
func TestDecideProperties(t *testing.T) {
	kinds := map[string]int{}
	forFleets(t, func(t *testing.T, r *rand.Rand) {
		f, w := randomFleet(r, true)
		strategies(r, f, &w)
		machines, observed := map[string]*machine{}, map[string]NodeObserved{}
		w.Takes = map[string]time.Duration{}
		for _, h := range f.Hosts {
			machines[h.Node], observed[h.Node] = trouble(r)
			w.Takes[h.Node] = machines[h.Node].takes
		}
		plan, err := Build(f, f.Hosts, w)
		if err != nil {
			t.Fatal(err)
		}
		kinds[f.Strategy.Kind]++
		s := newSim(t, plan)
		s.observed.Wait = r.IntN(2) == 0
		for _, h := range f.Hosts {
			s.add(h.Node, machines[h.Node], observed[h.Node])
		}
		s.add("outside", &machine{}, NodeObserved{Ready: r.IntN(3) > 0})
		s.disturb(r, f.Hosts)
		s.run()
		s.checkEnd()
	})
	t.Logf("fleets: %v", kinds)
}

// trouble is a machine on which anything may go wrong.
func trouble(r *rand.Rand) (*machine, NodeObserved) {
	m := &machine{takes: time.Duration(1+r.IntN(20)) * time.Minute, why: "why"}
	switch r.IntN(20) {
	case 0:
		m.fails = 1 + r.IntN(2)
	case 1:
		m.blocks = -1
	case 2:
		m.blocks = 1
	}
	m.pods, m.upToDate = r.IntN(5), r.IntN(10) == 0
	if r.IntN(10) == 0 {
		m.stuck = 1
	}
	o := NodeObserved{Ready: r.IntN(20) > 0, Cordoned: r.IntN(15) == 0}
	if r.IntN(40) == 0 {
		o.Run, o.Cordoned = "20270101-000000-0000", true
	}
	return m, o
}

// disturb puts events into the timeline that all end well: what goes away comes back.
func (s *sim) disturb(r *rand.Rand, hosts []inventory.Host) {
	begin := func() time.Duration { return time.Duration(r.IntN(60)) * time.Minute }
	pairs := [][2]string{{"notready", "ready"}, {"strand", "unstrand"}, {"pause", "resume"}, {"claim", "unclaim"}}
	for range r.IntN(5) {
		pair, node, at := pairs[r.IntN(len(pairs))], hosts[r.IntN(len(hosts))].Node, begin()
		if s.observed.Nodes[node].Run != "" || pair[0] == "claim" {
			node = "outside"
		}
		s.at(at, 0, s.worldEvents(node)[pair[0]])
		s.at(at+time.Hour, 0, s.worldEvents(node)[pair[1]])
	}
	for range r.IntN(3) {
		node := append(hosts, inventory.Host{Node: "outside"})[r.IntN(len(hosts)+1)].Node
		s.at(begin(), 0, s.worldEvents(node + " ran out of memory")["trouble"])
	}
	for _, g := range s.plan.Gates {
		if at := begin(); r.IntN(2) == 0 {
			verdict := []string{GateBad, GateUnknown, GateUnknown}[r.IntN(3)]
			s.at(at, 0, s.worldEvents(g.Name + " " + verdict + " why")["gate"])
			s.at(at+time.Duration(r.IntN(120))*time.Second, 0, s.worldEvents(g.Name + " good")["gate"])
		}
	}
	if len(s.plan.Gates) > 0 && r.IntN(3) == 0 { // all at once: a gate goes bad for good, and the way back is barred
		at := begin()
		s.at(at, 0, s.worldEvents(s.plan.Gates[0].Name + " " + GateBad + " why")["gate"])
		s.at(at, 0, s.worldEvents("outside")[[]string{"strand", "trouble", "notready"}[r.IntN(3)]])
	}
	if r.IntN(4) == 0 {
		s.at(begin(), 0, s.worldEvents("")[[]string{"crash", "lose"}[r.IntN(2)]])
	}
	if r.IntN(6) == 0 {
		s.at(begin(), 0, s.worldEvents("")["stop"])
	}
	s.at(3*time.Hour, 0, func() { // at last the world is well, so that nothing is left to wait for
		s.observed.Stranded = nil
		for name, o := range s.observed.Nodes {
			o.Ready = true
			if o.Run != simRun {
				o.Run = ""
			}
			s.observed.Nodes[name] = o
		}
	})
}

// checkEnd fails the test unless the run ended as it says.
func (s *sim) checkEnd() {
	s.t.Helper()
	if s.end == nil {
		d := Decide(s.plan, s.progress, s.observed, s.now)
		s.t.Fatalf("the run didn't end: %+v\n%v", d, s.trace)
	}
	c := s.progress.Counts(s.plan)
	judged := s.progress.HaltedBy == "" && len(s.plan.Gates) == 0 // a run may be halted, or stopped, with nothing left but an answer
	switch {
	case s.end.Finished && c.Left+c.Failed > 0, judged && s.end.Finished != (c.Left+c.Failed == 0):
		s.t.Errorf("%+v with %+v", s.end, c)
	case (s.end.Exit == 0) != s.end.Finished:
		s.t.Errorf("%+v", s.end)
	case s.end.Exit == 5 && s.notGood() != "":
		s.t.Errorf("%+v though %s\n%s", s.end, s.notGood(), strings.Join(s.trace, "\n"))
	case s.end.Exit != 3 && s.end.Exit != 130 && (s.badGate() || s.progress.Turned.Stage != ""):
		s.t.Errorf("%+v with a bad gate, or half way back\n%s", s.end, strings.Join(s.trace, "\n"))
	case s.end.Exit == 130 && c.Left == 0 && judged && s.progress.Soak.Stage == "":
		s.t.Errorf("%+v with nothing left", s.end)
	}
	for _, n := range s.plan.Nodes {
		if m := s.machines[n.Name]; n.Skip != "" && m.started > 0 {
			s.t.Errorf("%s was to be left alone and was started", n.Name)
		}
	}
}

func (s *sim) badGate() bool {
	for _, g := range s.progress.Gates {
		if g.Verdict == GateBad {
			return true
		}
	}
	return false
}

// TestDecideMakespan: where nothing fails, a run takes little longer than it must: than the work divided by
// max_unavailable, and than the longest chain under any spread or group. Where all turns take alike that is at most 5 %
// more. Where they differ, nobody who doesn't know how long each will take can do better than one longest turn more
// (Graham 1966), so that is allowed on top.
func TestDecideMakespan(t *testing.T) {
	forFleets(t, func(t *testing.T, r *rand.Rand) {
		f, w := randomFleet(r, false)
		if len(f.Strategy.Spread) > 0 {
			f.GroupLimits = nil // where racks and groups cross, both together need more than the longer of the two
		}
		plan, err := Build(f, f.Hosts, w)
		if err != nil {
			t.Fatal(err)
		}
		alike := r.IntN(2) == 0
		s := newSim(t, plan)
		for _, h := range f.Hosts {
			m := &machine{takes: 10 * time.Minute}
			if !alike {
				m.takes = time.Duration(5+r.IntN(11)) * time.Minute
			}
			s.add(h.Node, m, NodeObserved{Ready: true})
		}
		s.run()
		s.checkEnd()
		if s.end.Exit != 0 {
			t.Fatalf("it ended with %+v", s.end)
		}
		least, longest := s.least(alike)
		most := least + least/20
		if !alike {
			most += longest
		}
		if took := s.now.Sub(s.begin); took > most {
			t.Errorf("took %v, at least %v are needed, at most %v allowed; limits %+v", took, least, most, plan.Limits)
		}
	})
}

// least is the time below which no scheduler gets: under each limit the work of its members divided by what it allows,
// and the longest turn. Turns that are alike can't be cut, so there it counts in whole ones.
func (s *sim) least(alike bool) (least, longest time.Duration) {
	for _, l := range s.plan.Limits {
		var work, turn time.Duration
		nodes := 0
		for _, n := range s.plan.Nodes {
			if _, member := l.Members[n.Name]; member || l.Members == nil {
				takes := s.machines[n.Name].takes
				work, turn = work+takes, max(turn, takes)
				nodes++
			}
		}
		need := work / time.Duration(l.AtMost)
		if alike {
			need = turn * time.Duration((nodes+l.AtMost-1)/l.AtMost)
		}
		least, longest = max(least, need, turn), max(longest, turn)
	}
	return least, longest
}
