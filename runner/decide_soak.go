package runner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// leastWait is how long a soak waits for pods at least, however short it is itself.
const leastWait = time.Minute

// soaks reports whether a stage, all of whose nodes are settled or further on, still has to soak: it wants to, it hasn't,
// and anything was done in it.
func (s *scene) soaks(k int) bool {
	stage := s.plan.Stages[k]
	if stage.Soak == 0 && stage.MinPods == 0 || slices.Contains(s.progress.Soaked, stage.Name) {
		return false
	}
	for i := range s.at {
		if s.at[i] == k {
			return false
		}
	}
	return slices.ContainsFunc(stage.Nodes, func(name string) bool { return s.touched(name, stage) })
}

// touched reports whether a node went through a stage and was changed by it.
func (s *scene) touched(name string, stage Stage) bool {
	n := s.progress.Nodes[name]
	through := n.State == Done || slices.Contains(n.Through, stage.Name)
	return through && !n.UpToDate
}

// soak lets a stage soak: once its nodes carry enough pods it begins, all the while the gates are asked, and with a good
// answer after its end it is over. Pods that don't come make it inconclusive, which is a halt.
func (s *scene) soak(k int) {
	stage := s.plan.Stages[k]
	if s.progress.Soak.Stage != stage.Name {
		if s.gates(soakEnd{}) && s.enough(k) {
			s.Tell = append(s.Tell, Event{Event: EventSoak, Stage: stage.Name, Message: fmt.Sprintf("%s soaks for %s", stage.Name, brief(stage.Soak))})
		}
		return
	}
	end := s.soakEnds(stage)
	good := s.gates(soakEnd{end})
	switch {
	case !good:
	case s.now.Before(end):
		s.holdAll(fmt.Sprintf("%s soaks until %s", stage.Name, clock(end)))
		s.again(end)
	case s.Ask == nil:
		s.Tell = append(s.Tell, s.soaked(k))
	}
}

// soakEnds is when the soak that is under way has lasted long enough. It counts what this process sees of it alone: while none
// lived, nobody asked the gates.
func (s *scene) soakEnds(stage Stage) time.Time {
	since := s.progress.Soak.Since
	if s.progress.PickedUp.After(since) {
		since = s.progress.PickedUp
	}
	return since.Add(stage.Soak)
}

// enough reports whether each node that a stage's soak is seen on carries as many pods as it needs to tell anything: one that
// carries few proves little, however many its neighbours have. Where they don't, it waits, no longer than the soak itself would take.
func (s *scene) enough(k int) bool {
	stage := s.plan.Stages[k]
	since, idle := s.progress.PickedUp, []string{}
	for _, name := range s.carriers(k) {
		if pods := s.observed.Pods[name]; pods < stage.MinPods {
			idle = append(idle, name+" carries "+count(pods, "pod", "pods"))
		}
	}
	for _, name := range stage.Nodes {
		if n := s.progress.Nodes[name]; n.Since.After(since) {
			since = n.Since
		}
	}
	if len(idle) == 0 {
		return true
	}
	due := since.Add(max(stage.Soak, leastWait))
	why := fmt.Sprintf("%s: %s, min_pods = %d on each: a soak would tell nothing", stage.Name, few(idle), stage.MinPods)
	if !s.now.Before(due) {
		s.halt("inconclusive: "+why+"; `kubectl rollout restart` of a Deployment has pods placed anew, min_pods = 0 does without", haltedByGate)
		return false
	}
	s.holdAll(fmt.Sprintf("%s; halted at %s unless there are more", why, clock(due)))
	s.again(due)
	return false
}

// carriers are the nodes on which a stage's soak is seen: of its own or, where it closes a pool, of the pool that was opened
// before, those that the run has changed.
func (s *scene) carriers(k int) []string {
	stage := s.plan.Stages[k]
	if stage.Order == OrderClose {
		for j := k - 1; j >= 0; j-- {
			if s.plan.Stages[j].Order == OrderOpen {
				stage = s.plan.Stages[j]
				break
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(stage.Nodes), func(name string) bool { return !s.touched(name, stage) })
}

// soaked is the end of a soak, with what each of its nodes carried: one that carried nothing proved nothing.
func (s *scene) soaked(k int) Event {
	stage, pods := s.plan.Stages[k], map[string]string{}
	var parts []string
	for _, name := range s.carriers(k) {
		pods[name] = strconv.Itoa(s.observed.Pods[name])
		parts = append(parts, name+" "+pods[name])
	}
	return Event{Event: EventSoaked, Stage: stage.Name, Data: pods,
		Message: fmt.Sprintf("%s has soaked for %s; pods carried: %s", stage.Name, brief(stage.Soak), few(parts))}
}

// brief is a duration without the zeros: "10m", "1h30m".
func brief(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// rollBackStage is the way back of nodes that aren't a pool: each is put back to what it ran before.
func rollBackStage(t Turn) Stage {
	return Stage{Name: "roll back of " + t.Stage, Order: OrderRollBack, Nodes: t.Nodes}
}

// nodesText joins the names for an event's Data.
func nodesText(names []string) string { return strings.Join(names, " ") }
