package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fleetup/fleetup/kube/simulate"
	"github.com/fleetup/fleetup/runner"
)

// mostFaster is how many limits are told of where lines are few: those that save most.
const mostFaster = 3

// foresight prints which nodes can be drained, and the run's time. What is in the way of the others is among the findings.
func (s screen) foresight(f foresight) {
	if len(f.turns) == 0 && f.why == "" {
		return
	}
	var well []string
	moves := 0
	for _, d := range f.drains {
		if !d.Fails() {
			well = append(well, d.Node)
			moves += d.Moves
		}
	}
	if len(well) > 0 {
		s.labelled("drains", fmt.Sprintf("%s can be drained: %s would move", fold(well), plural(moves, "pod")))
	}
	s.labelled("time", f.timeText())
	for i, better := range f.faster {
		if !s.tight || i < mostFaster {
			s.labelled("faster", better.String())
		}
	}
}

// areaBlocked is the area of findings about drains that would leave their node as it is.
const areaBlocked = "blocked"

// findings are what is in the way of drains.
func (f foresight) findings() (all []runner.Finding) {
	for _, d := range f.drains {
		switch {
		case d.Held != "":
			all = append(all, runner.Finding{Node: d.Node, What: areaBlocked, Why: "its drain would not begin: " + d.Held})
		case len(d.Blocked) > 0:
			all = append(all, runner.Finding{Node: d.Node, What: areaBlocked, Why: "its drain would be given up: " + strings.Join(d.Blocked, "; ")})
		case d.Waited > 0:
			all = append(all, runner.Finding{Node: d.Node, What: "drain",
				Why: fmt.Sprintf("would wait %s until another node is back: %s", roughly(d.Waited), strings.Join(d.For, "; "))})
		}
		for _, why := range slices.Concat(displaced(d), homeless(d)) {
			all = append(all, runner.Finding{Node: d.Node, What: "drain", Why: why})
		}
	}
	return all
}

// homeless tells of pods that would have nowhere to go, those for the same reason and time together.
func homeless(d simulate.Drain) (lines []string) {
	var why []string
	pods := map[string][]string{}
	for _, h := range d.Homeless {
		until := "for the rest of the run"
		switch {
		case h.Ever && h.For == 0:
			until = "for a moment"
		case h.Ever:
			until = "for " + roughly(h.For) + ", until a node is back"
		}
		key := until + ": " + h.Why
		if pods[key] == nil {
			why = append(why, key)
		}
		pods[key] = append(pods[key], h.Pod)
	}
	for _, key := range why {
		lines = append(lines, fmt.Sprintf("pod %s would have nowhere to go %s", few(pods[key]), key))
	}
	return lines
}

// displaced tells of pods that would be ended for the sake of others, by those.
func displaced(d simulate.Drain) (lines []string) {
	var by []string
	pods, last := map[string][]string{}, map[string][]string{}
	for _, v := range d.Displaced {
		if pods[v.By] == nil {
			by = append(by, v.By)
		}
		pods[v.By] = append(pods[v.By], v.Pod)
		last[v.By] = append(last[v.By], v.Last...)
	}
	for _, pod := range by {
		line := fmt.Sprintf("pod %s would displace %s, of lower priority", pod, few(pods[pod]))
		if services := last[pod]; len(services) > 0 {
			line += fmt.Sprintf(": the last endpoint of Service %s, which no budget holds then", few(services))
		}
		lines = append(lines, line)
	}
	return lines
}

// few names the first of many.
func few(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// timeText says how long the run takes, and how that fits the window.
func (f foresight) timeText() string {
	text := f.inAll()
	if !f.ends {
		return text
	}
	if f.first > 0 {
		text += "; it would begin at " + moment(f.began.Add(f.first))
	}
	if n := failing(f.drains); n > 0 {
		text += fmt.Sprintf("; %s would be left to do", plural(n, "node"))
	}
	switch {
	case f.closes.IsZero():
	case f.fits():
		text += "; that fits the window, which closes at " + moment(f.closes)
	default:
		text += fmt.Sprintf("; that is more than the window has, which closes at %s: what is left goes on in the next with --wait", moment(f.closes))
	}
	return text
}

func moment(t time.Time) string { return t.Local().Format("Mon 2006-01-02 15:04 MST") }

func (b faster) String() string {
	text := fmt.Sprintf("%s = %d: %s", b.Setting, b.AtMost, roughly(b.total))
	if b.Fails == 0 {
		return text + ", and no drain would be blocked"
	}
	return text + fmt.Sprintf(", but %s would be blocked", plural(b.Fails, "drain"))
}

// foreseenJSON is what `check --output json` says of it.
func (f foresight) foreseenJSON() map[string]any {
	out := map[string]any{"drains": nonNil(f.drains), "faster": nonNil(f.faster), "ends": f.ends}
	if f.ends {
		out["predicted_seconds"] = int(f.total.Seconds())
		out["known"] = f.known
	}
	if f.why != "" {
		out["why"] = f.why
	}
	if !f.closes.IsZero() {
		out["window"] = map[string]any{"begins": f.began.Add(f.first).UTC(), "closes": f.closes.UTC(), "fits": f.fits()}
	}
	return out
}
