package runner

import (
	"fmt"
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
//  1. A failure that on_failure doesn't allow halts the run. What is in flight goes on. Under on_failure = rollback a
//     canary's wave goes back first, once nothing is in flight.
//  2. Orders that the end of an earlier process cut off begin again, for their nodes are down already; under
//     on_failure = rollback, nodes that failed go back.
//  3. Asked to stop, halted, paused or on hold: nothing else starts, but that a halted run gives its spares back.
//  4. A run that a gate turned back goes its way back, and is halted at the end of it. It keeps to the limits, and to rule 10 for
//     what goes on elsewhere; what it can't go for a quarter of an hour it gives up, and is halted with that.
//  5. Nodes to be left alone are skipped: unreachable, gone from the cluster, cordoned by a human.
//  6. Stages go one after another; a stage begins when those before it are settled and have soaked.
//  7. Before anything new starts, the gates have said good of all that was changed before. A bad gate turns the run back
//     or halts it; one that can't be judged holds it, and halts it at its deadline.
//  8. Nodes that failed and are tried again go first, each alone. Then the others in the stage's order, then the blocked.
//  9. A node is started only while a window is open, and only if it will be ready before that closes; with nothing else in
//     flight, and nothing left that the gates haven't said good of, a closed window ends the run for this process, or is
//     waited for. Spares are given back before, and lent again in the next one.
//  10. Each start must fit into every limit, together with all that is down in the cluster. Whoever doesn't fit is
//     passed by, not waited for: there are no batches. None starts while pods that were evicted find no node, nor within
//     two minutes of a node elsewhere turning NotReady, or losing a pod to its kubelet or for want of memory.
//  11. With nothing in flight and nothing to start, the run ends, or waits for what only the world can change. Limits
//     that are filled for good, by failed or unreachable nodes, halt it.
func Decide(plan Plan, progress Progress, observed Observed, now time.Time) Decision {
	s := look(plan, progress, observed, now)
	failed := s.failures()
	if failed != "" && !s.turnsWave() {
		s.haltFailed(failed)
		return s.result()
	}
	s.carryOn()
	s.mend()
	switch why := s.closed(); {
	case failed != "":
		s.turnWave(failed)
	case why != "":
		s.holdAll(why)
		if progress.Halted != "" {
			s.giveBackSpares()
		}
	case progress.Turned.Stage != "":
		s.goBack()
	default:
		s.skip()
		s.begin()
	}
	if len(s.Start)+len(s.Skip)+len(s.Tell) == 0 && s.Ask == nil && s.Halt == "" && s.running == 0 {
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
	window  window
	index   map[string]int // of plan.Nodes, by name
	nodes   []NodeProgress // of plan.Nodes
	at      []int          // of plan.Nodes: the stage that has more for it; as many as there are stages: none has
	holds   []hold         // of plan.Nodes: what each waits for
	stage   int            // the first stage that isn't over
	ahead   string         // what the later ones wait for, made when first asked for
	running int
}

// hold is what a node waits for: a limit of the plan, or what why says; the zero hold is a node that doesn't wait.
type hold struct {
	why   string
	limit bool // a limit is full
}

func look(plan Plan, progress Progress, observed Observed, now time.Time) *scene {
	s := &scene{plan: plan, progress: progress, observed: observed, now: now}
	s.index = make(map[string]int, len(plan.Nodes))
	s.nodes = make([]NodeProgress, len(plan.Nodes))
	s.holds = make([]hold, len(plan.Nodes))
	for i, n := range plan.Nodes {
		s.index[n.Name] = i
		s.nodes[i] = progress.Nodes[n.Name]
		if s.nodes[i].State == "" {
			s.nodes[i].State = Waiting
		}
		if s.nodes[i].State == Running {
			s.running++
		}
	}
	s.places()
	s.window.limited = len(plan.Windows) > 0
	s.window.open, s.window.until, s.window.next = plan.Windows.At(now)
	s.room = newRoom(plan.Limits, downNodes(plan, progress, observed))
	return s
}

// settled reports whether nothing more happens to node i in this run unless somebody asks for it.
func (s *scene) settled(i int) bool {
	switch s.nodes[i].State {
	case Done, Failed, Skipped, Held:
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

// present reports whether node i is in the cluster.
func (s *scene) present(i int) bool {
	_, present := s.observed.Nodes[s.plan.Nodes[i].Name]
	return present
}

// carryOn begins again the orders that were cut off on nodes that this run holds. Phases are safe to repeat, and a
// node that stays down helps nobody: halted, paused or with stranded pods, they go on as all that is in flight does.
// So does an order that had opened its node already: only its end is missing, without which nobody would judge the node, or
// take it back.
func (s *scene) carryOn() {
	if s.observed.Stop {
		return
	}
	for i, n := range s.nodes {
		if n.State == Waiting && n.Resume && (s.ours(i) || n.Given && s.present(i) && !s.foreign(i)) {
			s.resume(i)
		}
	}
}

// resume starts node i's order as it was cut off; what was adopted without one has the order of its stage.
func (s *scene) resume(i int) {
	n := s.nodes[i]
	switch {
	case n.Order != "" && n.Stage != "", givesBack[n.Order], n.Order == OrderRollBack:
		s.start(i, n.Order, n.Stage)
	case s.at[i] < len(s.plan.Stages):
		s.start(i, s.plan.Stages[s.at[i]].Order, s.plan.Stages[s.at[i]].Name)
	}
}

// mend takes back the nodes that failed after their claim, where that is what on_failure wants. One whose way back failed
// too stays as it is, and so does a spare that couldn't be woken or given back: there is nothing on it to take back, or nothing wrong
// with what is.
func (s *scene) mend() {
	if s.plan.OnFailure != "rollback" || s.observed.Stop {
		return
	}
	for i, n := range s.nodes {
		claimed := s.observed.Nodes[s.plan.Nodes[i].Name].Run == s.progress.Run && s.progress.Run != ""
		if n.State == Failed && n.Back == "" && n.Order != OrderRollBack && n.Order != OrderWake && !returns[n.Order] && claimed {
			s.start(i, OrderRollBack, "")
		}
	}
}

// closed says why nothing new may be started at all; "" where it may.
func (s *scene) closed() string {
	switch {
	case s.observed.Stop:
		return "fleetup was asked to stop; the next `fleetup " + Again(s.progress.Run) + " INVENTORY` goes on here"
	case s.progress.Halted != "":
		return "halted: " + s.progress.Halted
	case s.observed.Paused:
		return "paused; `fleetup resume INVENTORY` goes on"
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

// leaveAlone says why node i is to be skipped; "" where it isn't. A spare may well be cordoned: it is one.
func (s *scene) leaveAlone(i int) string {
	n := s.plan.Nodes[i]
	if n.Skip != "" {
		return n.Skip
	}
	o, present := s.observed.Nodes[n.Name]
	switch {
	case o.Hold != "":
		return fmt.Sprintf("%s; `fleetup swap finish INVENTORY %s` or `cancel` gives it back", o.Hold, n.Name)
	case !present:
		return "no longer in the cluster; take it out of the inventory, or let it join again and run once more"
	case o.Cordoned && o.Run == "" && o.Failed == "" && s.plan.Cordoned != "upgrade" && !n.Spare:
		return "cordoned by somebody else; uncordon it and run again, or set strategy.cordoned = \"upgrade\""
	}
	return ""
}

// foreign reports whether another run holds node i, and hasn't failed on it.
func (s *scene) foreign(i int) bool {
	o := s.observed.Nodes[s.plan.Nodes[i].Name]
	return o.Run != "" && o.Run != s.progress.Run && o.Failed == ""
}

// start puts node i among the orders to begin, and among the nodes that are down where that is what the order makes it.
func (s *scene) start(i int, order, stage string) {
	node := s.plan.Nodes[i].Name
	s.Start = append(s.Start, Order{Node: node, Name: order, Stage: stage})
	s.holds[i] = hold{}
	if s.takesRoom(i, order) {
		s.room.take(node, holder{text: node + " is being worked on"})
	}
	s.nodes[i].State = Running
}

// takesRoom reports whether an order takes node i out of service, so that the limits have to allow it.
func (s *scene) takesRoom(i int, order string) bool {
	return !s.plan.Nodes[i].Spare && !opens[order]
}

func (s *scene) starting(i int) bool { return s.nodes[i].State == Running }

func (s *scene) hold(nodes []int, why string) {
	for _, i := range nodes {
		s.holds[i] = hold{why: why}
	}
}

func (s *scene) holdAll(why string) {
	for i := range s.nodes {
		if s.waits(i) {
			s.holds[i] = hold{why: why}
		}
	}
}

// halt ends the starting of new things for good.
func (s *scene) halt(why, by string) {
	s.Halt, s.By = why, by
	s.holdAll("halted: " + why)
}

// again asks to be asked again at a time, or earlier.
func (s *scene) again(at time.Time) {
	if s.Again.IsZero() || at.Before(s.Again) {
		s.Again = at
	}
}

// result puts the waits into words, in the plan's order.
func (s *scene) result() Decision {
	for i := range s.holds {
		if why := s.holdText(i); why != "" {
			s.Waits = append(s.Waits, Wait{s.plan.Nodes[i].Name, why})
		}
	}
	return s.Decision
}

// holdText says what node i waits for; "" where it doesn't.
func (s *scene) holdText(i int) string {
	if !s.holds[i].limit {
		return s.holds[i].why
	}
	limit, _ := s.room.full(s.plan.Nodes[i].Name) // asked again: what started since may fill another limit first
	return s.room.text(limit)
}

// names are those of plan.Nodes.
func (s *scene) namesOf(nodes []int) []string {
	names := make([]string, 0, len(nodes))
	for _, i := range nodes {
		names = append(names, s.plan.Nodes[i].Name)
	}
	return slices.Clip(names)
}
