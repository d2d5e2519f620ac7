package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// columns is the width of the terminal that w is; 0 if it is none, or won't say.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// say prints lines on stdout, broken between words where that is a terminal: a file or a pipe gets them whole.
func (a *app) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if width := columns(a.out); width > 0 {
		text = wrap(text, width)
	}
	fmt.Fprintln(a.out, text)
}

// wrap breaks lines between words, so that none is wider than width; what follows is indented under the first.
func wrap(text string, width int) string {
	width = max(width, 30)
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		for utf8.RuneCountInString(line) > width {
			cut := strings.LastIndexByte(string([]rune(line)[:width+1]), ' ')
			if cut <= 4 { // one long word
				next := strings.IndexByte(line[4:], ' ')
				if next < 0 {
					break
				}
				cut = next + 4
			}
			lines = append(lines, line[:cut])
			line = "    " + strings.TrimLeft(line[cut:], " ")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// freshLine is what clears the terminal's line, with the bar and a ^C on it; "" without a terminal.
func (a *app) freshLine() string {
	if !a.terminal() || a.json() {
		return ""
	}
	return "\r\033[K"
}

// clip cuts a text to one line of at most width.
func clip(s string, width int) string {
	if width < 10 {
		width = 10
	}
	r := []rune(strings.ReplaceAll(s, "\n", " "))
	if len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return string(r)
}
