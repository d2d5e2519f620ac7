package runner

import (
	"cmp"
	"slices"
	"time"
)

// places finds which stage has more for each node, and the first stage that isn't over.
func (s *scene) places() {
	none := len(s.plan.Stages)
	s.at = make([]int, len(s.nodes))
	for i := range s.at {
		s.at[i] = none
	}
	s.stage = none
	for k := none - 1; k >= 0; k-- { // backwards, so that the first one is what stays
		for _, name := range s.plan.Stages[k].Nodes {
			i, planned := s.index[name]
			if planned && !s.settled(i) && !slices.Contains(s.nodes[i].Through, s.plan.Stages[k].Name) {
				s.at[i] = k
			}
		}
	}
	for i := range s.at {
		s.adopted(i)
		s.stage = min(s.stage, s.at[i])
	}
	for k := range s.plan.Stages[:s.stage] {
		if s.soaks(k) {
			s.stage = k
			return
		}
	}
}

// adopted puts a node of which only the order is known, for the journal was lost, into the first of its stages that has
// that order: what stands before it was behind it.
func (s *scene) adopted(i int) {
	n := s.nodes[i]
	if n.Stage != "" || n.Order == "" || s.settled(i) {
		return
	}
	for k, stage := range s.plan.Stages {
		if stage.Order == n.Order && slices.Contains(stage.Nodes, s.plan.Nodes[i].Name) {
			s.at[i] = k
			return
		}
	}
}

// begin starts what fits of the current stage, and notes of everybody else what they wait for.
func (s *scene) begin() {
	if len(s.Skip) > 0 { // a stage may be over now
		return
	}
	if s.stage < len(s.plan.Stages) && s.soaks(s.stage) {
		s.soak(s.stage)
		return
	}
	over := s.stage == len(s.plan.Stages)
	if !over && s.window.limited && !s.window.open && s.plan.Stages[s.stage].Order != OrderReturn {
		if s.nothingAgainst() {
			s.nothingOpen()
		}
		return
	}
	if !s.gates(soakEnd{}) || over {
		return
	}
	retries, others := s.candidates()
	if why := s.barred(retries); why != "" {
		s.hold(others, why)
		return
	}
	if s.beginRetry(retries) {
		s.hold(others, "nodes that failed before are tried again first, one by one")
		return
	}
	for _, i := range others {
		s.try(i)
	}
	s.unblock()
	s.skipForeign(append(others, retries...))
}

// unblock goes on with a node of a later stage that this run left down, where nothing else can start: it takes the room that
// the current stage waits for, and nobody but its own order brings it back.
func (s *scene) unblock() {
	for i, n := range s.plan.Nodes {
		if s.running+len(s.Start) > 0 {
			return
		}
		_, down := s.room.down[n.Name]
		if later := s.at[i] > s.stage && s.at[i] < len(s.plan.Stages); later && down && s.waits(i) && s.ours(i) {
			s.try(i)
		}
	}
}

// candidates are the nodes that may be started now as far as stages go: those tried again after a failure, and the
// others: cut-off ones, waiting ones in the stage's order, then blocked ones, the longest blocked first. Whoever is in a
// later stage is held, unless it failed there and is down.
func (s *scene) candidates() (retries, others []int) {
	var cut, waiting, blocked []int
	for i := range s.nodes {
		switch later := s.at[i] != s.stage; {
		case !later || !s.waits(i) || s.starting(i):
		case s.nodes[i].Retry && s.ours(i): // it is down, and the stages before it may need the room that it takes
			retries = append(retries, i)
		default:
			s.holds[i].why = s.stageWait(i)
		}
	}
	for _, name := range s.plan.Stages[s.stage].Nodes {
		i, planned := s.index[name]
		if !planned || !s.waits(i) || s.starting(i) || s.at[i] != s.stage {
			continue
		}
		switch n := s.nodes[i]; {
		case n.State == Blocked:
			blocked = append(blocked, i)
		case n.Retry:
			retries = append(retries, i)
		case n.Resume:
			cut = append(cut, i)
		default:
			waiting = append(waiting, i)
		}
	}
	slices.SortStableFunc(blocked, func(a, b int) int { return s.nodes[a].Since.Compare(s.nodes[b].Since) })
	return retries, slices.Concat(cut, waiting, blocked)
}

// barred says why none of the others may start now. It holds the retries itself.
func (s *scene) barred(retries []int) string {
	if why := s.stageBar(); why != "" {
		s.hold(retries, why)
		return why
	}
	order := s.plan.Stages[s.stage].Order
	if order == OrderOpen || order == OrderWake {
		return ""
	}
	if why := s.troubled(nil); why != "" {
		s.hold(retries, why)
		return why
	}
	if len(s.observed.Stranded) == 0 {
		return ""
	}
	why := strandedWait(s.observed.Stranded)
	s.hold(retries, why)
	for _, i := range retries { // it may be this very node that the pod needs
		if s.ours(i) && s.running+len(s.Start) == 0 {
			s.startStage(i)
		}
	}
	return why
}

// quiet is how long nothing may have gone wrong elsewhere before another node is closed: what one drain did to the others shows
// within that.
const quiet = 2 * time.Minute

// troubled says what went wrong elsewhere just now, on none of the nodes of but, and looks again when that is no longer fresh; ""
// where nothing did.
func (s *scene) troubled(but []string) string {
	var newest *Trouble
	for i, t := range s.observed.Troubles {
		if s.now.Before(t.At.Add(quiet)) && !slices.Contains(but, t.Node) && (newest == nil || t.At.After(newest.At)) {
			newest = &s.observed.Troubles[i]
		}
	}
	if newest == nil {
		return ""
	}
	until := newest.At.Add(quiet)
	s.again(until)
	return troubleWait(*newest, until)
}

// beginRetry starts one node that failed before if nothing else is in flight, and reports whether the others have to
// wait for such nodes. Where none of them fits into the limits, the others needn't.
func (s *scene) beginRetry(retries []int) bool {
	for i, n := range s.nodes {
		if n.State == Running && n.Retry {
			s.hold(retries, s.plan.Nodes[i].Name+" failed before and is tried again alone")
			return true
		}
	}
	if len(retries) > 0 && s.running+len(s.Start) > 0 {
		s.hold(retries, "it failed before and is tried again alone, after what is in flight")
		return true
	}
	for k, i := range retries {
		if s.try(i) {
			s.hold(retries[k+1:], s.plan.Nodes[i].Name+" failed before and is tried again alone")
			return true
		}
	}
	return false
}

// try starts node i with the order of its stage if it may be started now, or notes what it waits for.
func (s *scene) try(i int) bool {
	stage := s.plan.Stages[s.at[i]]
	if !s.inWindow(i, stage) || !s.fits(i, stage.Order) {
		return false
	}
	s.start(i, stage.Order, stage.Name)
	return true
}

func (s *scene) startStage(i int) {
	s.start(i, s.plan.Stages[s.at[i]].Order, s.plan.Stages[s.at[i]].Name)
}

// fits reports whether an order may be started on node i now, or notes what it waits for.
func (s *scene) fits(i int, order string) bool {
	if s.foreign(i) {
		s.holds[i].why = foreignWait(s.observed.Nodes[s.plan.Nodes[i].Name].Run)
		return false
	}
	if due := s.nodes[i].Since.Add(cmp.Or(s.plan.Nodes[i].Backoff, backoff)); s.nodes[i].State == Blocked && s.now.Before(due) {
		s.holds[i].why = s.backoffWait(i, due)
		s.again(due)
		return false
	}
	if _, full := s.room.full(s.plan.Nodes[i].Name); full && s.takesRoom(i, order) {
		s.holds[i].limit = true
		return false
	}
	return true
}

// skipForeign gives up on nodes that other runs hold once there is nothing else to do: they were given the whole run's
// time to be given back.
func (s *scene) skipForeign(candidates []int) {
	if s.running+len(s.Start) > 0 {
		return
	}
	for _, i := range candidates {
		if !s.foreign(i) {
			return
		}
	}
	for _, i := range candidates {
		s.skipNode(i, foreignWait(s.observed.Nodes[s.plan.Nodes[i].Name].Run))
	}
}

// giveBackSpares returns the spares before the run is over, once nothing is in flight: whatever keeps it from going on, they
// were only lent.
func (s *scene) giveBackSpares() {
	if s.observed.Stop || s.running > 0 {
		return
	}
	for _, stage := range s.plan.Stages {
		for _, name := range stage.Nodes {
			i, planned := s.index[name]
			if stage.Always && planned && s.waits(i) && !s.starting(i) && s.ours(i) && s.nodes[i].Back != stage.Name {
				s.start(i, OrderReturnEarly, stage.Name)
			}
		}
	}
}
