package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fleetup/fleetup/kube/simulate"
	"github.com/fleetup/fleetup/runner"
)

// TestCheckOfAThousandNodes: whatever check finds on a thousand nodes is told in forty lines, none wider than the terminal; what
// stands against a run first. --verbose tells all, and so do few nodes.
func TestCheckOfAThousandNodes(t *testing.T) {
	f := foresight{}
	f.total, f.ends, f.turns = time.Hour, true, []runner.Played{{}}
	var list []runner.Finding
	for i := range 1000 {
		node := fmt.Sprintf("node%04d", i)
		for k := range 9 {
			list = append(list, runner.Finding{Node: node, What: fmt.Sprintf("area %d", k), Why: fmt.Sprintf("something else on each, as here %d, which takes some words to tell", i), Refuse: k == 8})
		}
		d := simulate.Drain{Node: node, Moves: 3, Homeless: []simulate.Homeless{{Pod: fmt.Sprintf("shop/web-%d", i), Why: "0/1000 nodes are available: 999 Insufficient cpu", For: time.Minute, Ever: true}}}
		if i%10 == 0 {
			d.Blocked = []string{fmt.Sprintf("budget shop/app-%d needs 2 healthy pods and has 2", i)}
		}
		f.drains = append(f.drains, d)
		f.faster = append(f.faster, faster{Setting: fmt.Sprintf("groups.g%d.max_unavailable", i), AtMost: 2, total: time.Minute})
	}
	list = append(list, f.findings()...)
	show := func(width int, tight bool) string {
		var out bytes.Buffer
		a := &app{out: &out, getenv: func(string) string { return "" }}
		s := screen{app: a, width: width, tight: tight}
		s.check(slices.Clone(list), 3)
		s.foresight(f)
		return strings.TrimRight(out.String(), "\n")
	}
	for _, width := range []int{0, 40, 80, 200} {
		text := show(width, true)
		lines := strings.Split(text, "\n")
		if len(lines) > 40 {
			t.Errorf("width %d: %d lines:\n%s", width, len(lines), text)
		}
		for _, line := range lines {
			if width > 0 && utf8.RuneCountInString(line) > width {
				t.Errorf("width %d: %q", width, line)
			}
		}
		if !strings.HasPrefix(lines[0], "refused  node0000: area 8:") {
			t.Errorf("width %d: first is %q", width, lines[0])
		}
	}
	if text := show(0, true); !strings.Contains(text, "\nrefused  and 999 of area 8: --verbose tells all\n") || !strings.Contains(text, "\nblocked  and 99 of blocked: --verbose tells all\n") ||
		!strings.Contains(text, "\nnote     and 999 of area 0, 999 of area 1,") {
		t.Errorf("what there is no room for isn't counted:\n%s", text)
	}
	if n := strings.Count(show(0, false), "\n"); n != 9000+1000+100+2+1000 {
		t.Errorf("all of it is %d lines", n)
	}
}
