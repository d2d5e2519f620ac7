package report

import (
	"fmt"
	"strings"
	"time"
)

// proof is the zero-downtime proof: a table of what had less than at the start, and a chart of each over time.
func (r Report) proof(p *page) {
	p.printf("<section aria-labelledby=\"proof\">\n<h2 id=\"proof\">Zero-downtime proof</h2>\n<p class=\"verdict %s\">%s</p>\n", r.proofClass(), text(r.verdict()))
	if r.Whole > 0 {
		p.printf("<p>%s never had fewer ready endpoints than at the start.</p>\n", plural(r.Whole, "Service"))
	}
	if len(r.Services)+len(r.URLs) > 0 {
		p.printf("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"proof\"><table>\n<thead><tr><th>What</th><th>How it fared</th></tr></thead>\n<tbody>\n")
		for _, s := range r.Services {
			p.printf("<tr><th scope=\"row\">%s</th><td>%s%s</td></tr>\n", text(s.Name), text(s.least()), r.chart(s))
		}
		for _, u := range r.URLs {
			p.printf("<tr><th scope=\"row\">%s</th><td>%s</td></tr>\n", text(u.Name), text(u.answered()))
		}
		p.printf("</tbody>\n</table></div>\n")
	}
	p.printf("</section>\n")
}

func (r Report) proofClass() string {
	switch {
	case r.Zero == nil:
		return "unknown"
	case *r.Zero:
		return "finished"
	}
	return "failed"
}

// The chart's own units; the browser stretches them to the width that there is.
const (
	wide = 1000
	high = 40
)

// chart draws how many endpoints were ready over the run, above the times in which nodes were drained or down.
func (r Report) chart(s Service) string {
	if len(s.Series) == 0 || !r.Ended.After(r.Began) {
		return ""
	}
	most := s.Start
	for _, v := range s.Series {
		most = max(most, v.Ready)
	}
	if most == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<svg class=\"chart\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"ready endpoints over the run, from 0 to %d\">", wide, high, most)
	fmt.Fprintf(&b, "<path class=\"drains\" d=\"%s\"/><path class=\"line\" d=\"M0 %d", r.drains(), y(s.Start, most))
	for _, v := range s.Series {
		fmt.Fprintf(&b, "H%sV%d", r.x(v.At), y(v.Ready, most))
	}
	fmt.Fprintf(&b, "H%d\"/></svg>", wide)
	return b.String()
}

func y(ready, most int) int { return high - 1 - ready*(high-2)/most }

// x is where a time stands, in tenths of the chart's units.
func (r Report) x(t time.Time) string {
	whole := r.Ended.Sub(r.Began)
	if whole <= 0 {
		return "0"
	}
	at := min(max(float64(t.Sub(r.Began))/float64(whole), 0), 1)
	return strings.TrimSuffix(fmt.Sprintf("%.1f", at*wide), ".0")
}

// drains are the times in which nodes were being drained, as bars from top to bottom.
func (r Report) drains() string {
	var b strings.Builder
	for _, n := range r.Nodes {
		for _, o := range n.Orders {
			for _, s := range o.Phases {
				if s.Name == "drain" {
					from, to := r.x(s.Began), r.x(s.Ended)
					fmt.Fprintf(&b, "M%s 0V%dH%sV0Z", from, high, to)
				}
			}
		}
	}
	return b.String()
}
