package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestHint: what is proposed names the inventory as a shell takes it, and nothing else is touched.
func TestHint(t *testing.T) {
	a := &app{inventory: "my fleets/prod.toml"}
	for text, want := range map[string]string{
		"paused; `fleetup resume INVENTORY` goes on":         "paused; `fleetup resume 'my fleets/prod.toml'` goes on",
		"`fleetup node release INVENTORY n1` gives it":       "`fleetup node release 'my fleets/prod.toml' n1` gives it",
		"fleetup exec INVENTORY -- 'sysctl x'":               "fleetup exec 'my fleets/prod.toml' -- 'sysctl x'",
		"`fleetup run INVENTORY`, `fleetup abort INVENTORY`": "`fleetup run 'my fleets/prod.toml'`, `fleetup abort 'my fleets/prod.toml'`",
		"the hook's INVENTORY is prod":                       "the hook's INVENTORY is prod",
	} {
		if got := a.hint(text); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if got := (&app{}).hint("fleetup run INVENTORY"); got != "fleetup run INVENTORY" {
		t.Errorf("without an inventory: %s", got)
	}
	a.flags.stateDir = "/srv/$state"
	if got := a.hint("`fleetup run INVENTORY`"); got != "`fleetup run 'my fleets/prod.toml' --state-dir '/srv/$state'`" {
		t.Errorf("with another state: %s", got)
	}
}

// TestHintWithinJSON: a document stays one whatever the file is called.
func TestHintWithinJSON(t *testing.T) {
	var b bytes.Buffer
	a := &app{inventory: "a\"b\\.toml"}
	a.flags.output = "json"
	if err := json.NewEncoder(hinting{&b, a}).Encode(map[string]string{"why": "`fleetup run INVENTORY`"}); err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got["why"] != "`fleetup run 'a\"b\\.toml'`" {
		t.Errorf("%v: %s", err, b.String())
	}
}

// TestHintsNameTheInventory: no text proposes a command that lacks its inventory, in any package.
func TestHintsNameTheInventory(t *testing.T) {
	commands := regexp.MustCompile("`fleetup (run|resume|pause|abort|status|check|plan|report|audit|trust|rollback|diagnose|exec|ssh|job|node [a-z]+|swap [a-z]+|power [a-z]+)\\b([^`]*)`")
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			code, _, _ := strings.Cut(line, "//")
			for _, m := range commands.FindAllStringSubmatch(code, -1) {
				if !strings.Contains(m[2], "INVENTORY") && !strings.Contains(m[2], "--show-thresholds") && !strings.Contains(m[2], "--help") {
					t.Errorf("%s: %s", path, m[0])
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
