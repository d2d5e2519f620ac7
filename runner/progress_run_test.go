package runner

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func answer(gate, verdict, reading string, more ...string) Event {
	e := Event{Event: EventGate, Data: map[string]string{dataGate: gate, dataVerdict: verdict, dataReading: reading}}
	for i := 0; i < len(more); i += 2 {
		e.Data[more[i]] = more[i+1]
	}
	return e
}

// TestProgressThroughStages: a node that has more to come waits again, and what it is through stands beside it.
func TestProgressThroughStages(t *testing.T) {
	order := func(order, stage string) Event {
		return Event{Event: EventOrder, Node: "n1", Order: order, Stage: stage}
	}
	of := func(k Kind, message string) Event { return Event{Event: k, Node: "n1", Message: message} }
	tests := []struct {
		name   string
		events []Event
		want   NodeProgress
	}{
		{"in a stage", []Event{order(OrderClose, "close blue")},
			NodeProgress{State: Running, Order: OrderClose, Stage: "close blue"}},
		{"through one", []Event{order(OrderClose, "close blue"), of(EventThrough, "closed")},
			NodeProgress{State: Waiting, Order: OrderClose, Stage: "close blue", Through: []string{"close blue"}}},
		{"through one with nothing to do", []Event{order(OrderClose, "close blue"), of(EventThrough, "up to date")},
			NodeProgress{State: Waiting, Order: OrderClose, Stage: "close blue", Through: []string{"close blue"}, UpToDate: true}},
		{"blocked once, then through: its tries are its stage's", []Event{order(OrderClose, "a"), of(EventBlocked, "budget"), order(OrderClose, "a"), of(EventThrough, "")},
			NodeProgress{State: Waiting, Order: OrderClose, Stage: "a", Through: []string{"a"}}},
		{"done with all", []Event{order(OrderClose, "a"), of(EventThrough, ""), order(OrderUpgrade, "b"), of(EventDone, "kubelet")},
			NodeProgress{State: Done, Order: OrderUpgrade, Stage: "b"}},
		{"cut off in its second", []Event{order(OrderClose, "a"), of(EventThrough, ""), order(OrderUpgrade, "b"), {Event: EventResumed}},
			NodeProgress{State: Waiting, Order: OrderUpgrade, Stage: "b", Through: []string{"a"}, Resume: true}},
		{"picked up between two", []Event{order(OrderClose, "a"), of(EventThrough, ""), {Event: EventResumed}},
			NodeProgress{State: Waiting, Order: OrderClose, Stage: "a", Through: []string{"a"}}},
		{"picked up for another inventory", []Event{order(OrderClose, "a"), of(EventThrough, ""), {Event: EventResumed, Data: map[string]string{dataDigest: "sha256:2"}}},
			NodeProgress{State: Waiting, Order: OrderClose, Stage: "a"}},
		{"done, and back", []Event{order(OrderUpgrade, "w"), of(EventChanged, "x"), of(EventDone, ""), order(OrderRollBack, "roll back of w"), of(EventBack, "")},
			NodeProgress{State: Waiting, Order: OrderRollBack, Stage: "roll back of w", Back: "roll back of w"}},
		{"back, and picked up: from the first stage on, under new names", []Event{order(OrderUpgrade, "w"), of(EventDone, ""), order(OrderRollBack, "r"), of(EventBack, ""), {Event: EventResumed}},
			NodeProgress{State: Waiting, Stage: "r", Fails: 1}},
		{"failed, and being rolled back", []Event{order(OrderUpgrade, "w"), of(EventFailed, "no boot"), order(OrderRollBack, "")},
			NodeProgress{State: Running, Order: OrderRollBack, Fails: 1, Fault: "no boot"}},
		{"failed and rolled back: it stays a failure", []Event{order(OrderUpgrade, "w"), of(EventFailed, "no boot"), order(OrderRollBack, ""), of(EventBack, "")},
			NodeProgress{State: Failed, Order: OrderRollBack, Fails: 1, Why: "no boot", Fault: "no boot", Back: OrderRollBack}},
		{"its rollback cut off", []Event{order(OrderUpgrade, "w"), of(EventFailed, "no boot"), order(OrderRollBack, ""), {Event: EventResumed}},
			NodeProgress{State: Waiting, Order: OrderRollBack, Fails: 1, Fault: "no boot", Resume: true}},
		{"failed, rolled back, and picked up", []Event{order(OrderUpgrade, "w"), of(EventFailed, "no boot"), order(OrderRollBack, ""), of(EventBack, ""), {Event: EventResumed}},
			NodeProgress{State: Waiting, Order: OrderRollBack, Fails: 1, Retry: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := story(t, tt.events...)
			if diff := cmp.Diff(tt.want, p.Nodes["n1"], cmpopts.IgnoreFields(NodeProgress{}, "Ended", "Since", "Began", "Phase")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestProgressOfWhatWasDone: what an order has begun to change is kept until another order begins on the node, whichever process
// goes on with it.
func TestProgressOfWhatWasDone(t *testing.T) {
	order := func(order string) Event { return Event{Event: EventOrder, Node: "n1", Order: order} }
	step := func(message string) Event { return Event{Event: EventStep, Node: "n1", Message: message} }
	failed, resumed := Event{Event: EventFailed, Node: "n1", Message: "no boot"}, Event{Event: EventResumed}
	another := Event{Event: EventResumed, Data: map[string]string{dataDigest: "sha256:2"}}
	for name, c := range map[string]struct {
		events []Event
		want   []string
	}{
		"as it goes":            {[]Event{order(OrderUpgrade), step("a"), {Event: EventStep, Node: "n1", Step: rebootStep}, step("b")}, []string{"a", "b"}},
		"cut off, and again":    {[]Event{order(OrderUpgrade), step("a"), resumed, order(OrderUpgrade), step("a"), step("b")}, []string{"a", "b"}},
		"failed, and again":     {[]Event{order(OrderUpgrade), step("a"), failed, resumed, order(OrderUpgrade)}, []string{"a"}},
		"failed, and back":      {[]Event{order(OrderUpgrade), step("a"), failed, order(OrderRollBack), step("back")}, []string{"back"}},
		"back, and again":       {[]Event{order(OrderUpgrade), step("a"), failed, order(OrderRollBack), step("back"), {Event: EventBack, Node: "n1"}, resumed, order(OrderUpgrade)}, nil},
		"for another inventory": {[]Event{order(OrderUpgrade), step("a"), another, order(OrderUpgrade), step("b")}, []string{"b"}},
		"done, and its next":    {[]Event{order(OrderClose), step("a"), {Event: EventThrough, Node: "n1"}, order(OrderUpgrade)}, nil},
	} {
		if d := cmp.Diff(c.want, story(t, c.events...).Nodes["n1"].Did); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestProgressOfGates: the first reading is the baseline for good; silence is counted from its beginning; another process
// asks anew.
func TestProgressOfGates(t *testing.T) {
	at := func(minute int) time.Time { return t0.Add(time.Duration(minute) * time.Minute) }
	events := []Event{
		answer("errors", GateGood, "0.01", dataBaseline, "0.01", dataAsked, "1"),
		answer("errors", GateUnknown, "", dataAsked, "2"),
		answer("errors", GateUnknown, "", dataAsked, "3"),
	}
	want := GateProgress{Baseline: "0.01", Taken: true, Verdict: GateUnknown, Asked: 3, Good: 1, At: at(3), Unknown: at(2)}
	p := story(t, events...)
	if diff := cmp.Diff(want, p.Gates["errors"]); diff != "" {
		t.Errorf("silent: -want +got:\n%s", diff)
	}
	p = story(t, append(events, answer("errors", GateBad, "0.5", dataAsked, "4"))...)
	want = GateProgress{Baseline: "0.01", Taken: true, Reading: "0.5", Verdict: GateBad, Asked: 4, Good: 1, At: at(4)}
	if diff := cmp.Diff(want, p.Gates["errors"]); diff != "" {
		t.Errorf("bad: -want +got:\n%s", diff)
	}
	p = story(t, append(events, Event{Event: EventResumed})...)
	if diff := cmp.Diff(GateProgress{Baseline: "0.01", Taken: true, Good: 1}, p.Gates["errors"]); diff != "" {
		t.Errorf("picked up: -want +got:\n%s", diff)
	}
	p = story(t, append(events, Event{Event: EventResumed, Data: map[string]string{dataDigest: "sha256:2"}})...)
	if len(p.Gates) > 0 {
		t.Errorf("for another inventory: %v", p.Gates)
	}
}

// TestProgressOfSoak: a crash doesn't end a soak, a halt does; work on its stage makes it due again.
func TestProgressOfSoak(t *testing.T) {
	begun := Event{Event: EventSoak, Stage: "w"}
	tests := map[string]struct {
		events []Event
		soak   string
		soaked []string
	}{
		"begun":                 {[]Event{begun}, "w", nil},
		"cut off":               {[]Event{begun, {Event: EventResumed}}, "w", nil},
		"halted, and picked up": {[]Event{begun, {Event: EventHalted, Message: "x"}, {Event: EventResumed}}, "", nil},
		"over":                  {[]Event{begun, {Event: EventSoaked, Stage: "w"}}, "", []string{"w"}},
		"over, and worked on":   {[]Event{begun, {Event: EventSoaked, Stage: "w"}, {Event: EventOrder, Node: "n1", Stage: "w"}}, "", nil},
		"turned back in it":     {[]Event{begun, {Event: EventTurned, Stage: "w"}}, "", nil},
		"for another inventory": {[]Event{begun, {Event: EventSoaked, Stage: "w"}, {Event: EventResumed, Data: map[string]string{dataDigest: "sha256:2"}}}, "", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := story(t, tt.events...)
			if p.Soak.Stage != tt.soak || !cmp.Equal(tt.soaked, p.Soaked, cmpopts.EquateEmpty()) {
				t.Errorf("soak %+v, soaked %q", p.Soak, p.Soaked)
			}
		})
	}
}

// TestProgressTurned: a way back outlives a crash, and is forgotten once the run was halted at its end.
func TestProgressTurned(t *testing.T) {
	turned := Event{Event: EventTurned, Stage: "w", Message: "gate is bad", Data: map[string]string{dataNodes: "n1 n2"}}
	want := Turn{"w", "gate is bad", []string{"n1", "n2"}, t0.Add(time.Minute)}
	if p := story(t, turned, Event{Event: EventResumed}); !cmp.Equal(want, p.Turned) {
		t.Errorf("after a crash: %+v", p.Turned)
	}
	halted := Event{Event: EventHalted, Message: "x", Data: map[string]string{dataBy: haltedByGate}}
	if p := story(t, turned, halted); p.HaltedBy != haltedByGate {
		t.Errorf("halted by %q", p.HaltedBy)
	}
	if p := story(t, turned, halted, Event{Event: EventResumed}); p.Turned.Stage != "" || p.HaltedBy != "" {
		t.Errorf("picked up: %+v, halted by %q", p.Turned, p.HaltedBy)
	}
}
