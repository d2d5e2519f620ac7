package runner

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var t0 = time.Date(2026, 11, 23, 19, 1, 2, 0, time.UTC)

// story folds events, numbered and a minute apart, from started on.
func story(t *testing.T, events ...Event) Progress {
	t.Helper()
	var p Progress
	for _, e := range numbered(events...) {
		if err := p.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func numbered(events ...Event) []Event {
	all := append([]Event{{Event: EventStarted, Data: map[string]string{dataCluster: "uid", dataDigest: "sha256:1", dataInventory: "fleet.toml"}}}, events...)
	for i := range all {
		all[i].Version, all[i].Seq, all[i].Run = 1, i+1, simRun
		all[i].Time = t0.Add(time.Duration(i) * time.Minute)
	}
	return all
}

func TestProgressOfNode(t *testing.T) {
	order := Event{Event: EventOrder, Node: "n1", Order: OrderUpgrade}
	of := func(k Kind, message string) Event { return Event{Event: k, Node: "n1", Message: message} }
	at := func(minute int) time.Time { return t0.Add(time.Duration(minute) * time.Minute) }
	tests := []struct {
		name   string
		events []Event
		want   NodeProgress
	}{
		{"runs", []Event{order, {Event: EventPhase, Node: "n1", Phase: "drain"}, {Event: EventStep, Node: "n1", Phase: "drain", Step: "s"}},
			NodeProgress{State: Running, Order: OrderUpgrade, Phase: "drain", Since: at(1), Began: at(1)}},
		{"up to date", []Event{order, of(EventDone, "up to date")},
			NodeProgress{State: Done, Order: OrderUpgrade, UpToDate: true, Since: at(2), Began: at(1)}},
		{"changed", []Event{order, of(EventChanged, "kubelet 1.36.4 → 1.37.2"), of(EventDone, "")},
			NodeProgress{State: Done, Order: OrderUpgrade, Changed: true, Since: at(3), Began: at(1)}},
		{"waits and says change nothing", []Event{order, of(EventWaiting, "pod"), of(EventSaid, "hello")},
			NodeProgress{State: Running, Order: OrderUpgrade, Since: at(1), Began: at(1)}},
		{"blocked twice", []Event{order, of(EventBlocked, "budget a"), order, of(EventBlocked, "budget b")},
			NodeProgress{State: Blocked, Order: OrderUpgrade, Why: "budget b", Tries: 2, Since: at(4), Began: at(1)}},
		{"failed", []Event{order, {Event: EventFailed, Node: "n1", Phase: "reboot", Message: "no boot"}},
			NodeProgress{State: Failed, Order: OrderUpgrade, Fails: 1, Phase: "reboot", Why: "no boot", Since: at(2), Began: at(1)}},
		{"skipped", []Event{of(EventSkipped, "cordoned")}, NodeProgress{State: Skipped, Why: "cordoned", Since: at(1)}},
		{"retried by hand", []Event{order, of(EventFailed, "no boot"), of(EventRetried, "")},
			NodeProgress{State: Waiting, Order: OrderUpgrade, Fails: 1, Retry: true, Since: at(3), Began: at(1)}},
		{"cut off", []Event{order, {Event: EventPhase, Node: "n1", Phase: "drain"}, {Event: EventResumed}},
			NodeProgress{State: Waiting, Order: OrderUpgrade, Phase: "drain", Resume: true, Since: at(3), Began: at(1)}},
		{"cut off and begun again", []Event{order, {Event: EventResumed}, order},
			NodeProgress{State: Running, Order: OrderUpgrade, Since: at(3), Began: at(1)}},
		{"failed and picked up", []Event{order, of(EventFailed, "no boot"), {Event: EventResumed}},
			NodeProgress{State: Waiting, Order: OrderUpgrade, Fails: 1, Retry: true, Since: at(3), Began: at(1)}},
		{"tried again alone until it ends", []Event{order, of(EventFailed, "no boot"), {Event: EventResumed}, order},
			NodeProgress{State: Running, Order: OrderUpgrade, Fails: 1, Retry: true, Since: at(4), Began: at(1)}},
		{"tried again and done", []Event{order, of(EventFailed, "no boot"), {Event: EventResumed}, order, of(EventDone, "")},
			NodeProgress{State: Done, Order: OrderUpgrade, Fails: 1, Since: at(5), Began: at(1)}},
		{"blocked and picked up", []Event{order, of(EventBlocked, "budget"), {Event: EventResumed}},
			NodeProgress{State: Waiting, Order: OrderUpgrade, Since: at(3), Began: at(1)}},
		{"done and picked up", []Event{order, of(EventDone, ""), {Event: EventResumed, Data: map[string]string{dataDigest: "sha256:1"}}},
			NodeProgress{State: Done, Order: OrderUpgrade, Since: at(2), Began: at(1)}},
		{"done for another inventory", []Event{order, of(EventDone, ""), {Event: EventResumed, Data: map[string]string{dataDigest: "sha256:2"}}},
			NodeProgress{State: Waiting, Fails: 1, Since: at(3), Began: at(1)}},
		{"done in a run that was over", []Event{order, of(EventDone, ""), {Event: EventFinished}, {Event: EventResumed}},
			NodeProgress{State: Waiting, Fails: 1, Since: at(4), Began: at(1)}},
		{"given back isn't upgraded", []Event{{Event: EventOrder, Node: "n1", Order: OrderGiveBack}, of(EventDone, ""), {Event: EventResumed}},
			NodeProgress{State: Waiting, Fails: 1, Since: at(3), Began: at(1)}},
		{"skipped, and looked at again", []Event{of(EventSkipped, "cordoned"), {Event: EventResumed}}, NodeProgress{State: Waiting, Since: at(2)}},
		{"skipped by hand, and left alone", []Event{{Event: EventSkipped, Node: "n1", Message: "by ann", Data: map[string]string{dataBy: "ann"}}, {Event: EventResumed}},
			NodeProgress{State: Skipped, Why: "by ann", ByHand: true, Since: at(1)}},
		{"adopted", []Event{{Event: EventAdopted, Node: "n1", Order: OrderUpgrade, Phase: "drain"}},
			NodeProgress{State: Waiting, Order: OrderUpgrade, Phase: "drain", Changed: true, Resume: true, Since: at(1), Began: at(1)}},
		{"adopted failed", []Event{{Event: EventAdopted, Node: "n1", Data: map[string]string{dataFailed: "no boot"}}},
			NodeProgress{State: Waiting, Changed: true, Retry: true, Since: at(1), Began: at(1)}},
		{"adopted done", []Event{{Event: EventAdopted, Node: "n1", Data: map[string]string{dataDone: "2026-11-23T00:00:00Z"}}},
			NodeProgress{State: Done, Changed: true, Since: at(1), Began: at(1)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := story(t, tt.events...)
			if diff := cmp.Diff(tt.want, p.Nodes["n1"], cmpopts.IgnoreFields(NodeProgress{}, "Ended")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestProgressOfRun(t *testing.T) {
	p := story(t, Event{Event: EventHalted, Message: "node n1 failed"}, Event{Event: EventInterrupted})
	want := Progress{Run: simRun, Seq: 3, Nodes: map[string]NodeProgress{}, Halted: "node n1 failed", Interrupted: true,
		Started: t0, Cluster: "uid", Digest: "sha256:1", Inventory: "fleet.toml", PickedUp: t0, PickedSeq: 1}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("halted: -want +got:\n%s", diff)
	}
	p = story(t, Event{Event: EventHalted, Message: "x"}, Event{Event: EventInterrupted},
		Event{Event: EventResumed, Data: map[string]string{dataDigest: "sha256:2"}}, Event{Event: EventFinished})
	want = Progress{Run: simRun, Seq: 5, Nodes: map[string]NodeProgress{}, Finished: true,
		Started: t0, Cluster: "uid", Digest: "sha256:2", Inventory: "fleet.toml", PickedUp: t0.Add(3 * time.Minute), PickedSeq: 4}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("resumed and finished: -want +got:\n%s", diff)
	}
}

func TestProgressRefuses(t *testing.T) {
	good := Event{Version: 1, Seq: 2, Run: simRun, Event: EventOrder, Node: "n1"}
	tests := map[string]struct {
		change func(*Event)
		want   string
	}{
		"a gap":           {func(e *Event) { e.Seq = 3 }, "event 2 is expected here"},
		"a repetition":    {func(e *Event) { e.Seq = 1 }, "event 2 is expected here"},
		"another run":     {func(e *Event) { e.Run = "other" }, `it is run "other"'s, not run "` + simRun},
		"a later version": {func(e *Event) { e.Version = 2 }, "version 2 was written by another fleetup"},
		"no node":         {func(e *Event) { e.Node = "" }, "names no node"},
		"a second begin":  {func(e *Event) { e.Event, e.Node = EventStarted, "" }, "begins with one"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := story(t)
			before, e := p.Clone(), good
			tt.change(&e)
			if err := p.Apply(e); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if diff := cmp.Diff(before, p); diff != "" {
				t.Errorf("a refused event changed the progress:\n%s", diff)
			}
		})
	}
	var p Progress
	e := good
	e.Seq = 1
	if err := p.Apply(e); err == nil {
		t.Error("a run that begins with an order was accepted")
	}
}

// TestProgressUnknownKind: an event of a later minor version is counted and changes nothing else.
func TestProgressUnknownKind(t *testing.T) {
	p := story(t, Event{Event: EventOrder, Node: "n1"})
	before := p.Clone()
	if err := p.Apply(Event{Version: 1, Seq: 3, Run: simRun, Event: "sung", Node: "n1"}); err != nil {
		t.Fatal(err)
	}
	before.Seq = 3
	if diff := cmp.Diff(before, p); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestProgressCounts(t *testing.T) {
	var plan Plan
	for _, name := range []string{"done", "failed", "skipped", "running", "blocked", "untouched"} {
		plan.Nodes = append(plan.Nodes, PlanNode{Name: name})
	}
	p := story(t, Event{Event: EventDone, Node: "done"}, Event{Event: EventFailed, Node: "failed"}, Event{Event: EventSkipped, Node: "skipped"},
		Event{Event: EventOrder, Node: "running"}, Event{Event: EventBlocked, Node: "blocked"}, Event{Event: EventDone, Node: "not in the plan"})
	if got, want := p.Counts(plan), (Counts{Done: 1, Failed: 1, Skipped: 1, Left: 3}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}
