package runner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// What the simulator checks of each decision, by definitions of its own.

// downNow is a second opinion on what is down, written apart from Decide's: by the definition in the contract. What a
// strategy keeps closed, and a spare that doesn't serve, isn't.
func (s *sim) downNow() map[string]bool {
	down := map[string]bool{}
	for name, o := range s.observed.Nodes {
		down[name] = !o.Ready || o.Run != "" || o.Failed != ""
	}
	for name, n := range s.progress.Nodes {
		down[name] = down[name] || n.State == Running || n.State == Failed && n.Back == ""
	}
	for _, n := range s.plan.Nodes {
		down[n.Name] = down[n.Name] || n.Skip != ""
		p, o := s.progress.Nodes[n.Name], s.observed.Nodes[n.Name]
		closed := o.Cordoned && o.Ready && o.Run == simRun && o.Failed == ""
		serves := slices.Contains(p.Through, "open the spares")
		if n.Spare && (!serves || o.Ready) || p.State == Waiting && closed && !p.Resume && !p.Retry && len(p.Through)+len(p.Back) > 0 {
			down[n.Name] = false
		}
		if p.State == Running && (p.Order == OrderOpen || p.Order == OrderOpenAgain) {
			down[n.Name] = false
		}
	}
	for _, name := range s.plan.Aside {
		down[name] = down[name] && s.observed.Nodes[name].Run != ""
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
		after[o.Node] = o.Name != OrderOpen && o.Name != OrderOpenAgain && !s.spare(o.Node) || after[o.Node]
	}
	for _, l := range s.plan.Limits {
		was, is := fills(l, before), fills(l, after)
		if is > max(was, l.AtMost) {
			s.t.Fatalf("%v: %s: %d down, %d after the decision %+v\n%s", s.now.Sub(s.begin), l.Why, was, is, d.Start, strings.Join(s.trace, "\n"))
		}
	}
}

// checkStarts fails the test if a decision begins what it shouldn't: a node that is closed while pods find no place or something
// went wrong elsewhere, one outside of a window, one before the gates are good. What the run has down already may go on, and the
// way back asks neither windows nor gates.
func (s *sim) checkStarts(d Decision) {
	s.t.Helper()
	open, _, _ := s.plan.Windows.At(s.now)
	for _, o := range d.Start {
		down := s.observed.Nodes[o.Node].Run == simRun || s.observed.Nodes[o.Node].Failed != ""
		back := s.progress.Turned.Stage != "" || o.Name == OrderReturn
		why := ""
		switch {
		case down || o.Name == OrderOpen || o.Name == OrderOpenAgain || o.Name == OrderWake:
		case len(s.observed.Stranded) > 0:
			why = "a pod finds no place"
		case slices.ContainsFunc(s.observed.Troubles, func(t Trouble) bool {
			return s.now.Sub(t.At) < 2*time.Minute && !slices.Contains(s.progress.Turned.Nodes, t.Node)
		}):
			why = "something went wrong elsewhere"
		case back:
		case len(s.plan.Windows) > 0 && !open:
			why = "no window is open"
		case s.notGood() != "":
			why = s.notGood()
		}
		if why != "" {
			s.t.Fatalf("%v: %+v though %s\n%s", s.now.Sub(s.begin), o, why, strings.Join(s.trace, "\n"))
		}
	}
}

// notGood names a gate that hasn't said good of all that was changed; "" where each has.
func (s *sim) notGood() string {
	for _, g := range s.plan.Gates {
		if p := s.progress.Gates[g.Name]; p.Verdict == GateBad || p.Verdict == GateUnknown || p.Good < s.progress.Moved {
			return fmt.Sprintf("gate %s isn't good: %+v, moved %d", g.Name, p, s.progress.Moved)
		}
	}
	return ""
}

// checkSoaked fails the test if a soak ended that no process has seen the whole of.
func (s *sim) checkSoaked(e Event) {
	s.t.Helper()
	since := s.progress.Soak.Since
	if s.progress.PickedUp.After(since) {
		since = s.progress.PickedUp
	}
	for _, stage := range s.plan.Stages {
		if stage.Name == e.Stage && s.now.Sub(since) < stage.Soak {
			s.t.Fatalf("%s has soaked for %v of %v\n%s", e.Stage, s.now.Sub(since), stage.Soak, strings.Join(s.trace, "\n"))
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
