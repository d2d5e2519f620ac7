package report

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner"
)

// TestNodeStands: how a node stands after each event that a journal may end with, and how its last order ended.
func TestNodeStands(t *testing.T) {
	order := event{Event: runner.EventOrder, Node: "n1", Order: "upgrade", Stage: "wave 1"}
	of := func(k runner.Kind, message string) event { return event{Event: k, Node: "n1", Message: message} }
	adopted := func(data ...string) event {
		e := of(runner.EventAdopted, "says the node")
		if len(data) > 0 {
			e.Data = map[string]string{data[0]: data[1]}
		}
		return e
	}
	resumed := event{Event: runner.EventResumed}
	for _, tc := range []struct {
		name             string
		events           []event
		state, why, last string // last: how the last order ended; "none": there is none
	}{
		{"begun", []event{order}, "running", "", ""},
		{"done", []event{order, of(runner.EventDone, "up to date")}, "done", "up to date", "done"},
		{"done, and what changed isn't said twice", []event{order, of(runner.EventChanged, "kubelet 1 → 2"), of(runner.EventDone, "kubelet 1 → 2")}, "done", "", "done"},
		{"failed in a phase", []event{order, {Event: runner.EventFailed, Node: "n1", Phase: "reboot", Message: "no boot"}}, "failed", "reboot: no boot", "failed"},
		{"blocked", []event{order, of(runner.EventBlocked, "budget shop/web")}, "blocked", "budget shop/web", "blocked"},
		{"blocked, and tried again", []event{order, of(runner.EventBlocked, "budget shop/web"), order}, "running", "", ""},
		{"skipped without an order", []event{of(runner.EventSkipped, "cordoned by somebody else")}, "skipped", "cordoned by somebody else", "none"},
		{"through a stage", []event{order, of(runner.EventThrough, "closed")}, "waiting", "closed", "through"},
		{"held for hardware work", []event{order, of(runner.EventHeld, "")}, "held", "", "held"},
		{"held, and it went wrong", []event{order, of(runner.EventHeld, "power off: the BMC is away")}, "held", "power off: the BMC is away", "held"},
		{"held, and picked up", []event{order, of(runner.EventHeld, ""), resumed}, "held", "", "held"},
		{"cut off", []event{order, resumed}, "running", "", ""},
		{"failed, and a human retries", []event{order, of(runner.EventFailed, "no boot"), of(runner.EventRetried, "by ann")}, "waiting", "no boot", "failed"},
		{"adopted in mid-flight", []event{adopted()}, "waiting", "", "none"},
		{"adopted done", []event{adopted("done", "2026-11-21T00:00:00Z")}, "done", "", "none"},
	} {
		events := append([]event{{Event: runner.EventStarted}}, tc.events...)
		for i := range events {
			events[i].Time = at(i)
		}
		n := From(append(events, event{Event: runner.EventSaid, Time: at(60)})).Nodes[0]
		last := "none"
		if k := len(n.Orders); k > 0 {
			last = n.Orders[k-1].End
			if end := at(len(events) - 1); last != "" && last != "none" && n.Orders[k-1].Ended.After(end) {
				t.Errorf("%s: its order ended at %s, told as %s", tc.name, end, n.Orders[k-1].Ended)
			}
		}
		if n.State != tc.state || n.Why != tc.why || last != tc.last {
			t.Errorf("%s: %s, %q, %q; want %s, %q, %q", tc.name, n.State, n.Why, last, tc.state, tc.why, tc.last)
		}
	}
}

// TestHeldIsTold: a node that is held is counted by itself in every form; with what went wrong it is a trouble, else it is as it
// was meant to be.
func TestHeldIsTold(t *testing.T) {
	for why, trouble := range map[string]bool{"": false, "power off: the BMC is away": true} {
		forms := written(t, From([]event{
			{Event: runner.EventStarted, Time: at(0)}, {Event: runner.EventOrder, Node: "n1", Order: "upgrade", Time: at(1)},
			{Event: runner.EventPhase, Node: "n1", Phase: "power off", Time: at(2)}, {Event: runner.EventHeld, Node: "n1", Message: why, Time: at(9)},
			{Event: runner.EventFinished, Time: at(100)},
		}))
		for _, form := range []string{"html", "md"} {
			if !strings.Contains(forms[form], "0 nodes done, 1 held") {
				t.Errorf("%q: the %s doesn't count it", why, form)
			}
		}
		if got := strings.Contains(forms["html"], "What did not go through"); got != trouble {
			t.Errorf("%q: a trouble: %v", why, got)
		}
	}
}

// TestOutcome: how the run stands after its last turn, and why; a halt's reason ends as the run goes on.
func TestOutcome(t *testing.T) {
	halted := event{Event: runner.EventHalted, Message: "node n2 failed"}
	for _, tc := range []struct {
		name         string
		events       []event
		outcome, why string
	}{
		{"goes on", nil, "unfinished", ""},
		{"halted", []event{halted}, "halted", "node n2 failed"},
		{"interrupted", []event{{Event: runner.EventInterrupted, Message: "asked to end"}}, "interrupted", "asked to end"},
		{"picked up", []event{halted, {Event: runner.EventResumed}}, "unfinished", ""},
		{"finished", []event{{Event: runner.EventFinished, Message: "all nodes are done"}}, "finished", "all nodes are done"},
		{"finished after a halt", []event{halted, {Event: runner.EventResumed}, {Event: runner.EventFinished, Message: "aborted"}}, "finished", "aborted"},
	} {
		r := From(append([]event{{Event: runner.EventStarted}}, tc.events...))
		if r.Outcome != tc.outcome || r.Why != tc.why {
			t.Errorf("%s: %s, %q; want %s, %q", tc.name, r.Outcome, r.Why, tc.outcome, tc.why)
		}
	}
}

// TestUnnamed: nodes that a run was to take, and that no event has named when it ended, are told: they are left. A forecast that
// ends with them unbegun has no time.
func TestUnnamed(t *testing.T) {
	for _, tc := range []struct {
		skipped  bool
		html, md string
		nodes    []string // by started and by what picked the run up
		counts   string
	}{
		{true, "<p>Not begun: n2, and 2 nodes more.</p>", "Not begun: 2 nodes more.", []string{"4"}, "1 node done, 1 skipped, 2 waiting"},
		{false, "<p>Not begun: 3 nodes.</p>", "Not begun: 3 nodes more.", []string{"4", "0"}, "1 node done, 3 waiting"},
		{false, "", "", []string{""}, "1 node done"},
	} {
		events := []event{{Event: runner.EventStarted, Data: map[string]string{"nodes": tc.nodes[0]}}}
		for _, nodes := range tc.nodes[1:] {
			events = append(events, event{Event: runner.EventResumed, Data: map[string]string{"nodes": nodes}})
		}
		events = append(events, event{Event: runner.EventForeseen, Data: map[string]string{"total_seconds": "0.0", "ends": "false"}},
			event{Event: runner.EventOrder, Node: "n1", Order: "upgrade"}, event{Event: runner.EventDone, Node: "n1", Order: "upgrade"})
		if tc.skipped {
			events = append(events, event{Event: runner.EventSkipped, Node: "n2", Message: "held"})
		}
		r := From(append(events, event{Event: runner.EventHalted, Message: "spread"}))
		if got := r.counts(); got != tc.counts {
			t.Errorf("%v: %s, want %s", tc.nodes, got, tc.counts)
		}
		forms := written(t, r)
		for _, want := range [][2]string{{"html", tc.html}, {"md", tc.md}, {"md", "| the whole run | – |"}, {"html", "the whole run<td>–<td>"}} {
			if !strings.Contains(forms[want[0]], want[1]) {
				t.Errorf("%v: %s doesn't tell %q:\n%s", tc.nodes, want[0], want[1], forms[want[0]])
			}
		}
		if tc.html == "" && strings.Contains(forms["html"]+forms["md"], "Not begun") {
			t.Errorf("nobody was left, and is told:\n%s", forms["md"])
		}
	}
}

// TestWatched: what a run is at goes on until now; what is over doesn't.
func TestWatched(t *testing.T) {
	events := []event{
		{Event: runner.EventStarted, Time: at(0)}, {Event: runner.EventSoak, Stage: "wave 1", Time: at(1)},
		{Event: runner.EventOrder, Node: "n1", Order: "upgrade", Time: at(2)}, {Event: runner.EventPhase, Node: "n1", Phase: "drain", Time: at(2)},
		{Event: runner.EventWaiting, Node: "n1", Phase: "drain", Message: "budget shop/web", Time: at(3)},
	}
	now := at(60)
	r := At(events, now)
	n := r.Nodes[0]
	for what, ended := range map[string]time.Time{"the run": r.Ended, "the soak": r.Soaks[0].Ended, "the order": n.Orders[0].Ended,
		"the phase": n.Orders[0].Phases[0].Ended, "the wait": n.Waits[0].Ended} {
		if !ended.Equal(now) {
			t.Errorf("%s goes on, and is told to have ended at %s", what, ended)
		}
	}
	if !r.Last.Equal(at(3)) {
		t.Errorf("the journal was written last at %s", r.Last)
	}
	over := At(append(events, event{Event: runner.EventHalted, Time: at(5), Message: "x"}), now)
	if !over.Ended.Equal(at(5)) {
		t.Errorf("halted at %s, told as %s", at(5), over.Ended)
	}
	if empty := At(nil, now); !empty.Ended.IsZero() || len(empty.Nodes) > 0 {
		t.Errorf("no events: %+v", empty)
	}
}

// TestServices: the worst of all that any process counted is told; one that the proof says nothing of, by what was counted.
func TestServices(t *testing.T) {
	least := func(second int, kv ...string) event {
		e := event{Event: runner.EventProof, Time: at(second), Data: map[string]string{"service": "shop/web"}}
		for i := 0; i < len(kv); i += 2 {
			e.Data[kv[i]] = kv[i+1]
		}
		return e
	}
	counted := func(second int, n string) event {
		return event{Event: runner.EventEndpoints, Time: at(second), Data: map[string]string{"shop/web": n}}
	}
	for _, tc := range []struct {
		name   string
		events []event
		want   string
	}{
		{"counted alone", []event{counted(1, "4"), counted(2, "2"), counted(3, "5")}, "2 of 4 endpoints ready at least"},
		{"what isn't a number is left out", []event{counted(1, "4"), counted(2, "many")}, "4 of 4 endpoints ready at least"},
		{"proven", []event{least(9, "start_ready", "4", "min_ready", "3", "at", at(7).Format(time.RFC3339Nano), "nodes", "n1")},
			"3 of 4 endpoints ready at least, at 01:00:07 while n1 was worked on"},
		{"without its moment", []event{least(9, "start_ready", "4", "min_ready", "3")}, "3 of 4 endpoints ready at least, at 01:00:09"},
		{"the worse of two processes", []event{least(9, "start_ready", "4", "min_ready", "3", "nodes", "n1"), least(19, "start_ready", "4", "min_ready", "0", "nodes", "n2,n3")},
			"0 of 4 endpoints ready at least, at 01:00:19 while n2, n3 were worked on"},
		{"the first of two alike", []event{least(9, "start_ready", "4", "min_ready", "3", "nodes", "n1"), least(19, "start_ready", "4", "min_ready", "3", "nodes", "n2")},
			"3 of 4 endpoints ready at least, at 01:00:09 while n1 was worked on"},
		{"accepted", []event{least(9, "start_ready", "1", "min_ready", "0", "accepted", "true")}, "0 of 1 endpoint ready at least, at 01:00:09, which was accepted"},
	} {
		r := From(append([]event{{Event: runner.EventStarted, Time: at(0)}}, tc.events...))
		if len(r.Services) != 1 || r.Services[0].least() != tc.want {
			t.Errorf("%s: %q; want %q", tc.name, r.Services[0].least(), tc.want)
		}
	}
}

// TestCell: whatever a text holds, a table of GitHub's Markdown takes it for one cell, and shows it as it is.
func TestCell(t *testing.T) {
	for _, s := range []string{"a|b", `grep 'a\|b' file`, `C:\|`, `ends in \`, `\\|`, "two\nlines", "*bold* _and_ [link](x)"} {
		cells, shown := 1, strings.Builder{}
		for rest := cell(s); rest != ""; rest = rest[1:] {
			switch {
			case rest[0] == '\\' && len(rest) > 1 && strings.ContainsRune(`\|[*_`, rune(rest[1])):
				rest = rest[1:]
			case rest[0] == '\\':
				t.Errorf("%q: a backslash at %q that escapes nothing", s, rest)
			case rest[0] == '|':
				cells++
			case strings.ContainsRune("*_[`", rune(rest[0])):
				t.Errorf("%q: %q is markup", s, rest)
			}
			shown.WriteByte(rest[0])
		}
		want := strings.NewReplacer("'", "&#39;", "\n", " ").Replace(s)
		if diff := cmp.Diff(want, shown.String()); cells != 1 || diff != "" {
			t.Errorf("%q: %d cells: %s", s, cells, diff)
		}
	}
}

// TestNoNulls: a list is a list in the JSON, also where nothing is in it: of an empty run, of a node that nothing happened to, of an order
// that was cut off before its first phase.
func TestNoNulls(t *testing.T) {
	for name, events := range map[string][]event{
		"no events": nil,
		"skipped":   {{Event: runner.EventStarted}, {Event: runner.EventSkipped, Node: "n1"}},
		"cut off":   {{Event: runner.EventStarted}, {Event: runner.EventOrder, Node: "n1", Order: "upgrade"}},
	} {
		r := From(events)
		if got := written(t, r)["json"]; strings.Contains(got, "null") {
			t.Errorf("%s: %s", name, got)
		}
		for _, n := range r.Nodes { // and the report is as it was
			if n.Waits != nil || len(n.Orders) > 0 && n.Orders[0].Phases != nil {
				t.Errorf("%s: writing it has changed it: %+v", name, n)
			}
		}
	}
}
