package runner

import (
	"fmt"
	"slices"
	"strings"
	"time"
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
	if stage.Wave {
		return s.changedSinceSoak(stage)
	}
	good := s.lastGood()
	return slices.DeleteFunc(s.changedOf(stage), func(name string) bool { return s.progress.Nodes[name].Ended <= good })
}

// changedSinceSoak are the changed nodes of a wave, and of all others that have yet to soak: where the journal was lost, or a wave is
// gone through again, those are more than one.
func (s *scene) changedSinceSoak(wave Stage) (nodes []string) {
	for _, stage := range s.plan.Stages {
		if stage.Name == wave.Name || stage.Wave && stage.Soak > 0 && !slices.Contains(s.progress.Soaked, stage.Name) {
			nodes = append(nodes, s.changedOf(stage)...)
		}
	}
	return nodes
}

// unjudgedBefore says which nodes stay under on_failure = rollback although a gate is bad: those of which only their annotations
// tell that they were done, for the journal was lost. In a rolling run most of them were judged, and found good.
func (s *scene) unjudgedBefore() string {
	stage, known := s.judged()
	if s.plan.OnFailure != "rollback" || !known || stage.Wave || stage.Back || s.lastGood() > 0 {
		return ""
	}
	nodes := slices.DeleteFunc(s.changedOf(stage), func(name string) bool { return s.progress.Nodes[name].Ended > 0 })
	if len(nodes) == 0 {
		return ""
	}
	return fmt.Sprintf("; done before the journal was lost, so that nobody knows whether the gates said good of it, and left as it is: %s; `fleetup rollback INVENTORY` takes it back", few(nodes))
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

// backWait is how long the way back waits for what keeps it from going on, while nothing is in flight: as long as a drain may be
// blocked, for what it waits for is alike.
const backWait = 15 * time.Minute

// goBack goes the way back, stage after stage, without asking any gate, and halts the run at its end, or where nothing of it
// can be gone any more, or could be for backWait.
func (s *scene) goBack() {
	t := s.progress.Turned
	s.holdAll(t.Why + "; the run goes back")
	s.nobodyElse(t.Nodes)
	ill, gaveUp := s.unwell(t.Nodes), ""
	for _, stage := range s.wayBack() {
		left := s.notBack(stage)
		for _, i := range left {
			s.takeBack(i, stage, ill)
		}
		if len(left) == 0 {
			continue
		}
		var over bool
		if gaveUp, over = s.giveUp(left); !over {
			return
		}
		break // what comes after it rests on it: no pool is closed while the other one isn't open again
	}
	s.halt(t.Why+s.wentBack(gaveUp)+s.unjudgedBefore(), haltedByGate)
}

// notBack are the nodes that have yet to go a stage of the way back.
func (s *scene) notBack(stage Stage) (left []int) {
	for _, name := range stage.Nodes {
		i, planned := s.index[name]
		if planned && slices.Contains(s.progress.Turned.Nodes, name) && !s.isBack(i, stage) {
			left = append(left, i)
		}
	}
	return left
}

// takeBack starts a stage of the way back on node i, if it may be now. Where something is ill elsewhere, only what closes no
// other node may.
func (s *scene) takeBack(i int, stage Stage, ill string) {
	switch {
	case s.starting(i):
	case ill != "" && s.takesRoom(i, stage.Order) && !s.ours(i):
		s.holds[i] = hold{why: ill}
	case s.fits(i, stage.Order):
		s.start(i, stage.Order, stage.Name)
	}
}

// unwell says why no node may be closed now whatever the limits allow, "" where one may: pods find no place, or something went
// wrong on a node that doesn't go back itself. What goes wrong on those that do is a reason to hurry.
func (s *scene) unwell(back []string) string {
	if why := s.troubled(back); why != "" {
		return why
	}
	if len(s.observed.Stranded) > 0 {
		return strandedWait(s.observed.Stranded)
	}
	return ""
}

// giveUp reports whether none of the nodes that are left of the way back can go it any more: nothing is in flight, and a limit
// is full for good, or whatever it is has kept them for backWait, which why then says.
func (s *scene) giveUp(left []int) (why string, over bool) {
	if s.running+len(s.Start) > 0 {
		return "", false
	}
	if s.barredForGood(left) {
		return "", true
	}
	since := s.progress.PickedUp
	for _, at := range []time.Time{s.progress.Turned.Since, s.lastOf(s.progress.Turned.Nodes)} {
		if at.After(since) {
			since = at
		}
	}
	why = s.reasons(left)
	due := since.Add(backWait)
	if !s.now.Before(due) {
		return why, true
	}
	s.again(due)
	for i := range s.nodes { // whoever looks at another node is told as well
		if s.waits(i) && !slices.Contains(left, i) {
			s.holds[i] = hold{why: s.progress.Turned.Why + "; the run goes back, and waits: " + why}
		}
	}
	return "", false
}

// reasons are what the nodes wait for, each once.
func (s *scene) reasons(nodes []int) string {
	var whys []string
	for _, i := range nodes {
		if text := s.holdText(i); !slices.Contains(whys, text) {
			whys = append(whys, text)
		}
	}
	return few(whys)
}

// lastOf is when anything happened to one of the nodes last.
func (s *scene) lastOf(nodes []string) (last time.Time) {
	for _, name := range nodes {
		if at := s.progress.Nodes[name].Since; at.After(last) {
			last = at
		}
	}
	return last
}

// nobodyElse makes the room that failed nodes take lasting, which a run that goes back doesn't try again.
func (s *scene) nobodyElse(back []string) {
	for i, n := range s.plan.Nodes {
		if h, down := s.room.down[n.Name]; down && !s.starting(i) && !slices.Contains(back, n.Name) && s.ours(i) {
			s.room.take(n.Name, holder{h.text, true})
		}
	}
}

// barredForGood reports whether none of the nodes fits into a limit any more, for it is filled by nodes that won't come back by
// themselves.
func (s *scene) barredForGood(nodes []int) bool {
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

// wentBack says how the way back ended, and for what it was given up.
func (s *scene) wentBack(gaveUp string) string {
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
	switch {
	case len(not) > 0 && gaveUp != "":
		parts = append(parts, fmt.Sprintf("%s could not go back for %s: %s. Once that is mended, `fleetup rollback INVENTORY` takes back what is left", few(not), brief(backWait), gaveUp))
	case len(not) > 0:
		parts = append(parts, fmt.Sprintf("%s could not go back", few(not)))
	}
	return strings.Join(parts, "; ")
}
