package playbooks

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestPower: hardware work is asked for once all else is done, until its own check says that it was; no script of ours does it, and none
// takes it back.
func TestPower(t *testing.T) {
	t.Parallel()
	const source = "[params]\ndisk = {}\n[[steps]]\nname = \"a new NIC\"\npower = \"hold\"\ncheck = \"test -e /etc/exchanged\"\nexpect = [\"nic +-1\", \"{{.disk}}\"]\n"
	m := newMachine(t, "apt")
	s := own(t, source, map[string]any{"disk": "disk +1"})[0]
	if traits := s.Traits(); !traits.Holds || !traits.Disruptive || s.Undoable() == "" {
		t.Errorf("%+v, undoable %q", traits, s.Undoable())
	}
	if got := s.(Holder).Expect(); !slices.Equal(got, []string{"nic +-1", "disk +1"}) {
		t.Errorf("expects %q", got)
	}
	if got := check(t, s, m); got.Clean || got.Reboot || got.Changes[0] != "a new NIC: turned off and held, for hardware work" {
		t.Errorf("before: %+v", got)
	}
	if err := s.Apply(t.Context(), m, nil); err == nil {
		t.Error("a script did hardware work")
	}
	m.write("etc/exchanged", "")
	if got := check(t, s, m); !got.Clean {
		t.Errorf("after: %+v", got)
	}
	for keys, want := range map[string]string{
		"power = \"off\"\ncheck = \"true\"\n":                      `"off": a run turns a machine off only to hold it for hardware work`,
		"power = \"hold\"\ncheck = \"true\"\ndisruptive = false\n": "a machine that is turned off has to be drained",
	} {
		book, err := load(t, "[[steps]]\n"+keys)
		if err == nil {
			_, err = book.Bind(nil, Target{})
		}
		var problems Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", keys, err, want)
		}
	}
}

// TestDownload: a file is fetched where it differs from what is here, and one that isn't there is a problem before anything is touched.
func TestDownload(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "apt")
	to := t.TempDir() + "/n1.log"
	s := own(t, "[params]\nto = {}\n[[steps]]\ndownload = { from = \"/etc/flash.log\", to = \"{{.to}}\" }\n", map[string]any{"to": to})[0]
	if got := check(t, s, m); got.Clean || len(got.Problems) != 1 || got.Problems[0] != "no file /etc/flash.log" {
		t.Errorf("no file: %+v", got)
	}
	m.write("etc/flash.log", "flashed")
	for _, want := range []bool{false, true} {
		if got := check(t, s, m); got.Clean != want || len(got.Problems) > 0 {
			t.Errorf("fetched %v: %+v", want, got)
		}
		apply(t, s, m)
	}
	m.write("etc/flash.log", "flashed again")
	if got := check(t, s, m); got.Clean {
		t.Error("what differs counts as fetched")
	}
	if s.Traits().Disruptive || s.Undoable() != "" {
		t.Errorf("%+v, %q", s.Traits(), s.Undoable())
	}
}

// TestPackageForeseen: what is known of an installation before anything is touched, and what isn't.
func TestPackageForeseen(t *testing.T) {
	t.Parallel()
	const refused = "fleetup goes back only where it came from (rollback)"
	lists := func(versions ...string) index { return index{versions: map[string][]string{"kubelet": versions}} }
	to := func(version string) map[string]string { return map[string]string{"kubelet": version} }
	for _, tc := range []struct {
		name            string
		p               plan
		has             state
		problem, change string
	}{
		{"an upgrade", plan{versions: to("1.37.2-1.1")}, state{version: "1.36.4-1.1"}, "", "kubelet 1.36.4-1.1 → 1.37.2-1.1"},
		{"a first installation", plan{versions: to("1.37.2-1.1")}, state{}, "", "kubelet → 1.37.2-1.1"},
		{"half installed", plan{versions: to("1.37.2-1.1")}, state{version: "1.37.2-1.1", broken: "half-configured"}, "", "kubelet 1.37.2-1.1 (half-configured) → 1.37.2-1.1"},
		{"back", plan{versions: to("1.37.2-1.1")}, state{version: "1.38.0-1.1"}, "kubelet 1.38.0-1.1 is newer than 1.37.2-1.1: " + refused, "kubelet 1.38.0-1.1 → 1.37.2-1.1"},
		{"back, by an epoch", plan{versions: to("1.37.2-1.1")}, state{version: "1:1.36.0-1"}, "kubelet 1:1.36.0-1 is newer than 1.37.2-1.1: " + refused, "kubelet 1:1.36.0-1 → 1.37.2-1.1"},
		{"back to what this step replaced", plan{versions: to("1.37.2-1.1"), before: to("1.37.2-1.1")}, state{version: "1.38.0-1.1"}, "", "kubelet 1.38.0-1.1 → 1.37.2-1.1"},
		{"further back than that", plan{versions: to("1.37.2-1.1"), before: to("1.37.5-1.1")}, state{version: "1.38.0-1.1"}, "kubelet 1.38.0-1.1 is newer than 1.37.2-1.1: " + refused, "kubelet 1.38.0-1.1 → 1.37.2-1.1"},
		{"back to what no list has", plan{versions: to(""), refresh: []source{{}}}, state{version: "5:1.38.0-1"}, "kubelet 5:1.38.0-1 is newer than 1.37.2: " + refused, "kubelet 5:1.38.0-1 → 1.37.2"},
		{"nowhere", plan{versions: to(""), index: lists("1.36.9-1.1", "1.36.10-1.1")}, state{version: "1.36.4-1.1"},
			"no repository of this machine has kubelet 1.37.2; the newest there is 1.36.10-1.1", "kubelet 1.36.4-1.1 → 1.37.2"},
		{"nothing of it anywhere", plan{versions: to("")}, state{}, "no repository of this machine has kubelet 1.37.2, nor any other version of it", "kubelet → 1.37.2"},
		{"nowhere, the new lists too", plan{versions: to(""), index: lists("1.36.9-1.1"), refresh: []source{{}}, looked: true, seen: map[string][]string{"kubelet": {"1.37.1-1.1"}}},
			state{version: "1.36.4-1.1"}, "no repository has kubelet 1.37.2; the newest there is 1.37.1-1.1", "kubelet 1.36.4-1.1 → 1.37.2"},
		{"new lists that could not be looked into", plan{versions: to(""), refresh: []source{{}}}, state{version: "1.36.4-1.1"}, "", "kubelet 1.36.4-1.1 → 1.37.2"},
	} {
		if got := tc.p.problemOf("kubelet", "1.37.2", tc.has); got != tc.problem {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.problem)
		}
		if got := tc.p.changeOf("kubelet", "1.37.2", tc.has); got != tc.change {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.change)
		}
	}
}
