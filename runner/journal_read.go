package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumLen is the length of `,"sum":"01234567"}`.
const sumLen = 18

// encode makes a journal's line of an event.
func encode(e Event) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // people read this
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	object := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return fmt.Appendf(object[:len(object)-1], `,"sum":"%08x"}`+"\n", crc32.Checksum(object, castagnoli)), nil
}

// strangeError is a line that is whole, by its checksum, and that another fleetup wrote: nothing to cut off.
type strangeError struct{ what string }

func (e *strangeError) Error() string {
	return fmt.Sprintf("%s was written by another fleetup, this one knows version %d; use that one", e.what, eventVersion)
}

// decode reads a line, without its line feed.
func decode(line []byte) (Event, error) {
	at := len(line) - sumLen
	if at < 1 || !bytes.HasPrefix(line[at:], []byte(`,"sum":"`)) {
		return Event{}, errors.New("it doesn't end with a checksum")
	}
	object := append(bytes.Clone(line[:at]), '}')
	if want := fmt.Sprintf(`,"sum":"%08x"}`, crc32.Checksum(object, castagnoli)); want != string(line[at:]) {
		return Event{}, errors.New("its checksum doesn't match")
	}
	var of struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(object, &of); err != nil || of.Version != eventVersion {
		return Event{}, &strangeError{fmt.Sprintf("version %d", of.Version)}
	}
	var e Event
	if err := json.Unmarshal(object, &e); err != nil {
		return Event{}, &strangeError{fmt.Sprintf("what it says (%v)", err)}
	}
	return e, nil
}

// journalReader reads a journal's events, also of one that is being written.
type journalReader struct {
	r    io.ReaderAt
	off  int64  // of the next line
	line int    // lines read
	buf  []byte // what is read behind off
}

// newJournalReader returns a reader from the journal's begin. Use an *os.File; the reader neither locks nor changes it.
func newJournalReader(r io.ReaderAt) *journalReader { return &journalReader{r: r} }

// tornError is a last line that isn't whole.
type tornError struct {
	line int
	why  error
}

func (e *tornError) Error() string { return fmt.Sprintf("line %d isn't whole: %v", e.line, e.why) }

// Next returns the next event. io.EOF: there is no further whole line now, there may be one later; ask again. An end
// that isn't whole counts as none: somebody is writing it, or a crash left it and the next run cuts it off. A line in
// the middle that isn't whole is an error that names it.
func (r *journalReader) Next() (Event, error) {
	e, err := r.next()
	var torn *tornError
	if errors.As(err, &torn) {
		return Event{}, io.EOF
	}
	return e, err
}

func (r *journalReader) next() (Event, error) {
	line, err := r.readLine()
	if err != nil {
		return Event{}, err
	}
	e, err := decode(line)
	var strange *strangeError
	switch {
	case err == nil:
		r.advance(len(line) + 1)
		return e, nil
	case errors.As(err, &strange):
		return Event{}, fmt.Errorf("line %d: %w", r.line+1, err)
	}
	if more, rerr := r.more(len(line) + 1); rerr != nil {
		return Event{}, rerr
	} else if !more {
		r.buf = nil // the next run may write another line here
		return Event{}, &tornError{r.line + 1, err}
	}
	return Event{}, fmt.Errorf("line %d is damaged: %w", r.line+1, err)
}

func (r *journalReader) advance(n int) {
	r.off += int64(n)
	r.buf = r.buf[n:]
	r.line++
}

// readLine returns the line at off, without its line feed: io.EOF at the very end, a tornError where the line feed is
// missing.
func (r *journalReader) readLine() ([]byte, error) {
	searched := 0
	for {
		if i := bytes.IndexByte(r.buf[searched:], '\n'); i >= 0 {
			return r.buf[:searched+i], nil
		}
		searched = len(r.buf)
		if err := r.fill(); err != nil {
			return nil, err
		}
		if len(r.buf) > searched {
			continue
		}
		r.buf = nil
		if searched == 0 {
			return nil, io.EOF
		}
		return nil, &tornError{r.line + 1, errors.New("its end is missing")}
	}
}

// fill reads on; at the end of the file it leaves the buffer as it is.
func (r *journalReader) fill() error {
	chunk := make([]byte, 64<<10)
	n, err := r.r.ReadAt(chunk, r.off+int64(len(r.buf)))
	r.buf = append(r.buf, chunk[:n]...)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// more reports whether the file goes on behind the first n bytes from off.
func (r *journalReader) more(n int) (bool, error) {
	if len(r.buf) > n {
		return true, nil
	}
	err := r.fill()
	return len(r.buf) > n, err
}

// fold reads a whole journal. torn says of its last line, for people, that it isn't whole; end is where the whole lines
// end.
func fold(r io.ReaderAt, path string) (p Progress, events []Event, torn string, end int64, err error) {
	reader := newJournalReader(r)
	for {
		at := reader.off
		e, err := reader.next()
		var tear *tornError
		var strange *strangeError
		switch {
		case errors.Is(err, io.EOF):
			return p, events, "", at, nil
		case errors.As(err, &tear):
			return p, events, fmt.Sprintf("journal %s: its last %v; fleetup ended while it was written, it is left out", path, tear), at, nil
		case errors.As(err, &strange):
			return Progress{}, nil, "", 0, fmt.Errorf("journal %s: %w", path, err)
		case err != nil:
			return Progress{}, nil, "", 0, fmt.Errorf("journal %s: %w; move the file away and run again: the nodes' annotations say where they stand", path, err)
		}
		if err := p.Apply(e); err != nil {
			return Progress{}, nil, "", 0, fmt.Errorf("journal %s: line %d: %w", path, reader.line, err)
		}
		events = append(events, e)
	}
}

// ReadJournal reads the journal at path for looking at it, while another process may write it. note is as of Open; nothing
// is changed.
func ReadJournal(path string) (events []Event, p Progress, note string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Progress{}, "", fmt.Errorf("journal: %w", err)
	}
	defer func() { _ = f.Close() }()
	p, events, note, _, err = fold(f, path)
	return events, p, note, err
}
