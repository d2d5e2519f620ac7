package runner

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFault04NewJournalIsOnTheDisk: the folders that are made for a journal, and its own entry in them, are fsynced before
// Create returns (etcd#6368).
func TestFault04NewJournalIsOnTheDisk(t *testing.T) {
	real, synced := syncDir, []string{}
	defer func() { syncDir = real }()
	root := t.TempDir()
	dir := filepath.Join(root, "state", "fleet")
	syncDir = func(d string) error {
		entries, _ := os.ReadDir(d)
		for _, e := range entries {
			synced = append(synced, filepath.Join(d, e.Name()))
		}
		return real(d)
	}
	j, err := Create(dir, testRun)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, entry := range []string{filepath.Dir(dir), dir, j.Path()} {
		if !slices.Contains(synced, entry) {
			t.Errorf("the entry of %s isn't on the disk; only %v", entry, synced)
		}
	}
}

// TestFault08WhatTheRunDependsOnGoesLast: the node of fleetup's own pod, or a jump host, comes last, with the reason.
func TestFault08WhatTheRunDependsOnGoesLast(t *testing.T) {
	f := fleetOf("n1", "n2", "cp1 group=control-plane")
	w := worldOf(f)
	w.Self = []string{"n1"}
	p := build(t, f, w)
	last := p.Nodes[len(p.Nodes)-1]
	if last.Name != "n1" || last.Why != selfWhy {
		t.Errorf("last is %+v", last)
	}
}

// TestFault29WrongClocks: a machine's wrong clock is warned of, our own stands against the run: leases are at stake.
func TestFault29WrongClocks(t *testing.T) {
	v := dirty(Work{Node: "n1"})
	v.Offset = -26 * time.Hour
	found := Judge(map[string]*Surveyed{"n1": v}, Situation{
		Nodes: map[string]SituationNode{"n1": {}}, ClockOffset: 5 * time.Minute,
	}, "fail")
	machine := slices.IndexFunc(found, func(f Finding) bool { return f.Node == "n1" && strings.Contains(f.Why, "26h0m0s off") && !f.Refuse })
	ours := slices.IndexFunc(found, func(f Finding) bool { return f.Node == "" && strings.Contains(f.Why, "5m0s off the API server's") })
	if machine < 0 || ours < 0 || !strings.Contains(found[machine].Why, "chrony") {
		t.Errorf("%v", found)
	}
}
