package runner

import (
	"fmt"
	"slices"
	"strings"
)

// takenBack are the nodes that a bad gate takes back now: those that the current stage's way back is about, or, under
// on_failure = rollback, those that were changed since the gates were good last, of a wave all. None: it only halts.
func (s *scene) takenBack() []string {
	stage, known := s.judged()
	switch {
	case known && stage.Back && !s.mayReturn(stage):
		return nil
	case known && stage.Back:
		return s.switched()
	case s.plan.OnFailure != "rollback" || !known || slices.Contains(s.progress.Soaked, stage.Name):
		return nil // what has soaked well isn't what made the gate bad
	}
	good := s.lastGood()
	return slices.DeleteFunc(s.changedOf(stage), func(name string) bool { return !stage.Wave && s.progress.Nodes[name].Ended <= good })
}

// mayReturn reports whether the pool that served before can serve again: nothing was begun on it after the switch, whose soak
// ended well then, and none of its nodes failed. Else closing the other pool would leave none.
func (s *scene) mayReturn(stage Stage) bool {
	if slices.Contains(s.progress.Soaked, stage.Name) {
		return false
	}
	k := slices.IndexFunc(s.plan.Stages, func(other Stage) bool { return other.Name == stage.Name })
	for i, n := range s.nodes {
		if slices.ContainsFunc(s.plan.Stages[k+1:], func(later Stage) bool { return later.Name == n.Stage && !later.Back }) {
			return false
		}
		failed := n.State == Failed || n.Retry || s.observed.Nodes[s.plan.Nodes[i].Name].Failed != ""
		if failed && slices.Contains(s.plan.Back[0].Nodes, s.plan.Nodes[i].Name) {
			return false
		}
	}
	return true
}

// judged is the stage that a gate's answer is about: the last one in which anything was done.
func (s *scene) judged() (Stage, bool) {
	for k := min(s.stage, len(s.plan.Stages)-1); k >= 0; k-- {
		stage := s.plan.Stages[k]
		if slices.ContainsFunc(stage.Nodes, func(name string) bool { return s.touched(name, stage) }) {
			return stage, true
		}
	}
	return Stage{}, false
}

// lastGood is Seq as of the last questions that each gate answered well.
func (s *scene) lastGood() int {
	good := s.progress.Seq
	for _, g := range s.plan.Gates {
		good = min(good, s.progress.Gates[g.Name].Good)
	}
	return good
}

// switched are the nodes of the plan's way back that the run has closed, or changed, or both. One that failed stays as it is,
// closed.
func (s *scene) switched() []string {
	var nodes []string
	for _, stage := range s.plan.Back {
		for _, name := range stage.Nodes {
			i, planned := s.index[name]
			failed := planned && (s.nodes[i].Retry || s.observed.Nodes[name].Failed != "")
			if planned && !failed && (s.ours(i) || s.nodes[i].State == Done && !s.nodes[i].UpToDate) {
				nodes = append(nodes, name)
			}
		}
	}
	return nodes
}

// turn tells that the run goes back.
func (s *scene) turn(why string, nodes []string) {
	stage, _ := s.judged()
	s.turnFrom(stage, why, nodes)
}

func (s *scene) turnFrom(stage Stage, why string, nodes []string) {
	s.Tell = append(s.Tell, Event{Event: EventTurned, Stage: stage.Name, Message: why, Data: map[string]string{dataNodes: nodesText(nodes)}})
	s.holdAll(why)
}

// wayBack are the stages of the way back that the run has taken.
func (s *scene) wayBack() []Stage {
	t := s.progress.Turned
	if slices.ContainsFunc(s.plan.Stages, func(stage Stage) bool { return stage.Name == t.Stage && stage.Back }) {
		return s.plan.Back
	}
	return []Stage{rollBackStage(t)}
}

// turnsWave reports whether the failures that halt the run take a canary's wave back first: the last wave in which a node
// failed, if anything of it was changed.
func (s *scene) turnsWave() bool {
	return s.plan.OnFailure == "rollback" && len(s.changedOf(s.failedWave())) > 0
}

// failedWave is the last wave in which a node failed.
func (s *scene) failedWave() Stage {
	failed := s.namesOf(s.broken())
	for _, stage := range slices.Backward(s.plan.Stages) {
		if stage.Wave && slices.ContainsFunc(stage.Nodes, func(name string) bool { return slices.Contains(failed, name) }) {
			return stage
		}
	}
	return Stage{}
}

// changedOf are the nodes of a stage that the run has changed and not taken back.
func (s *scene) changedOf(stage Stage) []string {
	var nodes []string
	for _, name := range stage.Nodes {
		if i, planned := s.index[name]; planned && s.nodes[i].State == Done && !s.nodes[i].UpToDate {
			nodes = append(nodes, name)
		}
	}
	return nodes
}

// turnWave tells that the wave goes back in which nodes failed, once nothing is in flight any more.
func (s *scene) turnWave(why string) {
	if s.running+len(s.Start) > 0 {
		s.holdAll(why + "; what is in flight ends first")
		return
	}
	stage := s.failedWave()
	s.turnFrom(stage, why, s.changedOf(stage))
}

// goBack goes the way back, stage after stage, without asking any gate, and halts the run at its end, or where nothing of it
// can be gone any more.
func (s *scene) goBack() {
	t := s.progress.Turned
	s.holdAll(t.Why + "; the run goes back")
	s.nobodyElse(t.Nodes)
	for _, stage := range s.wayBack() {
		var left []int
		for _, name := range stage.Nodes {
			i, planned := s.index[name]
			if planned && slices.Contains(t.Nodes, name) && !s.isBack(i, stage) {
				left = append(left, i)
			}
		}
		for _, i := range left {
			if !s.starting(i) && s.fits(i, stage.Order) {
				s.start(i, stage.Order, stage.Name)
			}
		}
		if len(left) > 0 && !s.barredForGood(left) {
			return
		}
	}
	s.halt(t.Why+s.wentBack(), haltedByGate)
}

// nobodyElse makes the room that failed nodes take lasting, which a run that goes back doesn't try again.
func (s *scene) nobodyElse(back []string) {
	for i, n := range s.plan.Nodes {
		if h, down := s.room.down[n.Name]; down && !s.starting(i) && !slices.Contains(back, n.Name) && s.ours(i) {
			s.room.take(n.Name, holder{h.text, true})
		}
	}
}

// barredForGood reports whether nothing is in flight and none of the nodes fits into a limit any more, for it is filled by
// nodes that won't come back by themselves.
func (s *scene) barredForGood(nodes []int) bool {
	if s.running+len(s.Start) > 0 {
		return false
	}
	return !slices.ContainsFunc(nodes, func(i int) bool {
		_, full := s.room.fullForGood(s.plan.Nodes[i].Name)
		return !full
	})
}

// isBack reports whether node i has gone a stage of the way back, or can't any more.
func (s *scene) isBack(i int, stage Stage) bool {
	n := s.nodes[i]
	return n.Back == stage.Name || n.State == Failed || n.State == Skipped || n.State == Blocked && s.blockedForGood(i)
}

// wentBack says how the way back ended.
func (s *scene) wentBack() string {
	var back, not []string
	for _, name := range s.progress.Turned.Nodes {
		if i, planned := s.index[name]; planned && s.nodes[i].Back == "" {
			not = append(not, name)
		} else {
			back = append(back, name)
		}
	}
	parts := []string{""}
	if len(back) > 0 {
		parts = append(parts, few(back)+" went back")
	}
	if len(not) > 0 {
		parts = append(parts, fmt.Sprintf("%s could not go back", few(not)))
	}
	return strings.Join(parts, "; ")
}
