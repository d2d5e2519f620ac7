package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner"
)

var update = flag.Bool("update", false, "write the golden files anew")

// at is a time of the test's night, in seconds after one o'clock.
func at(s int) time.Time { return time.Date(2026, 11, 21, 1, 0, s, 0, time.UTC) }

type event = runner.Event

// night is a run in which everything happens that a report tells of.
func night() []event {
	data := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	events := []event{
		{Event: runner.EventStarted, Time: at(0), Data: data("inventory", "/srv/prod.toml", "version", "v1.2.0")},
		{Event: runner.EventForeseen, Time: at(0), Data: data("total_seconds", "160.0", "ends", "true", "known", "true",
			"nodes", `{"n1":{"at":1,"takes":80,"phases":{"apply":30,"drain":15,"reboot":35}},"n2":{"at":81,"takes":80,"blocked":"budget shop/db needs 2 healthy pods and has 2"}}`)},
		{Event: runner.EventEndpoints, Time: at(0), Data: data("shop/web", "4", "shop/db", "2")},
		{Event: runner.EventOrder, Time: at(1), Node: "n1", Order: "upgrade", Stage: "wave 1"},
		{Event: runner.EventPhase, Time: at(1), Node: "n1", Phase: "check"},
		{Event: runner.EventPhase, Time: at(3), Node: "n1", Phase: "drain"},
		{Event: runner.EventWaiting, Time: at(4), Node: "n1", Phase: "drain", Message: `pod shop/web-2: budget "web" needs 3 healthy pods and has 3`},
		{Event: runner.EventEndpoints, Time: at(10), Data: data("shop/web", "3")},
		{Event: runner.EventPhase, Time: at(24), Node: "n1", Phase: "apply"},
		{Event: runner.EventChanged, Time: at(50), Node: "n1", Step: "kubelet", Message: "kubelet 1.36.4 → 1.37.2"},
		{Event: runner.EventPhase, Time: at(51), Node: "n1", Phase: "reboot"},
		{Event: runner.EventSaid, Time: at(80), Node: "n1", Message: "back after 29s, with a new boot id"},
		{Event: runner.EventDone, Time: at(90), Node: "n1", Message: "kubelet 1.36.4 → 1.37.2"},
		{Event: runner.EventSoak, Time: at(90), Stage: "wave 1"},
		{Event: runner.EventGate, Time: at(91), Data: data("gate", "error rate", "verdict", "good", "reading", "0.002", "baseline", "0.002")},
		{Event: runner.EventGate, Time: at(96), Data: data("gate", "error rate", "verdict", "good", "reading", "0.002")},
		{Event: runner.EventSoaked, Time: at(150), Stage: "wave 1"},
		{Event: runner.EventOrder, Time: at(151), Node: "n2", Order: "upgrade", Stage: "wave 2"},
		{Event: runner.EventPhase, Time: at(151), Node: "n2", Phase: "drain"},
		{Event: runner.EventInterrupted, Time: at(170), Message: "asked to end at once (terminated)"},
		{Event: runner.EventResumed, Time: at(300)},
		{Event: runner.EventOrder, Time: at(301), Node: "n2", Order: "upgrade", Stage: "wave 2"},
		{Event: runner.EventPhase, Time: at(301), Node: "n2", Phase: "start"},
		{Event: runner.EventFailed, Time: at(340), Node: "n2", Phase: "start", Message: "the kubelet doesn't come up: its unit failed (exit-code)\n    unknown flag: --foo <&>"},
		{Event: runner.EventSkipped, Time: at(340), Node: "n3", Message: "cordoned by somebody else"},
		{Event: runner.EventHalted, Time: at(340), Message: "node n2 failed; on_failure = stop"},
		{Event: runner.EventEndpoints, Time: at(340), Data: data("shop/web", "4", "shop/db", "0")},
		{Event: runner.EventProof, Time: at(341), Data: data("service", "shop/web", "min_ready", "3", "start_ready", "4", "at", at(9).Format(time.RFC3339Nano), "nodes", "n1")},
		{Event: runner.EventProof, Time: at(341), Data: data("service", "shop/db", "min_ready", "0", "start_ready", "2", "at", at(335).Format(time.RFC3339Nano), "nodes", "n1,n2")},
		{Event: runner.EventProof, Time: at(341), Data: data("target", "https://shop.example.com/healthz", "sent", "340", "failed", "2", "slowest_seconds", "1.500", "last_failure", "503 at 01:05:36")},
		{Event: runner.EventProof, Time: at(341), Data: data("zero_downtime", "false", "whole", "17")},
	}
	for i := range events {
		events[i].Version, events[i].Seq, events[i].Run = 1, i+1, "20261121-010000-7f3a"
	}
	return events
}

// written are all forms of a report.
func written(t *testing.T, r Report) map[string]string {
	t.Helper()
	forms := map[string]string{}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"html": func(b *bytes.Buffer) error { return r.HTML(b) },
		"json": func(b *bytes.Buffer) error { return r.JSON(b) },
		"md":   func(b *bytes.Buffer) error { return r.Markdown(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		forms[name] = b.String()
	}
	return forms
}

// TestGolden: the same journal makes the same bytes, of every form.
func TestGolden(t *testing.T) {
	forms := written(t, From(night()))
	for name, got := range forms {
		file := filepath.Join("testdata", "night."+name)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	if diff := cmp.Diff(forms, written(t, From(night()))); diff != "" {
		t.Errorf("made twice, and not the same:\n%s", diff)
	}
}

// TestForeseen: what was foreseen is held against what happened, by phases and by nodes; what comes once a node was begun is
// no forecast of it.
func TestForeseen(t *testing.T) {
	late := event{Event: runner.EventForeseen, Time: at(300), Data: map[string]string{"total_seconds": "5.0", "ends": "true", "nodes": `{"n1":{"takes":1},"n9":{"at":2,"takes":3}}`}}
	r := From(append(night(), late))
	var rows []string
	for _, h := range append(r.whole(), r.Nodes[0].held()) {
		rows = append(rows, fmt.Sprintf("%s: %s, %s: %s", h.what, h.foreseen, h.actual, h.off()))
	}
	want := []string{"the whole run: 2m40s, 5m0s: +88 %", "drain: 15s, 21s: +40 %", "apply: 30s, 27s: -10 %", "reboot: 35s, 39s: +11 %", "n1: 1m20s, 1m29s: +11 %"}
	if d := cmp.Diff(want, rows); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"n2 was foreseen to be blocked, and wasn't: budget shop/db needs 2 healthy pods and has 2"}, r.surprises()); d != "" {
		t.Error(d)
	}
	for _, n := range r.Nodes {
		if n.Name == "n9" && (n.Foreseen == nil || n.Foreseen.At != 302) {
			t.Errorf("n9: %+v", n.Foreseen)
		}
	}
}

// TestFold: what the journal's events mean, one by one.
func TestFold(t *testing.T) {
	r := From(night())
	if r.Outcome != "halted" || r.Why != "node n2 failed; on_failure = stop" || r.Zero == nil || *r.Zero || r.Whole != 17 {
		t.Errorf("outcome %q (%s), proof %v, %d whole", r.Outcome, r.Why, r.Zero, r.Whole)
	}
	n1, n2 := r.Nodes[0], r.Nodes[1]
	if got := n1.phases(); got != "check 2s, drain 21s, apply 27s, reboot 39s" {
		t.Errorf("n1's phases: %s", got)
	}
	if w := n1.Waits[0]; w.Took() != 20*time.Second || w.Phase != "drain" {
		t.Errorf("n1 waited %s in %s, want 20s in drain", w.Took(), w.Phase)
	}
	if len(n2.Orders) != 2 || n2.Orders[0].End != "" || n2.Orders[1].End != "failed" {
		t.Fatalf("n2's orders: %+v", n2.Orders)
	}
	if cut := n2.Orders[0].Ended; !cut.Equal(at(151)) { // and not until another process went on, two minutes later
		t.Errorf("n2's order was cut off with its last sign of life at %s, told as %s", at(151), cut)
	}
	if len(r.Gates) != 1 {
		t.Errorf("a gate that says the same again is told again: %+v", r.Gates)
	}
	if s := r.Services[0]; s.Name != "shop/db" || s.Min != 0 || !s.At.Equal(at(335)) || len(s.Series) != 2 {
		t.Errorf("shop/db: %+v", s)
	}
}

// TestWentBack: a failed node that was put back stays one that failed, also where its way back was cut off; one that a bad
// gate took back waits.
func TestWentBack(t *testing.T) {
	second := 0
	of := func(k runner.Kind, node, order string) event {
		second++
		return event{Event: k, Time: at(second), Node: node, Order: order}
	}
	failed := of(runner.EventFailed, "n1", "upgrade")
	failed.Phase, failed.Message = "start", "no boot"
	r := From([]event{{Event: runner.EventStarted},
		of(runner.EventOrder, "n1", "upgrade"), failed, of(runner.EventOrder, "n1", runner.OrderRollBack), of(runner.EventResumed, "", ""),
		of(runner.EventOrder, "n1", runner.OrderRollBack), of(runner.EventBack, "n1", runner.OrderRollBack),
		of(runner.EventOrder, "n2", "upgrade"), of(runner.EventDone, "n2", "upgrade"), of(runner.EventOrder, "n2", runner.OrderRollBack), of(runner.EventBack, "n2", runner.OrderRollBack),
	})
	if n := r.Nodes[0]; n.State != "failed" || n.Why != "start: no boot; it went back to what it ran before" {
		t.Errorf("%s, %q", n.State, n.Why)
	}
	if n := r.Nodes[1]; n.State != "waiting" {
		t.Errorf("%s, %q", n.State, n.Why)
	}
}

// TestTwoProcesses: a proof holds only if each process that worked on the run proved it; what was asked adds up.
func TestTwoProcesses(t *testing.T) {
	proof := func(zero, least, sent string) []event {
		return []event{
			{Event: runner.EventProof, Time: at(1), Data: map[string]string{"service": "a/b", "min_ready": least, "start_ready": "3"}},
			{Event: runner.EventProof, Time: at(1), Data: map[string]string{"target": "u", "sent": sent, "failed": "0", "slowest_seconds": "0.1"}},
			{Event: runner.EventProof, Time: at(1), Data: map[string]string{"zero_downtime": zero}},
		}
	}
	r := From(append(proof("false", "0", "10"), proof("true", "2", "5")...))
	if *r.Zero || r.Services[0].Min != 0 || r.URLs[0].Sent != 15 {
		t.Errorf("zero downtime %v, least %d, asked %d", *r.Zero, r.Services[0].Min, r.URLs[0].Sent)
	}
	if r := From([]event{{Event: runner.EventFinished}}); r.Zero != nil || r.verdict() != "zero downtime: not proven, the journal holds no proof" {
		t.Errorf("without a proof: %v, %s", r.Zero, r.verdict())
	}
}

// TestAnyPrefix: a journal that was cut anywhere, or that a run still writes, makes a report.
func TestAnyPrefix(t *testing.T) {
	events := night()
	for i := range events {
		written(t, From(events[:i]))
		written(t, From(events[i:])) // and one whose begin a later version left out
	}
}

// TestNothingIsMarkup: whatever stands in a journal is shown, and is neither markup nor a table's border.
func TestNothingIsMarkup(t *testing.T) {
	evil := "<script>alert(1)</script> \"'`|\x00\x1b[31m\u202e&amp;"
	var events []event
	for _, e := range night() {
		e.Message, e.Step, e.Stage, e.Order, e.Phase = e.Message+evil, evil, evil, evil, evil
		if e.Node != "" {
			e.Node = evil
		}
		for k, v := range e.Data {
			e.Data[k] = v + evil
		}
		e.Run = evil
		events = append(events, e)
	}
	forms := written(t, From(events))
	for name, got := range forms {
		if strings.Contains(got, "<script") || strings.ContainsAny(got, "\x00\x1b") || name != "json" && strings.Contains(got, "\u202e") {
			t.Errorf("%s: something in the journal is markup, or a control byte", name)
		}
	}
	if !json.Valid([]byte(forms["json"])) {
		t.Error("the JSON isn't")
	}
	for line := range strings.Lines(forms["md"]) {
		if strings.HasPrefix(line, "| &lt;script") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 6 {
			t.Errorf("a row of the nodes' table has other cells: %s", line)
		}
	}
}

// TestThousandNodes: a big run is a page that a browser holds without effort.
func TestThousandNodes(t *testing.T) {
	events := []event{{Event: runner.EventStarted, Time: at(0)}}
	for i := range 1000 {
		node, begin := fmt.Sprintf("node%04d", i), i*30
		events = append(events, event{Event: runner.EventOrder, Time: at(begin), Node: node, Order: "upgrade"})
		for k, phase := range []string{"check", "claim", "drain", "kubeadm", "stop", "apply", "reboot", "start", "verify", "uncordon", "verify again"} {
			events = append(events, event{Event: runner.EventPhase, Time: at(begin + 20*k), Node: node, Phase: phase})
			if phase == "apply" {
				events = append(events, event{Event: runner.EventChanged, Time: at(begin + 20*k + 9), Node: node, Step: "kubelet", Message: "kubelet 1.36.4-1.1 → 1.37.2-1.1"})
			}
		}
		events = append(events, event{Event: runner.EventDone, Time: at(begin + 230), Node: node, Message: "kubelet 1.36.4-1.1 → 1.37.2-1.1"})
	}
	if size := len(written(t, From(events))["html"]); size > 2<<20 {
		t.Errorf("the page has %d bytes, at most 2 MB", size)
	}
}

// TestThousandNodesWithMuchToSay: a thousand nodes that all failed for long reasons of their own, after long waits, changes
// and remarks, in a run of a thousand Services and many answers of gates, are a page of under two megabytes; so is one of
// nodes that were tried again and again. What is cut is said, and whole in the JSON.
func TestThousandNodesWithMuchToSay(t *testing.T) {
	phases := []string{"check", "claim", "drain", "kubeadm", "stop", "apply", "reboot", "start", "verify", "uncordon", "verify again"}
	run := func(orders, texts int) []event {
		long := strings.Repeat("dpkg: error processing <archive> & more ", texts)
		events := []event{{Event: runner.EventStarted, Time: at(0)}}
		add := func(e event, second int) { e.Time = at(second); events = append(events, e) }
		foreseen := map[string]runner.Foreseen{}
		for i := range 1000 {
			node := fmt.Sprintf("rack%02d-node%04d.dc1.example.com", i%40, i)
			foreseen[node] = runner.Foreseen{At: float64(i), Takes: 300, Blocked: fmt.Sprint(i, long), Phases: map[string]float64{}}
			for _, name := range phases {
				foreseen[node].Phases[name] = 20
			}
		}
		told, err := runner.ForeseenEvents(runner.ForeseenRun{Total: time.Hour, Ends: true, Known: true}, foreseen)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range told {
			add(e, 0)
		}
		for i := range 1000 {
			node, s := fmt.Sprintf("rack%02d-node%04d.dc1.example.com", i%40, i), i*30
			for range orders {
				add(event{Event: runner.EventOrder, Node: node, Order: "upgrade", Stage: "wave 1"}, s)
				for k, name := range phases {
					add(event{Event: runner.EventPhase, Node: node, Phase: name}, s+20*k)
					for n := range (k % 4) / 2 * 2 { // two in half of them
						add(event{Event: runner.EventWaiting, Node: node, Phase: name, Message: fmt.Sprint(n, long)}, s+20*k+n)
						add(event{Event: runner.EventChanged, Node: node, Step: "os-patches", Message: fmt.Sprint(n, long)}, s+20*k+n)
						add(event{Event: runner.EventSaid, Node: node, Message: fmt.Sprint(n, long)}, s+20*k+n)
					}
				}
				add(event{Event: runner.EventFailed, Node: node, Phase: "verify", Message: fmt.Sprint(i, long)}, s+230)
			}
			counts := map[string]string{}
			for k := range 30 {
				counts[fmt.Sprintf("shop/service-%d", (i+k)%1000)] = fmt.Sprint(1 + k%3)
			}
			add(event{Event: runner.EventEndpoints, Data: counts}, s+50)
			add(event{Event: runner.EventGate, Message: long, Data: map[string]string{"gate": "errors", "verdict": "bad", "reading": fmt.Sprint(i)}}, s+60)
			add(event{Event: runner.EventSaid, Message: long}, s+70)
			add(event{Event: runner.EventHalted, Message: long}, s+230)
			add(event{Event: runner.EventResumed}, s+231)
		}
		return events
	}
	for name, events := range map[string][]event{"long texts": run(1, 30), "short texts": run(1, 2), "many orders": run(5, 2)} {
		var b bytes.Buffer
		if err := From(events).HTML(&b); err != nil {
			t.Fatal(err)
		}
		html := b.String()
		if size := len(html); size > 2_000_000 {
			t.Errorf("%s: the page has %d bytes, at most 2 MB", name, size)
		} else {
			t.Logf("%s: %d bytes", name, size)
		}
		if !strings.Contains(html, "<code>--output json</code> has all of it") {
			t.Errorf("%s: nothing says that something is cut", name)
		}
		for i := range 1000 {
			if node := fmt.Sprintf("rack%02d-node%04d.dc1.example.com", i%40, i); !strings.Contains(html, "<th scope=row>"+node+"<td><svg") {
				t.Errorf("%s: %s isn't in the timeline", name, node)
				break
			}
		}
	}
	if text := written(t, From(night()))["html"]; strings.Contains(text, "What is long is cut") {
		t.Error("nothing is cut of a small run")
	}
}

// TestLasted: what was quick isn't told as nothing.
func TestLasted(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 300 * time.Microsecond: "under 1ms", 1400 * time.Microsecond: "1ms", 310 * time.Millisecond: "310ms",
		1530 * time.Millisecond: "1.5s", 61400 * time.Millisecond: "1m1s"} {
		if got := lasted(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
	if got := (URL{Sent: 1, Slowest: 0.001}).answered(); got != "asked 1 time, 0 failed, slowest 1ms" {
		t.Error(got)
	}
}
