package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

// summary is how a run ended; with --output json the last object.
type summary struct {
	Version  int                 `json:"version"`
	Time     time.Time           `json:"time"`
	Event    string              `json:"event"`
	Run      string              `json:"run"`
	Message  string              `json:"message,omitempty"`
	Exit     int                 `json:"exit"`
	Nodes    counts              `json:"nodes"`
	Zero     bool                `json:"zero_downtime"`
	Services []kube.ServiceLeast `json:"services"`
	HTTP     []runner.Asked      `json:"http,omitempty"`

	took     time.Duration
	finished bool
	problems []string // node: why
}

type counts struct {
	Done    int `json:"done"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	Left    int `json:"left"`
}

func (s *session) summary(run string, end runner.End, p runner.Progress, web *runner.HTTPWatch, took time.Duration) summary {
	sum := summary{
		Version: 1, Time: time.Now().UTC(), Event: string(runner.EventFinished), Run: run, Message: end.Why, Exit: end.Exit,
		Zero: true, took: took, finished: end.Finished,
	}
	for _, h := range s.hosts {
		n := p.Nodes[h.Node]
		switch n.State {
		case runner.Done:
			sum.Nodes.Done++
		case runner.Failed:
			sum.Nodes.Failed++
		case runner.Skipped:
			sum.Nodes.Skipped++
		default:
			sum.Nodes.Left++
		}
		if n.Why != "" && n.State != runner.Done {
			sum.problems = append(sum.problems, fmt.Sprintf("%s %s: %s", h.Node, n.State, n.Why))
		}
	}
	if s.cluster.proof != nil {
		sum.Services = s.cluster.proof.Least()
	}
	for _, v := range sum.Services {
		sum.Zero = sum.Zero && v.Min > 0
	}
	if web != nil {
		sum.HTTP = web.Asked()
	}
	for _, h := range sum.HTTP {
		sum.Zero = sum.Zero && h.Failed == 0
	}
	return sum
}

// data is what the journal keeps of it.
func (sum summary) data() map[string]string {
	return map[string]string{
		"exit": strconv.Itoa(sum.Exit), "done": strconv.Itoa(sum.Nodes.Done), "failed": strconv.Itoa(sum.Nodes.Failed),
		"skipped": strconv.Itoa(sum.Nodes.Skipped), "left": strconv.Itoa(sum.Nodes.Left), "zero_downtime": strconv.FormatBool(sum.Zero),
	}
}

// showSummary prints it: the words that scripts rely on are on stdout.
func (a *app) showSummary(sum summary) {
	if a.json() {
		(&display{app: a}).object(sum)
		return
	}
	for _, p := range sum.problems {
		fmt.Fprintln(a.out, p)
	}
	fmt.Fprintf(a.out, "run %s: %s in %s\n", sum.Run, sum.Nodes, sum.took.Round(time.Second))
	if sum.Message != "" {
		fmt.Fprintln(a.out, sum.Message)
	}
	a.showProof(sum)
}

// String is the counts in words, leaving out what is zero but the first.
func (c counts) String() string {
	text := plural(c.Done, "node") + " done"
	for _, p := range []struct {
		n    int
		what string
	}{{c.Failed, "failed"}, {c.Skipped, "skipped"}, {c.Left, "left"}} {
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
		fmt.Fprintln(a.out, "zero downtime: no")
	} else {
		fmt.Fprintln(a.out, "zero downtime: yes")
	}
	for _, v := range sum.Services {
		if v.Min == 0 {
			fmt.Fprintf(a.out, "  %s/%s had no ready endpoint at %s%s\n", v.Namespace, v.Name, clock(v.At), during(v.Node))
		}
	}
	for _, v := range sum.Services {
		if v.Min > 0 {
			fmt.Fprintf(a.out, "  %s/%s had %d of %s ready at least%s\n", v.Namespace, v.Name, v.Min, plural(v.Start, "endpoint"), leastAt(v))
		}
	}
	for _, h := range sum.HTTP {
		line := fmt.Sprintf("  %s asked %d times, %d failed, slowest %s", h.Name, h.Sent, h.Failed, h.Slowest.Round(time.Millisecond))
		if h.LastFailure != "" {
			line += "; last failure " + h.LastFailure
		}
		fmt.Fprintln(a.out, line)
	}
}

func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }

func during(node string) string {
	if node == "" {
		return ""
	}
	return " while " + node + " was worked on"
}

// leastAt says when a Service had its least, where that was less than at the start.
func leastAt(v kube.ServiceLeast) string {
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
			Nodes: counts{Done: len(found)}, Zero: true, Services: []kube.ServiceLeast{}}
		(&display{app: a}).object(sum)
		return nil
	}
	for _, name := range runner.SortedNames(found) {
		fmt.Fprintln(a.out, name+" up to date")
	}
	fmt.Fprintln(a.out, "nothing to do")
	return nil
}
