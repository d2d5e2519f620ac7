package runner

import (
	"fmt"
	"time"
)

// window is how the plan's windows stand now.
type window struct {
	limited bool      // there are windows
	open    bool      // one is
	until   time.Time // it closes; zero: not in sight
	next    time.Time // the next one opens; zero: never
	held    int       // nodes that it keeps from starting
}

// inWindow reports whether node i, started now with an order, is ready before the window closes, or notes what it waits for.
// Of a stage that is taken only as a whole, what is left has to fit together.
func (s *scene) inWindow(i int, stage Stage) bool {
	w := &s.window
	if !w.limited || stage.Order == OrderReturn {
		return true
	}
	takes := s.takes(i, stage)
	switch {
	case !w.open:
		s.holds[i].why = "no window is open; " + opening(w.next)
	case s.returned(i):
		s.holds[i].why = "it was given back until the next window; " + opening(w.next)
	case w.until.IsZero() || !s.now.Add(takes).After(w.until):
		return true
	default:
		s.holds[i].why = fmt.Sprintf("it takes about %s, and the window closes at %s; %s", brief(takes.Round(time.Minute)), stamp(w.until), opening(w.next))
	}
	w.held++
	return false
}

// nothingOpen holds everybody while no window is open. Once they have said good of what was changed, gates aren't asked meanwhile:
// what they say now tells nothing of then.
func (s *scene) nothingOpen() {
	s.holdAll("no window is open; " + opening(s.window.next))
	s.window.held = s.left()
}

// takes is how long an order on node i is predicted to take, or what is left of a stage that goes as a whole. Opening a
// node takes no time worth counting. A spare isn't begun for less than the first node that it is lent for, unless the next window
// is waited for with it.
func (s *scene) takes(i int, stage Stage) time.Duration {
	switch {
	case s.plan.Nodes[i].Spare:
		takes := s.plan.Nodes[i].Takes
		if stage.Order == OrderOpen {
			takes = 0
		}
		if !s.observed.Wait {
			takes += s.lentFor()
		}
		return takes
	case stage.Order == OrderOpen:
		return 0
	}
	if !stage.Whole {
		return s.plan.Nodes[i].Takes
	}
	var all time.Duration
	for _, name := range stage.Nodes {
		if k, planned := s.index[name]; planned && (s.waits(k) || s.starting(k)) {
			all += s.plan.Nodes[k].Takes
		}
	}
	return all
}

// lentFor is how long the first order takes at least that spares are lent for.
func (s *scene) lentFor() time.Duration {
	for k := s.stage; k < len(s.plan.Stages); k++ {
		least := time.Duration(-1)
		for i, n := range s.plan.Nodes {
			if n.Spare || s.at[i] != k || !s.waits(i) {
				continue
			}
			if takes := s.takes(i, s.plan.Stages[k]); least < 0 || takes < least {
				least = takes
			}
		}
		if least >= 0 {
			return least
		}
	}
	return 0
}

// returned reports whether node i is a spare that was given back since the window opened: once in each it is lent.
func (s *scene) returned(i int) bool {
	if !s.plan.Nodes[i].Spare || s.nodes[i].Back == "" || s.window.until.IsZero() {
		return false
	}
	_, until, _ := s.plan.Windows.At(s.nodes[i].Since)
	return until.Equal(s.window.until)
}

// shut ends the run for this process, or lets it wait for the next window, where a window is all that keeps what is left
// from starting. Spares that have served are given back first: the next window may be a week away.
func (s *scene) shut() bool {
	w := s.window
	if w.held == 0 || !s.Again.IsZero() {
		return false
	}
	for i, h := range s.holds {
		if h.limit && s.at[i] == s.stage { // others wait for room, and the window may be open to them
			s.again(w.until)
			return w.open
		}
	}
	waits := s.observed.Wait && !w.next.IsZero()
	var least time.Duration
	if waits {
		least = s.quickest()
	}
	ever := !waits || s.plan.Windows.Fits(w.next, least)
	if !waits || !ever || s.used() {
		if s.giveBackSpares(); len(s.Start) > 0 {
			return true
		}
	}
	why := fmt.Sprintf("%s left: no window is open; %s", count(s.left(), "node", "nodes"), opening(w.next))
	switch {
	case waits && ever:
		s.again(w.next)
		return true
	case waits:
		why = fmt.Sprintf("%s left, and no window is long enough for any of them, as the quickest takes about %s: make one longer",
			count(s.left(), "node", "nodes"), brief(max(least, time.Minute).Round(time.Minute)))
	case w.open:
		why = fmt.Sprintf("%s left, and none fits before the window closes at %s; %s", count(s.left(), "node", "nodes"), stamp(w.until), opening(w.next))
	}
	s.End = &End{Exit: 5, Why: why}
	return true
}

// used reports whether anything was done since spares were brought into service. Those that a window was just long enough to
// make ready, in a run that waits for the next one, are what that begins with: it would never come further else.
func (s *scene) used() bool {
	lent, done := 0, 0
	for i, n := range s.nodes {
		if s.plan.Nodes[i].Spare {
			lent = max(lent, n.Ended)
		} else {
			done = max(done, n.Ended)
		}
	}
	return done > lent
}

// quickest is how long a window has to be for a node which could start now, and where that is a spare, for one that it is lent
// for: it would be woken and given back for ever else.
func (s *scene) quickest() time.Duration {
	stage := s.plan.Stages[s.stage]
	least := time.Duration(-1)
	for i := range s.nodes {
		takes := s.takes(i, stage)
		if s.plan.Nodes[i].Spare {
			takes = max(takes, s.lentFor())
		}
		if s.waits(i) && s.at[i] == s.stage && (least < 0 || takes < least) {
			least = takes
		}
	}
	return least
}

// opening says when the next window does.
func opening(next time.Time) string {
	if next.IsZero() {
		return "none will"
	}
	return "the next opens at " + stamp(next)
}

// stamp is a moment for people, who may be anywhere: with its day, in UTC.
func stamp(at time.Time) string { return at.UTC().Format("Mon 2006-01-02 15:04Z") }
