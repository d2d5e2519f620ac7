package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fleetup/fleetup/runner"
)

func newTestDisplay(total int) (*display, *bytes.Buffer) {
	var out bytes.Buffer
	a := &app{out: &out, err: &out, getenv: func(string) string { return "" }}
	return a.newDisplay(total), &out
}

// Without a terminal: a line an event, with the node first; what isn't news is left out.
func TestDisplayLines(t *testing.T) {
	for _, c := range []struct {
		event runner.Event
		want  string
	}{
		{runner.Event{Event: runner.EventStarted, Run: "R"}, "run R started"},
		{runner.Event{Event: runner.EventResumed, Run: "R"}, "run R goes on"},
		{runner.Event{Event: runner.EventOrder, Node: "n1"}, ""},
		{runner.Event{Event: runner.EventPhase, Node: "n1", Phase: "claim"}, "n1  cordon"},
		{runner.Event{Event: runner.EventPhase, Node: "n1", Phase: "verify"}, ""},
		{runner.Event{Event: runner.EventStep, Node: "n1", Step: "kubelet", Message: "1 → 2"}, "n1  step kubelet: 1 → 2"},
		{runner.Event{Event: runner.EventStep, Node: "n1", Step: "reboot"}, ""},
		{runner.Event{Event: runner.EventWaiting, Node: "n1", Phase: "drain", Message: "budget a/b needs 3"}, "n1  drain waits: budget a/b needs 3"},
		{runner.Event{Event: runner.EventBlocked, Node: "n1", Message: "budget"}, "n1  blocked, given back: budget"},
		{runner.Event{Event: runner.EventDone, Node: "n1", Message: "up to date"}, "n1  up to date"},
		{runner.Event{Event: runner.EventDone, Node: "n1", Message: "kubelet 1 → 2"}, "n1  done: kubelet 1 → 2"},
		{runner.Event{Event: runner.EventFailed, Node: "n1", Phase: "apply", Message: "host n1: no space\nleft"}, "n1  FAILED in apply: no space\n          left"},
		{runner.Event{Event: runner.EventSaid, Node: "n1", Message: "installing x"}, "n1  installing x"},
	} {
		d, out := newTestDisplay(3)
		d.event(c.event)
		_, got, _ := strings.Cut(strings.TrimSuffix(out.String(), "\n"), "  ")
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.event, got, c.want)
		}
	}
}

// The reason of a failure is told once, not again where the run halts for it.
func TestDisplayHaltedBriefly(t *testing.T) {
	d, out := newTestDisplay(2)
	d.event(runner.Event{Event: runner.EventFailed, Node: "n1", Phase: "apply", Message: "no space"})
	d.event(runner.Event{Event: runner.EventHalted, Message: "node n1 failed: no space; on_failure = stop"})
	if strings.Count(out.String(), "no space") != 1 || !strings.Contains(out.String(), "halted: node n1 failed; on_failure = stop") {
		t.Error(out.String())
	}
}

// What stands beside the bar: failures, a guess of the time left, the first node that is worked on.
func TestDisplayStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newTestDisplay(4)
		d.decided(runner.Decision{Waits: []runner.Wait{{Node: "n1", Why: "outside of the window"}}})
		if got := d.status(); got != "outside of the window" {
			t.Error(got)
		}
		d.event(runner.Event{Event: runner.EventPhase, Node: "n2", Phase: "drain"})
		d.event(runner.Event{Event: runner.EventPhase, Node: "n1", Phase: "apply"})
		if got := d.status(); got != "n1 apply, and 1 more" {
			t.Error(got)
		}
		time.Sleep(time.Minute)
		d.event(runner.Event{Event: runner.EventDone, Node: "n1"})
		d.event(runner.Event{Event: runner.EventFailed, Node: "n2"})
		if got := d.status(); got != "1 failed, about 3m0s left, outside of the window" {
			t.Error(got)
		}
	})
}

func TestClip(t *testing.T) {
	if got := clip("drain waits: budget shop/web\nmore", 12); got != "drain waits…" {
		t.Error(got)
	}
	if got := clip("short", 12); got != "short" {
		t.Error(got)
	}
}

func TestIndent(t *testing.T) {
	if got := indent("n1: ", "a\nb"); got != "n1: a\n    b" {
		t.Errorf("%q", got)
	}
}

// A file that is under way stands beside the bar until it is there.
func TestDisplayTransfer(t *testing.T) {
	d, _ := newTestDisplay(2)
	d.transfer("n1", "/srv/images/nic.bin", 3<<20, 12<<20)
	if got := d.status(); got != "n1: nic.bin, 25 % of 12 MiB" {
		t.Errorf("under way: %q", got)
	}
	d.transfer("n1", "/srv/images/nic.bin", 12<<20, 12<<20)
	if got := d.status(); got != "" {
		t.Errorf("there: %q", got)
	}
	for n, want := range map[int64]string{17: "17 B", 2048: "2 KiB", 5 << 30: "5 GiB", 3 << 42: "12288 GiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestGateIsSaidOnce: a gate that is asked every few seconds is told of when what it says changes.
func TestGateIsSaidOnce(t *testing.T) {
	d := &display{app: &app{}}
	said := func(verdict, reading, why string) string {
		return d.line(runner.Event{Event: runner.EventGate, Message: why, Data: map[string]string{"gate": "errors", "verdict": verdict, "reading": reading}})
	}
	for i, tc := range []struct{ verdict, reading, why, want string }{
		{runner.GateUnknown, "", "no sample", `gate "errors": unknown: no sample`},
		{runner.GateUnknown, "", "no sample", ""},
		{runner.GateUnknown, "", "no answer within 10s", `gate "errors": unknown: no answer within 10s`},
		{runner.GateGood, "0.1", "", ""},
		{runner.GateUnknown, "", "no answer within 10s", `gate "errors": unknown: no answer within 10s`},
		{runner.GateBad, "0.9", "0.9 is more than max = 0.5", `gate "errors": bad: 0.9 is more than max = 0.5`},
		{runner.GateBad, "503 in 2ms", "status 503, and status = 200 is wanted", `gate "errors": bad (503 in 2ms): status 503, and status = 200 is wanted`},
		{runner.GateBad, "test: exit status 1", "test: exit status 1", `gate "errors": bad: test: exit status 1`},
	} {
		if got := said(tc.verdict, tc.reading, tc.why); got != tc.want {
			t.Errorf("%d: %q, want %q", i, got, tc.want)
		}
	}
}

// A node whose changes an earlier process made is done, and no more is said.
func TestDisplayDone(t *testing.T) {
	d, _ := newTestDisplay(1)
	for message, want := range map[string]string{"done": "n1  done", "kubelet 1.37.2": "n1  done: kubelet 1.37.2", "up to date": "n1  up to date"} {
		if got := d.line(runner.Event{Event: runner.EventDone, Node: "n1", Message: message}); got != want {
			t.Errorf("%q: %q", message, got)
		}
	}
}
