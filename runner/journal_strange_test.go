package runner

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

// strangeLine is a whole line with a right checksum.
func strangeLine(object string) string {
	return fmt.Sprintf(`%s,"sum":"%08x"}`+"\n", strings.TrimSuffix(object, "}"), crc32.Checksum([]byte(object), castagnoli))
}

// A journal that a newer fleetup wrote, or went on with, is refused with what to do, and stays as it is: its last line too,
// which isn't torn for being strange.
func TestJournalOfANewerVersion(t *testing.T) {
	first, err := encode(Event{Version: 1, Seq: 1, Time: t0, Event: EventStarted, Run: testRun})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ journal, want string }{
		"all of it": {strangeLine(`{"version":2,"seq":1,"time":"2030-01-01T00:00:00Z","event":"started","run":"` + testRun + `"}`),
			"line 1: version 2 was written by another fleetup, this one knows version 1; use that one"},
		"other members": {strangeLine(`{"version":2,"seq":{"of":1},"at":17}`), "line 1: version 2 was written by another fleetup"},
		"its end": {string(first) + strangeLine(`{"version":2,"seq":[2],"event":"x","run":"`+testRun+`"}`),
			"line 2: version 2 was written by another fleetup"},
		"another type":  {string(first) + strangeLine(`{"version":1,"seq":"2","event":"x","run":"`+testRun+`"}`), "line 2: what it says"},
		"in the middle": {strings.Repeat(strangeLine(`{"version":3,"seq":1}`), 2), "line 1: version 3 was written by another fleetup"},
	} {
		dir := t.TempDir()
		path, _ := JournalPath(dir, testRun)
		if err := os.WriteFile(path, []byte(test.journal), 0o600); err != nil {
			t.Fatal(err)
		}
		if j, p, _, err := Open(path); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: opened: %v %+v %v", name, j != nil, p, err)
		}
		if _, _, _, err := ReadJournal(path); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: read: %v", name, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != test.journal {
			t.Errorf("%s: it was changed: %q %v", name, after, err)
		}
	}
}

// What a journal's disk refuses is said with what to do about it.
func TestJournalTellsTheWayOut(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{syscall.ENOSPC, "free some space"}, {syscall.EDQUOT, "free some space"}, {syscall.EROFS, "--state-dir"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, "--state-dir"}, {syscall.EPERM, "--state-dir"},
	} {
		if got := wayOut(test.err).Error(); !strings.HasPrefix(got, test.err.Error()) || !strings.Contains(got, test.want) {
			t.Errorf("%v: %s", test.err, got)
		}
	}
	if _, err := Create("/proc/fleetup", testRun); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("a folder that can't be made: %v", err)
	}
	j := onDisk(&faultyDisk{})
	if err := j.Append(started()); err == nil || !strings.Contains(err.Error(), "no space left on device; free some space on its disk, or name another folder with --state-dir") {
		t.Errorf("a disk that is full from the beginning: %v", err)
	}
	if bytes.Contains(j.file.(*faultyDisk).data, []byte("{")) {
		t.Error("half a line was left")
	}
}
