package runner

import (
	"cmp"
	"slices"
	"time"
)

// backoff is how long a blocked node is left alone before it is tried again: long enough that a budget may have
// recovered, short enough that a person who watches sees it move. A plan may name a shorter one for a node.
const backoff = time.Minute

// Decide answers what to do next. It is pure: the same four values always give the same Decision, whatever clock,
// cluster and machine they were taken from, so it drives a run, a plan and a simulation alike. Call it again after every
// event and every change of what is observed; a Decision doesn't remember the ones before it.
//
// The rules, in the order in which they are asked:
//
//  1. A failure that on_failure doesn't allow halts the run. What is in flight goes on.
//  2. Orders that the end of an earlier process cut off begin again, for their nodes are down already.
//  3. Asked to stop, halted, paused or on hold: nothing else starts.
//  4. Nodes to be left alone are skipped: unreachable, gone from the cluster, cordoned by a human.
//  5. Stages go one after another; a stage begins when those before it are settled.
//  6. Nodes that failed and are tried again go first, each alone. Then the others in the plan's order, then the blocked.
//  7. Each start must fit into every limit, together with all that is down in the cluster. Whoever doesn't fit is
//     passed by, not waited for: there are no batches.
//  8. With nothing in flight and nothing to start, the run ends, or waits for what only the world can change. Limits
//     that are filled for good, by failed or unreachable nodes, halt it.
func Decide(plan Plan, progress Progress, observed Observed, now time.Time) Decision {
	s := look(plan, progress, observed, now)
	if halt := s.failures(); halt != "" {
		s.Halt = halt
		s.holdAll("halted: " + halt)
		return s.result()
	}
	s.carryOn()
	if why := s.closed(); why != "" {
		s.holdAll(why)
	} else {
		s.skip()
		s.begin()
	}
	if len(s.Start) == 0 && len(s.Skip) == 0 && s.running == 0 {
		s.conclude()
	}
	return s.result()
}

// scene is everything that Decide looks at, indexed, and the decision as it grows.
type scene struct {
	Decision
	plan     Plan
	progress Progress
	observed Observed
	now      time.Time

	room    *room
	nodes   []NodeProgress // of plan.Nodes
	holds   []hold         // of plan.Nodes: what each waits for
	stage   int            // the first stage that isn't settled
	ahead   string         // what the later ones wait for, made when first asked for
	running int
}

// hold is what a node waits for: a limit of the plan, or what why says; the zero hold is a node that doesn't wait.
type hold struct {
	why   string
	limit bool // a limit is full
}

func look(plan Plan, progress Progress, observed Observed, now time.Time) *scene {
	s := &scene{plan: plan, progress: progress, observed: observed, now: now, stage: -1}
	s.nodes = make([]NodeProgress, len(plan.Nodes))
	s.holds = make([]hold, len(plan.Nodes))
	for i, n := range plan.Nodes {
		s.nodes[i] = progress.Nodes[n.Name]
		if s.nodes[i].State == "" {
			s.nodes[i].State = Waiting
		}
		if s.nodes[i].State == Running {
			s.running++
		}
		if !s.settled(i) && (s.stage < 0 || n.Stage < s.stage) {
			s.stage = n.Stage
		}
	}
	s.room = newRoom(plan.Limits, downNodes(plan, progress, observed))
	return s
}

// settled reports whether nothing more happens to node i in this run unless somebody asks for it.
func (s *scene) settled(i int) bool {
	switch s.nodes[i].State {
	case Done, Failed, Skipped:
		return true
	case Blocked:
		return s.blockedForGood(i)
	}
	return false
}

func (s *scene) blockedForGood(i int) bool {
	n := s.nodes[i]
	return n.State == Blocked && (s.plan.Nodes[i].OnBlocked == "fail" || n.Tries > s.plan.Requeues)
}

// waits reports whether node i could still be started.
func (s *scene) waits(i int) bool {
	return s.nodes[i].State == Waiting || s.nodes[i].State == Blocked && !s.blockedForGood(i)
}

// ours reports whether node i was left down by an earlier part of this run. Going on with it takes no capacity away, it
// may even bring some back, so it starts where others may not.
func (s *scene) ours(i int) bool {
	o, present := s.observed.Nodes[s.plan.Nodes[i].Name]
	return present && (o.Run != "" && o.Run == s.progress.Run || o.Failed != "" && s.nodes[i].Retry)
}

// carryOn begins again the orders that were cut off on nodes that this run holds. Phases are safe to repeat, and a
// node that stays down helps nobody: halted, paused or with stranded pods, they go on as all that is in flight does.
func (s *scene) carryOn() {
	if s.observed.Stop {
		return
	}
	for i := range s.nodes {
		if s.nodes[i].State == Waiting && s.nodes[i].Resume && s.ours(i) {
			s.start(i)
		}
	}
}

// closed says why nothing new may be started at all; "" where it may.
func (s *scene) closed() string {
	switch {
	case s.observed.Stop:
		return "fleetup was asked to stop; the next `fleetup run` goes on here"
	case s.progress.Halted != "":
		return "halted: " + s.progress.Halted
	case s.observed.Paused:
		return "paused; `fleetup resume` goes on"
	case s.observed.Hold != "":
		return s.observed.Hold
	case len(s.observed.Nodes) == 0:
		return "the cluster's nodes aren't known yet"
	}
	return ""
}

// skip settles nodes that are to be left alone.
func (s *scene) skip() {
	for i := range s.nodes {
		if !s.waits(i) || s.starting(i) {
			continue
		}
		if why := s.leaveAlone(i); why != "" {
			s.skipNode(i, why)
		}
	}
}

func (s *scene) skipNode(i int, why string) {
	s.Skip = append(s.Skip, Wait{s.plan.Nodes[i].Name, why})
	s.nodes[i].State = Skipped
	s.holds[i] = hold{}
}

// leaveAlone says why node i is to be skipped; "" where it isn't.
func (s *scene) leaveAlone(i int) string {
	n := s.plan.Nodes[i]
	if n.Skip != "" {
		return n.Skip
	}
	o, present := s.observed.Nodes[n.Name]
	switch {
	case !present:
		return "no longer in the cluster; take it out of the inventory, or let it join again and run once more"
	case o.Cordoned && o.Run == "" && o.Failed == "" && s.plan.Cordoned != "upgrade":
		return "cordoned by somebody else; uncordon it and run again, or set strategy.cordoned = \"upgrade\""
	}
	return ""
}

// foreign reports whether another run holds node i, and hasn't failed on it.
func (s *scene) foreign(i int) bool {
	o := s.observed.Nodes[s.plan.Nodes[i].Name]
	return o.Run != "" && o.Run != s.progress.Run && o.Failed == ""
}

// begin starts what fits of the current stage, and notes of everybody else what they wait for.
func (s *scene) begin() {
	if len(s.Skip) > 0 { // a stage may be over now
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
	s.skipForeign(append(others, retries...))
}

// candidates are the nodes that may be started now as far as stages go: those tried again after a failure, and the
// others: cut-off ones, waiting ones in the plan's order, then blocked ones, the longest blocked first. Whoever is in a
// later stage is held.
func (s *scene) candidates() (retries, others []int) {
	var cut, waiting, blocked []int
	for i, n := range s.nodes {
		switch {
		case !s.waits(i) || s.starting(i):
		case s.plan.Nodes[i].Stage != s.stage:
			s.holds[i].why = s.stageWait(i)
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
	if len(s.observed.Stranded) == 0 {
		return ""
	}
	why := strandedWait(s.observed.Stranded)
	s.hold(retries, why)
	for _, i := range retries { // it may be this very node that the pod needs
		if s.ours(i) && s.running+len(s.Start) == 0 {
			s.start(i)
		}
	}
	return why
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

// try starts node i if it may be started now, or notes what it waits for.
func (s *scene) try(i int) bool {
	if s.foreign(i) {
		s.holds[i].why = foreignWait(s.observed.Nodes[s.plan.Nodes[i].Name].Run)
		return false
	}
	if due := s.nodes[i].Since.Add(cmp.Or(s.plan.Nodes[i].Backoff, backoff)); s.nodes[i].State == Blocked && s.now.Before(due) {
		s.holds[i].why = s.backoffWait(i, due)
		if s.Again.IsZero() || due.Before(s.Again) {
			s.Again = due
		}
		return false
	}
	if _, full := s.room.full(s.plan.Nodes[i].Name); full {
		s.holds[i].limit = true
		return false
	}
	s.start(i)
	return true
}

// start puts node i among the orders to begin, and among the nodes that are down.
func (s *scene) start(i int) {
	name := s.nodes[i].Order
	if name == "" || !s.nodes[i].Resume {
		name = OrderUpgrade
	}
	node := s.plan.Nodes[i].Name
	s.Start = append(s.Start, Order{Node: node, Name: name})
	s.holds[i] = hold{}
	s.room.take(node, holder{text: node + " is being worked on"})
	s.nodes[i].State = Running
}

func (s *scene) starting(i int) bool { return s.nodes[i].State == Running }

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

func (s *scene) hold(nodes []int, why string) {
	for _, i := range nodes {
		s.holds[i].why = why
	}
}

func (s *scene) holdAll(why string) {
	for i := range s.nodes {
		if s.waits(i) {
			s.holds[i].why = why
		}
	}
}

// result puts the waits into words, in the plan's order.
func (s *scene) result() Decision {
	for i, h := range s.holds {
		if h.limit { // asked again: what started since may fill another limit first
			limit, _ := s.room.full(s.plan.Nodes[i].Name)
			h.why = s.room.text(limit)
		}
		if h.why != "" {
			s.Waits = append(s.Waits, Wait{s.plan.Nodes[i].Name, h.why})
		}
	}
	return s.Decision
}
