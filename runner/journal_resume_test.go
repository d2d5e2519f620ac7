package runner

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFault02ResumedAtEachLine resumes a run once for each line of its journal, with the line after it torn: as a crash leaves
// it, where no effect is ahead of it, and as a disk that lied about fsync does, which has lost lines of effects that
// happened. `make faults` loses all four amounts at each line, a plain test one of them by turns. Each end is that of an undisturbed run.
func TestFault02ResumedAtEachLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := threeNodes(t)
		_, points := f.processUntil(0)
		undisturbed := f.w.standing()
		resumed := 0
		for kill := 1; kill <= points; kill++ {
			losses := []int{0, 1, 4, points}
			if os.Getenv("FLEETUP_FAULTS") != "all" { // an fsync for each line, each time
				losses = losses[kill%4 : kill%4+1]
			}
			for _, lost := range losses {
				f := threeNodes(t)
				f.processUntil(kill)
				keep := max(1+kill-lost, 1) // the first line began the run
				f.cut(keep)
				end, _ := f.process(nil)
				resumed++
				if d := cmp.Diff(undisturbed, f.w.standing()); d != "" || end.Exit != 0 || !end.Finished {
					t.Errorf("killed at event %d, %d lines kept: end %+v\n%s", kill, keep, end, d)
				}
			}
		}
		t.Logf("shown: resumed at each of %d lines, %d times in all, every end equal", points, resumed)
	})
}

// cut leaves of the journal so many lines and half of the next one.
func (f *fleet) cut(keep int) {
	f.t.Helper()
	path, _ := JournalPath(f.dir, testRun)
	whole, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	kept := slices.Concat(lines[:min(keep, len(lines)-1)]...)
	if keep < len(lines)-1 {
		kept = append(kept, lines[keep][:len(lines[keep])/2]...)
	}
	if err := os.WriteFile(path, kept, 0o600); err != nil {
		f.t.Fatal(err)
	}
}
