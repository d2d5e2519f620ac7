package report

import (
	"cmp"
	"fmt"
	"slices"
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
		services := worstFirst(r.Services, p.most(len(r.Services), ofRun))
		for _, s := range services {
			p.printf("<tr><th scope=\"row\">%s</th><td>%s%s</td></tr>\n", text(s.Name), p.long(s.least()), r.chart(s, p.room.points))
		}
		p.more(len(services), len(r.Services), "<tr><th scope=\"row\">%s</th><td>with more left at their worst than these</td></tr>\n")
		for _, u := range r.URLs {
			p.printf("<tr><th scope=\"row\">%s</th><td>%s</td></tr>\n", p.long(u.Name), p.long(u.answered()))
		}
		p.printf("</tbody>\n</table></div>\n")
		p.printf("<svg class=\"shared\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs><path id=\"drains\" d=\"%s\"/></defs></svg>\n", r.drains(p.room.points))
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

// worstFirst are all Services by name, or so many of them, those with the least left first.
func worstFirst(all []Service, most int) []Service {
	if most == len(all) {
		return all
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Service) int { return cmp.Compare(a.Min, b.Min) })
	return all[:most]
}

// The chart's own units; the browser stretches them to the width that there is.
const (
	wide = 1000
	high = 40
)

// chart draws how many endpoints were ready over the run, above the times in which nodes were drained, which all charts
// share. With more samples than points the least of those at one point is drawn.
func (r Report) chart(s Service, points int) string {
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
	fmt.Fprintf(&b, "<use href=\"#drains\" class=\"drains\"/><path class=\"line\" d=\"M0 %d", y(s.Start, most))
	for _, v := range r.thinned(s.Series, points) {
		fmt.Fprintf(&b, "H%sV%d", r.x(v.At), y(v.Ready, most))
	}
	fmt.Fprintf(&b, "H%d\"/></svg>", wide)
	return b.String()
}

// thinned has at most so many samples: the least in each part of the run; 0: all of them.
func (r Report) thinned(series []Sample, points int) (thin []Sample) {
	if points == 0 || len(series) <= points {
		return series
	}
	last := -1
	for _, v := range series {
		at := int(int64(points) * int64(v.At.Sub(r.Began)) / int64(max(r.Ended.Sub(r.Began), 1)))
		if at != last || len(thin) == 0 {
			thin, last = append(thin, v), at
		} else if v.Ready < thin[len(thin)-1].Ready {
			thin[len(thin)-1].Ready = v.Ready
		}
	}
	return thin
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

// drains are the times in which nodes were being drained, as bars from top to bottom; where room is short each bar once.
func (r Report) drains(points int) string {
	var b strings.Builder
	drawn := map[string]bool{}
	for _, n := range r.Nodes {
		for _, o := range n.Orders {
			for _, s := range o.Phases {
				if s.Name == "drain" {
					bar := fmt.Sprintf("M%s 0V%dH%sV0Z", r.x(s.Began), high, r.x(s.Ended))
					if points == 0 || !drawn[bar] {
						b.WriteString(bar)
					}
					drawn[bar] = true
				}
			}
		}
	}
	return b.String()
}
