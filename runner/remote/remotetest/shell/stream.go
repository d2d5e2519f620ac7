package shell

import (
	"context"
	"errors"
	"io"
	"sync"
	"syscall"

	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// Stream is what a file descriptor stands for. Read and Write return when ctx ends, however long they would wait.
type Stream interface {
	Read(ctx context.Context, b []byte) (int, error)
	Write(ctx context.Context, b []byte) (int, error)
	Close() error
}

// Desc is an open file description that several descriptors of several processes may share; it is closed with the last.
type Desc struct {
	Stream
	mu   sync.Mutex
	refs int
}

// NewDesc returns a description held once.
func NewDesc(s Stream) *Desc { return &Desc{Stream: s, refs: 1} }

func (d *Desc) hold() *Desc {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refs++
	return d
}

// Release gives up one hold.
func (d *Desc) Release() {
	d.mu.Lock()
	d.refs--
	last := d.refs == 0
	d.mu.Unlock()
	if last {
		d.Stream.Close()
	}
}

// fileStream is a file of the virtual file system as a stream.
type fileStream struct {
	mu   sync.Mutex
	file *vfs.File
}

func (s *fileStream) Read(ctx context.Context, b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Read(b)
}

func (s *fileStream) Write(ctx context.Context, b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Write(b)
}

func (s *fileStream) Close() error { return s.file.Close() }

const pipeSize = 64 << 10

// Pipe is a pipe's buffer, as Linux has it: writers wait while 64 KiB are unread.
type Pipe struct {
	mu      sync.Mutex
	buf     []byte
	changed chan struct{}
	noMore  bool // the write end is closed
	unread  bool // the read end is closed
}

// NewPipe returns the two ends of a pipe.
func NewPipe() (r, w *Desc) {
	p := &Pipe{changed: make(chan struct{})}
	return NewDesc(pipeReader{p}), NewDesc(pipeWriter{p})
}

func (p *Pipe) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

type (
	pipeReader struct{ p *Pipe }
	pipeWriter struct{ p *Pipe }
)

func (r pipeReader) Write(context.Context, []byte) (int, error) { return 0, syscall.EBADF }
func (w pipeWriter) Read(context.Context, []byte) (int, error)  { return 0, syscall.EBADF }

func (r pipeReader) Read(ctx context.Context, b []byte) (int, error) {
	for {
		r.p.mu.Lock()
		n := copy(b, r.p.buf)
		r.p.buf = r.p.buf[n:]
		end, wait := r.p.noMore, r.p.changed
		if n > 0 {
			r.p.notify()
		}
		r.p.mu.Unlock()
		switch {
		case n > 0 || len(b) == 0:
			return n, nil
		case end:
			return 0, io.EOF
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (w pipeWriter) Write(ctx context.Context, b []byte) (int, error) {
	written := 0
	for {
		w.p.mu.Lock()
		if w.p.unread {
			w.p.mu.Unlock()
			return written, syscall.EPIPE
		}
		n := min(len(b), pipeSize-len(w.p.buf))
		w.p.buf = append(w.p.buf, b[:n]...)
		b, written = b[n:], written+n
		wait := w.p.changed
		if n > 0 {
			w.p.notify()
			wait = w.p.changed
		}
		w.p.mu.Unlock()
		if len(b) == 0 {
			return written, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return written, ctx.Err()
		}
	}
}

func (r pipeReader) Close() error {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	r.p.unread = true
	r.p.notify()
	return nil
}

func (w pipeWriter) Close() error {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.p.noMore = true
	w.p.notify()
	return nil
}

// reader and writer are a descriptor of a process as io sees it.
type (
	reader struct {
		p  *Proc
		fd int
	}
	writer struct {
		p  *Proc
		fd int
	}
)

func (r reader) Read(b []byte) (int, error) {
	d := r.p.fd(r.fd)
	if d == nil {
		return 0, syscall.EBADF
	}
	return d.Read(r.p.Ctx, b)
}

func (w writer) Write(b []byte) (int, error) {
	d := w.p.fd(w.fd)
	if d == nil {
		return 0, syscall.EBADF
	}
	if err := w.p.Ctx.Err(); err != nil {
		return 0, err // a killed process says no last words
	}
	n, err := d.Write(w.p.Ctx, b)
	if errors.Is(err, syscall.EPIPE) {
		w.p.Signal(SIGPIPE)
	}
	return n, err
}
