package runner

import (
	"fmt"
	"time"
)

// openings is how many of the windows to come are looked at for one that is long enough.
const openings = 50

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
// node and waking a spare take no time worth counting.
func (s *scene) takes(i int, stage Stage) time.Duration {
	if stage.Order == OrderOpen || stage.Order == OrderWake {
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

// shut ends the run for this process, or lets it wait for the next window, where a window is all that keeps what is left
// from starting.
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
	why := fmt.Sprintf("%s left: no window is open; %s", count(s.left(), "node", "nodes"), opening(w.next))
	if w.open {
		why = fmt.Sprintf("%s left, and none fits before the window closes at %s; %s", count(s.left(), "node", "nodes"), stamp(w.until), opening(w.next))
	}
	switch {
	case !s.observed.Wait || w.next.IsZero():
	case s.everFits():
		s.again(w.next)
		return true
	default:
		why = fmt.Sprintf("%s left, and no window is long enough for any of them", count(s.left(), "node", "nodes"))
	}
	s.End = &End{Exit: 5, Why: why}
	return true
}

// everFits reports whether a window comes that is long enough for a node which could start now.
func (s *scene) everFits() bool {
	stage := s.plan.Stages[s.stage]
	least := time.Duration(-1)
	for i := range s.nodes {
		if takes := s.takes(i, stage); s.waits(i) && s.at[i] == s.stage && (least < 0 || takes < least) {
			least = takes
		}
	}
	at := s.window.next
	for range openings {
		_, until, next := s.plan.Windows.At(at)
		if until.IsZero() || until.Sub(at) >= least {
			return true
		}
		if next.IsZero() {
			return false
		}
		at = next
	}
	return false
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
