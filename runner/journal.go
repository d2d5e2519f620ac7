package runner

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The journal, version 1.
//
// A run's journal is the file STATE/NAME/RUN.jsonl, mode 0600 in folders of mode 0700: one JSON object a line, each an
// Event, in the order of their seq, which begins at 1 and has no gaps. Lines are only ever added. The last member of
// each line is its checksum:
//
//	{"version":1,"seq":7,"time":"…","event":"phase","run":"…","node":"n3","phase":"drain","sum":"1c291ca3"}
//
// sum is the CRC-32C (Castagnoli) in eight lower-case hexadecimal digits of the line's bytes before `,"sum":` followed
// by `}`: of the object without its sum. A program that doesn't care for it may read the lines as they are.
//
// A line is on the disk before the effect that it announces begins. So what a crash can leave behind is one line that
// isn't whole, at the end, whose effect never began: it is dropped, and said. A line that isn't whole anywhere else means
// that the file was damaged afterwards: an error, for nobody knows what was lost.
//
// Kinds of events and members that a reader doesn't know are to be passed over. Another meaning of what is here now
// would be version 2.

// reserve is how much of the disk is set aside ahead of a journal's end, so that a disk which fills up in the middle of
// a run can still be told what happens to the nodes in flight: a hundred lines at least. It is set aside where the file
// system can do so (not on NFS before 4.2; on btrfs and zfs it is no guarantee).
const reserve = 64 << 10

// Journal is a run's journal, open for appending by this process alone. Its methods may be called from any goroutine.
type Journal struct {
	path string
	run  string

	mu       sync.Mutex
	file     journalFile
	seq      int
	end      int64 // of the last whole line
	reserved int64 // offset up to which the disk is set aside
	full     error // why it couldn't be, the last time
	broken   error // after a failed fsync nobody knows what is on the disk
}

// journalFile is what a journal needs of its file; tests put a faulty disk behind it.
type journalFile interface {
	WriteAt(b []byte, off int64) (int, error)
	Sync() error
	Truncate(size int64) error
	Reserve(off, size int64) error
	Close() error
}

// Create begins the journal of a new run in dir, which is made where it is absent. The file and the folders above it
// that are new are on the disk on return. A run that has a journal already is an error.
func Create(dir, run string) (*Journal, error) {
	if !runID.MatchString(run) {
		return nil, fmt.Errorf("journal: %q is no run id", run)
	}
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("journal: %w", wayOut(err))
	}
	path := filepath.Join(dir, run+extension)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", wayOut(err))
	}
	j := &Journal{path: path, run: run, file: diskFile{f}}
	if err := errors.Join(lock(f, path), f.Sync(), syncDir(dir)); err != nil {
		_ = f.Close()
		return nil, err
	}
	j.setAside()
	return j, nil
}

// Open opens the journal at path to go on with it, and returns what it holds, folded. note is for people, "" in
// general: that the last line was torn by a crash, and was dropped. A journal that another process has open for
// appending is an error, as is one that is damaged anywhere but at its end.
func Open(path string) (j *Journal, p Progress, note string, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, Progress{}, "", fmt.Errorf("journal: %w", wayOut(err))
	}
	j = &Journal{path: path, run: runOf(path), file: diskFile{f}}
	if err = lock(f, path); err == nil {
		p, note, err = j.replay(f)
	}
	if err != nil {
		_ = f.Close()
		return nil, Progress{}, "", err
	}
	j.setAside()
	return j, p, note, nil
}

// replay folds the file and cuts off what a crash left behind its last whole line.
func (j *Journal) replay(f *os.File) (Progress, string, error) {
	p, _, torn, end, err := fold(f, j.path)
	if err != nil {
		return Progress{}, "", err
	}
	if p.Run != "" && p.Run != j.run {
		return Progress{}, "", fmt.Errorf("journal %s: it holds run %s; give the file its name back", j.path, p.Run)
	}
	j.seq, j.end = p.Seq, end
	if torn == "" {
		return p, "", nil
	}
	if err := errors.Join(f.Truncate(end), f.Sync()); err != nil {
		return Progress{}, "", fmt.Errorf("journal %s: cut off its torn last line: %w", j.path, err)
	}
	return p, torn, nil
}

// Append gives e the next Seq and writes it. The caller sets Time; Version and Run are filled in where they are empty.
// Once it returns nil the line survives a loss of power; after an error e didn't happen, no effect may follow, and the
// journal either stands as it was before or, where fsync failed, takes no more events.
func (j *Journal) Append(e *Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return fmt.Errorf("journal %s: %w", j.path, j.broken)
	}
	next, err := j.complete(*e)
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	line, err := encode(next)
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.path, err)
	}
	if err := j.write(line); err != nil {
		return fmt.Errorf("journal %s: %w", j.path, wayOut(err))
	}
	*e = next
	j.seq, j.end = next.Seq, j.end+int64(len(line))
	j.setAside()
	return nil
}

func (j *Journal) complete(e Event) (Event, error) {
	if e.Version == 0 {
		e.Version = eventVersion
	}
	if e.Run == "" {
		e.Run = j.run
	}
	if e.Run != j.run {
		return e, fmt.Errorf("event of run %s in the journal of run %s", e.Run, j.run)
	}
	if e.Time.IsZero() {
		return e, fmt.Errorf("%s event without a time", e.Event)
	}
	e.Time = e.Time.UTC().Round(0)
	e.Seq = j.seq + 1
	return e, nil
}

// write puts a line behind the last one. What a failed write leaves of it is cut off again, so that no later line
// comes to stand behind half a one.
func (j *Journal) write(line []byte) error {
	if _, err := j.file.WriteAt(line, j.end); err != nil {
		if cut := j.file.Truncate(j.end); cut != nil {
			j.broken = errors.Join(err, cut)
		}
		j.reserved = j.end
		return err
	}
	if err := j.file.Sync(); err != nil {
		j.broken = fmt.Errorf("fsync failed, what is on the disk is unknown; run again to read it back: %w", err)
		return j.broken
	}
	return nil
}

// setAside keeps between half of the reserve and all of it free behind the end.
func (j *Journal) setAside() {
	if j.reserved-j.end >= reserve/2 {
		return
	}
	j.full = j.file.Reserve(j.end, reserve)
	if j.full == nil {
		j.reserved = j.end + reserve
	} else if errors.Is(j.full, errors.ErrUnsupported) {
		j.full = nil
	}
}

// Full says why the disk can't hold much more of this journal; nil while it can. Start nothing new while it isn't nil:
// what is set aside is for the nodes in flight. Asking tries again.
func (j *Journal) Full() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.setAside()
	if j.full == nil {
		return nil
	}
	return fmt.Errorf("journal %s: %w; free some space on its disk", j.path, j.full)
}

// Path returns where the journal is.
func (j *Journal) Path() string { return j.path }

// Close closes the file and gives up the right to append. Everything is on the disk already.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file.Close()
}

// wayOut adds to an error of the disk what to do about it.
func wayOut(err error) error {
	const other = "name another folder with --state-dir: what is unfinished is then gone on with by what the cluster says"
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w; free some space on its disk, or %s", err, other)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS), errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%w; make it writable, or %s", err, other)
	}
	return err
}

const extension = ".jsonl"

// runID is what NewRunID and NewRollbackID make: valid as a label's value, and sorted by time as text.
var runID = regexp.MustCompile(`^\d{8}-\d{6}-[0-9a-f]{4}(` + ofRollback + `)?$`)

// ofRollback ends the ids of runs that roll back: whoever finds nothing but the id, on a Lease or a node, knows what the
// run is about.
const ofRollback = "-rollback"

// NewRollbackID returns the id of a run that begins now and rolls back.
func NewRollbackID(now time.Time) string { return NewRunID(now) + ofRollback }

// IsRun reports whether an id is one that a run may have: what stands on a node or a Lease may have been written by hand.
func IsRun(id string) bool { return runID.MatchString(id) }

// IsRollback reports whether a run rolls back, by its id.
func IsRollback(run string) bool { return strings.HasSuffix(run, ofRollback) }

// Again is the command that goes on with a run: "run", or "rollback".
func Again(run string) string {
	if IsRollback(run) {
		return "rollback"
	}
	return "run"
}

// NewRunID returns the id of a run that begins now, such as 20261123-190102-7f3a (UTC, then random digits).
func NewRunID(now time.Time) string {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return fmt.Sprintf("%s-%x", now.UTC().Format("20060102-150405"), b)
}

// Latest returns the newest journal of the runs in dir.
func Latest(dir string) (path string, ok bool) {
	if all := Journals(dir); len(all) > 0 {
		return all[0], true
	}
	return "", false
}

// Journals are those of the runs in dir, the newest first.
func Journals(dir string) []string {
	names, _ := filepath.Glob(filepath.Join(globbed(dir), "*"+extension))
	names = slices.DeleteFunc(names, func(path string) bool { return !runID.MatchString(runOf(path)) })
	slices.Sort(names)
	slices.Reverse(names)
	return names
}

// JournalPath returns where the journal of run is in dir, and whether it is there.
func JournalPath(dir, run string) (path string, ok bool) {
	path = filepath.Join(dir, run+extension)
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular()
}

func runOf(path string) string {
	base := filepath.Base(path)
	return base[:len(base)-len(filepath.Ext(base))]
}

// globbed makes a folder's name stand for itself in a pattern.
func globbed(dir string) string {
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllString(dir, `\$0`)
}

// makeDir makes dir and what is missing above it. Each new folder's entry is fsynced: a journal in a folder that a loss
// of power takes away is lost too (etcd#6368).
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if above := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && above != dir {
		if err := makeDir(above); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700) // /proc says so too, however much of the way is there
	}
	switch {
	case err == nil:
		return syncDir(filepath.Dir(dir))
	case errors.Is(err, fs.ErrExist):
		return nil
	}
	return err
}

// syncDir makes a folder's entries last; tests watch it.
var syncDir = func(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lock makes this process the only one that appends. The kernel frees it when the process ends, however it ends.
func lock(f *os.File, path string) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("journal %s: another fleetup on this machine is writing it; wait until it ends", path)
	}
	if err != nil {
		return fmt.Errorf("journal %s: lock: %w", path, err)
	}
	return nil
}

// diskFile is a journal's file on a real disk.
type diskFile struct{ *os.File }
