package runner

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/hardware"
)

func TestHoldOf(t *testing.T) {
	state := map[string]string{
		factSwapBy: "ann", factSwapReason: "more memory", factSwapSince: "2026-03-01T10:00:00Z", factSwapExpect: `["disk +1"]`,
		factSwapOff: "2026-03-01T10:05:00Z", factSwapTroubles: "compare: x", factOutOfService: "set",
	}
	got, held := HoldOf("r1", state)
	want := Hold{
		Run: "r1", By: "ann", Reason: "more memory", Since: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), Off: true,
		Expect: []string{"disk +1"}, Troubles: "compare: x", OutOfServe: true,
	}
	if diff := cmp.Diff(want, got); diff != "" || !held {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text := got.String(); text != "held for hardware work by ann since 2026-03-01 10:00 UTC: more memory" {
		t.Error(text)
	}
	if _, held := HoldOf("r1", map[string]string{"boot_id": "x"}); held {
		t.Error("a claim without hardware work is taken for a hold")
	}
	if h, held := HoldOf("r1", map[string]string{factSwapBy: "ann", factSwapSince: "x", factSwapExpect: "{"}); !held || !h.Since.IsZero() || h.Off {
		t.Errorf("%+v", h)
	}
}

// TestPack: a large machine's document fits into an annotation, and comes out as it went in.
func TestPack(t *testing.T) {
	d := hardware.Document{Version: 1}
	for i := range 300 {
		d.PCI = append(d.PCI, hardware.PCI{Address: time.Duration(i).String(), Class: "0200", ID: "8086:159b/8086:0007", Name: "Ethernet Controller E810-XXV for SFP"})
	}
	s, err := pack(d)
	if err != nil || len(s) > 16<<10 {
		t.Fatalf("%d bytes, %v", len(s), err)
	}
	got, err := unpack(s)
	if diff := cmp.Diff(d, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"", "!", "AAAA", s[:len(s)/2]} {
		if _, err := unpack(bad); err == nil || !strings.Contains(err.Error(), "can't be read") {
			t.Errorf("%.8q: %v", bad, err)
		}
	}
}

// TestHeldNodesAreLeftAlone: a node that is held for hardware work is skipped at once, with who holds it, and fills a limit.
func TestHeldNodesAreLeftAlone(t *testing.T) {
	hold := "held for hardware work by ann since 2026-03-01 10:00 UTC: x"
	plan := Plan{
		Nodes:  []PlanNode{{Name: "n1", OnBlocked: "fail"}, {Name: "n2", OnBlocked: "fail"}},
		Stages: []Stage{{Name: "nodes", Order: OrderUpgrade, Nodes: []string{"n1", "n2"}}}, Limits: []Limit{{Why: "max_unavailable 1", AtMost: 1}},
		OnFailure: "stop", Cordoned: "skip",
	}
	p := Progress{Run: "r1", Nodes: map[string]NodeProgress{}}
	o := Observed{Nodes: map[string]NodeObserved{"n1": {Ready: true}, "n2": {Cordoned: true, Run: "r0", Hold: hold}}}
	d := Decide(plan, p, o, time.Now())
	if diff := cmp.Diff([]Wait{{"n2", hold + "; `fleetup swap finish INVENTORY n2` or `cancel` gives it back"}}, d.Skip); diff != "" {
		t.Errorf("skip (-want +got):\n%s", diff)
	}
	p.Nodes["n2"] = NodeProgress{State: Skipped}
	if d = Decide(plan, p, o, time.Now()); len(d.Start) > 0 || !strings.Contains(d.Halt, "n2 is "+hold) {
		t.Errorf("%+v", d)
	}
}

func TestServices(t *testing.T) {
	if got := services([]string{"containerd", "kubelet", "x; reboot"}); cmp.Diff([]string{"containerd.service", "kubelet.service"}, got) != "" {
		t.Error(got)
	}
}

// TestHoldIn: what a journal tells of a hold, from its begin to the node's return.
func TestHoldIn(t *testing.T) {
	facts := map[string]string{factSwapBy: "ann", factSwapReason: "more memory", factSwapSince: "2026-03-01T10:00:00Z", factSwapExpect: "[]"}
	off := map[string]string{factSwapBy: "ann", factSwapReason: "more memory", factSwapSince: "2026-03-01T10:00:00Z", factSwapOff: "2026-03-01T10:05:00Z"}
	troubled := map[string]string{factSwapBy: "ann", factSwapReason: "more memory", factSwapOff: "x", factSwapTroubles: "compare: a disk is missing"}
	events := []Event{
		{Event: EventStarted},
		{Event: EventOrder, Node: "n1", Order: OrderSwapBegin, Data: facts},
		{Event: EventPhase, Node: "n1", Order: OrderSwapBegin, Phase: "drain"},
		{Event: EventHeld, Node: "n1", Order: OrderSwapBegin, Data: off},
		{Event: EventOrder, Node: "n1", Order: OrderSwapFinish, Data: off},
		{Event: EventHeld, Node: "n1", Order: OrderSwapFinish, Message: troubled[factSwapTroubles], Data: troubled},
		{Event: EventDone, Node: "n1", Order: OrderSwapFinish},
	}
	for i := range events {
		events[i].Version, events[i].Run, events[i].Seq = eventVersion, "r1", i+1
	}
	for upTo, want := range map[int]struct {
		held, off bool
		troubles  string
	}{1: {}, 2: {held: true}, 3: {held: true}, 4: {held: true, off: true}, 5: {held: true, off: true}, 6: {true, true, "compare: a disk is missing"}, 7: {}} {
		var p Progress
		for _, e := range events[:upTo] {
			if err := p.Apply(e); err != nil {
				t.Fatal(err)
			}
		}
		h, held := HoldIn(events[:upTo], p, "n1")
		if held != want.held || h.Off != want.off || h.Troubles != want.troubles || held && (h.Run != "r1" || h.By != "ann" || h.Reason != "more memory") {
			t.Errorf("after %d events: %v, %+v", upTo, held, h)
		}
		if _, held := HoldIn(events[:upTo], p, "n2"); held {
			t.Error("another node is held")
		}
	}
	// An older fleetup's journal has no data: the node is held all the same.
	old, p := []Event{events[0], {Version: eventVersion, Run: "r1", Seq: 2, Event: EventHeld, Node: "n1", Order: OrderSwapBegin}}, Progress{}
	for _, e := range old {
		if err := p.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	if h, held := HoldIn(old, p, "n1"); !held || !h.Off || strings.Contains(h.String(), "by ") {
		t.Errorf("an older journal: %v, %s", held, h)
	}
}
