package runner

import (
	"fmt"
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
	gates    map[string]*simGate
	zone     *time.Location // by whose clock the trace tells the time; nil: minutes since the begin
	asked    int
}

// simGate is what a gate answers; a new one is good.
type simGate struct {
	verdict, why, told string
}

// machine is how a simulated node behaves.
type machine struct {
	takes    time.Duration
	fails    int  // the first so many upgrades fail; -1: all
	stuck    int  // the first so many rollbacks fail; -1: all
	pods     int  // that it carries while it is open
	off      bool // a spare without power
	upToDate bool
	blocks   int    // the first so many orders end blocked; -1: all
	why      string // of both
	cordon   bool   // a human's
	flight   int    // number of the order in flight; an end of an earlier one is stale
	flying   bool
	started  int
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
	at := fmt.Sprintf("%-6s", short(s.now.Sub(s.begin)))
	if s.zone != nil {
		at = s.now.In(s.zone).Format("Mon 01-02 15:04 MST")
	}
	s.trace = append(s.trace, at+" "+fmt.Sprintf(format, args...))
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
		s.carry()
		d := Decide(s.plan, s.progress, s.observed, s.now)
		s.checkLimits(d)
		s.checkStarts(d)
		for _, w := range d.Skip {
			s.log("skip %s: %s", w.Node, w.Why)
			s.emit(Event{Event: EventSkipped, Node: w.Node, Message: w.Why})
		}
		for _, e := range d.Tell {
			s.tell(e)
		}
		if d.Halt != "" {
			s.log("halt: %s", d.Halt)
			s.emit(Event{Event: EventHalted, Message: d.Halt, Data: map[string]string{dataBy: d.By}})
		}
		s.startAll(d.Start)
		s.answer(d.Ask)
		s.showWaits(d.Waits)
		if d.End != nil {
			s.finish(d.End)
		}
		if d.End != nil || len(d.Start)+len(d.Skip)+len(d.Tell) == 0 && d.Halt == "" && d.Ask == nil {
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
		s.emit(Event{Event: EventOrder, Node: o.Node, Order: o.Name, Stage: o.Stage})
		m, n := s.machines[o.Node], s.observed.Nodes[o.Node]
		if o.Name != OrderOpen && o.Name != OrderOpenAgain || n.Run == simRun {
			n.Run, n.Cordoned, n.Failed = simRun, true, ""
		}
		s.observed.Nodes[o.Node] = n
		m.started++
		m.flight++
		m.flying = true
		flight := m.flight
		s.at(s.now.Sub(s.begin)+m.time(o.Name), 1, func() {
			if m.flying && m.flight == flight {
				s.ended(o, m)
			}
		})
	}
}

// time is how long an order takes on the machine: what isn't an upgrade is short, and nothing to do takes no time.
func (m *machine) time(order string) time.Duration {
	switch {
	case m.upToDate && (order == OrderUpgrade || order == OrderUpgradeClosed || order == OrderClose):
		return 0
	case order == OrderUpgrade, order == OrderUpgradeClosed, order == OrderRollBack:
		return m.takes
	}
	return min(m.takes, 2*time.Minute)
}

// ended is the end of an order as its machine behaves.
func (s *sim) ended(o Order, m *machine) {
	upgrade := o.Name == OrderUpgrade || o.Name == OrderUpgradeClosed
	switch {
	case upgrade && m.fails != 0:
		m.fails--
		s.fail(o.Node, m.why)
	case o.Name == OrderRollBack && m.stuck != 0:
		m.stuck--
		s.fail(o.Node, "its way back: "+m.why)
	case (upgrade || o.Name == OrderClose) && m.blocks != 0:
		m.blocks--
		s.settle(o, Event{Event: EventBlocked, Message: m.why})
	default:
		s.settle(o, Event{Event: s.plan.ends(o), Message: m.says(o.Name)})
	}
}

func (m *machine) says(order string) string {
	if m.upToDate && (order == OrderUpgrade || order == OrderUpgradeClosed || order == OrderClose) {
		return upToDate
	}
	return ""
}

// settle leaves a node as its order does: closed still, open though it is ours, or given back as it was found.
func (s *sim) settle(o Order, e Event) {
	m := s.machines[o.Node]
	m.flying = false
	s.log("%s", strings.TrimSuffix(fmt.Sprintf("%s %s: %s", e.Event, o.Node, e.Message), ": "))
	n, present := s.observed.Nodes[o.Node]
	stays := e.Event != EventBlocked && e.Message != upToDate && (closes[o.Name] || o.Name == OrderWake)
	switch {
	case !present:
	case stays:
		s.observed.Nodes[o.Node] = NodeObserved{Ready: true, Cordoned: true, Run: simRun}
	case o.Name == OrderOpen && s.spare(o.Node):
		s.observed.Nodes[o.Node] = NodeObserved{Ready: true, Run: simRun}
	default:
		s.observed.Nodes[o.Node] = NodeObserved{Ready: !m.off, Cordoned: m.cordon || n.Cordoned && n.Run == ""}
	}
	e.Node = o.Node
	s.emit(e)
}

func (s *sim) spare(node string) bool {
	return slices.ContainsFunc(s.plan.Nodes, func(n PlanNode) bool { return n.Name == node && n.Spare })
}

// tell journals what a decision says.
func (s *sim) tell(e Event) {
	if e.Event == EventSoaked {
		s.checkSoaked(e)
	}
	line := strings.TrimSpace(fmt.Sprintf("%s: %s", e.Event, e.Message))
	if e.Event == EventTurned {
		line += " [" + e.Data[dataNodes] + "]"
	}
	s.log("%s", line)
	s.emit(e)
}

// answer answers a question at once, and tells what was answered where it isn't what was answered before.
func (s *sim) answer(q *Question) {
	if q == nil {
		return
	}
	if s.asked++; s.asked == 1 || s.progress.Soak.Stage == "" {
		s.log("ask gates: %s against %s", few(q.Upgraded), few(q.Others))
	}
	for _, g := range s.plan.Gates {
		a := s.gates[g.Name]
		if a == nil {
			a = &simGate{verdict: GateGood}
		}
		if a.told != a.verdict && a.verdict != GateGood {
			s.log("gate %s: %s", g.Name, strings.TrimSpace(a.verdict+" "+a.why))
		}
		a.told = a.verdict
		data := map[string]string{dataGate: g.Name, dataVerdict: a.verdict, dataReading: "1", dataAsked: fmt.Sprint(q.Asked)}
		s.emit(Event{Event: EventGate, Message: a.why, Data: data})
	}
}

// setGate is the event "gate NAME VERDICT WHY".
func (s *sim) setGate(arg string) {
	words := strings.SplitN(arg, " ", 3)
	if s.gates == nil {
		s.gates = map[string]*simGate{}
	}
	s.gates[words[0]] = &simGate{verdict: words[1], why: strings.Join(words[2:], " ")}
}

// setPods is the event "pods NODE COUNT".
func (s *sim) setPods(arg string) {
	node, n, _ := strings.Cut(arg, " ")
	_, _ = fmt.Sscan(n, &s.machines[node].pods)
}

// carry puts the pods on the nodes that are open.
func (s *sim) carry() {
	s.observed.Pods = map[string]int{}
	for name, m := range s.machines {
		if !s.observed.Nodes[name].Cordoned {
			s.observed.Pods[name] = m.pods
		}
	}
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

// lose is a crash after which another process has no journal: of the nodes it knows what their annotations say, of the gates
// nothing.
func (s *sim) lose() {
	s.log("crash, and another process has no journal")
	before := s.progress
	s.progress = Progress{}
	s.observed.Stop, s.end = false, nil
	s.emit(Event{Event: EventStarted})
	for _, n := range s.plan.Nodes {
		m, o, p := s.machines[n.Name], s.observed.Nodes[n.Name], before.Nodes[n.Name]
		if m != nil {
			m.flying = false
		}
		switch {
		case o.Run == simRun && o.Failed != "":
			s.emit(Event{Event: EventAdopted, Node: n.Name, Data: map[string]string{dataFailed: o.Failed}})
		case o.Run == simRun:
			s.emit(Event{Event: EventAdopted, Node: n.Name, Order: p.Order})
		case p.State == Done && !p.UpToDate && !n.Spare:
			s.emit(Event{Event: EventAdopted, Node: n.Name, Data: map[string]string{dataDone: "yes"}})
		}
	}
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
