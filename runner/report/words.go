package report

import (
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/parts"
)

// text makes any string safe to stand in a page: markup is escaped, control bytes are left out.
func text(s string) string { return html.EscapeString(parts.Plain(strings.ToValidUTF8(s, "\uFFFD"))) }

// clock is a time of the day, in UTC.
func clock(t time.Time) string { return t.UTC().Format(time.TimeOnly) }

// moment is a time with its date, in UTC.
func moment(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// lasted words a duration to what a reader needs of it: whole seconds, below ten a tenth, below one milliseconds.
func lasted(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Millisecond:
		return "under 1ms"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Unnamed is how many nodes the run was to take and hadn't begun, foreseen or left out: the journal doesn't name them.
func (r Report) Unnamed() int { return max(0, r.Planned-len(r.Nodes)) }

// counts are the nodes by how they stand, in the words of the run's own summary.
func (r Report) counts() string {
	by := map[string]int{}
	for _, n := range r.Nodes {
		by[n.State]++
	}
	by["waiting"] += r.Unnamed()
	parts := []string{plural(by["done"], "node") + " done"}
	for _, state := range []string{"failed", "blocked", "skipped", "held", "running", "waiting"} {
		if by[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", by[state], state))
		}
	}
	return strings.Join(parts, ", ")
}

// verdict is the proof in the words that scripts know.
func (r Report) verdict() string {
	switch {
	case r.Zero == nil && r.Outcome == "unfinished":
		return "zero downtime: not proven yet, the proof comes when the run ends"
	case r.Zero == nil:
		return "zero downtime: not proven, the journal holds no proof"
	case *r.Zero:
		return "zero downtime: yes"
	}
	return "zero downtime: no"
}

// least words a Service's worst moment.
func (s Service) least() string {
	line := fmt.Sprintf("%d of %s ready at least", s.Min, plural(s.Start, "endpoint"))
	if s.Min < s.Start && !s.At.IsZero() {
		line += ", at " + clock(s.At)
		if s.Node != "" {
			line += " while " + strings.ReplaceAll(s.Node, ",", ", ") + " " + wasOrWere(s.Node) + " worked on"
		}
	}
	if s.Accepted {
		line += ", which was accepted"
	}
	return line
}

func wasOrWere(nodes string) string {
	if strings.Contains(nodes, ",") {
		return "were"
	}
	return "was"
}

func (u URL) answered() string {
	line := fmt.Sprintf("asked %s, %d failed, slowest %s", plural(u.Sent, "time"), u.Failed, lasted(time.Duration(u.Slowest*float64(time.Second))))
	if u.LastFailure != "" {
		line += "; last failure " + u.LastFailure
	}
	return line
}

// took is how long the node was worked on in all.
func (n Node) took() time.Duration {
	var d time.Duration
	for _, o := range n.Orders {
		d += o.Ended.Sub(o.Began)
	}
	return d
}

// phases is the node's life in words, for whoever can't see the picture: "check 2s, drain 41s".
func (n Node) phases() string {
	var parts []string
	for _, o := range n.Orders {
		for _, p := range o.Phases {
			parts = append(parts, p.Name+" "+lasted(p.Took()))
		}
	}
	return strings.Join(parts, ", ")
}
