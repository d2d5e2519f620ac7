package main

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// Without a terminal help is no wider than most of them are: it is read in a pager, a mail, a ticket.
func TestHelpIsEightyWide(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out, err: &out, getenv: func(string) string { return "" }}
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		out.Reset()
		a.help(c)
		for line := range bytes.Lines(out.Bytes()) {
			if n := utf8.RuneCount(bytes.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%s: %d columns: %s", c.CommandPath(), n, line)
			}
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(a.root())
}
