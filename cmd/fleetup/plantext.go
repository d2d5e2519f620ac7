package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
)

// planTold is a plan as it is told: node by node, in the order in which each is taken.
type planTold struct {
	s        *session
	w        io.Writer
	before   runner.Progress // of the unfinished run; zero where there is none
	found    map[string]*runner.Surveyed
	took     map[string]runner.Spent
	nodes    map[string]runner.PlanNode
	commands bool
	waves    bool // they are what is counted, in their names: no stages beside them
	nothing  bool // is to be done on any node
	n        int  // nodes told that have something to do
	first    alikes
	same     []string // nodes without
}

// planText prints the stages, every node in the order in which it will be taken, what differs there and, with commands,
// what would run; then what bounds the run, and how long it takes.
// before is the unfinished run that it goes on with.
func (s *session) planText(w io.Writer, plan runner.Plan, before runner.Progress, found map[string]*runner.Surveyed, fc forecast, commands bool) {
	t := &planTold{s: s, w: w, before: before, found: found, took: fc.took, commands: commands, nodes: map[string]runner.PlanNode{}, first: alikes{}}
	for _, n := range plan.Nodes {
		t.nodes[n.Name] = n
	}
	t.waves = slices.ContainsFunc(plan.Stages, func(s runner.Stage) bool { return s.Wave })
	t.nothing = !slices.ContainsFunc(plan.Nodes, func(n runner.PlanNode) bool { return t.due(n.Name) })
	for k, stage := range plan.Stages {
		t.stage(k, len(plan.Stages), stage)
	}
	if !t.nothing {
		t.leftOut(plan)
	}
	if len(t.same) > 0 {
		fmt.Fprintf(w, "up to date: %s\n", strings.ReplaceAll(fold(t.same), ",", ", "))
	}
	if t.n == 0 {
		fmt.Fprintln(w, "nothing to do")
		return
	}
	bounds(w, plan)
	planStays(w, plan, found)
	fmt.Fprintln(w, "in all: "+fc.inAll())
}

// stage prints one stage. The only stage of a plan has no heading, unless there is something to say of it.
func (t *planTold) stage(k, of int, stage runner.Stage) {
	idle := t.idle(stage)
	note := stageNote(stage)
	if idle {
		note = ": nothing to do" + t.stillSoaks(stage)
	}
	switch {
	case t.nothing:
	case t.waves:
		fmt.Fprintf(t.w, "%s%s\n", stage.Name, note)
	case of > 1 || note != "" && !idle:
		fmt.Fprintf(t.w, "stage %d of %d: %s%s\n", k+1, of, stage.Name, note)
	}
	if stage.Order != runner.OrderUpgrade && stage.Order != runner.OrderUpgradeClosed {
		return
	}
	for _, name := range stage.Nodes {
		t.node(name, stage.Order)
	}
}

// idle reports whether nothing is to be done in a stage: its nodes are up to date. Spares are lent whatever they run.
func (t *planTold) idle(stage runner.Stage) bool {
	return !slices.ContainsFunc(stage.Nodes, func(name string) bool {
		return t.nodes[name].Spare || t.due(name)
	})
}

// stillSoaks says that a stage with nothing left to do soaks all the same: the unfinished run has changed it, and not yet let it soak.
func (t *planTold) stillSoaks(stage runner.Stage) string {
	run := cmp.Or(t.before.Run, t.s.cluster.run)
	changed := slices.ContainsFunc(stage.Nodes, func(name string) bool {
		n, _ := t.s.cluster.Node(name)
		return worked(n, run, t.before.Nodes[name])
	})
	if stage.Soak == 0 || !changed || slices.Contains(t.before.Soaked, stage.Name) {
		return ""
	}
	return ", soaks for " + short(stage.Soak)
}

// due reports whether something is to be done on a node, or may be.
func (t *planTold) due(name string) bool {
	v := t.found[name]
	return v == nil || !v.NothingToDo() || t.s.inFlight(name) != ""
}

// leftOut says which of a canary's waves there are none of: too few nodes for a percent to be more than the wave before it.
func (t *planTold) leftOut(plan runner.Plan) {
	nodes, before := 0, 0
	for _, s := range plan.Stages {
		if s.Wave {
			nodes += len(s.Nodes)
		}
	}
	if nodes == 0 {
		return
	}
	for _, wave := range t.s.fleet.Strategy.Waves {
		upTo := min(wave.Of(nodes), nodes)
		if upTo <= before {
			fmt.Fprintf(t.w, "no wave for %s: of %s that is no more than the wave before\n", amountText(wave), plural(nodes, "node"))
		}
		before = max(before, upTo)
	}
}

// amountText writes an amount as the inventory does.
func amountText(a inventory.Amount) string {
	if a.Percent {
		return fmt.Sprintf("%d%%", a.N)
	}
	return strconv.Itoa(a.N)
}

// stageNote is what is to be known of a stage beside its name.
func stageNote(stage runner.Stage) string {
	var notes []string
	switch stage.Order {
	case runner.OrderUpgrade:
	case runner.OrderUpgradeClosed:
		notes = append(notes, "its nodes stay closed")
	default:
		notes = append(notes, strings.ReplaceAll(fold(stage.Nodes), ",", ", "))
	}
	if stage.Always {
		notes = append(notes, "also after a failure")
	}
	if stage.Soak > 0 {
		notes = append(notes, "then soak for "+short(stage.Soak))
	}
	if stage.MinPods > 0 {
		notes = append(notes, fmt.Sprintf("with %s on each at least", plural(stage.MinPods, "pod")))
	}
	if len(notes) == 0 {
		return ""
	}
	return ": " + strings.Join(notes, "; ")
}

// short is a duration without zeros: "10m".
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// node prints one node and what differs there.
func (t *planTold) node(name, order string) {
	v, pn := t.found[name], t.nodes[name]
	switch {
	case v == nil:
		return
	case t.s.leftAlone(pn) != "":
		fmt.Fprintf(t.w, "%s  left alone: %s\n", name, t.s.leftAlone(pn))
		return
	case v.NothingToDo() && t.s.inFlight(name) == "":
		t.same = append(t.same, name)
		return
	}
	t.n++
	what, steps := t.first.tell(name, cmp.Or(t.s.inFlight(name), how(v, order)), planSteps(v, t.commands))
	takes := ", " + roughly(t.took[name].All)
	if v.Work.Hold != "" { // a run leaves it alone, and that takes no time
		takes = ""
	}
	fmt.Fprintf(t.w, "%d. %s  %s%s\n%s", t.n, name, what, takes, steps)
}

// inFlight says how the unfinished run goes on with a node that it has claimed; "" where it hasn't.
func (s *session) inFlight(node string) string {
	n, _ := s.cluster.Node(node)
	_, held := runner.HoldOf(n.Run, n.State)
	switch {
	case n.Run == "" || held || s.cluster.run != "" && !s.ours(n):
		return ""
	case n.Failed != "":
		return "failed in run " + n.Run + ", taken again"
	}
	return "in flight in run " + n.Run + ", which goes on there"
}

// alikes are the nodes that were told in full, by what was told of them.
type alikes map[string]string

// tell is what to say of a node: how, and its steps; or, where another node was told just so, that it's the same as that one.
func (t alikes) tell(name, how, steps string) (string, string) {
	if steps == "" {
		return how, ""
	}
	if same, told := t[how+steps]; told {
		return "the same as " + same, ""
	}
	t[how+steps] = name
	return how, steps
}

// bounds prints what keeps the run from going on at its own pace.
func bounds(w io.Writer, plan runner.Plan) {
	limits(w, plan)
	for _, g := range plan.Gates {
		fmt.Fprintf(w, "gate: %s, before the first node, after each one and through every soak; no answer for %s halts\n", g.Name, short(g.Deadline))
	}
	for _, win := range plan.Windows {
		except := ""
		for _, d := range win.Except {
			except += ", but not on " + d.From
			if d.To != d.From {
				except += " to " + d.To
			}
		}
		fmt.Fprintf(w, "window: %s for %s, %s%s\n", win.Start, short(win.Duration), win.Timezone, except)
	}
	if len(plan.Windows) > 0 {
		fmt.Fprintln(w, windowNow(plan, time.Now()))
	}
	switch {
	case len(plan.Back) > 0:
		fmt.Fprintf(w, "a bad gate after the switch: %s, then %s, and exit 3\n", plan.Back[0].Name, plan.Back[1].Name)
	case len(plan.Gates) > 0 && plan.OnFailure == "rollback":
		fmt.Fprintln(w, "a bad gate: the nodes that it judges go back to what they ran, and exit 3")
	}
}

// windowNow says how the windows stand.
func windowNow(plan runner.Plan, now time.Time) string {
	open, until, next := plan.Windows.At(now)
	at := func(t time.Time) string { return t.Local().Format("Mon 2006-01-02 15:04 MST") }
	switch {
	case open && until.IsZero():
		return "a window is open"
	case open:
		return "a window is open until " + at(until)
	case next.IsZero():
		return "no window is open, and none will be"
	}
	return "no window is open; the next opens at " + at(next)
}

// how says in a few words what will happen to the node itself.
func how(v *runner.Surveyed, order string) string {
	if v.Work.Hold != "" {
		return "left alone, " + v.Work.Hold
	}
	if v.Err != nil {
		return "cannot be reached"
	}
	if !v.Work.NeedsDrain(v.Items) {
		return "changed in place, not drained"
	}
	text := "cordon, drain, upgrade" + reboots(v) + ", verify"
	switch held := func(i runner.Item) bool { return i.Step.Traits().Holds && !i.Status.Clean }; {
	case slices.ContainsFunc(v.Items, held):
		return text + ", turn off and hold for hardware work"
	case order == runner.OrderUpgradeClosed:
		return text
	}
	return text + ", uncordon"
}

// reboots says whether a node is rebooted, as far as that is known beforehand; "" where it never is.
func reboots(v *runner.Surveyed) string {
	wants := func(i runner.Item) bool { return !i.Status.Clean && i.Status.Reboot }
	switch policy := v.Work.RebootPolicy; {
	case policy == "never":
		return ""
	case policy == "always", slices.ContainsFunc(v.Items, wants):
		return ", reboot"
	}
	return ", reboot if required"
}

// limits prints how many may be down at once. Those that differ in what they are of alone, as each rack's, share a line.
func limits(w io.Writer, plan runner.Plan) {
	of, kinds := map[string][]string{}, []string{}
	for _, l := range plan.Limits {
		who, most, split := strings.Cut(l.Why, ": ")
		if !split {
			fmt.Fprintf(w, "limit: %s\n", l.Why)
			continue
		}
		if len(of[most]) == 0 {
			kinds = append(kinds, most)
		}
		of[most] = append(of[most], who)
	}
	for _, most := range kinds {
		each := ""
		if len(of[most]) > 1 {
			each = " each"
		}
		fmt.Fprintf(w, "limit: %s: %s%s\n", strings.ReplaceAll(fold(of[most]), ",", ", "), most, each)
	}
}

// planSteps are the lines of what differs on a node.
func planSteps(v *runner.Surveyed, commands bool) string {
	var text strings.Builder
	for _, i := range v.Items {
		planStep(&text, i, commands)
	}
	return text.String()
}

func planStep(w io.Writer, i runner.Item, commands bool) {
	if i.Status.Clean {
		return
	}
	changes := i.Status.Changes
	if len(changes) == 0 {
		changes = []string{"to be applied"}
	}
	fmt.Fprintf(w, "   %s: %s\n", i.Step.Name(), strings.Join(changes, ", "))
	if !commands {
		return
	}
	for _, c := range i.Status.Commands {
		fmt.Fprintf(w, "     $ %s\n", strings.ReplaceAll(strings.TrimSpace(c), "\n", "\n       "))
	}
}
