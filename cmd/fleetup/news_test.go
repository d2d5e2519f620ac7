package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/finding"
)

// TestNews: a regular check tells what the one before it didn't find: what is found again is known, what comes back after it had gone is
// news, and so is all where nobody knows what the one before found.
func TestNews(t *testing.T) {
	var said bytes.Buffer
	a := &app{err: &said, getenv: func(string) string { return "" }}
	a.flags.stateDir = t.TempDir()
	f := &inventory.Fleet{Name: "prod"}
	file := filepath.Join(a.flags.stateDir, "prod", "last-audit.json")
	check := func(what string, found []string, want []string, known int) {
		t.Helper()
		fresh, n, err := news(a, f, "audit", found, func(s string) string { return strings.TrimPrefix(s, "-") })
		if diff := cmp.Diff(want, fresh); err != nil || n != known || diff != "" {
			t.Errorf("%s: %v, %d known (-want +got):\n%s", what, err, n, diff)
		}
	}
	check("the first time", []string{"a", "b"}, []string{"a", "b"}, 0)
	check("again", []string{"b", "a", "c"}, []string{"c"}, 2)
	check("one has gone", []string{"a"}, nil, 1)
	check("and is back", []string{"a", "b"}, []string{"b"}, 1)
	check("a second one of a name, as another disk of the machine", []string{"a", "a", "b"}, []string{"a", "a"}, 1)
	check("both again", []string{"a", "b", "a"}, nil, 3)
	check("one of them has gone", []string{"a", "b"}, nil, 2)
	check("what has no name is never told", []string{"-", "a"}, nil, 1)
	if err := os.WriteFile(file, []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("a file that can't be read", []string{"a"}, []string{"a"}, 0)
	if !strings.Contains(said.String(), "can't be read, so all is new") {
		t.Errorf("it isn't said: %q", said.String())
	}
	if err := os.WriteFile(file, []byte(`{"version":1,"known":["a"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	check("another version's", []string{"a"}, []string{"a"}, 0)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	fresh, _, err := news(a, f, "diagnose", []string{"a"}, func(s string) string { return s })
	if err != nil || len(fresh) != 1 {
		t.Errorf("what another kind of check found counts: %q, %v", fresh, err)
	}
}

// TestSameFinding: numbers that differ each time make no news; that it got worse, or that a good gate is bad now, does.
func TestSameFinding(t *testing.T) {
	disk := finding.Finding{Severity: finding.Warning, Rule: "disk-space", Object: "node n1", Evidence: "/ is 91 % full"}
	fuller, critical, other := disk, disk, disk
	fuller.Evidence, critical.Severity, other.Object = "/ is 92 % full", finding.Critical, "node n2"
	for what, tc := range map[string]struct {
		f    finding.Finding
		same bool
	}{"a bit fuller": {fuller, true}, "critical": {critical, false}, "another node": {other, false}} {
		if same := sameFinding(tc.f) == sameFinding(disk); same != tc.same {
			t.Errorf("%s: the same is %v", what, same)
		}
	}
	good, bad := runner.Finding{What: "gate", Why: `"errors" reads 0.01`}, runner.Finding{What: "gate", Why: `"errors" is bad: 2 is more than max = 1`, Refuse: true}
	if sameCheck(good) != "" || sameCheck(bad) == "" {
		t.Errorf("a good gate is %q, a bad one %q", sameCheck(good), sameCheck(bad))
	}
	warns, refuses := runner.Finding{Node: "n1", What: "space", Why: "/var has 87 MiB free"}, runner.Finding{Node: "n1", What: "space", Why: "/var has 87 MiB free", Refuse: true}
	if sameCheck(warns) == sameCheck(refuses) {
		t.Error("what refuses a run now is no news")
	}
}
