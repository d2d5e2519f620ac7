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
	end := s.progress.Soak.Since.Add(stage.Soak)
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

// enough reports whether a stage's nodes carry as many pods as a soak needs to tell anything. Where they don't, it waits,
// no longer than the soak itself would take.
func (s *scene) enough(k int) bool {
	stage := s.plan.Stages[k]
	pods, since := 0, s.progress.PickedUp
	for _, name := range s.carriers(k) {
		pods += s.observed.Pods[name]
	}
	for _, name := range stage.Nodes {
		if n := s.progress.Nodes[name]; n.Since.After(since) {
			since = n.Since
		}
	}
	if pods >= stage.MinPods {
		return true
	}
	due := since.Add(max(stage.Soak, leastWait))
	why := fmt.Sprintf("%s carries %s, min_pods = %d: a soak would tell nothing", stage.Name, count(pods, "pod", "pods"), stage.MinPods)
	if !s.now.Before(due) {
		s.halt("inconclusive: "+why, haltedByGate)
		return false
	}
	s.holdAll(fmt.Sprintf("%s; halted at %s unless there are more", why, clock(due)))
	s.again(due)
	return false
}

// carriers are the nodes on which a stage's soak is seen: its own or, where it closes a pool, those of the pool that was
// opened before.
func (s *scene) carriers(k int) []string {
	if s.plan.Stages[k].Order == OrderClose {
		for j := k - 1; j >= 0; j-- {
			if s.plan.Stages[j].Order == OrderOpen {
				return s.plan.Stages[j].Nodes
			}
		}
	}
	return s.plan.Stages[k].Nodes
}

// soaked is the end of a soak, with what each of its nodes carried: one that carried nothing proved nothing.
func (s *scene) soaked(k int) Event {
	stage, pods := s.plan.Stages[k], map[string]string{}
	var parts []string
	for _, name := range s.carriers(k) {
		if n := s.progress.Nodes[name]; n.State != Skipped && n.State != Failed && !n.UpToDate {
			pods[name] = strconv.Itoa(s.observed.Pods[name])
			parts = append(parts, name+" "+pods[name])
		}
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
