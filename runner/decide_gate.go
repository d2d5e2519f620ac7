package runner

import (
	"fmt"
	"slices"
	"time"
)

const (
	// askEvery is how often gates are asked through a soak: often enough to see an error rate rise, and no load for
	// whoever answers.
	askEvery = 15 * time.Second
	// askAgain is how soon a gate that gave no answer is asked again.
	askAgain = 5 * time.Second
	// askStale is how old a good answer may be for something new to be started on it.
	askStale = 5 * time.Minute
)

// soakEnd is when a soak ends; zero: there is none.
type soakEnd struct{ time.Time }

// gates reports whether all gates are good of all that was changed so far. Where they aren't, it asks them, holds
// everybody, turns the run back or halts it. Through a soak they are asked over and over, and once more at its end.
func (s *scene) gates(soak soakEnd) bool {
	need := s.progress.Moved
	if s.left() > 0 { // what another process heard may be long ago
		need = max(need, s.progress.PickedSeq)
	}
	good := true
	for _, g := range s.plan.Gates {
		if !s.gate(g, need, soak) {
			good = false
		}
		if s.Halt != "" || len(s.Tell) > 0 {
			return false
		}
	}
	return good
}

// nothingAgainst reports whether no gate has anything against what was changed so far, where nothing new is to start now: what a
// window's end leaves behind is judged as well, and how an untouched rest would be judged is no matter before the next one.
func (s *scene) nothingAgainst() bool {
	good := true
	for _, g := range s.plan.Gates {
		p := s.progress.Gates[g.Name]
		switch {
		case s.against(g, p):
		case p.Good < s.progress.Moved:
			s.ask()
			s.holdAll("gate " + quoted(g.Name) + " is asked of what was changed")
		default:
			continue
		}
		if s.Halt != "" || len(s.Tell) > 0 {
			return false
		}
		good = false
	}
	return good
}

// against deals with a gate whose last answer wasn't good; false where it was, or where there is none.
func (s *scene) against(g PlanGate, p GateProgress) bool {
	switch p.Verdict {
	case GateBad:
		s.bad(g, p)
	case GateUnknown:
		s.silent(g, p)
	default:
		return false
	}
	return true
}

// gate looks at what one gate said.
func (s *scene) gate(g PlanGate, need int, soak soakEnd) bool {
	p := s.progress.Gates[g.Name]
	switch {
	case s.against(g, p):
	case p.Asked < need, soak.IsZero() && s.now.Sub(p.At) > askStale && s.roomForOne():
		s.ask()
		s.holdAll("gate " + quoted(g.Name) + " is asked first")
	case !soak.IsZero() && !s.now.Before(soak.Time) && p.At.Before(soak.Time):
		s.ask()
		s.holdAll("gate " + quoted(g.Name) + " is asked at the end of the soak")
	case !soak.IsZero() && !s.now.Before(p.At.Add(askEvery)):
		s.ask()
		return true
	default:
		if !soak.IsZero() {
			s.again(p.At.Add(askEvery))
		}
		return true
	}
	return false
}

// roomForOne reports whether a node of the current stage waits for nothing but its turn.
func (s *scene) roomForOne() bool {
	for i := range s.nodes {
		if s.at[i] != s.stage || !s.waits(i) {
			continue
		}
		if _, full := s.room.full(s.plan.Nodes[i].Name); !full {
			return true
		}
	}
	return false
}

// ask puts the question which is new and which is old now.
func (s *scene) ask() {
	if s.Ask != nil {
		return
	}
	q := &Question{Asked: s.progress.Seq}
	for i, n := range s.plan.Nodes {
		if s.upgraded(i) {
			q.Upgraded = append(q.Upgraded, n.Name)
		} else {
			q.Others = append(q.Others, n.Name)
		}
	}
	if len(q.Others) == 0 {
		q.Others = s.unselected()
	}
	if len(q.Upgraded) == 0 || len(q.Others) == 0 {
		q.Upgraded = append(q.Upgraded, q.Others...)
		q.Others = slices.Clone(q.Upgraded)
	}
	s.Ask = q
}

// unselected are the cluster's Ready nodes that aren't the run's: what is new is judged against them where nothing else is left.
func (s *scene) unselected() (names []string) {
	for name, n := range s.observed.Nodes {
		if _, planned := s.index[name]; !planned && n.Ready {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// upgraded reports whether node i runs what is wanted, as far as this run knows.
func (s *scene) upgraded(i int) bool {
	n := s.nodes[i]
	if n.State == Done {
		return true
	}
	return slices.ContainsFunc(s.plan.Stages, func(stage Stage) bool {
		return (stage.Order == OrderUpgrade || stage.Order == OrderUpgradeClosed) && slices.Contains(n.Through, stage.Name)
	})
}

// silent holds a run whose gate gave no answer that can be judged, and halts it at the gate's deadline.
func (s *scene) silent(g PlanGate, p GateProgress) {
	due := p.Unknown.Add(g.Deadline)
	why := fmt.Sprintf("gate %s can't be judged: %s", quoted(g.Name), p.Why)
	if !s.now.Before(due) {
		s.halt(fmt.Sprintf("%s, for %s now", why, brief(g.Deadline)), haltedByGate)
		return
	}
	s.holdAll(fmt.Sprintf("%s; halted at %s unless it can be", why, clock(due)))
	if s.again(p.At.Add(askAgain)); !s.now.Before(p.At.Add(askAgain)) {
		s.ask()
	}
	s.again(due)
}

// bad turns the run back, or halts it, once nothing is in flight any more: what is half done is finished first.
func (s *scene) bad(g PlanGate, p GateProgress) {
	why := badGate(g, p)
	if s.running+len(s.Start) > 0 {
		s.holdAll(why + "; what is in flight ends first")
		return
	}
	if nodes := s.takenBack(); len(nodes) > 0 {
		s.turn(why, nodes)
		return
	}
	s.halt(why+s.unjudgedBefore(), haltedByGate)
}

func badGate(g PlanGate, p GateProgress) string {
	return fmt.Sprintf("gate %s is bad: %s", quoted(g.Name), p.Why)
}

func quoted(name string) string { return fmt.Sprintf("%q", name) }

func clock(at time.Time) string { return at.UTC().Format("15:04:05Z") }
