package vfs

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"
)

// File is an open file description: an offset into a file, and perhaps its flock.
type File struct {
	fs     *FS
	n      *node
	path   string
	flag   int
	off    int64
	gen    []byte // what a generated file held when it was opened
	closed bool
}

// Open opens p with the flags of package os.
func (f *FS) Open(c Cred, p string, flag int, perm fs.FileMode) (*File, error) {
	f.mu.Lock()
	n, err := f.open(c, p, flag, perm)
	f.mu.Unlock()
	if err != nil {
		return nil, pathErr("open", p, err)
	}
	file := &File{fs: f, n: n, path: path.Clean("/" + p), flag: flag}
	if n.gen != nil { // without the lock: it may look at files itself
		file.gen = n.gen()
	}
	return file, nil
}

func (f *FS) open(c Cred, p string, flag int, perm fs.FileMode) (*node, error) {
	dir, name, n, err := f.walk(c, p, true)
	if err != nil {
		return nil, err
	}
	write := flag&(os.O_WRONLY|os.O_RDWR) != 0
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, syscall.ENOENT
	case n == nil && !dir.may(c, 3):
		return nil, syscall.EACCES
	case n == nil:
		n = f.newNode(perm.Perm(), c)
		dir.add(name, n)
		return n, nil
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, syscall.EEXIST
	case n.mode.IsDir() && write:
		return nil, syscall.EISDIR
	case write && !n.may(c, 2), flag&os.O_WRONLY == 0 && !n.may(c, 4):
		return nil, syscall.EACCES
	}
	if write && flag&os.O_TRUNC != 0 && n.gen == nil {
		n.data, n.mtime = nil, time.Now()
	}
	return n, nil
}

// Read reads on from the offset.
func (f *File) Read(b []byte) (int, error) {
	n, err := f.ReadAt(b, f.off)
	f.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt reads from off; at the end it returns io.EOF.
func (f *File) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	data := f.n.data
	if f.n.gen != nil {
		data = f.gen
	}
	switch {
	case f.closed:
		return 0, fs.ErrClosed
	case f.n.mode.IsDir():
		return 0, pathErr("read", f.path, syscall.EISDIR)
	case off >= int64(len(data)):
		return 0, io.EOF
	}
	n := copy(b, data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Write writes at the offset, or at the end of a file opened for appending.
func (f *File) Write(b []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.flag&os.O_APPEND != 0 {
		f.off = int64(len(f.n.data))
	}
	n, err := f.writeAt(b, f.off)
	f.off += int64(n)
	return n, err
}

// WriteAt writes at off.
func (f *File) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.writeAt(b, off)
}

func (f *File) writeAt(b []byte, off int64) (int, error) {
	switch {
	case f.closed:
		return 0, fs.ErrClosed
	case f.flag&(os.O_WRONLY|os.O_RDWR) == 0:
		return 0, pathErr("write", f.path, syscall.EBADF)
	case f.n.gen != nil:
		return len(b), nil
	case len(b) > 0 && f.fs.isFull(f.path):
		return 0, pathErr("write", f.path, syscall.ENOSPC)
	}
	if need := off + int64(len(b)); need > int64(len(f.n.data)) {
		f.n.data = append(f.n.data, make([]byte, need-int64(len(f.n.data)))...)
	}
	copy(f.n.data[off:], b)
	f.n.mtime = time.Now()
	return len(b), nil
}

// Path is the name that the file was opened under.
func (f *File) Path() string { return f.path }

// Stat describes the open file, also one that has been removed.
func (f *File) Stat() fs.FileInfo {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.n.info(path.Base(f.path))
}

// Close gives up its flock too.
func (f *File) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	f.unlock()
	return nil
}

func (f *File) unlock() {
	if f.n.locked == f {
		f.n.locked = nil
		close(f.n.unlocked)
	}
}

// TryLock takes the flock of the file unless another description holds it.
func (f *File) TryLock() bool {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.tryLock()
}

func (f *File) tryLock() bool {
	if f.n.locked == nil {
		f.n.locked, f.n.unlocked = f, make(chan struct{})
	}
	return f.n.locked == f
}

// Lock waits for the flock until ctx ends.
func (f *File) Lock(ctx context.Context) error {
	for {
		f.fs.mu.Lock()
		ok, wait := f.tryLock(), f.n.unlocked
		f.fs.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Unlock gives up the flock.
func (f *File) Unlock() {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.unlock()
}

// ReadFile reads the whole of p.
func (f *FS) ReadFile(c Cred, p string) ([]byte, error) {
	file, err := f.Open(c, p, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// WriteFile makes data the content of p, and makes p where it isn't there.
func (f *FS) WriteFile(c Cred, p string, data []byte, perm fs.FileMode) error {
	file, err := f.Open(c, p, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(data)
	return err
}

// Device puts a file there whose content content makes each time it is opened, and that swallows what is written.
func (f *FS) Device(p string, mode fs.FileMode, content func() []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, name, _, err := f.walk(Cred{}, p, false)
	if err != nil || dir == nil {
		return
	}
	n := f.newNode(mode, Cred{})
	n.gen = content
	dir.add(name, n)
}

// Truncate makes the file size bytes long.
func (f *File) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if size > int64(len(f.n.data)) {
		if f.fs.isFull(f.path) {
			return pathErr("truncate", f.path, syscall.ENOSPC)
		}
		f.n.data = append(f.n.data, make([]byte, size-int64(len(f.n.data)))...)
	}
	f.n.data = f.n.data[:size]
	return nil
}
