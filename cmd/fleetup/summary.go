package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

// summary is how a run ended; with --output json the last object.
type summary struct {
	Version  int       `json:"version"`
	Time     time.Time `json:"time"`
	Event    string    `json:"event"`
	Run      string    `json:"run"`
	Message  string    `json:"message,omitempty"`
	Exit     int       `json:"exit"`
	Nodes    counts    `json:"nodes"`
	Zero     bool      `json:"zero_downtime"`
	Services []least   `json:"services"`
	HTTP     []asked   `json:"http,omitempty"`
	Moves    *moves    `json:"moves,omitempty"` // absent where nothing was drained

	took     time.Duration
	watched  bool     // there was a proof to tell of
	over     bool     // every node is settled
	problems []string // node: why
	told     []string // the reasons in problems, and in what the display has shown
}

// least is a Service's worst moment.
type least struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Min       int       `json:"min_ready"`
	Start     int       `json:"start_ready"`
	At        time.Time `json:"at"`
	Node      string    `json:"node"`               // those that were worked on at that moment, comma between
	Accepted  bool      `json:"accepted,omitempty"` // it lost its last endpoint with consent
}

// asked is what the application's own URL answered all through the run.
type asked struct {
	Name        string  `json:"name"`
	Sent        int     `json:"sent"`
	Failed      int     `json:"failed"`
	Slowest     float64 `json:"slowest_seconds"`
	LastFailure string  `json:"last_failure,omitempty"`
}

type counts struct {
	Done    int `json:"done"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	Left    int `json:"left"` // the blocked ones among them
	Blocked int `json:"-"`
}

func (s *session) summary(run string, end runner.End, p runner.Progress, web *runner.HTTPWatch, took time.Duration) summary {
	sum := summary{
		Version: 1, Time: time.Now().UTC(), Event: string(runner.EventFinished), Run: run, Message: end.Why, Exit: end.Exit,
		Zero: true, took: took, Services: []least{},
	}
	for _, h := range s.hosts {
		sum.count(h.Node, p.Nodes[h.Node])
		if n := p.Nodes[h.Node]; n.State == runner.Held && n.Why == "" {
			sum.problems = append(sum.problems, fmt.Sprintf("%s is off and held; when the work is done: `fleetup swap finish INVENTORY %s`", h.Node, h.Name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Nodes)) {
		n := p.Nodes[name]
		if n.Begun() && !slices.ContainsFunc(s.hosts, func(h inventory.Host) bool { return h.Node == name }) {
			sum.problems = append(sum.problems, fmt.Sprintf("%s %s, and not selected now: run again without --limit", name, n.State))
		}
	}
	sum.over = p.Halted == "" && sum.Nodes.Left == sum.Nodes.Blocked
	if s.cluster.proof != nil {
		sum.watched = true
		sum.proof(s.cluster.proof.Least())
		sum.Moves = movesOf(s.cluster.Moved())
	}
	if web != nil {
		sum.heard(web.Asked())
	}
	return sum
}

// count adds one selected node.
func (sum *summary) count(name string, n runner.NodeProgress) {
	switch n.State {
	case runner.Done:
		sum.Nodes.Done++
	case runner.Failed:
		sum.Nodes.Failed++
	case runner.Skipped:
		sum.Nodes.Skipped++
	case runner.Held:
		sum.Nodes.Skipped++
	case runner.Blocked:
		sum.Nodes.Blocked++
		sum.Nodes.Left++
	case runner.Running:
		sum.Nodes.Left++
		sum.problems = append(sum.problems, fmt.Sprintf("%s parked in %s; run again goes on there", name, n.Phase))
	default:
		sum.Nodes.Left++
	}
	if n.Why != "" && n.State != runner.Done {
		sum.told = append(sum.told, n.Why)
		state := string(n.State)
		if n.State == runner.Failed && n.Back != "" {
			state += " and went back"
		}
		sum.problems = append(sum.problems, fmt.Sprintf("%s %s: %s", name, state, brief(name, n.Why)))
	}
}

func (sum *summary) proof(services []kube.ServiceLeast) {
	for _, v := range services {
		sum.Zero = sum.Zero && v.Min > 0
		sum.Services = append(sum.Services, least{v.Namespace, v.Name, v.Min, v.Start, v.At, v.Node, v.Accepted})
	}
}

func (sum *summary) heard(targets []runner.Asked) {
	for _, t := range targets {
		sum.Zero = sum.Zero && t.Failed == 0
		sum.HTTP = append(sum.HTTP, asked{t.Name, t.Sent, t.Failed, t.Slowest.Seconds(), t.LastFailure})
	}
}

// data is what the journal keeps of it.
func (sum summary) data() map[string]string {
	return map[string]string{
		"exit": strconv.Itoa(sum.Exit), "done": strconv.Itoa(sum.Nodes.Done), "failed": strconv.Itoa(sum.Nodes.Failed),
		"skipped": strconv.Itoa(sum.Nodes.Skipped), "left": strconv.Itoa(sum.Nodes.Left), "zero_downtime": strconv.FormatBool(sum.Zero),
		"moves": sum.Moves.String(),
	}
}

// showSummary prints it: the words that scripts rely on are on stdout.
func (a *app) showSummary(sum summary) {
	if a.json() {
		(&display{app: a}).object(sum)
		return
	}
	for _, p := range sum.problems {
		a.say("%s", strings.ReplaceAll(p, "\n", "\n  "))
	}
	a.say("run %s: %s in %s", sum.Run, sum.Nodes, sum.took.Round(time.Second))
	if !sum.over && sum.Message != "" {
		a.say("%s", without(sum.Message, sum.told...))
	}
	a.showMoves(sum.Moves)
	a.showProof(sum)
}

// String is the counts in words, leaving out what is zero but the first.
func (c counts) String() string {
	text := plural(c.Done, "node") + " done"
	for _, p := range []struct {
		n    int
		what string
	}{{c.Failed, "failed"}, {c.Blocked, "blocked"}, {c.Skipped, "skipped"}, {c.Left - c.Blocked, "left"}} {
		if p.n > 0 {
			text += fmt.Sprintf(", %d %s", p.n, p.what)
		}
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// showProof tells whether the application was there all the while: each Service's least, those that failed first.
func (a *app) showProof(sum summary) {
	if !sum.Zero {
		a.say("zero downtime: no")
	} else {
		a.say("zero downtime: yes")
	}
	for _, v := range sum.Services {
		if v.Min == 0 {
			a.say("  %s/%s had no ready endpoint at %s%s%s", v.Namespace, v.Name, clock(v.At), during(v.Node), consented(v))
		}
	}
	for _, v := range sum.Services {
		if v.Min > 0 {
			a.say("  %s/%s had %d of %s ready at least%s", v.Namespace, v.Name, v.Min, plural(v.Start, "endpoint"), leastAt(v))
		}
	}
	for _, h := range sum.HTTP {
		line := fmt.Sprintf("  %s asked %s, %d failed, slowest %s", h.Name, plural(h.Sent, "time"), h.Failed, milliseconds(h.Slowest))
		if h.LastFailure != "" {
			line += "; last failure " + h.LastFailure
		}
		a.say("%s", line)
	}
}

func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }

// milliseconds words a duration in whole ones.
func milliseconds(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
	if d == 0 {
		return "under 1ms"
	}
	return d.String()
}

// during names the nodes that were worked on at a Service's worst moment.
func during(nodes string) string {
	switch names := strings.Split(nodes, ","); {
	case nodes == "":
		return ""
	case len(names) == 1:
		return " while " + nodes + " was worked on"
	default:
		return " while " + strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " were worked on"
	}
}

// consented says that somebody had accepted a Service's worst moment.
func consented(v least) string {
	if !v.Accepted {
		return ""
	}
	return ", which was accepted"
}

// leastAt says when a Service had its least, where that was less than at the start.
func leastAt(v least) string {
	if v.Min >= v.Start {
		return ""
	}
	return ", at " + clock(v.At) + during(v.Node)
}

// nothingToDo ends a run that found every machine as wanted.
func (s *session) nothingToDo(found map[string]*runner.Surveyed) error {
	a := s.app
	if a.json() {
		sum := summary{Version: 1, Time: time.Now().UTC(), Event: string(runner.EventFinished), Message: "nothing to do",
			Nodes: counts{Done: len(found)}, Zero: true, Services: []least{}}
		for _, v := range found {
			if v.Work.Hold != "" {
				sum.Nodes.Done--
				sum.Nodes.Skipped++
			}
		}
		(&display{app: a}).object(sum)
		return nil
	}
	for _, name := range runner.SortedNames(found) {
		state := "up to date"
		if hold := found[name].Work.Hold; hold != "" {
			state = "left alone, " + hold
		}
		fmt.Fprintln(paper(a.out), name+" "+state)
	}
	fmt.Fprintln(paper(a.out), "nothing to do")
	return nil
}
