package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kindsOfVersion1 are all kinds of events that were ever written.
var kindsOfVersion1 = []Kind{
	EventStarted, EventResumed, EventAdopted, EventOrder, EventPhase, EventStep, EventChanged, EventWaiting, EventSaid, EventHook,
	EventBlocked, EventFailed, EventThrough, EventBack, EventDone, EventSkipped, EventHeld, EventRetried, EventGate, EventSoak,
	EventSoaked, EventTurned, EventHalted, EventEndpoints, EventProof, EventInterrupted, EventFinished,
}

// TestOldJournals: runs that were written once, one of each way that a run can take, are read for ever, and fold into what
// they did then: NAME.progress.json beside each. -update-golden writes only those that are missing; a journal stays as it is.
func TestOldJournals(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "journal", "runs", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatal("no journal", err)
	}
	seen, known := map[Kind]bool{}, map[Kind]bool{}
	for _, k := range kindsOfVersion1 {
		known[k] = true
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), extension), func(t *testing.T) {
			events, p, note, err := ReadJournal(file)
			if err != nil || note != "" {
				t.Fatalf("%v, note %q", err, note)
			}
			for _, e := range events {
				if seen[e.Event] = true; !known[e.Event] {
					t.Errorf("%s is a kind of its own", e.Event)
				}
			}
			golden := strings.TrimSuffix(file, extension) + ".progress.json"
			if _, err := os.Stat(golden); *updateGolden && os.IsNotExist(err) {
				text, err := json.MarshalIndent(p, "", "\t")
				if err == nil {
					err = os.WriteFile(golden, append(text, '\n'), 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(golden)
			var want Progress
			if err == nil {
				err = json.Unmarshal(text, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, p); diff != "" {
				t.Errorf("-then +now:\n%s", diff)
			}
		})
	}
	for _, k := range kindsOfVersion1 {
		if !seen[k] {
			t.Errorf("no journal has a %q event", k)
		}
	}
	for k := range nodeChanges {
		if !known[k] {
			t.Errorf("%q changes a node, and no journal is kept that has one: add it to kindsOfVersion1", k)
		}
	}
	for k := range runChanges {
		if !known[k] {
			t.Errorf("%q changes a run, and no journal is kept that has one: add it to kindsOfVersion1", k)
		}
	}
}
