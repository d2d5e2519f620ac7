package runner

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTook(t *testing.T) {
	at := func(m int) time.Time { return time.Date(2026, 11, 23, 1, m, 0, 0, time.UTC) }
	got := Took([]Event{
		{Event: EventOrder, Node: "n1", Time: at(0)}, {Event: EventPhase, Node: "n1", Phase: "drain", Time: at(1)},
		{Event: EventPhase, Node: "n1", Phase: "apply", Time: at(2)}, {Event: EventChanged, Node: "n1", Time: at(3)}, {Event: EventDone, Node: "n1", Time: at(7)},
		{Event: EventOrder, Node: "n2", Time: at(7)}, {Event: EventDone, Node: "n2", Time: at(8)}, // up to date
		{Event: EventOrder, Node: "n3", Time: at(8)}, {Event: EventChanged, Node: "n3", Time: at(9)}, {Event: EventResumed, Time: at(40)},
		{Event: EventDone, Node: "n3", Time: at(41)},
	})
	want := map[string]Spent{"n1": {7 * time.Minute, map[string]time.Duration{"drain": time.Minute, "apply": 5 * time.Minute}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTypical(t *testing.T) {
	if _, ok := Typical(nil); ok {
		t.Error("nothing is typical of nothing")
	}
	all := map[string]Spent{}
	for i, d := range []time.Duration{1, 2, 9} {
		all[fmt.Sprint(i)] = Spent{d, map[string]time.Duration{"drain": d}}
	}
	if got, ok := Typical(all); !ok || got.All != 2 || got.Phases["drain"] != 2 {
		t.Errorf("%+v, %v", got, ok)
	}
}

// What was foreseen goes through the journal whole, however many nodes there are.
func TestForeseenEvents(t *testing.T) {
	nodes := map[string]Foreseen{}
	for i := range 450 {
		nodes[fmt.Sprintf("n%d", i)] = Foreseen{At: float64(i), Takes: 60, Phases: map[string]float64{"drain": 12.5}, Blocked: "budget"}
	}
	events, err := ForeseenEvents(ForeseenRun{90 * time.Second, true, true}, nodes)
	if err != nil || len(events) != 3 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	got := map[string]Foreseen{}
	for i, e := range events {
		run, whole, part := ForeseenIn(e)
		if whole != (i == 0) || whole && run != (ForeseenRun{90 * time.Second, true, true}) {
			t.Errorf("event %d: %+v, %v", i, run, whole)
		}
		for name, f := range part {
			got[name] = f
		}
		p := foldAll(t, []Event{{Version: 1, Seq: 1, Run: "r", Time: time.Now(), Event: EventStarted}})
		if err := p.Apply(Event{Version: 1, Seq: 2, Run: "r", Time: time.Now(), Event: e.Event, Data: e.Data}); err != nil {
			t.Errorf("the fold refuses it: %v", err)
		}
	}
	if d := cmp.Diff(nodes, got); d != "" {
		t.Error(d)
	}
	if _, whole, part := ForeseenIn(Event{Data: map[string]string{"nodes": "of a later version"}}); whole || part != nil {
		t.Errorf("%v, %v", whole, part)
	}
}
