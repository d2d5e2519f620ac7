package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/kube/simulate"
	"github.com/fleetup/fleetup/runner"
)

// foresight is what a run of the plan would be like that began now: its drains, its time, and what would make it faster.
type foresight struct {
	forecast
	drains []simulate.Drain
	began  time.Time     // what all times of it count from
	first  time.Duration // when the first node would begin: at once, or as a window opens
	closes time.Time     // that window does; zero: never, or no end is in sight
	faster []faster
	world  simulate.World // what it was played on
}

// faster is a limit that could be higher.
type faster struct {
	Setting string `json:"setting"` // the inventory's key
	AtMost  int    `json:"at_most"` // instead of one less
	Seconds int    `json:"predicted_seconds"`
	Fails   int    `json:"nodes_blocked"` // how many drains would be blocked then

	total time.Duration
}

// foresee plays the whole run ahead, drain by drain, on what the cluster holds now.
func (s *session) foresee(plan runner.Plan, found map[string]*runner.Surveyed) foresight {
	took, known := s.takes(found)
	f := foresight{began: time.Now()}
	s.playing("")
	defer s.played()
	f.world = s.cluster.World(func(node string) kube.DrainOptions { return s.cluster.options(node) })
	f.forecast, f.drains = s.rehearse(f.world, plan, found, s.play(plan, took, known, f.began), func(forecast) bool { return true })
	if len(f.turns) > 0 {
		f.first = f.turns[0].At
	}
	_, f.closes, _ = plan.Windows.At(f.began.Add(f.first))
	return f
}

// rehearsals bounds how often what drains have to wait is played again: each time it moves the turns after them.
const rehearsals = 3

// rehearse finds how long everything takes with what drains have to wait for each other. fc is the run as it would be if they hadn't. It is given up
// once it isn't worth the while: waits only make it longer.
func (s *session) rehearse(world simulate.World, plan runner.Plan, found map[string]*runner.Surveyed, fc forecast, worth func(forecast) bool) (forecast, []simulate.Drain) {
	took := fc.took
	longer := maps.Clone(took)
	for n := 0; ; n++ {
		drains := simulate.Run(world, s.drains(fc.turns, found))
		again := false
		for _, d := range drains {
			if all := took[d.Node].All + d.Waited; d.Waited > 0 && all > longer[d.Node].All {
				longer[d.Node], again = runner.Spent{All: all, Phases: took[d.Node].Phases}, true
			}
		}
		if !again || n == rehearsals {
			fc.took = took
			return fc, drains
		}
		if fc = s.play(plan, longer, fc.known, fc.from); !worth(fc) {
			fc.took = took
			return fc, drains
		}
	}
}

// playing tells on a terminal that the run is played ahead, which takes seconds on a large cluster; played takes that away again.
func (s *session) playing(how string) {
	if s.app.terminal() {
		fmt.Fprintf(s.app.err, "\r\033[Kplaying the run ahead%s ", how)
	}
}

func (s *session) played() {
	if s.app.terminal() {
		fmt.Fprint(s.app.err, "\r\033[K")
	}
}

// drains are the turns of a forecast that empty a node, or open one.
func (s *session) drains(turns []runner.Played, found map[string]*runner.Surveyed) []simulate.Turn {
	var list []simulate.Turn
	for _, t := range turns {
		n, _ := s.cluster.Node(t.Node)
		turn := simulate.Turn{Node: t.Node, At: t.At, Takes: t.Takes, Keeps: n.Unschedulable && n.Run == ""} // as a human left it
		switch v := found[t.Node]; t.Name {
		case runner.OrderUpgrade:
			if v == nil || !v.Work.NeedsDrain(v.Items) {
				continue
			}
		case runner.OrderUpgradeClosed, runner.OrderClose, runner.OrderReturn, runner.OrderReturnEarly:
			turn.Keeps = true
		case runner.OrderOpen:
			turn.Opens = true
		default:
			continue
		}
		list = append(list, turn)
	}
	return list
}

// worthwhile is what a higher limit has to save to be told of.
const worthwhile = time.Minute

// wouldBeFaster tries each limit that somebody can set one higher, and says what that would save.
func (s *session) wouldBeFaster(plan runner.Plan, found map[string]*runner.Surveyed, f foresight) (all []faster) {
	if !f.ends {
		return nil
	}
	defer s.played()
	var settings []string
	for _, l := range plan.Limits {
		if l.Setting != "" && !slices.Contains(settings, l.Setting) {
			settings = append(settings, l.Setting)
		}
	}
	for _, setting := range settings {
		higher, atMost := plan, 0
		higher.Limits = slices.Clone(plan.Limits)
		for i, l := range higher.Limits {
			if l.Setting == setting {
				higher.Limits[i].AtMost++
				atMost = l.AtMost + 1
			}
		}
		saves := func(fc forecast) bool { return fc.ends && f.total-fc.total >= worthwhile }
		fc := s.play(higher, f.took, f.known, f.began)
		if !saves(fc) {
			continue
		}
		s.playing(fmt.Sprintf(", with %s = %d", setting, atMost))
		fc, drains := s.rehearse(f.world, higher, found, fc, saves)
		if saves(fc) {
			all = append(all, faster{setting, atMost, int(fc.total.Seconds()), failing(drains), fc.total})
		}
	}
	slices.SortStableFunc(all, func(a, b faster) int { return int(a.total - b.total) })
	return all
}

// failing counts the nodes that would be left as they are.
func failing(drains []simulate.Drain) (n int) {
	for _, d := range drains {
		if d.Fails() {
			n++
		}
	}
	return n
}

// end is when the run would be over.
func (f foresight) end() time.Time { return f.began.Add(f.total) }

// fits reports whether all of it is over before the window closes in which it begins.
func (f foresight) fits() bool { return f.ends && (f.closes.IsZero() || !f.end().After(f.closes)) }

// journaled is what the journal keeps of it.
func (f foresight) journaled() ([]runner.Event, error) {
	nodes := map[string]runner.Foreseen{}
	for _, t := range f.turns {
		spent, works := f.took[t.Node]
		if _, known := nodes[t.Node]; known || !works {
			continue
		}
		n := runner.Foreseen{At: t.At.Seconds(), Takes: t.Takes.Seconds(), Phases: map[string]float64{}}
		for phase, d := range spent.Phases {
			n.Phases[phase] = d.Seconds()
		}
		nodes[t.Node] = n
	}
	for _, finding := range f.findings() {
		if n, known := nodes[finding.Node]; known && finding.What == areaBlocked {
			n.Blocked = finding.Why
			nodes[finding.Node] = n
		}
	}
	return runner.ForeseenEvents(runner.ForeseenRun{Total: f.total, Ends: f.ends, Known: f.known}, nodes)
}
