package report

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the report for a ticket or a chat: what matters, in tables, without the timeline.
func (r Report) Markdown(w io.Writer) error {
	p := &page{w: w}
	p.printf("# fleetup run %s\n\n", cell(r.Run))
	p.printf("**%s**: %s\n\n", cell(r.outcome()), cell(r.counts()))
	p.printf("| | |\n|---|---|\n| inventory | %s |\n| began | %s |\n| ended | %s (%s) |\n| proof | %s |\n\n",
		cell(r.Inventory), moment(r.Began), moment(r.Ended), lasted(r.Ended.Sub(r.Began)), cell(r.verdict()))
	r.markdownProof(p)
	r.markdownForeseen(p)
	p.printf("## Nodes\n\n| node | stands | took | what changed | why |\n|---|---|---|---|---|\n")
	for _, n := range r.Nodes {
		var changed []string
		for _, c := range n.Changes {
			changed = append(changed, c.Step+": "+c.Text)
		}
		p.printf("| %s | %s | %s | %s | %s |\n", cell(n.Name), n.State, lasted(n.took()), cell(strings.Join(changed, "; ")), cell(n.Why))
	}
	if more := r.Unnamed(); more > 0 {
		p.printf("\nNot begun: %s more.\n", plural(more, "node"))
	}
	return p.err
}

func (r Report) markdownProof(p *page) {
	if len(r.Services)+len(r.URLs) == 0 {
		return
	}
	p.printf("## Services\n\n| what | how it fared |\n|---|---|\n")
	for _, s := range r.Services {
		p.printf("| %s | %s |\n", cell(s.Name), cell(s.least()))
	}
	for _, u := range r.URLs {
		p.printf("| %s | %s |\n", cell(u.Name), cell(u.answered()))
	}
	p.printf("\n")
}

// cell makes a string safe in a cell of a table, and keeps HTML in it from being HTML. A backslash of its own would undo the one
// before a bar.
func cell(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", " ", "\r", " ", "|", `\|`, "`", "'", "[", `\[`, "*", `\*`, "_", `\_`).Replace(text(s))
}

// page writes, and keeps the first error.
type page struct {
	w    io.Writer
	err  error
	room room
	cut  bool // something was too long for it
}

func (p *page) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
