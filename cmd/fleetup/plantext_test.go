package main

import (
	"strings"
	"testing"

	"github.com/fleetup/fleetup/runner"
)

// Limits that differ in their rack alone share a line; the fleet's own and a group's with the same number don't.
func TestLimits(t *testing.T) {
	plan := runner.Plan{Limits: []runner.Limit{
		{Why: "max_unavailable 2"}, {Why: "rack r1: spread 1"}, {Why: "rack r2: spread 1"}, {Why: "rack r3: spread 1"},
		{Why: "group gpu: max_unavailable 2"}, {Why: "control plane: one at a time"}, {Why: "domains: rack 1"},
	}}
	var got strings.Builder
	limits(&got, plan)
	want := "limit: max_unavailable 2\nlimit: rack r[1-3]: spread 1 each\nlimit: group gpu: max_unavailable 2\nlimit: control plane: one at a time\nlimit: domains: rack 1\n"
	if got.String() != want {
		t.Errorf("%s", got.String())
	}
}

// A node is told in full unless one before it was told just so; nodes without steps have nothing to be compared by.
func TestAlikes(t *testing.T) {
	seen := alikes{}
	for _, c := range []struct{ node, how, steps, want string }{
		{"n1", "drain", "kubelet: 1 → 2\n", "drain|kubelet: 1 → 2\n"},
		{"n2", "drain", "kubelet: 1 → 2\n", "the same as n1|"},
		{"n3", "in place", "kubelet: 1 → 2\n", "in place|kubelet: 1 → 2\n"},
		{"n4", "drain", "kubelet: 0 → 2\n", "drain|kubelet: 0 → 2\n"},
		{"n5", "cannot be reached", "", "cannot be reached|"},
		{"n6", "cannot be reached", "", "cannot be reached|"},
		{"n7", "drain", "kubelet: 0 → 2\n", "the same as n4|"},
	} {
		how, steps := seen.tell(c.node, c.how, c.steps)
		if got := how + "|" + steps; got != c.want {
			t.Errorf("%s: %q", c.node, got)
		}
	}
}
