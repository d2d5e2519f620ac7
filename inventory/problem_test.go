package inventory

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProblemForm(t *testing.T) {
	for _, tc := range []struct {
		problem Problem
		want    string
	}{
		{Problem{"inventory.toml", 12, "drain.grace_perod", "unknown key"}, "inventory.toml:12: drain.grace_perod: unknown key"},
		{Problem{"inventory.toml", 0, "hosts", "missing"}, "inventory.toml: hosts: missing"},
		{Problem{"inventory.toml", 3, "", "not TOML"}, "inventory.toml:3: not TOML"},
		{Problem{"--set", 0, "drain.force", "must be true or false"}, "--set drain.force: must be true or false"},
	} {
		if got := tc.problem.Error(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
	wrapped := fmt.Errorf("plan: %w", Problems{{"f", 1, "a", "b"}, {"f", 2, "c", "d"}})
	var problems Problems
	if !errors.As(wrapped, &problems) || len(problems) != 2 || wrapped.Error() != "plan: f:1: a: b\nf:2: c: d" {
		t.Errorf("wrapped: %v", wrapped)
	}
}

func TestProblemsAreSorted(t *testing.T) {
	got := Problems{{"--set", 0, "a", "x"}, {"f", 9, "b", "x"}, {"f", 2, "d", "1"}, {"f", 2, "d", "1"}, {"f", 2, "c", "2"}, {"f", 0, "e", "x"}}.sorted()
	want := Problems{{"f", 0, "e", "x"}, {"f", 2, "d", "1"}, {"f", 2, "c", "2"}, {"f", 9, "b", "x"}, {"--set", 0, "a", "x"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPos(t *testing.T) {
	fleet := mustParse(t, layered, "upgrade.kernel=latest", `hosts."n.x"={}`)
	for _, tc := range []struct {
		key  string
		file string
		line int
	}{
		{"upgrade.kubelet", "fleet.toml", 10},
		{"upgrade.kubelet.version", "fleet.toml", 10},
		{"upgrade.os-patches.security_only", "fleet.toml", 9},
		{"groups.gpu.upgrade.kubelet", "fleet.toml", 14},
		{"groups.gpu.upgrade.kubelet.version", "fleet.toml", 14},
		{"upgrade", "fleet.toml", 8},
		{"upgrade.kernel", "--set", 0},
		{"upgrade.kernel.version", "--set", 0},
		{`hosts."n.x".address`, "--set", 0},
		{`hosts."none.such"`, "fleet.toml", 19},
		{"nowhere.at.all", "fleet.toml", 0},
		{"", "fleet.toml", 0},
	} {
		if file, line := fleet.Pos(tc.key); file != tc.file || line != tc.line {
			t.Errorf("Pos(%s) = %s:%d, want %s:%d", tc.key, file, line, tc.file, tc.line)
		}
	}
	if got, want := fleet.Problem("upgrade.kubelet", "no such version").Error(), "fleet.toml:10: upgrade.kubelet: no such version"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if file, line := (&Fleet{}).Pos("name"); file != "" || line != 0 {
		t.Errorf("a fleet made by hand: %s:%d", file, line)
	}
}

func TestRequire(t *testing.T) {
	for _, tc := range []struct {
		src              string
		upgrade, cluster bool
		want             string
	}{
		{oneHost, false, false, ""},
		{oneHost, true, true, "cluster upgrade "},
		{oneHost, false, true, "cluster "},
		{"[cluster]\n" + oneHost, true, true, "upgrade "},
		{"[cluster]\n[upgrade]\n" + oneHost, true, true, "upgrade "},
		{"[cluster]\n[upgrade]\nreboot = \"always\"\n" + oneHost, true, true, "upgrade "},
		{"[cluster]\n[upgrade]\nkubelet = \"1\"\n" + oneHost, true, true, ""},
		{"[cluster]\n[groups.g.upgrade]\nkubelet = \"1\"\n" + oneHost, true, true, "upgrade "},
		{"[cluster]\n[groups.g.upgrade]\nkubelet = \"1\"\n[hosts]\nn1.groups = [\"g\"]\n", true, true, ""},
	} {
		err := mustParse(t, tc.src).Require(tc.upgrade, tc.cluster)
		var got string
		if err != nil {
			for _, p := range problemsOf(t, err) {
				got += p.Key + " "
			}
		}
		if got != tc.want {
			t.Errorf("%s Require(%v, %v) = %q, want %q", tc.src, tc.upgrade, tc.cluster, got, tc.want)
		}
	}
}

func TestParent(t *testing.T) {
	for key, want := range map[string]string{
		"": "", "a": "", "a.b": "a", "a.b.c": "a.b", `hosts."n[1-2].x"`: "hosts", `hosts."n[1-2]".port`: `hosts."n[1-2]"`,
		"verify.http[0].url": "verify.http[0]", "verify.http[0]": "verify.http", `a."q\".\"".b`: `a."q\".\""`,
	} {
		if got := parent(key); got != want {
			t.Errorf("parent(%s) = %s, want %s", key, got, want)
		}
	}
}

// What a later reader finds of a key that is wrong already is the same mistake once more, and left out.
func TestProblemsWith(t *testing.T) {
	known := Problems{
		{File: "a.toml", Line: 3, Key: "upgrade.kubelet", Message: "must be a string"},
		{File: setFile, Key: "drain.timeout", Message: "no duration"},
		{File: "a.toml", Line: 9, Message: "no key to it"},
	}
	got := known.With(Problems{
		{File: "playbooks/own.toml", Line: 1, Key: "steps", Message: "missing"},
		{File: "a.toml", Line: 3, Key: "upgrade.kubelet.version", Message: "missing"},
		{File: "a.toml", Line: 3, Key: "upgrade.kubelet", Message: "unknown"},
		{File: setFile, Key: "drain.timeout", Message: "twice"},
		{File: "a.toml", Line: 2, Key: "upgrade", Message: "around it"},
		{File: "a.toml", Line: 3, Key: "upgrade.kernl", Message: "beside it"},
	})
	want := "a.toml:2: upgrade: around it\na.toml:3: upgrade.kubelet: must be a string\na.toml:3: upgrade.kernl: beside it\n" +
		"a.toml:9: no key to it\nplaybooks/own.toml:1: steps: missing\n--set drain.timeout: no duration"
	if got.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", got.Error(), want)
	}
	if len(known) != 3 || known[0].Key != "upgrade.kubelet" {
		t.Errorf("what was known has changed: %v", known)
	}
}

// A draft has a host for every entry, however wrong, so that whoever reads on sees all playbooks that are asked for.
func TestDraft(t *testing.T) {
	for src, want := range map[string]string{
		"[hosts]\nn1 = { address = \"a b\" }\nn2 = { port = 0 }\n[upgrade]\nkubelet = 1\n":                          " [kubelet]; n2 [kubelet]",
		"[hosts]\nn1 = 3\n[upgrade]\nkernel = \"latest\"\n[groups.g.upgrade]\nfirmware = {}\n":                      " [kernel firmware]",
		"[hosts]\n\"n[1-2]\" = { node = \"x[1-3]\", groups = [\"g\"] }\n[groups.g.upgrade]\nfirmware = { v = 1 }\n": " [firmware]",
	} {
		fleet, err := parse("fleet.toml", []byte(src), nil)
		problemsOf(t, err)
		var got []string
		for _, h := range fleet.Hosts {
			var books []string
			for _, u := range h.Upgrade {
				books = append(books, u.Playbook)
			}
			got = append(got, fmt.Sprintf("%s %v", h.Name, books))
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s%q, want %q", src, strings.Join(got, "; "), want)
		}
	}
	if fleet, err := parse("fleet.toml", []byte("= 1"), nil); fleet != nil || err == nil {
		t.Errorf("a fleet of what is no TOML: %v, %v", fleet, err)
	}
}
