package main

import (
	"time"

	"github.com/fleetup/fleetup/runner"
)

// What a node's parts take where no journal of this inventory knows better: guesses of the right order of magnitude, for
// ordinary servers, whose firmware alone takes a minute or two to boot.
const (
	guessDrain  = time.Minute // besides the longest grace of its pods
	guessStep   = time.Minute
	guessReboot = 4 * time.Minute
	guessVerify = 30 * time.Second
)

// pastRuns is how many journals are looked into for one that tells how long nodes took.
const pastRuns = 10

// forecast is how long a run will take.
type forecast struct {
	took  map[string]runner.Spent // by node, of those that have something to do
	known bool                    // from a run before, not guessed
	total time.Duration           // of all, under the plan's limits
	ends  bool                    // the run would end, as things stand
	why   string                  // it wouldn't
	turns []runner.Played
	from  time.Time // when it begins
}

// takes is how long each node will take that has something to do: as its own last time, else the median of the fleet's, which
// known says, else a guess.
func (s *session) takes(found map[string]*runner.Surveyed) (took map[string]runner.Spent, known bool) {
	past := s.before()
	typical, known := runner.Typical(past)
	took = map[string]runner.Spent{}
	for name, v := range found {
		own, again := past[name]
		switch {
		case v.NothingToDo() && s.inFlight(name) == "":
		case again:
			took[name] = own
		case known:
			took[name] = typical
		default:
			took[name] = s.guess(name, v)
		}
	}
	return took, known
}

// forecast plays the run through the scheduler.
func (s *session) forecast(plan runner.Plan, found map[string]*runner.Surveyed) forecast {
	took, known := s.takes(found)
	return s.play(plan, took, known, time.Now())
}

// play is forecast where it is known how long each node takes.
func (s *session) play(plan runner.Plan, took map[string]runner.Spent, known bool, now time.Time) forecast {
	nodes, stranded := s.cluster.Observe()
	for _, pn := range plan.Nodes {
		if s.inFlight(pn.Name) != "" { // what the run has closed itself doesn't hold it up
			nodes[pn.Name] = runner.NodeObserved{Ready: true}
		}
	}
	f := runner.Predict(plan, whole(took), runner.Observed{Nodes: nodes, Stranded: stranded}, now)
	return forecast{took, known, f.Total, f.Ends, f.Why, f.Turns, now}
}

// whole leaves the phases out.
func whole(took map[string]runner.Spent) map[string]time.Duration {
	all := make(map[string]time.Duration, len(took))
	for name, s := range took {
		all[name] = s.All
	}
	return all
}

// inAll puts into words how long all will take, and what that rests on.
func (fc forecast) inAll() string {
	switch {
	case !fc.ends:
		return "can't be said, for the run would not end as things stand: " + fc.why
	case fc.known:
		return roughly(fc.total) + " (as the last run took)"
	}
	return roughly(fc.total) + " (a guess: no run before tells)"
}

// past reads how long nodes took in the newest journal of this inventory that tells.
func (s *session) past() map[string]runner.Spent {
	dir, err := s.app.stateDir(s.fleet.Name)
	if err != nil {
		return nil
	}
	for i, path := range runner.Journals(dir) {
		events, _, _, err := runner.ReadJournal(path)
		if err != nil || i == pastRuns {
			return nil // whoever runs is told; a forecast can do without
		}
		if took := runner.Took(events); len(took) > 0 { // not that of a run which has just begun, or changed nothing
			return took
		}
	}
	return nil
}

func (s *session) guess(node string, v *runner.Surveyed) runner.Spent {
	phases := map[string]time.Duration{"verify": guessVerify}
	reboot := v.Work.RebootPolicy == "always"
	for _, i := range v.Items {
		if !i.Status.Clean {
			phases["apply"] += guessStep
			reboot = reboot || i.Status.Reboot && v.Work.RebootPolicy != "never"
		}
	}
	if v.Work.NeedsDrain(v.Items) {
		phases["drain"] = guessDrain + s.cluster.Grace(node, s.cluster.options(node))
	}
	if reboot {
		phases["reboot"] = guessReboot
	}
	all := time.Duration(0)
	for _, d := range phases {
		all += d
	}
	return runner.Spent{All: all, Phases: phases}
}

// roughly rounds a forecast to what it is worth: "about 4m", "under a minute".
func roughly(d time.Duration) string {
	if d < time.Minute {
		return "under a minute"
	}
	if days := int(d.Round(24*time.Hour) / (24 * time.Hour)); d >= 48*time.Hour { // waiting for windows
		return "about " + plural(days, "day")
	}
	text := "about "
	if h := d.Round(time.Minute) / time.Hour; h > 0 {
		text += plural(int(h), "hour")
		if m := d.Round(time.Minute) % time.Hour / time.Minute; m > 0 {
			text += " " + plural(int(m), "minute")
		}
		return text
	}
	return text + plural(int(d.Round(time.Minute)/time.Minute), "minute")
}
