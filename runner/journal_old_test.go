package runner

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestOldJournals: real runs that were written once, one of each way that a run can take, are read for ever, and fold into
// what they did then: NAME.state.json beside each. -update-golden never writes the journals themselves.
func TestOldJournals(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "journal", "runs", "*"+extension))
	if err != nil || len(files) == 0 {
		t.Fatal("no journal", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, extension)
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, p, note, err := ReadJournal(file)
			if err != nil || note != "" {
				t.Fatalf("%v, note %q", err, note)
			}
			pinned(t, name+".state.json", stateOf(t, p))
		})
	}
}
