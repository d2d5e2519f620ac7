package runner

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// failures says why the failed nodes halt the run; "" where they don't, where it is halted already, or where it goes back,
// which what fails on the way doesn't end.
func (s *scene) failures() string {
	failed := s.broken()
	if s.progress.Halted != "" || s.progress.Turned.Stage != "" || len(failed) == 0 {
		return ""
	}
	if s.plan.OnFailure == "stop" {
		first := failed[0]
		return fmt.Sprintf("node %s failed: %s; on_failure = stop", s.plan.Nodes[first].Name, s.nodes[first].Why)
	}
	if len(failed) <= s.plan.MaxFailures {
		return ""
	}
	return fmt.Sprintf("%s failed (%s); max_failures = %d", count(len(failed), "node", "nodes"), s.names(failed), s.plan.MaxFailures)
}

// haltFailed halts the run for its failures. A gate that was bad already, and only waited for what is in flight, halts it too.
func (s *scene) haltFailed(why string) {
	by := ""
	for _, g := range s.plan.Gates {
		if p := s.progress.Gates[g.Name]; p.Verdict == GateBad {
			why, by = why+"; "+badGate(g, p), haltedByGate
		}
	}
	s.halt(why, by)
}

// broken are the nodes that failed, also those that are being rolled back for it.
func (s *scene) broken() []int {
	var broken []int
	for i, n := range s.nodes {
		if n.State == Failed || n.Fault != "" && (n.State == Running || n.Resume && s.present(i)) {
			broken = append(broken, i)
		}
	}
	return broken
}

// conclude ends the run for this process, where nothing is in flight and nothing can be started, or leaves it to wait.
//
// The exit is the first that holds of: 130, stopped with work left; 3 or 1, halted; 1, a node failed or is blocked; 0.
func (s *scene) conclude() {
	left, unjudged := s.left(), s.unjudged()
	switch {
	case s.observed.Stop && (left > 0 || unjudged):
		why := count(left, "node", "nodes") + " left"
		if left == 0 {
			why = "nothing is left to start, and what was changed has yet to be judged"
		}
		s.End = &End{Exit: 130, Why: "interrupted: " + why}
	case s.progress.Halted != "":
		s.End = &End{Exit: s.haltedExit(), Why: "halted: " + s.progress.Halted}
	case left == 0 && !unjudged:
		s.End = s.over()
	case s.shut():
	case unjudged || s.observed.Paused || s.observed.Hold != "" || !s.Again.IsZero() || len(s.observed.Nodes) == 0:
	default:
		if s.Halt = s.stuck(); s.Halt != "" {
			s.halt(s.Halt, "")
		}
	}
}

// unjudged reports whether something that was done has yet to be judged: a stage has to soak, a gate hasn't said good of
// what was changed last, or the way back isn't at its end.
func (s *scene) unjudged() bool {
	if s.progress.Turned.Stage != "" || s.stage < len(s.plan.Stages) && s.soaks(s.stage) {
		return true
	}
	return slices.ContainsFunc(s.plan.Gates, func(g PlanGate) bool {
		p := s.progress.Gates[g.Name]
		return p.Asked < s.progress.Moved || p.Verdict != "" && p.Verdict != GateGood
	})
}

// left counts the nodes that could still be started.
func (s *scene) left() int {
	left := 0
	for i := range s.nodes {
		if s.waits(i) {
			left++
		}
	}
	return left
}

// haltedExit tells the two exits of a halted run apart: 1 where a node failed under on_failure = stop, or where what
// is left is blocked or shut out by nodes that are down for good; 3 where a budget of failures is spent, which
// includes the room that they leave under a limit, and for whatever else may halt a run.
func (s *scene) haltedExit() int {
	failed := len(s.inState(Failed)) > 0
	if failed && s.plan.OnFailure != "stop" || s.progress.HaltedBy == haltedByGate {
		return 3
	}
	if failed || len(s.inState(Blocked)) > 0 || s.room.anyLasting() {
		return 1
	}
	return 3
}

// stuck says why no node that waits can ever start; "" where the world may still change that: a node that isn't Ready
// may come back, another run may give one up.
func (s *scene) stuck() string {
	if why := s.stageBar(); why != "" {
		return why
	}
	var reasons []string
	for i, n := range s.plan.Nodes {
		if !s.waits(i) || s.at[i] != s.stage {
			continue
		}
		limit, full := s.room.fullForGood(n.Name)
		if !full {
			return ""
		}
		if text := s.room.text(limit); !slices.Contains(reasons, text) {
			reasons = append(reasons, text)
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	return "no node can start any more: " + few(reasons)
}

// stageBar says which node of an earlier stage keeps the current one from beginning: a control plane that isn't
// upgraded must not be overtaken by kubelets.
func (s *scene) stageBar() string {
	for k, stage := range s.plan.Stages[:min(s.stage, len(s.plan.Stages))] {
		if why := s.provedNothing(stage); why != "" && !s.plan.Stages[s.stage].Always {
			return why
		}
		if !stage.MustSucceed {
			continue
		}
		for _, name := range stage.Nodes {
			i, planned := s.index[name]
			if !planned || s.plan.Stages[s.stage].Always {
				continue
			}
			if state := s.nodes[i].State; state == Failed || state == Blocked {
				return fmt.Sprintf("%s must be through first: %s %s: %s", s.stageName(k), name, state, s.nodes[i].Why)
			}
		}
	}
	return ""
}

// provedNothing says why no later wave may begin: nodes of this one failed, and none came through.
func (s *scene) provedNothing(stage Stage) string {
	if !stage.Wave {
		return ""
	}
	var failed []int
	for _, name := range stage.Nodes {
		i, planned := s.index[name]
		switch {
		case planned && s.nodes[i].State == Done:
			return ""
		case planned && s.nodes[i].State == Failed:
			failed = append(failed, i)
		}
	}
	if len(failed) == 0 {
		return ""
	}
	first := failed[0]
	return fmt.Sprintf("%s proved nothing: none of its nodes came through, and %s failed: %s", stage.Name, s.plan.Nodes[first].Name, s.nodes[first].Why)
}

// over is the end of a run in which every node is settled.
func (s *scene) over() *End {
	failed, blocked, strays := s.inState(Failed), s.inState(Blocked), s.strays()
	if len(failed)+len(blocked)+len(strays) == 0 {
		return &End{Finished: true, Why: s.summary()}
	}
	why := []string{s.summary()}
	why = append(why, s.byReason(failed)...)
	why = append(why, s.byReason(blocked)...)
	for _, node := range strays {
		why = append(why, node+" belongs to this run, but isn't selected now")
	}
	return &End{Exit: 1, Why: strings.Join(why, "; ")}
}

// strays are nodes that the run began and that the plan no longer holds.
func (s *scene) strays() []string {
	var strays []string
	for name, n := range s.progress.Nodes {
		if n.Begun() && !slices.ContainsFunc(s.plan.Nodes, func(p PlanNode) bool { return p.Name == name }) {
			strays = append(strays, name)
		}
	}
	slices.Sort(strays)
	return strays
}

// summary counts nodes by how they ended: "4 done, 1 failed".
func (s *scene) summary() string {
	var parts []string
	for _, state := range []NodeState{Done, Failed, Blocked, Held, Skipped} {
		if n := len(s.inState(state)); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if len(parts) == 0 {
		return "no nodes"
	}
	return strings.Join(parts, ", ")
}

// byReason names each reason once, with the nodes that it holds for.
func (s *scene) byReason(nodes []int) []string {
	groups := map[string][]int{}
	var reasons []string
	for _, i := range nodes {
		why := s.nodes[i].Why
		if groups[why] == nil {
			reasons = append(reasons, why)
		}
		groups[why] = append(groups[why], i)
	}
	for k, why := range reasons {
		state := s.nodes[groups[why][0]].State
		reasons[k] = fmt.Sprintf("%s %s: %s", s.names(groups[why]), state, why)
	}
	return reasons
}

func (s *scene) inState(state NodeState) []int {
	var found []int
	for i, n := range s.nodes {
		if n.State == state {
			found = append(found, i)
		}
	}
	return found
}

func (s *scene) names(nodes []int) string {
	var names []string
	for _, i := range nodes {
		names = append(names, s.plan.Nodes[i].Name)
	}
	return few(names)
}

func (r *room) anyLasting() bool {
	for _, h := range r.down {
		if h.lasting {
			return true
		}
	}
	return false
}

// stageName counts a plan's stages or, where it has waves, those alone, as their names do.
func (s *scene) stageName(stage int) string {
	if stage >= 0 && stage < len(s.plan.Stages) && slices.ContainsFunc(s.plan.Stages, func(other Stage) bool { return other.Wave }) {
		return s.plan.Stages[stage].Name
	}
	if stage >= 0 && stage < len(s.plan.Stages) {
		return "stage " + fmt.Sprint(stage+1) + " (" + s.plan.Stages[stage].Name + ")"
	}
	return "stage " + fmt.Sprint(stage+1)
}

func (s *scene) stageWait(i int) string {
	if s.ahead == "" {
		var unsettled []string
		for k, n := range s.plan.Nodes {
			if s.at[k] == s.stage && !s.settled(k) {
				unsettled = append(unsettled, n.Name)
			}
		}
		s.ahead = "after " + s.stageName(s.stage) + ": " + few(unsettled)
	}
	why := s.ahead
	if reason := s.plan.Nodes[i].Why; reason != "" {
		why += "; " + reason
	}
	return why
}

func (s *scene) backoffWait(i int, due time.Time) string {
	n := s.nodes[i]
	return fmt.Sprintf("blocked, try %d of %d: %s; tried again at %s", n.Tries, s.plan.Requeues+1, n.Why, clock(due))
}

func strandedWait(pods []string) string {
	if len(pods) == 1 {
		return "pod " + pods[0] + ", which was evicted, can't be scheduled; no node starts until it is"
	}
	return "pods " + few(pods) + ", which were evicted, can't be scheduled; no node starts until they are"
}

func troubleWait(t Trouble, until time.Time) string {
	return "on " + t.Node + " " + t.What + "; no node starts before " + until.Local().Format(time.TimeOnly) + ", unless more goes wrong"
}

func foreignWait(run string) string {
	return "held by run " + run + "; that run must finish it, or `fleetup abort INVENTORY` give it back"
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
