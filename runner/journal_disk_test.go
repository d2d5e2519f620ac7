package runner

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// faultyDisk is a disk that fills up or fails: space is what may still be written beyond what is set aside.
type faultyDisk struct {
	data     []byte
	space    int
	aside    int64
	syncErr  error
	truncErr error
	unable   bool // to set space aside
}

func (d *faultyDisk) WriteAt(b []byte, off int64) (int, error) {
	fits := min(int64(len(b)), max(d.aside-off, 0)+int64(d.space))
	d.data = append(d.data[:off], b[:fits]...)
	d.space -= int(max(off+fits-max(d.aside, off), 0))
	if fits < int64(len(b)) {
		return int(fits), syscall.ENOSPC
	}
	return len(b), nil
}

func (d *faultyDisk) Sync() error { return d.syncErr }

func (d *faultyDisk) Truncate(size int64) error {
	if d.truncErr == nil {
		d.data = d.data[:size]
		d.aside = min(d.aside, size)
	}
	return d.truncErr
}

func (d *faultyDisk) Reserve(off, size int64) error {
	if d.unable {
		return errors.ErrUnsupported
	}
	need := off + size - max(d.aside, off)
	if need > int64(d.space) {
		return syscall.ENOSPC
	}
	d.space -= int(need)
	d.aside = max(d.aside, off+size)
	return nil
}

func (d *faultyDisk) Close() error { return nil }

func onDisk(d *faultyDisk) *Journal {
	j := &Journal{path: "STATE/x/" + simRun + ".jsonl", run: simRun, file: d}
	j.setAside()
	return j
}

func started() *Event { return &Event{Event: EventStarted, Time: t0} }
func said() *Event    { return &Event{Event: EventSaid, Time: t0, Message: "hello"} }

// TestFault03JournalDiskFull: when the disk is full, the journal says so while half of its reserve is still to be written
// to; then it refuses events whole, and takes them again once there is space.
func TestFault03JournalDiskFull(t *testing.T) {
	disk := &faultyDisk{space: reserve + 10}
	j := onDisk(disk)
	appended, warned := 0, 0
	var err error
	for e := started(); ; e = said() {
		if err = j.Append(e); err != nil {
			break
		}
		if appended++; warned == 0 && j.Full() != nil {
			warned = appended
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || warned == 0 || appended-warned < 100 {
		t.Fatalf("%v after %d events, warned after %d", err, appended, warned)
	}
	if full := j.Full(); full == nil || !strings.Contains(full.Error(), "free some space") {
		t.Errorf("full: %v", full)
	}
	p, _, torn, _, err := fold(bytes.NewReader(disk.data), "x")
	if err != nil || torn != "" || p.Seq != appended {
		t.Errorf("%d of %d events, torn %q, error %v", p.Seq, appended, torn, err)
	}
	disk.space = 1 << 20
	if err := errors.Join(j.Full(), j.Append(said())); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if p, _, torn, _, err := fold(bytes.NewReader(disk.data), "x"); err != nil || torn != "" || p.Seq != appended+1 {
		t.Errorf("with space again: %d events, torn %q, error %v", p.Seq, torn, err)
	}
}

// TestJournalWithoutReserve: a file system that can't set space aside is no full one.
func TestJournalWithoutReserve(t *testing.T) {
	j := onDisk(&faultyDisk{space: 1 << 20, unable: true})
	if err := errors.Join(j.Append(started()), j.Full()); err != nil {
		t.Error(err)
	}
}

// TestJournalFsyncFails: after a failed fsync nobody knows what is on the disk, so nothing may follow.
func TestJournalFsyncFails(t *testing.T) {
	disk := &faultyDisk{space: 1 << 20, syncErr: syscall.EIO}
	j := onDisk(disk)
	e := started()
	if err := j.Append(e); !errors.Is(err, syscall.EIO) || e.Seq != 0 {
		t.Errorf("error %v, seq %d", err, e.Seq)
	}
	disk.syncErr = nil
	if err := j.Append(e); err == nil || !strings.Contains(err.Error(), "what is on the disk is unknown") {
		t.Errorf("after a failed fsync: %v", err)
	}
}

// TestJournalHalfLineStays: a half-written line that can't be cut off ends the journal, or the next line would come to
// stand behind it.
func TestJournalHalfLineStays(t *testing.T) {
	disk := &faultyDisk{space: 40, unable: true, truncErr: syscall.EIO}
	j := onDisk(disk)
	if err := j.Append(started()); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	disk.space = 1 << 20
	if err := j.Append(started()); !errors.Is(err, syscall.EIO) {
		t.Errorf("after half a line: %v", err)
	}
}

// A folder where none can be made is an error, whatever the file system calls it: /proc says that it doesn't exist.
func TestJournalWhereNoFolderCanBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/proc/fleetup/state", filepath.Join(file, "state")} {
		if j, err := Create(dir, testRun); err == nil || !strings.HasPrefix(err.Error(), "journal: mkdir ") {
			t.Errorf("%s: %v %v", dir, j, err)
		}
	}
}
