package main

import (
	"testing"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
)

const (
	older   = "20260101-000000-0001"
	newest  = "20260102-000000-0001"
	theBack = "20260103-000000-0001-rollback"
)

// TestTarget: which run a rollback is about, and which nodes, by what stands on them.
func TestTarget(t *testing.T) {
	last := func(run string, more ...string) map[string]string {
		m := map[string]string{"run": run, "inventory": "prod"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	for _, c := range []struct {
		name    string
		node    kube.Node
		own     string // the rollback's own run
		run     string // whose doing the node shows
		changed bool   // has something of run newest to take back
	}{
		{"done by the last run", kube.Node{Last: last(newest)}, theBack, newest, true},
		{"done by an older one", kube.Node{Last: last(older)}, theBack, older, false},
		{"never touched", kube.Node{}, theBack, "", false},
		{"another inventory's", kube.Node{Last: map[string]string{"run": newest, "inventory": "other"}}, theBack, "", true},
		{"failed, and held", kube.Node{Run: newest, Failed: "no boot", State: last(""), Last: last(older)}, theBack, newest, true},
		{"held by an older run", kube.Node{Run: older, State: last("")}, theBack, older, false},
		{"back already", kube.Node{Last: last(theBack, "back", newest)}, theBack, newest, false},
		{"back already, within the run", kube.Node{Last: last(newest, "back", newest)}, theBack, newest, false},
		{"on its way back", kube.Node{Run: theBack, State: last(""), Last: last(newest)}, theBack, newest, true},
		{"on its way back, by nobody of ours", kube.Node{Run: theBack, State: last("")}, "another-rollback", "", false},
	} {
		r := &record{s: &session{fleet: &inventory.Fleet{Name: "prod"}}, run: c.own}
		c.node.Name = "n1"
		if got := r.doneBy(c.node); got != c.run {
			t.Errorf("%s: doneBy %q, want %q", c.name, got, c.run)
		}
		if got := r.changed(c.node, target{run: newest}); got != c.changed {
			t.Errorf("%s: changed %v", c.name, got)
		}
	}
	r := &record{s: &session{fleet: &inventory.Fleet{Name: "prod"}}}
	lost := kube.Node{Name: "n1"}
	journal := map[string]map[string]string{"n1": {"kubelet.0": "x"}}
	if !r.changed(lost, target{run: newest, journal: journal}) || r.changed(kube.Node{Name: "n2"}, target{run: newest, journal: journal}) || r.changed(lost, target{}) {
		t.Error("without annotations the journal tells")
	}
}

func TestNothingToRollBack(t *testing.T) {
	for want, got := range map[string]target{
		"":                               {run: newest, nodes: []string{"n1"}},
		"no run has left word on a node": {},
		"what run " + newest + " changed is taken back already":                                                      {run: newest},
		"run " + newest + " has changed nothing; `fleetup abort INVENTORY` ends it":                                  {run: newest, left: newest},
		"run " + newest + " has changed none of the selected nodes, or they are back already; it has changed others": {run: newest, others: 2},
	} {
		if why := got.nothing(); why != want {
			t.Errorf("%q, want %q", why, want)
		}
	}
	if got := (target{run: newest, nodes: []string{"n1", "n2", "gpu7"}}).what(); got != "3 nodes (n[1-2],gpu7) to what ran before run "+newest {
		t.Error(got)
	}
}
