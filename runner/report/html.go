package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

//go:embed style.css
var style string

//go:embed live.js
var liveScript string

// HTML writes the report as one page that needs nothing else: no network, no script. Readable on a phone, in print, in the
// dark, by keyboard and by screen readers: what the pictures show also stands in tables and names.
func (r Report) HTML(w io.Writer) error {
	return r.fitted(w, "default-src 'none'; style-src 'unsafe-inline'; img-src data:", "")
}

// Live writes the same page for whoever watches a run: its one script, which it brings along, fetches it again as the server
// beside it says that something has happened.
func (r Report) Live(w io.Writer) error {
	sum := sha256.Sum256([]byte(liveScript))
	policy := fmt.Sprintf("default-src 'none'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; script-src 'sha256-%s'", base64.StdEncoding.EncodeToString(sum[:]))
	return r.fitted(w, policy, liveScript)
}

func (r Report) page(p *page, policy, script string) {
	p.printf("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
	p.printf("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n")
	p.printf("<meta http-equiv=\"Content-Security-Policy\" content=\"%s\">\n", policy)
	p.printf("<link rel=\"icon\" href=\"data:,\">\n<title>fleetup run %s: %s</title>\n<style>\n%s</style>\n</head>\n<body>\n", text(r.Run), text(r.outcome()), style)
	p.printf("<a class=\"skip\" href=\"#timeline\">Skip to the timeline</a>\n")
	if script != "" {
		p.printf("<p id=\"live\" role=\"status\">Live: this page follows the run.</p>\n")
	}
	r.head(p)
	p.printf("<main>\n")
	for _, section := range []func(Report, *page){Report.troubles, Report.proof, Report.timeline, Report.foreseen, Report.judged, Report.turns, Report.nodes} {
		section(r, p)
	}
	p.printf("</main>\n<footer><p>Made by <code>fleetup report</code> from the run's journal alone. Times are UTC.")
	if p.cut || p.room.brief {
		p.printf(" What is long is cut, so that the page stays small: <code>--output json</code> has all of it.")
	}
	p.printf("</p></footer>\n")
	if script != "" {
		p.printf("<script>%s</script>\n", script)
	}
	p.printf("</body>\n</html>\n")
}

// outcome is the run's end in a word or two.
func (r Report) outcome() string {
	for _, n := range r.Nodes {
		if r.Outcome == "finished" && (n.State == "failed" || n.State == "blocked") {
			return "finished with failures"
		}
	}
	return r.Outcome
}

func (r Report) head(p *page) {
	p.printf("<header>\n<h1>Run <code>%s</code></h1>\n<p class=\"verdict %s\">%s: %s</p>\n", text(r.Run), class(r.outcome()), text(r.outcome()), text(r.counts()))
	if r.Why != "" && r.Outcome != "finished" {
		p.printf("<p class=\"why\">%s</p>\n", p.long(r.Why))
	}
	p.printf("<dl>\n")
	until := "Ended"
	if r.Outcome == "unfinished" {
		until = "So far until"
	}
	for _, row := range [][2]string{
		{"Inventory", r.Inventory}, {"Began", moment(r.Began)}, {until, moment(r.Ended)}, {"Took", lasted(r.Ended.Sub(r.Began))},
		{"Proof", r.verdict()}, {"fleetup", r.Program},
	} {
		if row[1] != "" {
			p.printf("<div><dt>%s</dt><dd>%s</dd></div>\n", row[0], text(row[1]))
		}
	}
	p.printf("</dl>\n</header>\n")
}

// class is a state as the style knows it.
func class(state string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		if r == ' ' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, state), " ", "-")
}

// troubles come first: what failed, or couldn't be drained, with what was said of it, each reason once.
func (r Report) troubles(p *page) {
	type trouble struct {
		state, why string
		nodes      []string
	}
	var all []*trouble
	by := map[[2]string]*trouble{}
	for _, n := range r.Nodes {
		if n.State != "failed" && n.State != "blocked" && n.State != "skipped" && !(n.State == "held" && n.Why != "") {
			continue
		}
		key := [2]string{n.State, n.Why}
		if by[key] == nil {
			by[key] = &trouble{state: n.State, why: n.Why}
			all = append(all, by[key])
		}
		by[key].nodes = append(by[key].nodes, n.Name)
	}
	if len(all) == 0 {
		return
	}
	p.printf("<section aria-labelledby=\"troubles\">\n<h2 id=\"troubles\">What did not go through</h2>\n<ul class=\"troubles\">\n")
	shown := p.most(len(all), ofRun)
	for _, t := range all[:shown] {
		p.printf("<li><b class=\"%s\">%s</b> %s", class(t.state), text(t.state), text(few(t.nodes)))
		p.printf("<pre>%s</pre></li>\n", p.long(t.why))
	}
	p.more(shown, len(all), "<li>%s: each node says its own</li>\n")
	p.printf("</ul>\n</section>\n")
}

// few names the first of many.
func few(names []string) string {
	const most = 12
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// judged are the gates' answers and the soaks.
func (r Report) judged(p *page) {
	if len(r.Gates)+len(r.Soaks) == 0 {
		return
	}
	p.printf("<section aria-labelledby=\"gates\">\n<h2 id=\"gates\">Gates and soaks</h2>\n")
	for _, s := range r.Soaks[:p.most(len(r.Soaks), ofRun)] {
		p.printf("<p>Soak after %s: %s to %s (%s)</p>\n", text(s.Name), clock(s.Began), clock(s.Ended), lasted(s.Took()))
	}
	if len(r.Gates) > 0 {
		p.printf("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"gates\"><table>\n<thead><tr><th>At</th><th>Gate</th><th>Verdict</th><th>Reading</th><th>Before the run</th><th>Why</th></tr></thead>\n<tbody>\n")
		shown := p.most(len(r.Gates), ofRun)
		for _, g := range r.Gates[:shown] {
			p.printf("<tr><td>%s</td><th scope=\"row\">%s</th><td class=\"%s\">%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n",
				clock(g.At), text(g.Name), class(g.Verdict), text(g.Verdict), p.long(g.Reading), p.long(g.Baseline), p.long(g.Why))
		}
		p.more(shown, len(r.Gates), "<tr><td colspan=6>%s\n")
		p.printf("</tbody>\n</table></div>\n")
	}
	p.printf("</section>\n")
}

// turns are the interruptions of the run, and what it said of itself.
func (r Report) turns(p *page) {
	if len(r.Pickups)+len(r.Messages) == 0 {
		return
	}
	p.printf("<section aria-labelledby=\"turns\">\n<h2 id=\"turns\">The run itself</h2>\n<ul>\n")
	shown := p.most(len(r.Pickups), ofRun)
	for _, t := range r.Pickups[:shown] {
		p.printf("<li>%s %s%s</li>\n", clock(t.At), text(t.What), p.long(because(t.Why)))
	}
	p.more(shown, len(r.Pickups), "<li>%s interruptions</li>\n")
	p.remarks(r.Messages, ofRun)
	p.printf("</ul>\n</section>\n")
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}
