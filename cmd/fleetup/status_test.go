package main

import (
	"testing"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

// TestStands: what status tells of a node, put together from the cluster, which may be away, and the journal, which may be over.
func TestStands(t *testing.T) {
	const run = "20260101-000000-0001"
	claimed := kube.Node{Ready: true, Unschedulable: true, Run: run, State: map[string]string{"order": runner.OrderUpgrade}}
	failed := claimed
	failed.Ready, failed.Failed = false, "reboot: no boot"
	inPhase := func(state runner.NodeState, phase, why string) runner.Progress {
		return runner.Progress{Run: run, Nodes: map[string]runner.NodeProgress{"n1": {State: state, Phase: phase, Why: why}}}
	}
	over := inPhase(runner.Done, "verify again", "")
	over.Finished = true
	back := runner.Progress{Nodes: map[string]runner.NodeProgress{"n1": {State: runner.Failed, Back: "roll back", Why: "no boot"}}}
	for _, tc := range []struct {
		name    string
		node    *kube.Node // nil: the cluster has none
		away    bool       // the cluster is
		journal runner.Progress
		live    bool
		cluster string
		run     string
		why     string
	}{
		{"nothing was begun", &kube.Node{Ready: true}, false, runner.Progress{}, false, "Ready", "", ""},
		{"somebody closed it", &kube.Node{Ready: true, Unschedulable: true}, false, runner.Progress{}, false, "Ready, cordoned", "", ""},
		{"not in the cluster", nil, false, runner.Progress{}, false, "not in the cluster", "", ""},
		{"worked on", &claimed, false, inPhase(runner.Running, "drain", ""), true, "Ready, cordoned, claimed by " + run, "running: drain", ""},
		{"left in its middle", &claimed, false, inPhase(runner.Running, "drain", ""), false, "Ready, cordoned, claimed by " + run, "parked: drain", ""},
		{"left before its first phase", &claimed, false, inPhase(runner.Running, "", ""), false, "Ready, cordoned, claimed by " + run, "parked", ""},
		{"worked on, as far as a journal alone tells", nil, true, inPhase(runner.Running, "drain", ""), false, "", "running: drain", ""},
		{"waits for its turn", &kube.Node{Ready: true}, false, inPhase(runner.Waiting, "", ""), true, "Ready", "waiting", ""},
		{"failed: the node says why", &failed, false, inPhase(runner.Failed, "reboot", "another why"), false, "NotReady, cordoned, claimed by " + run + ", failed", "failed", "reboot: no boot"},
		{"failed, and the cluster is away", nil, true, inPhase(runner.Failed, "reboot", "no boot"), false, "", "failed", "no boot"},
		{"failed, and went back", &kube.Node{Ready: true}, false, back, false, "Ready", "failed: went back", "no boot"},
		{"done, and the run is over", &kube.Node{Ready: true}, false, over, false, "Ready", "", ""},
		{"done, the run is over, and the cluster is away", nil, true, over, false, "", "done", ""},
		{"a taint without a claim", &kube.Node{Ready: true, Stray: run}, false, runner.Progress{}, false, "Ready, tainted by " + run + " without a claim", "", ""},
	} {
		nodes := map[string]kube.Node{}
		if tc.node != nil {
			nodes["n1"] = *tc.node
		}
		if tc.away {
			nodes = nil
		}
		got := stands(inventory.Host{Name: "host1", Node: "n1"}, nodes, tc.journal, tc.live)
		if got.Node != "n1" || got.Cluster != tc.cluster || got.Run != tc.run || got.Why != tc.why {
			t.Errorf("%s: %q, %q, %q; want %q, %q, %q", tc.name, got.Cluster, got.Run, got.Why, tc.cluster, tc.run, tc.why)
		}
	}
}

// TestBecause: why a run stands, and who carries it on, in one line with the way on.
func TestBecause(t *testing.T) {
	for _, tc := range []struct {
		st   standing
		want string
	}{
		{standing{}, ""},
		{standing{Holder: "ann on ops1"}, " (by ann on ops1)"},
		{standing{Why: "node n1 failed"}, ": node n1 failed"},
		{standing{Holder: "ann on ops1", Why: "paused: by bob"}, " (by ann on ops1): paused: by bob; `fleetup resume INVENTORY` goes on"},
	} {
		if got := because(tc.st); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.st, got, tc.want)
		}
	}
}
