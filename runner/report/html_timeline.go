package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// timeline is a row for each node: its phases as bars over the run's time. For whoever doesn't see them, each row's
// picture has the phases and their times as its name.
func (r Report) timeline(p *page) {
	p.printf("<section aria-labelledby=\"timeline\">\n<h2 id=\"timeline\">Timeline</h2>\n")
	names := r.phaseNames()
	if len(names) == 0 {
		p.printf("<p>No node was begun.</p>\n</section>\n")
		return
	}
	p.printf("<ul class=\"legend\" aria-label=\"Colours of the phases\">")
	for i, name := range names {
		p.printf("<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><path class=\"%s\" d=\"M0 0H10V10H0Z\"/></svg>%s</li>", hue(i), text(name))
	}
	p.printf("</ul>\n<table class=\"timeline\">\n<thead><tr><th scope=\"col\">Node</th><th scope=\"col\"><span class=\"axis\">%s</span></th><th scope=\"col\">Stands</th></tr></thead>\n<tbody>\n", r.axis())
	for _, n := range r.Nodes {
		if len(n.Orders) > 0 {
			p.printf("<tr><th scope=row>%s<td>%s<td class=%s>%s\n", text(n.Name), r.row(n.last(p.room), names), class(n.State), text(n.State))
		}
	}
	p.printf("</tbody>\n</table>\n</section>\n")
}

// axis are the times at the begin, in the middle and at the end.
func (r Report) axis() string {
	middle := r.Began.Add(r.Ended.Sub(r.Began) / 2)
	var b strings.Builder
	for _, t := range []time.Time{r.Began, middle, r.Ended} {
		fmt.Fprintf(&b, "<time>%s</time>", clock(t))
	}
	return b.String()
}

// last is the node with its last orders alone, where room is short.
func (n Node) last(room room) Node {
	if !room.brief || len(n.Orders) <= room.list {
		return n
	}
	n.Orders = n.Orders[len(n.Orders)-room.list:]
	return n
}

// row draws a node's phases: one path for each, so that a thousand nodes stay a small page.
func (r Report) row(n Node, names []string) string {
	var b strings.Builder
	label := text(n.Name + ": " + n.phases())
	fmt.Fprintf(&b, "<svg viewBox=\"0 0 %d 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s\">", wide, label)
	for i, name := range names {
		if d := r.bars(n, name); d != "" {
			fmt.Fprintf(&b, "<path class=%s d=\"%s\"/>", hue(i), d)
		}
	}
	b.WriteString("</svg>")
	return b.String()
}

// bars are the times that the node spent in a phase. What was too short to be seen is still a hair's breadth.
func (r Report) bars(n Node, phase string) string {
	var b strings.Builder
	for _, o := range n.Orders {
		for _, s := range o.Phases {
			if s.Name != phase {
				continue
			}
			from, to := r.x(s.Began), r.x(s.Ended)
			if from == to {
				fmt.Fprintf(&b, "M%s 0V10h1V0Z", from)
			} else {
				fmt.Fprintf(&b, "M%s 0V10H%sV0Z", from, to)
			}
		}
	}
	return b.String()
}

// phaseNames are the phases that occur, as they first do.
func (r Report) phaseNames() []string {
	var names []string
	for _, n := range r.Nodes {
		for _, o := range n.Orders {
			for _, s := range o.Phases {
				if !slices.Contains(names, s.Name) {
					names = append(names, s.Name)
				}
			}
		}
	}
	return names
}

// hue is the class of the i-th phase's colour; the style has so many.
func hue(i int) string { return fmt.Sprintf("p%d", i%12) }
