package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/kube/simulate"
	"github.com/fleetup/fleetup/runner"
)

// ahead is a run of four nodes, of which one would be blocked, one wouldn't begin, and two make pods homeless.
func ahead() foresight {
	const minute = time.Minute
	f := foresight{began: time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)}
	f.total, f.ends, f.known = 40*minute, true, true
	f.took = map[string]runner.Spent{"n1": {All: 10 * minute, Phases: map[string]time.Duration{"drain": minute}}, "n3": {All: 10 * minute}}
	f.turns = []runner.Played{{Order: runner.Order{Node: "n1", Name: runner.OrderUpgrade}, Takes: 10 * minute},
		{Order: runner.Order{Node: "n3", Name: runner.OrderUpgrade}, At: 10 * minute, Takes: 10 * minute}}
	f.drains = []simulate.Drain{
		{Node: "n1", Moves: 3, Homeless: []simulate.Homeless{{Pod: "ml/a", Why: "no gpu", For: 10 * minute, Ever: true}, {Pod: "ml/b", Why: "no gpu", For: 10 * minute, Ever: true},
			{Pod: "ml/f", Why: "no gpu", For: 0, Ever: true}, {Pod: "ml/g", Why: "no cpu", For: 10 * minute, Ever: true},
			{Pod: "ml/c", Why: "no gpu", For: 10 * minute, Ever: true}, {Pod: "ml/d", Why: "no gpu", For: 10 * minute, Ever: true}, {Pod: "ml/e", Why: "no node"}},
			Displaced: []simulate.Displaced{{Pod: "batch/x", By: "ml/h"}, {Pod: "shop/y", By: "ml/i", Last: []string{"shop/web"}}, {Pod: "batch/z", By: "ml/h"}}},
		{Node: "n2", Moves: 2, Waited: 10 * minute, For: []string{"budget shop/web needs 3 healthy pods and has 3"}},
		{Node: "n3", Blocked: []string{"budget shop/db needs 2 healthy pods and has 2", "one more"}},
		{Node: "n4", Held: "pod ml/e has nowhere to go: no node"},
	}
	return f
}

func TestForeseenFindings(t *testing.T) {
	var lines []string
	for _, f := range ahead().findings() {
		lines = append(lines, labelOf(f)+" "+f.String())
	}
	want := []string{
		"note n1: drain: pod ml/h would displace batch/x, batch/z, of lower priority",
		"note n1: drain: pod ml/i would displace shop/y, of lower priority: the last endpoint of Service shop/web, which no budget holds then",
		"note n1: drain: pod ml/a, ml/b, ml/c and 1 more would have nowhere to go for about 10 minutes, until a node is back: no gpu",
		"note n1: drain: pod ml/f would have nowhere to go for a moment: no gpu",
		"note n1: drain: pod ml/g would have nowhere to go for about 10 minutes, until a node is back: no cpu",
		"note n1: drain: pod ml/e would have nowhere to go for the rest of the run: no node",
		"note n2: drain: would wait about 10 minutes until another node is back: budget shop/web needs 3 healthy pods and has 3",
		"blocked n3: blocked: its drain would be given up: budget shop/db needs 2 healthy pods and has 2; one more",
		"blocked n4: blocked: its drain would not begin: pod ml/e has nowhere to go: no node",
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
}

func TestForeseenText(t *testing.T) {
	f := ahead()
	at := func(d time.Duration) string { return moment(f.began.Add(d)) }
	for want, change := range map[string]func(*foresight){
		"about 40 minutes (as the last run took); 2 nodes would be left to do":                           func(*foresight) {},
		"(as the last run took); it would begin at " + at(2*time.Hour) + "; 2 nodes would be left to do": func(f *foresight) { f.first = 2 * time.Hour },
		"left to do; that fits the window, which closes at " + at(time.Hour):                             func(f *foresight) { f.closes = f.began.Add(time.Hour) },
		"that is more than the window has, which closes at " + at(30*time.Minute) + ": what is left goes on in the next with --wait": func(f *foresight) {
			f.closes = f.began.Add(30 * time.Minute)
		},
		"can't be said, for the run would not end as things stand: n3 waits: for a node": func(f *foresight) { f.ends, f.why = false, "n3 waits: for a node" },
	} {
		g := f
		change(&g)
		if got := g.timeText(); !strings.Contains(got, want) {
			t.Errorf("%q isn't in %q", want, got)
		}
	}
	f.faster = []faster{{Setting: "strategy.max_unavailable", AtMost: 2, total: 20 * time.Minute}, {Setting: "strategy.spread.rack", AtMost: 3, total: 30 * time.Minute, Fails: 1}}
	var b bytes.Buffer
	a := &app{out: &b, getenv: func(string) string { return "" }}
	a.screen(4).foresight(f)
	for _, line := range []string{
		"drains   n[1-2] can be drained: 5 pods would move\n",
		"faster   strategy.max_unavailable = 2: about 20 minutes, and no drain would be blocked\n",
		"faster   strategy.spread.rack = 3: about 30 minutes, but 1 drain would be blocked\n",
	} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("%q isn't in:\n%s", line, b.String())
		}
	}
}

// TestForeseenJournaled: what the journal keeps of it is read back whole.
func TestForeseenJournaled(t *testing.T) {
	events, err := ahead().journaled()
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	run, whole, nodes := runner.ForeseenIn(events[0])
	if !whole || run != (runner.ForeseenRun{Total: 40 * time.Minute, Ends: true, Known: true}) {
		t.Errorf("%+v, %v", run, whole)
	}
	want := map[string]runner.Foreseen{
		"n1": {Takes: 600, Phases: map[string]float64{"drain": 60}},
		"n3": {At: 600, Takes: 600, Blocked: "its drain would be given up: budget shop/db needs 2 healthy pods and has 2; one more"},
	}
	if d := cmp.Diff(want, nodes); d != "" {
		t.Error(d)
	}
}
