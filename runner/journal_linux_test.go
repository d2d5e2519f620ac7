package runner

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestJournalReserves: the space is really taken on the disk, and readers see nothing of it.
func TestJournalReserves(t *testing.T) {
	probe, err := os.Create(filepath.Join(t.TempDir(), "probe"))
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	if err := (diskFile{probe}).Reserve(0, 4096); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this file system can't set space aside")
	}
	path := write(t, t.TempDir(), everyKind()[:1])
	for _, when := range []string{"created", "opened again"} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if taken := info.Sys().(*syscall.Stat_t).Blocks * 512; taken < reserve/2 || info.Size() > 1000 {
			t.Errorf("%s: %d bytes taken, size %d", when, taken, info.Size())
		}
		if j, _, _, err := Open(path); err != nil {
			t.Fatal(err)
		} else {
			j.Close()
		}
	}
}
