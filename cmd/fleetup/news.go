package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/finding"
)

// onlyNewHelp is of the flag that regular checks are given.
const onlyNewHelp = "for regular checks: say, and notify, what the last one with this flag didn't find"

// lastTime is what a regular check keeps for the next one: its findings, by what makes each the same another time.
type lastTime struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Known   []string  `json:"known"`
}

// lastVersion is that of lastTime. Another one's is as good as none: all is new then.
const lastVersion = 2

// sameCheck: a finding of check is the same if all that it says is. What a good gate reads is never news: it differs each time,
// so it has no name.
func sameCheck(f runner.Finding) string {
	if f.What == "gate" && !f.Refuse {
		return ""
	}
	return fmt.Sprintf("%s %v", f, f.Refuse)
}

// sameFinding: one of audit or diagnose is the same while it is about the same thing and as bad: its numbers differ each time.
func sameFinding(f finding.Finding) string {
	return fmt.Sprintf("%s %s: %s", f.Severity, f.Rule, f.Object)
}

// news are the findings that the last regular check of this kind didn't have, and how many it had; all that have a name are kept
// for the next one. Of findings of one name, as of two disks of a machine, nobody can tell the new one: where they are more than
// last time all of them are told.
func news[T any](a *app, f *inventory.Fleet, kind string, findings []T, name func(T) string) (fresh []T, known int, err error) {
	dir, err := a.stateDir(f.Name)
	if err != nil {
		return nil, 0, err
	}
	file := filepath.Join(dir, "last-"+kind+".json")
	last := a.lastTime(file)
	now := lastTime{Version: lastVersion, Time: time.Now().UTC()}
	more := map[string]int{}
	for _, x := range findings {
		if id := name(x); id != "" {
			now.Known = append(now.Known, id)
			more[id]++
		}
	}
	for _, id := range last.Known {
		more[id]--
	}
	for _, x := range findings {
		switch id := name(x); {
		case id == "":
		case more[id] > 0:
			fresh = append(fresh, x)
		default:
			known++
		}
	}
	text, err := json.Marshal(now)
	if err != nil {
		return nil, 0, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, exitWith(exitFailed, err)
	}
	return fresh, known, exitWith(exitFailed, renameio.WriteFile(file, text, 0o600))
}

// lastTime reads what the last regular check kept; one that can't be read is said, and none.
func (a *app) lastTime(file string) (last lastTime) {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &last)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(paper(a.err), "note: %s can't be read, so all is new: %v\n", file, err)
	}
	if last.Version != lastVersion {
		return lastTime{}
	}
	return last
}

// tellNews tells those people who want to hear of failures, and waits until they were told.
func (a *app) tellNews(f *inventory.Fleet, kind string, lines []string) {
	if len(lines) == 0 {
		return
	}
	people := a.teller(f, nil, func(text string) { fmt.Fprintln(paper(a.err), "note: "+text) })
	people.send("failed", fmt.Sprintf("%s found something new", kind), strings.Join(lines, "\n"))
	people.close()
}

// newFindings are those of audit or diagnose that the last one with --only-new didn't have: told, and notified where they are
// more than to know. more says how many it had.
func (a *app) newFindings(f *inventory.Fleet, kind string, list []finding.Finding) (fresh []finding.Finding, more string, err error) {
	fresh, known, err := news(a, f, kind, list, sameFinding)
	if err != nil {
		return nil, "", err
	}
	finding.Sort(fresh)
	var lines []string
	for _, x := range fresh {
		if x.Severity > finding.Info {
			lines = append(lines, fmt.Sprintf("%s %s: %s: %s", x.Severity, x.Object, x.Rule, x.Evidence))
		}
	}
	a.tellNews(f, kind, lines)
	if known > 0 {
		more = plural(known, "finding") + " as last time"
	}
	return fresh, more, nil
}
