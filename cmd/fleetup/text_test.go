package main

import (
	"strings"
	"testing"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"short", 40, "short"},
		{"a line of words that is wider than the terminal", 30, "a line of words that is wider\n    than the terminal"},
		{strings.Repeat("x", 50), 30, strings.Repeat("x", 50)},
		{"switched to " + strings.Repeat("x", 40) + " and more words than one line", 30,
			"switched to\n    " + strings.Repeat("x", 40) + "\n    and more words than one\n    line"},
		{"two\nlines", 40, "two\nlines"},
		{"   kubelet: 1.36.4 → 1.37.2, kubectl too", 30, "   kubelet: 1.36.4 → 1.37.2,\n     kubectl too"},
		{"     $ apt-get install containerd=2.1.4-1", 30, "     $ apt-get install containerd=2.1.4-1"},
		{"next: `fleetup run prod-east.toml` goes on with it", 30, "next:\n    `fleetup run prod-east.toml`\n    goes on with it"},
		{"it's one ` alone that quotes nothing at all", 30, "it's one ` alone that quotes\n    nothing at all"},
		{"\033[32mdone\033[0m: containerd 2.1.4-1, x", 30, "\033[32mdone\033[0m: containerd 2.1.4-1, x"},
		{"\r\033[Kinterrupted: what is in flight ends", 30, "\r\033[Kinterrupted: what is in\n    flight ends"},
		{"→ → → → → → → → → → → → → → → → → →", 30, "→ → → → → → → → → → → → → → →\n    → → →"},
		{"anything at all in a terminal of no width", -3, "anything at all in a terminal\n    of no width"},
	} {
		if got := wrap(c.text, c.width); got != c.want {
			t.Errorf("wrap(%q, %d) = %q", c.text, c.width, got)
		}
	}
}

// Cells stand under one another; a row that is wider than the terminal is broken under its last cell, or as a whole.
func TestTable(t *testing.T) {
	rows := [][]string{
		{"n1", "Ready", "v1.37.2", "", ""},
		{"n10", "Ready, cordoned", "v1.36.4", "", "held for hardware work by root: new DIMM"},
	}
	for width, want := range map[int]string{
		0:  "n1   Ready            v1.37.2\nn10  Ready, cordoned  v1.36.4  held for hardware work by root: new DIMM\n",
		64: "n1   Ready            v1.37.2\nn10  Ready, cordoned  v1.36.4  held for hardware work by root:\n                               new DIMM\n",
		40: "n1   Ready            v1.37.2\nn10  Ready, cordoned  v1.36.4  held for\n    hardware work by root: new DIMM\n",
	} {
		if got := table(rows, width); got != want {
			t.Errorf("%d columns:\n%s", width, got)
		}
	}
	if got := table([][]string{{"n1", "", ""}, {"n2"}}, 80); got != "n1\nn2\n" {
		t.Errorf("%q", got)
	}
}

// TestWrappedFillsLines: what stands under a label as a block has each line as full as the first.
func TestWrappedFillsLines(t *testing.T) {
	text := "Pods may take what the kubelet and the runtime need: under load, as while a neighbour is drained, the node becomes NotReady."
	lines := strings.Split(wrapped(text, 38, 0), "\n")
	for i, line := range lines[:len(lines)-1] {
		next, _, _ := strings.Cut(lines[i+1], " ")
		if len(line) > 38 || len(line)+1+len(next) <= 38 {
			t.Errorf("line %d is %q, and the next word is %q", i+1, line, next)
		}
	}
}

// A row that has no room keeps its words and loses its columns, so that it is broken into as few lines as can be.
func TestSqueezed(t *testing.T) {
	row := "  by the BMC  nic 1                            ok"
	for _, tc := range []struct {
		width int
		want  string
	}{{0, row}, {80, row}, {len(row), row}, {40, "  by the BMC  nic 1  ok"}} {
		if got, want := squeezed("n1\n"+row+"\n", tc.width), "n1\n"+tc.want+"\n"; got != want {
			t.Errorf("%d: %q, want %q", tc.width, got, want)
		}
	}
	if got := squeezed("  cpu         socket 0     2 threads", 20); got != "  cpu         socket 0  2 threads" {
		t.Errorf("the kinds' column is lost: %q", got)
	}
}
