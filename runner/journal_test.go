package runner

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var updateGolden = flag.Bool("update-golden", false, "write the journal's golden file anew: only together with a new version")

// everyKind is a run in which each kind of event happens.
func everyKind() []Event {
	return numbered(
		Event{Event: EventAdopted, Node: "n9", Order: OrderUpgrade, Data: map[string]string{dataFailed: "no boot"}},
		Event{Event: EventOrder, Node: "n1", Order: OrderUpgrade},
		Event{Event: EventPhase, Node: "n1", Phase: "drain"},
		Event{Event: EventWaiting, Node: "n1", Message: `budget shop/web needs 3 healthy pods and has 3 <"&'>`},
		Event{Event: EventStep, Node: "n1", Phase: "apply", Step: "kubelet"},
		Event{Event: EventChanged, Node: "n1", Step: "kubelet", Message: "1.36.4 → 1.37.2"},
		Event{Event: EventDone, Node: "n1"},
		Event{Event: EventOrder, Node: "n2", Order: OrderUpgrade},
		Event{Event: EventBlocked, Node: "n2", Message: "budget shop/web"},
		Event{Event: EventSkipped, Node: "n3", Message: "cordoned by somebody else"},
		Event{Event: EventOrder, Node: "n4", Order: OrderUpgrade},
		Event{Event: EventFailed, Node: "n4", Phase: "reboot", Message: "line one\nline two\u2028"},
		Event{Event: EventRetried, Node: "n4"},
		Event{Event: EventHalted, Message: "node n4 failed"},
		Event{Event: EventInterrupted},
		Event{Event: EventSaid, Message: "hello"},
		Event{Event: EventResumed},
		Event{Event: EventOrder, Node: "n4", Order: OrderUpgrade},
		Event{Event: EventDone, Node: "n4", Message: "up to date"},
		Event{Event: EventFinished, Data: map[string]string{"exit": "0"}},
	)
}

func write(t *testing.T, dir string, events []Event) string {
	t.Helper()
	j, err := Create(dir, simRun)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, e := range events {
		e.Seq, e.Version, e.Run = 0, 0, "" // Append's to fill in
		if err := j.Append(&e); err != nil {
			t.Fatal(err)
		}
	}
	return j.Path()
}

func foldAll(t *testing.T, events []Event) Progress {
	t.Helper()
	var p Progress
	for _, e := range events {
		if err := p.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// TestJournalGolden pins version 1: what was written once must be read for ever, and is written so still.
func TestJournalGolden(t *testing.T) {
	golden := filepath.Join("testdata", "journal", simRun+".jsonl")
	written, err := os.ReadFile(write(t, t.TempDir(), everyKind()))
	if err != nil {
		t.Fatal(err)
	}
	if *updateGolden {
		if err := os.WriteFile(golden, written, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(string(want)), lines(string(written))); diff != "" {
		t.Errorf("the format changed: -want +got:\n%s", diff)
	}
	events, p, note, err := ReadJournal(golden)
	if err != nil || note != "" {
		t.Fatalf("read: %v, note %q", err, note)
	}
	if diff := cmp.Diff(everyKind(), events); diff != "" {
		t.Errorf("events: -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(foldAll(t, everyKind()), p); diff != "" {
		t.Errorf("progress: -want +got:\n%s", diff)
	}
}

// TestFault02JournalCutAtEveryByte cuts a journal at every byte: what is left is the story up to the last whole line, a cut
// line is said, and the run goes on from there as if the rest had never been.
func TestFault02JournalCutAtEveryByte(t *testing.T) {
	events := everyKind()[:8]
	whole, err := os.ReadFile(write(t, t.TempDir(), events))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), simRun+".jsonl")
	for cut := range len(whole) + 1 {
		kept := bytes.Count(whole[:cut], []byte("\n"))
		torn := cut > 0 && whole[cut-1] != '\n'
		if p, _, said, end, err := fold(bytes.NewReader(whole[:cut]), path); err != nil || p.Seq != kept || torn != (said != "") || torn == (end == int64(cut)) {
			t.Fatalf("cut at %d: seq %d, torn %q, end %d, error %v", cut, p.Seq, said, end, err)
		}
		if cut%19 != 0 && whole[max(cut-1, 0)] != '\n' {
			continue // each of the following costs two fsyncs
		}
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		j, p, note, err := Open(path)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if diff := cmp.Diff(foldAll(t, events[:kept]), p); diff != "" || torn != (note != "") {
			t.Fatalf("cut at %d: note %q, -want +got:\n%s", cut, note, diff)
		}
		goesOn(t, j, events[kept%len(events)], whole, kept, len(events))
	}
}

// goesOn appends the event after the kept ones, and expects the file to be as if it had never been cut.
func goesOn(t *testing.T, j *Journal, next Event, whole []byte, kept, all int) {
	t.Helper()
	defer j.Close()
	want := bytes.SplitAfter(whole, []byte("\n"))
	if kept == all {
		next, kept = Event{}, all-1
	} else if err := j.Append(&next); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(j.Path())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, bytes.Join(want[:kept+1], nil)) {
		t.Fatalf("after %d kept lines the file is\n%s", kept, got)
	}
}

func TestJournalDamaged(t *testing.T) {
	whole, err := os.ReadFile(write(t, t.TempDir(), everyKind()[:5]))
	if err != nil {
		t.Fatal(err)
	}
	all := bytes.SplitAfter(whole, []byte("\n"))
	tests := map[string]struct {
		content []byte
		want    string // of the error; "" none
		note    string
	}{
		"a flipped bit in the middle": {bytes.Replace(whole, []byte(`"adopted"`), []byte(`"adoptee"`), 1), "line 2 is damaged: its checksum doesn't match", ""},
		"a flipped bit at the end":    {bytes.Replace(whole, []byte(`"waiting"`), []byte(`"waitinh"`), 1), "", "its last line 5 isn't whole"},
		"a line taken out":            {slices.Concat(all[0], all[2]), "line 2: run " + simRun + ": event 3 (order): event 2 is expected here", ""},
		"a line put in":               {slices.Concat(all[0], []byte("{}\n"), all[1]), "line 2 is damaged: it doesn't end with a checksum", ""},
		"an empty line":               {slices.Concat(all[0], []byte("\n"), all[1]), "line 2 is damaged", ""},
		"zeros at the end":            {slices.Concat(all[0], make([]byte, 4096)), "", "its last line 2 isn't whole: its end is missing"},
		"nothing":                     {nil, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), simRun+".jsonl")
			if err := os.WriteFile(path, tt.content, 0o600); err != nil {
				t.Fatal(err)
			}
			_, _, readNote, readErr := ReadJournal(path)
			j, _, note, err := Open(path)
			if err == nil {
				j.Close()
			}
			for _, err := range []error{err, readErr} {
				if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
			}
			for _, note := range []string{note, readNote} {
				if (tt.note == "") != (note == "") || !strings.Contains(note, tt.note) {
					t.Errorf("note %q, want %q", note, tt.note)
				}
			}
		})
	}
}

func TestJournalOneWriter(t *testing.T) {
	dir := t.TempDir()
	j, err := Create(dir, simRun)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := Open(j.Path()); err == nil || !strings.Contains(err.Error(), "another fleetup on this machine is writing it") {
		t.Errorf("a second writer: %v", err)
	}
	if _, err := Create(dir, simRun); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second journal of one run: %v", err)
	}
	if _, _, _, err := ReadJournal(j.Path()); err != nil {
		t.Errorf("a reader beside the writer: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again, _, _, err := Open(j.Path())
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestJournalRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Create(dir, "../../etc/passwd"); err == nil {
		t.Error("a run id that is a path was accepted")
	}
	j, err := Create(dir, simRun)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.Append(&Event{Event: EventStarted}); err == nil || !strings.Contains(err.Error(), "without a time") {
		t.Errorf("an event without a time: %v", err)
	}
	if err := j.Append(&Event{Event: EventStarted, Time: t0, Run: "other"}); err == nil || !strings.Contains(err.Error(), "event of run other") {
		t.Errorf("another run's event: %v", err)
	}
	renamed := filepath.Join(dir, "20260101-000000-0000.jsonl")
	if err := os.Rename(write(t, t.TempDir(), everyKind()[:2]), renamed); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := Open(renamed); err == nil || !strings.Contains(err.Error(), "holds run "+simRun) {
		t.Errorf("another run's journal: %v", err)
	}
}

// TestJournalFollow reads along while the journal is written, also half a line, and a torn one that is replaced.
func TestJournalFollow(t *testing.T) {
	events := everyKind()
	path := write(t, t.TempDir(), events[:3])
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := newJournalReader(f)
	next := func(want int) {
		t.Helper()
		e, err := r.Next()
		if want == 0 && err == io.EOF || err == nil && e.Seq == want {
			return
		}
		t.Fatalf("event %+v, error %v, want event %d", e, err, want)
	}
	for _, want := range []int{1, 2, 3, 0, 0} {
		next(want)
	}
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString(`{"version":1,"seq":4,"a line that is torn much further to the right than the one that replaces it":"` + strings.Repeat("x", 300)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	next(0)
	j, _, note, err := Open(path)
	if err != nil || note == "" {
		t.Fatalf("%v, note %q", err, note)
	}
	defer j.Close()
	for i, want := range []int{4, 5, 6} {
		if err := j.Append(&events[3+i]); err != nil {
			t.Fatal(err)
		}
		next(want)
		next(0)
	}
}

// TestJournalFollowReplacedLine: a whole line that is damaged stands at the end, and the next run puts another there.
func TestJournalFollowReplacedLine(t *testing.T) {
	first, err := encode(numbered()[0])
	if err != nil {
		t.Fatal(err)
	}
	second, err := encode(numbered(Event{Event: EventSaid})[1])
	if err != nil {
		t.Fatal(err)
	}
	f := &growing{slices.Concat(first, []byte("damaged\n"))}
	r := newJournalReader(f)
	if e, err := r.Next(); err != nil || e.Seq != 1 {
		t.Fatal(e, err)
	}
	if e, err := r.Next(); err != io.EOF {
		t.Fatal(e, err)
	}
	f.data = slices.Concat(first, second)
	if e, err := r.Next(); err != nil || e.Seq != 2 {
		t.Error(e, err)
	}
}

// growing is a file that may change between two reads.
type growing struct{ data []byte }

func (g *growing) ReadAt(b []byte, off int64) (int, error) {
	return bytes.NewReader(g.data).ReadAt(b, off)
}

func TestJournalModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "prod-east")
	path := write(t, dir, everyKind()[:1])
	for path, want := range map[string]os.FileMode{path: 0o600, dir: 0o700 | os.ModeDir, filepath.Dir(dir): 0o700 | os.ModeDir} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, error %v, want %v", path, info.Mode(), err, want)
		}
	}
}

// TestJournalConcurrently appends from many goroutines; the numbers have no gaps.
func TestJournalConcurrently(t *testing.T) {
	path := write(t, t.TempDir(), everyKind()[:1])
	j, _, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if err := j.Append(&Event{Event: EventSaid, Time: time.Now()}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	j.Close()
	if _, p, note, err := ReadJournal(path); err != nil || note != "" || p.Seq != 161 {
		t.Errorf("%d events, note %q, error %v", p.Seq, note, err)
	}
}

func TestRunIDs(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)
	zone := time.FixedZone("", 8*3600)
	earlier, later := NewRunID(t0.In(zone)), NewRunID(t0.Add(time.Second))
	if !valid.MatchString(earlier) || !runID.MatchString(earlier) || !strings.HasPrefix(earlier, "20261123-190102-") {
		t.Errorf("run id %q", earlier)
	}
	if earlier >= later {
		t.Errorf("%q doesn't sort before %q", earlier, later)
	}
}

func TestLatest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd [name]*")
	if path, ok := Latest(dir); ok {
		t.Errorf("latest of no folder: %q", path)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"20261123-190102-7f3a.jsonl", "20261124-000000-0000.jsonl", "20251231-235959-ffff.jsonl", "zzz.jsonl", "20270101-000000-0000.html"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if path, ok := Latest(dir); !ok || filepath.Base(path) != "20261124-000000-0000.jsonl" {
		t.Errorf("latest: %q, %v", path, ok)
	}
	if path, ok := JournalPath(dir, "20261123-190102-7f3a"); !ok || filepath.Dir(path) != dir {
		t.Errorf("journal path: %q, %v", path, ok)
	}
	if _, ok := JournalPath(dir, "20990101-000000-0000"); ok {
		t.Error("a journal that isn't there was found")
	}
}

// FuzzJournal reads anything: never a panic, and what is read of it stays the same when only the whole lines are read.
func FuzzJournal(f *testing.F) {
	var whole []byte
	for _, e := range everyKind() {
		line, err := encode(e)
		if err != nil {
			f.Fatal(err)
		}
		whole = append(whole, line...)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-7])
	f.Add([]byte("{}\n"))
	f.Add([]byte(`,"sum":"00000000"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, events, torn, end, err := fold(bytes.NewReader(data), "x")
		if err != nil {
			return
		}
		if torn == "" && end != int64(len(data)) || len(events) != p.Seq {
			t.Fatalf("torn %q, %d of %d bytes, %d events, seq %d", torn, end, len(data), len(events), p.Seq)
		}
		again, _, torn, _, err := fold(bytes.NewReader(data[:end]), "x")
		if diff := cmp.Diff(p, again); err != nil || torn != "" || diff != "" {
			t.Fatalf("whole lines alone: %v, torn %q, %s", err, torn, diff)
		}
	})
}
