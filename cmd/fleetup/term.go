package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// columns is the width of the terminal that w is; 0 if it is none, or won't say.
func columns(w io.Writer) int {
	width, _ := dimensions(w)
	return width
}

// rows is the height of the terminal that w is; 0 if it is none, or won't say.
func rows(w io.Writer) int {
	_, height := dimensions(w)
	return height
}

func dimensions(w io.Writer) (width, height int) {
	if t, ok := w.(*top); ok {
		w = t.Writer
	}
	f, ok := plainly(w).(*os.File)
	if !ok {
		return 0, 0
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
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
