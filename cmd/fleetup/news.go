package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/fleetup/fleetup/runner"
)

// lastTime is what a regular check keeps for the next one.
type lastTime struct {
	Version  int              `json:"version"`
	Time     time.Time        `json:"time"`
	Findings []runner.Finding `json:"findings"`
}

// news are the findings that the last regular check of this kind didn't have, and how many it had; all of them are kept for the next one. What a
// good gate reads is never news: it differs each time.
func (s *session) news(kind string, findings []runner.Finding) (fresh []runner.Finding, known int, err error) {
	dir, err := s.app.stateDir(s.fleet.Name)
	if err != nil {
		return nil, 0, err
	}
	file := filepath.Join(dir, "last-"+kind+".json")
	var last lastTime
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &last)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(paper(s.app.err), "note: %s can't be read, so all is new: %v\n", file, err)
	}
	lasting := slices.DeleteFunc(slices.Clone(findings), func(f runner.Finding) bool { return f.What == "gate" && !f.Refuse })
	for _, f := range lasting {
		if slices.Contains(last.Findings, f) {
			known++
		} else {
			fresh = append(fresh, f)
		}
	}
	text, err = json.Marshal(lastTime{1, time.Now().UTC(), lasting})
	if err != nil {
		return nil, 0, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, exitWith(exitFailed, err)
	}
	return fresh, known, exitWith(exitFailed, renameio.WriteFile(file, text, 0o600))
}

// tellNews tells those people who want to hear of failures, and waits until they were told.
func (s *session) tellNews(kind string, fresh []runner.Finding) {
	if len(fresh) == 0 {
		return
	}
	people := s.teller(func(text string) { fmt.Fprintln(paper(s.app.err), "note: "+text) })
	lines := make([]string, len(fresh))
	for i, f := range fresh {
		lines[i] = f.String()
	}
	people.send("failed", fmt.Sprintf("%s found something new", kind), strings.Join(lines, "\n"))
	people.close()
}
