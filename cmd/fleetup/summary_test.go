package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

func TestCounts(t *testing.T) {
	for want, c := range map[string]counts{
		"0 nodes done":                    {},
		"1 node done":                     {Done: 1},
		"3 nodes done, 1 failed, 2 left":  {Done: 3, Failed: 1, Left: 2},
		"2 nodes done, 1 blocked":         {Done: 2, Left: 1, Blocked: 1},
		"0 nodes done, 1 skipped, 1 left": {Skipped: 1, Left: 1},
		"1 node done, 1 blocked, 2 left":  {Done: 1, Left: 3, Blocked: 1},
	} {
		if got := c.String(); got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}

// The words that scripts rely on, and each Service or URL with its worst moment, those that failed first.
func TestShowProof(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	sum := summary{Zero: true}
	sum.proof([]kube.ServiceLeast{
		{Namespace: "shop", Name: "web", Start: 4, Min: 3, At: at, Node: "n1,n4"},
		{Namespace: "shop", Name: "one", Start: 1, Min: 0, At: at, Node: "n2"},
		{Namespace: "shop", Name: "db", Start: 2, Min: 2, At: at},
	})
	sum.heard([]runner.Asked{
		{Name: "https://shop", Sent: 9, Failed: 1, Slowest: 1500 * time.Millisecond, LastFailure: "03:04:05 status 503"},
		{Name: "shop/web:http", Sent: 1},
	})
	var out bytes.Buffer
	(&app{out: &out}).showProof(sum)
	want := `zero downtime: no
  shop/one had no ready endpoint at 03:04:05 while n2 was worked on
  shop/web had 3 of 4 endpoints ready at least, at 03:04:05 while n1 and n4 were worked on
  shop/db had 2 of 2 endpoints ready at least
  https://shop asked 9 times, 1 failed, slowest 1.5s; last failure 03:04:05 status 503
  shop/web:http asked 1 time, 0 failed, slowest under 1ms
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// A run that halted says each reason once; one in which every node is settled says no more than the counts.
func TestShowSummary(t *testing.T) {
	sum := summary{Run: "R", Exit: 1, Message: "halted: node n1 failed: no space; on_failure = stop", Zero: true, took: 61 * time.Second}
	sum.count("n1", runner.NodeProgress{State: runner.Failed, Why: "no space"})
	sum.count("n2", runner.NodeProgress{State: runner.Running, Phase: "apply"})
	sum.count("n3", runner.NodeProgress{State: runner.Done})
	var out bytes.Buffer
	a := &app{out: &out}
	a.showSummary(sum)
	want := `n1 failed: no space
n2 parked in apply; run again goes on there
run R: 1 node done, 1 failed, 1 left in 1m1s
halted: node n1 failed; on_failure = stop
zero downtime: yes
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	sum.over = true
	a.showSummary(sum)
	if strings.Contains(out.String(), "halted") {
		t.Error(out.String())
	}
}
