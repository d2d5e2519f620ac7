package report

import (
	"fmt"
	"math"
	"time"
)

// held is one forecast held against what then happened.
type held struct {
	what             string
	foreseen, actual time.Duration
	open             bool // it has no end yet: that it took less is no answer
}

// off is by how much the forecast was wrong: "+12 %" took longer.
func (h held) off() string {
	if h.foreseen <= 0 || h.open && h.actual < h.foreseen {
		return "–"
	}
	return fmt.Sprintf("%+.0f %%", math.Round(100*(float64(h.actual)/float64(h.foreseen)-1)))
}

// predicted words the forecast; there is none for a run of which it was foreseen that it can't end.
func (h held) predicted() string {
	if h.foreseen <= 0 {
		return "–"
	}
	return lasted(h.foreseen)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// whole holds the run against its forecast: all of it, then each phase over all nodes that are done.
func (r Report) whole() []held {
	if r.Foreseen == nil {
		return nil
	}
	rows := []held{{"the whole run", seconds(r.Foreseen.Seconds), r.Ended.Sub(r.Began), r.Outcome == "unfinished"}}
	for _, phase := range r.phaseNames() {
		row := held{what: phase}
		for _, n := range r.Nodes {
			if n.comparable() {
				row.foreseen += seconds(n.Foreseen.Phases[phase])
				row.actual += n.spent(phase)
			}
		}
		if row.foreseen > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// comparable reports whether something was foreseen of a node which then went through.
func (n Node) comparable() bool { return n.Foreseen != nil && n.State == "done" && len(n.Orders) > 0 }

// spent is how long the node was in a phase, in all its orders.
func (n Node) spent(phase string) (d time.Duration) {
	for _, o := range n.Orders {
		for _, s := range o.Phases {
			if s.Name == phase {
				d += s.Took()
			}
		}
	}
	return d
}

// held is a node's time against its forecast.
func (n Node) held() held {
	return held{what: n.Name, foreseen: seconds(n.Foreseen.Takes), actual: n.took()}
}

// surprises are the nodes whose drain went otherwise than foreseen.
func (r Report) surprises() (lines []string) {
	for _, n := range r.Nodes {
		switch was := n.wasBlocked(); {
		case n.Foreseen == nil || len(n.Orders) == 0:
		case n.Foreseen.Blocked != "" && !was:
			lines = append(lines, n.Name+" was foreseen to be blocked, and wasn't: "+n.Foreseen.Blocked)
		case n.Foreseen.Blocked == "" && was:
			lines = append(lines, n.Name+" was blocked, which wasn't foreseen")
		}
	}
	return lines
}

func (n Node) wasBlocked() bool {
	for _, o := range n.Orders {
		if o.End == "blocked" {
			return true
		}
	}
	return false
}

// foreseen shows what was foreseen beside what happened.
func (r Report) foreseen(p *page) {
	rows := r.whole()
	if len(rows) == 0 {
		return
	}
	p.printf("<section aria-labelledby=\"foreseen\">\n<h2 id=\"foreseen\">Predicted and actual</h2>\n")
	p.printf("<p>%s</p>\n", r.basis())
	surprises := r.surprises()
	shown := p.most(len(surprises), ofRun)
	for _, line := range surprises[:shown] {
		p.printf("<p class=\"failed\">%s</p>\n", p.long(line))
	}
	p.more(shown, len(surprises), "<p class=\"failed\">%s nodes went otherwise</p>\n")
	heldTable(p, "What", rows)
	var nodes []held
	for _, n := range r.Nodes {
		if n.comparable() {
			nodes = append(nodes, n.held())
		}
	}
	if len(nodes) > 0 {
		p.printf("<details id=\"foreseen-nodes\"><summary>Each node</summary>\n")
		heldTable(p, "Node", nodes)
		p.printf("</details>\n")
	}
	p.printf("</section>\n")
}

// basis says what the forecast rests on.
func (r Report) basis() string {
	switch {
	case !r.Foreseen.Ends:
		return "When the run began it was foreseen that it can't end as things stood."
	case r.Foreseen.Known:
		return "Predicted as the run began, by how long each phase took in the run before."
	}
	return "Predicted as the run began, by guesses for ordinary servers: there was no run before that could tell."
}

func heldTable(p *page, what string, rows []held) {
	p.printf("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"foreseen\"><table class=\"held\">\n<thead><tr><th scope=\"col\">%s</th><th scope=\"col\">Predicted</th><th scope=\"col\">Actual</th><th scope=\"col\">Off by</th></tr></thead>\n<tbody>\n", what)
	for _, h := range rows {
		p.printf("<tr><th scope=row>%s<td>%s<td>%s<td>%s\n", text(h.what), h.predicted(), lasted(h.actual), h.off())
	}
	p.printf("</tbody>\n</table></div>\n")
}

func (r Report) markdownForeseen(p *page) {
	rows := r.whole()
	if len(rows) == 0 {
		return
	}
	for _, n := range r.Nodes {
		if n.comparable() {
			rows = append(rows, n.held())
		}
	}
	p.printf("## Predicted and actual\n\n%s\n\n| what | predicted | actual | off by |\n|---|---|---|---|\n", r.basis())
	for _, h := range rows {
		p.printf("| %s | %s | %s | %s |\n", cell(h.what), h.predicted(), lasted(h.actual), h.off())
	}
	p.printf("\n")
	for _, line := range r.surprises() {
		p.printf("%s\n\n", cell(line))
	}
}
