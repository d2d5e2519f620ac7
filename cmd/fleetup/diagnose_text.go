package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fleetup/fleetup/runner/diagnose"
	"github.com/fleetup/fleetup/runner/finding"
)

// diagnosisOn prints findings first, then the numbers, side by side.
func (a *app) diagnosisOn(s screen, d diagnosis) {
	list := d.findings()
	s.line("", verdict(d, list))
	s.findings(list)
	if len(list) > 0 {
		fmt.Fprintln(a.out)
	}
	s.numbers(d.nodes)
	if len(d.nodes) == 1 && d.nodes[0].Numbers != nil {
		s.details(d.nodes[0])
	}
	s.gaps(d)
}

// verdict is the whole in one line.
func verdict(d diagnosis, list []finding.Finding) string {
	counts := map[finding.Severity]int{}
	for _, f := range list {
		counts[f.Severity]++
	}
	looked := plural(len(d.nodes), "machine") + " looked at"
	if away := d.away(); away > 0 {
		looked = fmt.Sprintf("%d of %s looked at", len(d.nodes)-away, plural(len(d.nodes), "machine"))
	}
	if len(list) == 0 {
		return looked + ": nothing found"
	}
	var parts []string
	if n := counts[finding.Critical]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d critical", n))
	}
	if n := counts[finding.Warning]; n > 0 {
		parts = append(parts, plural(n, "warning"))
	}
	if n := counts[finding.Info]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d to know", n))
	}
	ill := map[string]bool{}
	for _, f := range list {
		ill[f.Object] = ill[f.Object] || f.Severity >= finding.Warning
	}
	well := 0
	for _, n := range d.nodes {
		if !ill["node "+n.Node] && n.Error == "" {
			well++
		}
	}
	return fmt.Sprintf("%s: %s; %d well", looked, strings.Join(parts, ", "), well)
}

// columns of the table of numbers; those at the end go first where there is no room.
var numberColumns = []struct {
	head string
	of   func(diagnose.Look) float64 // percent
}{
	{"CPU", func(l diagnose.Look) float64 { return l.Busy }},
	{"LOAD", func(l diagnose.Look) float64 { return 100 * l.Load[1] / float64(max(l.Cores, 1)) }},
	{"MEM", func(l diagnose.Look) float64 {
		return 100 - 100*float64(l.Memory.Available)/float64(max(l.Memory.Total, 1))
	}},
	{"DISK", fullest},
	{"I/O", func(l diagnose.Look) float64 { return mostOf(l.Disks, func(d diagnose.Disk) float64 { return d.Util }) }},
	{"NET", func(l diagnose.Look) float64 { return mostOf(l.Links, func(k diagnose.Link) float64 { return k.Use }) }},
	{"LOSS", func(l diagnose.Look) float64 { return l.TCP.Percent }},
	{"FILES", func(l diagnose.Look) float64 { return l.Files.Percent() }},
	{"CONNTRACK", func(l diagnose.Look) float64 { return l.Conntrack.Percent() }},
}

func fullest(l diagnose.Look) float64 {
	return mostOf(l.FileSystems, func(fs diagnose.FileSystem) float64 { return fs.Used })
}

func mostOf[T any](list []T, of func(T) float64) float64 {
	most := 0.0
	for _, v := range list {
		most = max(most, of(v))
	}
	return most
}

// bucket is how coarsely nodes are compared where there are many, in percent.
const bucket = 10

// mostRows of numbers are told where lines are few.
const mostRows = 12

// row is a line of the table.
type row struct {
	nodes []string
	cells []string
}

// numbers prints the table. Many nodes are folded: those whose numbers are alike, in steps of ten percent, share a row.
func (s screen) numbers(all []diagnosed) {
	var rows []row
	at := map[string]int{}
	for _, d := range all {
		if d.Numbers == nil {
			continue
		}
		var cells []string
		for _, c := range numberColumns {
			cells = append(cells, cell(c.of(*d.Numbers), s.tight))
		}
		key := strings.Join(cells, " ")
		i, known := at[key]
		if !known || !s.tight {
			i = len(rows)
			at[key] = i
			rows = append(rows, row{cells: cells})
		}
		rows[i].nodes = append(rows[i].nodes, d.Node)
	}
	if len(rows) == 0 {
		return
	}
	slices.SortStableFunc(rows, func(a, b row) int { return len(b.nodes) - len(a.nodes) })
	if left := len(rows) - mostRows; s.tight && left > 0 {
		var others []string
		for _, r := range rows[mostRows:] {
			others = append(others, r.nodes...)
		}
		rows = append(rows[:mostRows], row{nodes: others})
	}
	s.table(rows)
}

// cell is a percentage, or the step that it lies in.
func cell(v float64, coarse bool) string {
	if coarse {
		if v < bucket {
			return fmt.Sprintf("<%d%%", bucket)
		}
		return fmt.Sprintf("%d%%+", int(v)/bucket*bucket)
	}
	if v > 0 && v < 10 {
		return fmt.Sprintf("%.1f%%", v)
	}
	return fmt.Sprintf("%.0f%%", v)
}

// widestNames are as much of a line as nodes may take.
const widestNames = 28

func (s screen) table(rows []row) {
	names := make([]string, len(rows))
	wide := len("NODE")
	for i, r := range rows {
		names[i] = fold(r.nodes)
		if len(r.nodes) > 1 {
			names[i] = fmt.Sprintf("%d: %s", len(r.nodes), names[i])
		}
		names[i] = clip(names[i], widestNames)
		wide = max(wide, utf8.RuneCountInString(names[i]))
	}
	columns := len(numberColumns)
	for s.width > 0 && columns > 1 && wide+tableWidth(columns) > s.width {
		columns--
	}
	line := fmt.Sprintf("%-*s", wide, "NODE")
	for _, c := range numberColumns[:columns] {
		line += fmt.Sprintf("  %*s", columnWidth(c.head), c.head)
	}
	fmt.Fprintln(s.app.out, line)
	for i, r := range rows {
		line := names[i] + strings.Repeat(" ", wide-utf8.RuneCountInString(names[i]))
		for k, c := range numberColumns[:columns] {
			if len(r.cells) == 0 {
				line += "  various, --output json tells"
				break
			}
			line += fmt.Sprintf("  %*s", columnWidth(c.head), r.cells[k])
		}
		if s.width > 0 {
			line = clip(line, s.width)
		}
		fmt.Fprintln(s.app.out, line)
	}
}

func columnWidth(head string) int { return max(len(head), 5) }

func tableWidth(columns int) int {
	sum := 0
	for _, c := range numberColumns[:columns] {
		sum += 2 + columnWidth(c.head)
	}
	return sum
}

// between is when lines of one shape were first and last logged.
func between(v diagnose.Shape) string {
	if v.Last.IsZero() {
		return ""
	}
	if v.Count == 1 {
		return " (" + v.Last.Local().Format("2 Jan 15:04") + ")"
	}
	return fmt.Sprintf(" (%s to %s)", v.First.Local().Format("2 Jan 15:04"), v.Last.Local().Format("2 Jan 15:04"))
}

// gaps names what machines could not tell.
func (s screen) gaps(all diagnosis) {
	var o outputs
	for _, d := range all.nodes {
		if d.Numbers != nil {
			for _, gap := range d.Numbers.Gaps {
				o.add(d.Node, gap)
			}
		}
	}
	texts := slices.Clone(all.gaps)
	for _, gap := range o.sorted() {
		if n := len(o.hosts[gap]); n == len(all.nodes) {
			texts = append(texts, gap)
		} else {
			texts = append(texts, gap+" on "+clip(fold(o.hosts[gap]), widestNames))
		}
	}
	if len(texts) > 0 {
		s.line("", "not asked: "+strings.Join(texts, "; "))
	}
}
