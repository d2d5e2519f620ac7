package runner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// sim plays a run against a cluster that exists only as values, in virtual time: what Decide starts takes its time and
// ends, the timeline's events happen, and everything is written down as lines. It holds no goroutine and no clock.
type sim struct {
	t        *testing.T
	plan     Plan
	progress Progress
	observed Observed
	begin    time.Time
	now      time.Time
	machines map[string]*machine
	events   []simEvent // sorted by time, then as given
	trace    []string
	show     bool // waits too
	shown    string
	end      *End
	steps    int
	reruns   int // events to come in which somebody runs again
}

// machine is how a simulated node behaves.
type machine struct {
	takes   time.Duration
	fails   int    // the first so many orders fail; -1: all
	blocks  int    // the first so many orders end blocked; -1: all
	why     string // of both
	cordon  bool   // a human's
	flight  int    // number of the order in flight; an end of an earlier one is stale
	flying  bool
	started int
}

type simEvent struct {
	at     time.Duration
	do     func()
	weight int // what ends comes after what the timeline says of the same moment
}

const simRun = "20261123-190102-7f3a"

func newSim(t *testing.T, plan Plan) *sim {
	s := &sim{t: t, plan: plan, begin: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), machines: map[string]*machine{}}
	s.now = s.begin
	s.observed.Nodes = map[string]NodeObserved{}
	s.emit(Event{Event: EventStarted})
	return s
}

// add puts a node into the cluster.
func (s *sim) add(name string, m *machine, o NodeObserved) {
	m.cordon = o.Cordoned && o.Run == "" && o.Failed == ""
	s.machines[name] = m
	s.observed.Nodes[name] = o
}

func (s *sim) at(d time.Duration, weight int, do func()) {
	s.events = append(s.events, simEvent{d, do, weight})
	slices.SortStableFunc(s.events, func(a, b simEvent) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return a.weight - b.weight
	})
}

func (s *sim) log(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf("%-6s", short(s.now.Sub(s.begin)))+" "+fmt.Sprintf(format, args...))
}

func short(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

func (s *sim) emit(e Event) {
	e.Version, e.Run, e.Seq, e.Time = eventVersion, simRun, s.progress.Seq+1, s.now
	if err := s.progress.Apply(e); err != nil {
		s.t.Fatalf("%v\n%s", err, strings.Join(s.trace, "\n"))
	}
}

// run plays until the run ends, or until nothing will ever change any more.
func (s *sim) run() {
	for {
		again := s.decide()
		if s.end != nil && s.reruns == 0 {
			return
		}
		if again.IsZero() && len(s.events) == 0 {
			s.log("nothing will change: it waits")
			return
		}
		if len(s.events) == 0 || !again.IsZero() && again.Before(s.begin.Add(s.events[0].at)) {
			s.now = again
			continue
		}
		e := s.events[0]
		s.events = s.events[1:]
		s.now = s.begin.Add(e.at)
		e.do()
	}
}

// decide asks and carries out until the answer is to wait.
func (s *sim) decide() time.Time {
	for {
		if s.steps++; s.steps > 200_000 {
			s.t.Fatalf("no end:\n%s", strings.Join(s.trace[max(0, len(s.trace)-40):], "\n"))
		}
		if s.end != nil {
			return time.Time{}
		}
		d := Decide(s.plan, s.progress, s.observed, s.now)
		s.checkLimits(d)
		for _, w := range d.Skip {
			s.log("skip %s: %s", w.Node, w.Why)
			s.emit(Event{Event: EventSkipped, Node: w.Node, Message: w.Why})
		}
		if d.Halt != "" {
			s.log("halt: %s", d.Halt)
			s.emit(Event{Event: EventHalted, Message: d.Halt})
		}
		s.startAll(d.Start)
		s.showWaits(d.Waits)
		if d.End != nil {
			s.finish(d.End)
		}
		if d.End != nil || len(d.Start)+len(d.Skip) == 0 && d.Halt == "" {
			return d.Again
		}
	}
}

func (s *sim) finish(end *End) {
	s.end = end
	finished := "unfinished"
	if end.Finished {
		finished = "finished"
	}
	s.log("end %d, %s: %s", end.Exit, finished, end.Why)
}

func (s *sim) startAll(orders []Order) {
	for _, o := range orders {
		s.log("start %s", strings.TrimSuffix(o.Node+" "+o.Name, " upgrade"))
		s.emit(Event{Event: EventOrder, Node: o.Node, Order: o.Name})
		m, n := s.machines[o.Node], s.observed.Nodes[o.Node]
		n.Run, n.Cordoned, n.Failed = simRun, true, ""
		s.observed.Nodes[o.Node] = n
		m.started++
		m.flight++
		m.flying = true
		flight := m.flight
		s.at(s.now.Sub(s.begin)+m.takes, 1, func() {
			if m.flying && m.flight == flight {
				s.ended(o.Node, m)
			}
		})
	}
}

// ended is the end of an order as its machine behaves.
func (s *sim) ended(node string, m *machine) {
	switch {
	case m.fails != 0:
		m.fails--
		s.fail(node, m.why)
	case m.blocks != 0:
		m.blocks--
		s.settle(node, Event{Event: EventBlocked, Message: m.why})
	default:
		s.settle(node, Event{Event: EventDone})
	}
}

// settle gives a node back as it was found.
func (s *sim) settle(node string, e Event) {
	m := s.machines[node]
	m.flying = false
	s.log("%s", strings.TrimSuffix(fmt.Sprintf("%s %s: %s", e.Event, node, e.Message), ": "))
	if o, present := s.observed.Nodes[node]; present {
		s.observed.Nodes[node] = NodeObserved{Ready: true, Cordoned: m.cordon || o.Cordoned && o.Run == ""}
	}
	e.Node = node
	s.emit(e)
}

func (s *sim) fail(node, why string) {
	s.machines[node].flying = false
	s.log("failed %s: %s", node, why)
	o := s.observed.Nodes[node]
	o.Failed, o.Cordoned, o.Run = why, true, simRun
	s.observed.Nodes[node] = o
	s.emit(Event{Event: EventFailed, Node: node, Message: why})
}

// restart is the end of a process and the begin of another one.
func (s *sim) restart(what string) {
	s.log("%s, another process picks the run up", what)
	for _, m := range s.machines {
		m.flying = false
	}
	s.observed.Stop, s.end = false, nil
	s.emit(Event{Event: EventResumed})
}

// showWaits writes down who waits and for what, where that changed, like reasons together.
func (s *sim) showWaits(waits []Wait) {
	var whys []string
	nodes := map[string][]string{}
	for _, w := range waits {
		if nodes[w.Why] == nil {
			whys = append(whys, w.Why)
		}
		nodes[w.Why] = append(nodes[w.Why], w.Node)
	}
	var lines []string
	for _, why := range whys {
		lines = append(lines, fmt.Sprintf("  wait %s: %s", strings.Join(nodes[why], " "), why))
	}
	text := strings.Join(lines, "\n")
	if s.show && text != s.shown {
		for _, line := range lines {
			s.log("%s", line)
		}
	}
	s.shown = text
}

// downNow is a second opinion on what is down, written apart from Decide's: by the definition in the contract.
func (s *sim) downNow() map[string]bool {
	down := map[string]bool{}
	for name, o := range s.observed.Nodes {
		down[name] = !o.Ready || o.Run != "" || o.Failed != ""
	}
	for name, n := range s.progress.Nodes {
		down[name] = down[name] || n.State == Running || n.State == Failed
	}
	for _, n := range s.plan.Nodes {
		down[n.Name] = down[n.Name] || n.Skip != ""
	}
	return down
}

// checkLimits fails the test if a decision takes more than a limit allows: no start may add to a limit that is full, nor
// fill it beyond its end.
func (s *sim) checkLimits(d Decision) {
	s.t.Helper()
	if len(d.Start) == 0 {
		return
	}
	before := s.downNow()
	after := maps.Clone(before)
	for _, o := range d.Start {
		after[o.Node] = true
	}
	for _, l := range s.plan.Limits {
		was, is := fills(l, before), fills(l, after)
		if is > max(was, l.AtMost) {
			s.t.Fatalf("%v: %s: %d down, %d after the decision %+v\n%s", s.now.Sub(s.begin), l.Why, was, is, d.Start, strings.Join(s.trace, "\n"))
		}
	}
}

func fills(l Limit, down map[string]bool) int {
	values := map[string]bool{}
	for node, is := range down {
		as, member := l.Members[node]
		if l.Members == nil {
			as, member = node, true
		}
		if is && member {
			values[as] = true
		}
	}
	return len(values)
}
