package report

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/fleetup/fleetup/runner"
)

// From makes the report of a journal's events. Any prefix of a journal makes one; no events make an empty one.
func From(events []runner.Event) Report { return At(events, time.Time{}) }

// At is From for a run that goes on: what has no end yet goes on until now. A zero now is the last event's.
func At(events []runner.Event, now time.Time) Report {
	f := folder{nodes: map[string]*Node{}, services: map[string]*Service{}, verdicts: map[string]string{}}
	f.Version, f.Outcome = 1, "unfinished"
	for _, e := range events {
		f.take(e)
	}
	f.Last = f.Ended
	if f.Outcome == "unfinished" && now.After(f.Ended) && len(events) > 0 {
		f.Ended = now
	}
	f.close()
	return f.Report
}

// folder is a Report as it grows.
type folder struct {
	Report
	order    []string // nodes as they were first begun
	nodes    map[string]*Node
	services map[string]*Service
	verdicts map[string]string // by gate: the last answer that was kept
}

// take folds one event. Kinds that it doesn't know say nothing.
func (f *folder) take(e runner.Event) {
	f.Run, f.Ended = cmp.Or(f.Run, e.Run), e.Time
	if e.Node != "" {
		f.ofNode(e)
		return
	}
	if e.Event == runner.EventStarted || e.Event == runner.EventResumed { // an abort plans none, a narrower --limit fewer
		f.Planned = max(f.Planned, int(number(e.Data["nodes"])))
	}
	switch e.Event {
	case runner.EventStarted:
		f.Began, f.Inventory, f.Program = e.Time, e.Data["inventory"], e.Data["version"]
	case runner.EventResumed:
		f.turn(e, "unfinished")
	case runner.EventHalted:
		f.turn(e, "halted")
	case runner.EventInterrupted:
		f.turn(e, "interrupted")
	case runner.EventFinished:
		f.Outcome, f.Why = "finished", e.Message
	case runner.EventSaid, runner.EventTurned:
		f.Messages = append(f.Messages, Remark{e.Time, e.Message})
	case runner.EventSoak:
		f.Soaks = append(f.Soaks, Span{Name: e.Stage, Began: e.Time})
	case runner.EventSoaked:
		f.soaked(e)
	case runner.EventGate:
		f.gate(e)
	case runner.EventEndpoints:
		f.endpoints(e)
	case runner.EventProof:
		f.proof(e)
	case runner.EventForeseen:
		f.foreseen(e)
	}
}

// foreseen takes in a forecast: the first one of the whole run, and of each node the last one before it was begun.
func (f *folder) foreseen(e runner.Event) {
	run, whole, nodes := runner.ForeseenIn(e)
	if whole && f.Foreseen == nil {
		f.Foreseen = &Foreseen{run.Total.Seconds(), run.Ends, run.Known}
	}
	for _, name := range sorted(nodes) { // in one order: a report of the same events has the same bytes
		foreseen := nodes[name]
		if n := f.node(name); len(n.Orders) == 0 {
			foreseen.At += e.Time.Sub(f.Began).Seconds()
			n.Foreseen = &foreseen
		}
	}
}

func (f *folder) node(name string) *Node {
	n := f.nodes[name]
	if n == nil {
		n = &Node{Name: name, State: string(runner.Waiting)}
		f.nodes[name], f.order = n, append(f.order, name)
	}
	return n
}

// turn notes that the run began to stand, or goes on. A halt's reason is the report's until the run goes on.
func (f *folder) turn(e runner.Event, outcome string) {
	f.Outcome, f.Why = outcome, e.Message
	f.Pickups = append(f.Pickups, Pickup{e.Time, string(e.Event), e.Message})
	if outcome == "unfinished" {
		f.Why = ""
		f.cutOff()
	}
}

// cutOff ends the orders that the end of a process cut off: no event did. They end with the last thing that they did.
func (f *folder) cutOff() {
	for _, n := range f.nodes {
		n.end(time.Time{}, "")
	}
}

func (f *folder) soaked(e runner.Event) {
	for i := range slices.Backward(f.Soaks) {
		if f.Soaks[i].Name == e.Stage && f.Soaks[i].Ended.IsZero() {
			f.Soaks[i].Ended = e.Time
			return
		}
	}
}

// gate keeps an answer that says something new.
func (f *folder) gate(e runner.Event) {
	g := Gate{e.Time, e.Data["gate"], e.Data["verdict"], e.Data["reading"], e.Data["baseline"], e.Message}
	said := g.Verdict + "\x00" + g.Reading
	if f.verdicts[g.Name] == said {
		return
	}
	f.verdicts[g.Name] = said
	f.Gates = append(f.Gates, g)
}

func (f *folder) service(name string) *Service {
	if f.services[name] == nil {
		f.services[name] = &Service{Name: name}
	}
	return f.services[name]
}

func (f *folder) endpoints(e runner.Event) {
	for name, ready := range e.Data {
		if n, err := strconv.Atoi(ready); err == nil {
			s := f.service(name)
			s.Series = append(s.Series, Sample{e.Time, n})
		}
	}
}

// proof takes in one line of what a process proved: the verdict, a Service, or a target. A run of several processes has
// several proofs, and holds only where all of them do.
func (f *folder) proof(e runner.Event) {
	switch d := e.Data; {
	case d["zero_downtime"] != "":
		holds := d["zero_downtime"] == "true" && (f.Zero == nil || *f.Zero)
		f.Zero = &holds
		f.Whole = int(number(d["whole"]))
	case d["service"] != "":
		f.least(e)
	case d["target"] != "":
		f.asked(d)
	}
}

func (f *folder) least(e runner.Event) {
	s, ready := f.service(e.Data["service"]), int(number(e.Data["min_ready"]))
	if !s.At.IsZero() && ready >= s.Min {
		return
	}
	s.Start, s.Min, s.Node, s.Accepted = int(number(e.Data["start_ready"])), ready, e.Data["nodes"], e.Data["accepted"] == "true"
	s.At = e.Time
	if at, err := time.Parse(time.RFC3339Nano, e.Data["at"]); err == nil {
		s.At = at
	}
}

func (f *folder) asked(d map[string]string) {
	i := slices.IndexFunc(f.URLs, func(u URL) bool { return u.Name == d["target"] })
	if i < 0 {
		i = len(f.URLs)
		f.URLs = append(f.URLs, URL{Name: d["target"]})
	}
	u := &f.URLs[i]
	u.Sent += int(number(d["sent"]))
	u.Failed += int(number(d["failed"]))
	u.Slowest = max(u.Slowest, number(d["slowest_seconds"]))
	u.LastFailure = cmp.Or(d["last_failure"], u.LastFailure)
}

// close ends what is still open, and puts everything into its order.
func (f *folder) close() {
	for i := range f.Soaks {
		if f.Soaks[i].Ended.IsZero() {
			f.Soaks[i].Ended = f.Ended
		}
	}
	for _, name := range f.order {
		n := f.nodes[name]
		n.end(f.Ended, "")
		f.Nodes = append(f.Nodes, *n)
	}
	slices.SortStableFunc(f.Nodes, func(a, b Node) int {
		if len(a.Orders) > 0 && len(b.Orders) > 0 {
			return a.Orders[0].Began.Compare(b.Orders[0].Began)
		}
		return cmp.Or(cmp.Compare(min(len(b.Orders), 1), min(len(a.Orders), 1)), cmp.Compare(a.Name, b.Name))
	})
	for _, name := range sorted(f.services) {
		f.services[name].whole()
		f.Services = append(f.Services, *f.services[name])
	}
}

// whole takes what the proof doesn't speak of from what was counted: the Service never had less than at the start.
func (s *Service) whole() {
	if !s.At.IsZero() || len(s.Series) == 0 {
		return
	}
	s.Start, s.Min = s.Series[0].Ready, s.Series[0].Ready
	for _, v := range s.Series {
		s.Min = min(s.Min, v.Ready)
	}
}

func number(s string) float64 {
	n, _ := strconv.ParseFloat(s, 64) // absent or of a later version: 0
	return n
}
