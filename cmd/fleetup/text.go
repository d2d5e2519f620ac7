package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// paper is w for prose: on a terminal lines are broken between words, while a file or a pipe gets them whole. Each write
// is one line or several.
func paper(w io.Writer) io.Writer { return broken{w} }

// tell prints what came of a command that has no more to say than a line; with --output json as a document with it.
func (a *app) tell(format string, args ...any) {
	if a.json() {
		_ = json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "message": fmt.Sprintf(format, args...)})
		return
	}
	a.say(format, args...)
}

type broken struct{ io.Writer }

func (b broken) Write(p []byte) (int, error) {
	width := columns(b.Writer)
	if width == 0 {
		return b.Writer.Write(p)
	}
	if _, err := io.WriteString(b.Writer, wrap(string(p), width)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// under prints text beside a label, and what follows of it beneath; on a terminal broken as on paper.
func under(w io.Writer, label, text string) {
	if width := columns(w); width > 0 {
		text = wrap(text, width-len(label))
	}
	fmt.Fprintln(w, indent(label, text))
}

// say prints lines on stdout, as on paper.
func (a *app) say(format string, args ...any) { fmt.Fprintf(paper(a.out), format+"\n", args...) }

// wrap breaks lines between words, so that none is wider than width; what follows is indented under the first. Commands
// are left for the terminal to break, so that they can be copied: lines with $ before them, and what is in backquotes.
func wrap(text string, width int) string { return wrapped(text, width, 4) }

// wrapped is wrap with what follows indented by so much.
func wrapped(text string, width, beneath int) string {
	width = max(width, 30)
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lead := len(line) - len(strings.TrimLeft(line, " "))
		hang := max(beneath, lead+min(beneath, 2))
		for !strings.HasPrefix(line[lead:], "$ ") && visible(line) > width {
			cut := gap(line, width, lead+4)
			if cut < 0 { // one long word
				break
			}
			lines = append(lines, strings.TrimRight(line[:cut], " "))
			line, lead = strings.Repeat(" ", hang)+strings.TrimLeft(line[cut:], " "), hang
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// gap is the place of the last space with no more than width columns before it, else of the first one; -1 where there is
// none. Spaces before from, in backquotes and in escape sequences don't count.
func gap(line string, width, from int) int {
	last, column, quoted, escape := -1, 0, false, false
	for i, r := range line {
		switch {
		case escape:
			escape = !endsEscape(r)
			continue
		case r == '\033':
			escape = true
			continue
		case r == '`':
			quoted = !quoted && strings.Contains(line[i+1:], "`")
		case r == ' ' && !quoted && i > from && strings.TrimSpace(line[i:]) != "":
			if column > width {
				if last < 0 {
					return i
				}
				return last
			}
			last = i
		}
		column++
	}
	return last
}

// endsEscape reports whether r is the letter that ends a terminal's escape sequence, as m does in "\033[32m".
func endsEscape(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }

// visible is how many columns a line takes.
func visible(line string) int {
	n := utf8.RuneCountInString(line)
	for {
		at := strings.IndexByte(line, '\033')
		if at < 0 {
			return n
		}
		end := strings.IndexFunc(line[at:], endsEscape)
		if end < 0 {
			return n
		}
		n -= end + 1
		line = line[at+end+1:]
	}
}

// table puts cells under one another, two spaces between, without the columns that are empty everywhere. On a terminal
// of width columns, 0 being none, the last cell is broken below itself or, where that leaves it no room, the whole row.
func table(rows [][]string, width int) string {
	var wide []int
	for _, row := range rows {
		for k, cell := range row {
			if k == len(wide) {
				wide = append(wide, 0)
			}
			wide[k] = max(wide[k], utf8.RuneCountInString(cell))
		}
	}
	used := len(wide)
	for used > 0 && wide[used-1] == 0 {
		used--
	}
	var out strings.Builder
	for _, row := range rows {
		row = row[:min(len(row), used)]
		var line strings.Builder
		last, hang := "", 0 // the last cell that isn't empty, and where it begins
		for k, cell := range row {
			if cell != "" {
				last, hang = cell, utf8.RuneCountInString(line.String())
			}
			if wide[k] > 0 {
				fmt.Fprintf(&line, "%-*s  ", wide[k], cell)
			}
		}
		text := strings.TrimRight(line.String(), " ")
		switch room := width - hang; {
		case width == 0 || visible(text) <= width:
		case room < 30:
			text = wrap(strings.Join(slices.DeleteFunc(slices.Clone(row), func(c string) bool { return c == "" }), "  "), width)
		default:
			text = strings.TrimSuffix(text, last) + strings.ReplaceAll(wrap(last, room), "\n    ", "\n"+strings.Repeat(" ", hang))
		}
		out.WriteString(text + "\n")
	}
	return out.String()
}
