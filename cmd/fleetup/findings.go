package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fleetup/fleetup/runner/finding"
)

// screen is what findings and numbers are printed on: how wide it is, and whether it is to be kept within forty lines.
type screen struct {
	app   *app
	width int             // 0: no terminal, lines stay whole
	tight bool            // many nodes: a finding is told in three lines, and only the worst are
	kinds int             // how many of them are told then; 0: mostKinds
	shown map[string]bool // commands that stand there already; nil: they are repeated
	most  string          // where all commands are that there was no room for; "": nowhere, one stands for all of its kind
}

// manyNodes are more than are told one by one.
const manyNodes = 24

func (a *app) screen(nodes int) screen {
	return screen{app: a, width: columns(a.out), tight: nodes > manyNodes}
}

// line prints one after an indent: broken between words on a terminal, or cut where lines are few.
func (s screen) line(indent, text string) {
	switch {
	case s.width > 0 && s.tight:
		text = clip(indent+text, s.width)
	case s.width > 0:
		inner := max(s.width-len(indent), 30)
		text = indent + strings.ReplaceAll(wrapped(text, inner, 0), "\n", "\n"+indent)
	default:
		text = indent + text
	}
	fmt.Fprintln(s.app.out, strings.TrimRight(text, " "))
}

// marks are the severities as they are shown: told apart by their words first, and by colours that a colour-blind eye tells
// apart too (red and bold, yellow, blue).
var marks = map[finding.Severity]struct{ word, colour string }{
	finding.Critical: {"CRITICAL", "1;31"}, finding.Warning: {"warning", "33"}, finding.Info: {"info", "34"},
}

// alike are findings of one kind, of several objects.
type alike struct {
	finding.Finding
	objects  []string
	evidence []string // of each object
	commands []string // distinct ones
}

// gather puts findings of one kind together, the worst first, then the kinds that most have.
func gather(list []finding.Finding) []alike {
	type kind struct {
		severity                         finding.Severity
		rule, threshold, meaning, action string
	}
	finding.Sort(list)
	var all []alike
	at := map[kind]int{}
	for _, f := range list {
		k := kind{f.Severity, f.Rule, f.Threshold, f.Meaning, f.Action}
		i, known := at[k]
		if !known {
			i = len(all)
			at[k] = i
			all = append(all, alike{Finding: f})
		}
		g := &all[i]
		g.evidence = append(g.evidence, f.Evidence)
		g.objects = append(g.objects, f.Object)
		if f.Command != "" && !slices.Contains(g.commands, f.Command) {
			g.commands = append(g.commands, f.Command)
		}
	}
	slices.SortStableFunc(all, func(a, b alike) int {
		if a.Severity != b.Severity {
			return int(b.Severity - a.Severity)
		}
		return len(b.objects) - len(a.objects)
	})
	return all
}

// who names the objects: nodes as ranges.
func (g alike) who() string {
	var nodes, others []string
	for _, o := range g.objects {
		if name, ok := strings.CutPrefix(o, "node "); ok {
			nodes = append(nodes, name)
		} else {
			others = append(others, o)
		}
	}
	nodes, others = slices.Compact(nodes), slices.Compact(others)
	text := strings.Join(others, ", ")
	if len(nodes) > 0 {
		text = strings.Trim(fold(nodes)+", "+text, ", ")
	}
	if n := len(nodes) + len(others); n > manyNodes || len(others) > 3 {
		text = fmt.Sprintf("%d: %s", n, text)
	}
	return text
}

// Most that is told of one kind of finding, and of kinds where lines are few.
const (
	mostEvidence = 3
	mostKinds    = 7
	mostCommand  = 12 // lines
)

// findings prints them: what was seen, what it means, what to do.
func (s screen) findings(list []finding.Finding) {
	kinds := gather(list)
	for i, g := range kinds {
		if s.tight && i == max(s.kinds, mostKinds) {
			s.rest(kinds[i:])
			return
		}
		s.finding(g)
	}
}

func (s screen) finding(g alike) {
	m := marks[g.Severity]
	head := fmt.Sprintf("%-8s  %s  %s", m.word, g.Rule, g.who())
	if s.width > 0 {
		head = clip(head, s.width)
	}
	fmt.Fprintln(s.app.out, strings.Replace(head, m.word, s.app.paint(m.colour, m.word), 1))
	indent := "          "
	if s.width > 0 && s.width < 60 {
		indent = "  "
	}
	s.evidence(indent, g)
	if !s.tight {
		if g.Threshold != "" {
			s.line(indent, g.Threshold)
		}
		s.line(indent, g.Meaning)
	}
	s.line(indent, "do: "+g.Action)
	s.commands(indent+"    ", g.commands)
}

// evidence tells what was seen, the same of several objects once.
func (s screen) evidence(indent string, g alike) {
	var seen outputs
	for i, e := range g.evidence {
		seen.add(strings.TrimPrefix(g.objects[i], "node "), e)
	}
	most := mostEvidence
	if s.tight {
		most = 1
	}
	list := seen.sorted()
	for i, e := range list[:min(len(list), most)] {
		who := ""
		if len(list) > 1 && len(slices.Compact(slices.Clone(g.objects))) > 1 {
			who = clip(fold(slices.Compact(seen.hosts[e])), widestNames) + ": "
		}
		more := ""
		if left := len(list) - most; i == most-1 && left > 0 {
			more = fmt.Sprintf("; and %d more", left)
		}
		s.line(indent, who+e+more)
	}
}

// commands prints what mends: one stands for all of its kind, unless there is a place where all of them are.
func (s screen) commands(indent string, list []string) {
	if s.tight || len(list) == 0 {
		return
	}
	if s.shown != nil && strings.HasPrefix(list[0], "[") { // lines of the inventory, that stand there once
		if s.shown[list[0]] {
			s.line(indent, "as above, in the inventory")
			return
		}
		s.shown[list[0]] = true
	}
	if lines := strings.Count(list[0], "\n"); s.most != "" && lines > mostCommand {
		s.line(indent, s.most)
		return
	}
	for line := range strings.SplitSeq(strings.TrimRight(list[0], "\n"), "\n") {
		fmt.Fprintln(s.app.out, indent+line) // whole: it is to be copied
	}
	if left := len(list) - 1; left > 0 && s.most != "" {
		s.line(indent, fmt.Sprintf("and %d more: %s", left, s.most))
	}
}

// rest tells in one line of kinds that there was no room for.
func (s screen) rest(kinds []alike) {
	var names []string
	for _, g := range kinds {
		names = append(names, fmt.Sprintf("%s on %d", g.Rule, len(g.objects)))
	}
	s.line("", fmt.Sprintf("and %s: %s (all with --output json)", plural(len(kinds), "kind"), strings.Join(names, ", ")))
}

// paint colours a word of stdout where that is a terminal which takes colours.
func (a *app) paint(code, text string) string {
	if columns(a.out) == 0 || a.flags.noColor || a.getenv("NO_COLOR") != "" || a.getenv("TERM") == "dumb" {
		return text
	}
	return "\033[" + code + "m" + text + "\033[0m"
}
