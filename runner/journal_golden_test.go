package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// turnedStory is a run by strategies, with each kind of event that only they have: a canary whose second wave goes back for a
// bad gate and once more for a failed node, and a pool that is closed.
func turnedStory() []Event {
	order := func(node, order, stage string) Event {
		return Event{Event: EventOrder, Node: node, Order: order, Stage: stage}
	}
	ends := func(k Kind, node, order, message string) Event {
		return Event{Event: k, Node: node, Order: order, Phase: "verify again", Message: message}
	}
	const first, second, back = "wave 1 of 2", "wave 2 of 2", "roll back of wave 2 of 2"
	return numbered(
		answer("errors", GateGood, "0.001", dataBaseline, "0.001", dataAsked, "1"),
		order("n1", OrderUpgrade, first), ends(EventDone, "n1", OrderUpgrade, "kubelet 1.36.4 → 1.37.2"),
		Event{Event: EventSoak, Stage: first, Message: "wave 1 of 2 soaks for 10m"},
		answer("errors", GateUnknown, "", dataAsked, "4"),
		answer("errors", GateGood, "0.002", dataAsked, "6"),
		Event{Event: EventSoaked, Stage: first, Message: "pods carried: n1 3", Data: map[string]string{"n1": "3"}},
		order("n2", OrderUpgrade, second), Event{Event: EventStep, Node: "n2", Order: OrderUpgrade, Phase: "apply", Step: "kubelet", Data: map[string]string{dataID: "kubelet.0", dataBefore: "1.36.4-1.1"}},
		Event{Event: EventChanged, Node: "n2", Step: "kubelet", Message: "1.36.4 → 1.37.2"}, ends(EventDone, "n2", OrderUpgrade, "kubelet"),
		order("n3", OrderUpgrade, second), Event{Event: EventFailed, Node: "n3", Phase: "start", Message: "no boot"},
		order("n3", OrderRollBack, ""), ends(EventBack, "n3", OrderRollBack, "rolled back"),
		answer("errors", GateBad, "0.3", dataAsked, "15"),
		Event{Event: EventTurned, Stage: second, Message: `gate "errors" is bad`, Data: map[string]string{dataNodes: "n2"}},
		order("n2", OrderRollBack, back), ends(EventBack, "n2", OrderRollBack, "kubelet"),
		order("n4", OrderClose, "close blue"), ends(EventThrough, "n4", OrderClose, "closed"),
		Event{Event: EventHeld, Node: "n5", Message: "held for a disk"},
		Event{Event: EventHook, Message: "silence alerts", Data: map[string]string{"at": hookFailed}},
		Event{Event: EventEndpoints, Data: map[string]string{"shop/web": "3"}},
		Event{Event: EventProof, Data: map[string]string{"zero_downtime": "true"}},
		Event{Event: EventHalted, Message: `gate "errors" is bad; n2 went back`, Data: map[string]string{dataBy: haltedByGate}},
	)
}

// TestJournalGoldenState pins what a journal with the strategies' events says: a file that was written once is read for ever,
// and means the same for ever.
func TestJournalGoldenState(t *testing.T) {
	golden := filepath.Join("testdata", "journal", "strategies", simRun+".jsonl")
	written, err := os.ReadFile(write(t, t.TempDir(), turnedStory()))
	if err != nil {
		t.Fatal(err)
	}
	pinned(t, golden, written)
	_, p, note, err := ReadJournal(golden)
	if err != nil || note != "" {
		t.Fatalf("read: %v, note %q", err, note)
	}
	pinned(t, filepath.Join("testdata", "journal", "strategies", "state.json"), stateOf(t, p))
	if err := p.Apply(Event{Version: eventVersion, Seq: p.Seq + 1, Run: p.Run, Event: EventResumed, Time: t0.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	pinned(t, filepath.Join("testdata", "journal", "strategies", "resumed.json"), stateOf(t, p))
}

func stateOf(t *testing.T, p Progress) []byte {
	t.Helper()
	state, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(state, '\n')
}

// pinned compares with a golden file.
func pinned(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *updateGolden {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(string(want)), lines(string(got))); diff != "" {
		t.Errorf("%s: -want +got:\n%s", golden, diff)
	}
}

// TestEachKindIsInAGoldenFile: no event that changes what a journal says is left out of the files above.
func TestEachKindIsInAGoldenFile(t *testing.T) {
	seen := map[Kind]bool{}
	for _, e := range append(everyKind(), turnedStory()...) {
		seen[e.Event] = true
	}
	for k := range nodeChanges {
		if !seen[k] {
			t.Error(k)
		}
	}
	for k := range runChanges {
		if !seen[k] {
			t.Error(k)
		}
	}
}
