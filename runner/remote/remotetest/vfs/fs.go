// Package vfs is a small POSIX file system in memory: directories, files, symbolic and hard links, owners, modes,
// devices whose content is made when they are read, and file systems that are full or vanish with a reboot.
//
// Every call names the credentials that it is made with, as a kernel would know them. Errors are *fs.PathError with
// the syscall.Errno that Linux would give. Paths are absolute; nothing outside of the tree can be reached.
package vfs

import (
	"errors"
	"io/fs"
	"path"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Cred is who asks. The zero value is root, for whom no mode is a limit.
type Cred struct{ UID, GID int }

// FS is a file system. It may be used from many goroutines.
type FS struct {
	mu   sync.Mutex
	root *node
	ino  uint64
	full []string // no byte can be added under these
}

// node is an inode.
type node struct {
	ino      uint64
	mode     fs.FileMode
	cred     Cred
	mtime    time.Time
	nlink    int
	children map[string]*node
	data     []byte
	target   string        // of a symbolic link
	gen      func() []byte // content of a device or of a file of /proc; writes to it vanish
	locked   *File         // flock holder
	unlocked chan struct{} // closed when the flock is given up
}

// New returns a file system with nothing but its root.
func New() *FS {
	f := &FS{}
	f.root = f.newNode(fs.ModeDir|0o755, Cred{})
	return f
}

func (f *FS) newNode(mode fs.FileMode, c Cred) *node {
	f.ino++
	n := &node{ino: f.ino, mode: mode, cred: c, mtime: time.Now(), nlink: 1}
	if mode.IsDir() {
		n.children = map[string]*node{}
	}
	return n
}

// Fill makes every write that adds bytes under dir fail with ENOSPC; Unfill undoes it.
func (f *FS) Fill(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = append(f.full, path.Clean(dir))
}

// Unfill makes room under dir again.
func (f *FS) Unfill(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := f.full[:0]
	for _, d := range f.full {
		if d != path.Clean(dir) {
			kept = append(kept, d)
		}
	}
	f.full = kept
}

// Full reports whether p lies under a directory that was filled.
func (f *FS) Full(p string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.isFull(path.Clean(p))
}

func (f *FS) isFull(p string) bool {
	for _, d := range f.full {
		if d == "/" || p == d || strings.HasPrefix(p, d+"/") {
			return true
		}
	}
	return false
}

func pathErr(op, p string, err error) error { return &fs.PathError{Op: op, Path: p, Err: err} }

// may reports whether c has all of the rwx bits of want on n.
func (n *node) may(c Cred, want fs.FileMode) bool {
	perm := n.mode.Perm()
	switch {
	case c.UID == 0:
		return want&1 == 0 || n.mode.IsDir() || perm&0o111 != 0
	case c.UID == n.cred.UID:
		perm >>= 6
	case c.GID == n.cred.GID:
		perm >>= 3
	}
	return perm&want == want
}

const maxLinks = 40

// walk resolves p. It returns the directory that holds the last element, the element's name, and the node or nil.
func (f *FS) walk(c Cred, p string, follow bool) (*node, string, *node, error) {
	return f.walkLinks(c, p, follow, maxLinks)
}

func (f *FS) walkLinks(c Cred, p string, follow bool, left int) (*node, string, *node, error) {
	if left == 0 {
		return nil, "", nil, syscall.ELOOP
	}
	if p == "" {
		return nil, "", nil, syscall.ENOENT
	}
	p = path.Clean("/" + p)
	if p == "/" {
		return nil, "/", f.root, nil
	}
	parts := strings.Split(p[1:], "/")
	dir := f.root
	for i, name := range parts {
		if dir.children == nil {
			return nil, "", nil, syscall.ENOTDIR
		}
		if !dir.may(c, 1) {
			return nil, "", nil, syscall.EACCES
		}
		n, last := dir.children[name], i == len(parts)-1
		if n != nil && n.mode&fs.ModeSymlink != 0 && (!last || follow) {
			rest := append([]string{resolve(parts[:i], n.target)}, parts[i+1:]...)
			return f.walkLinks(c, path.Join(rest...), follow, left-1)
		}
		if last {
			return dir, name, n, nil
		}
		if n == nil {
			return nil, "", nil, syscall.ENOENT
		}
		dir = n
	}
	return nil, "", nil, syscall.ENOENT
}

func resolve(dir []string, target string) string {
	if path.IsAbs(target) {
		return target
	}
	return "/" + path.Join(path.Join(dir...), target)
}

// Stat follows symbolic links.
func (f *FS) Stat(c Cred, p string) (fs.FileInfo, error) { return f.stat(c, p, true) }

// Lstat describes a symbolic link itself.
func (f *FS) Lstat(c Cred, p string) (fs.FileInfo, error) { return f.stat(c, p, false) }

func (f *FS) stat(c Cred, p string, follow bool) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, name, n, err := f.walk(c, p, follow)
	if err == nil && n == nil {
		err = syscall.ENOENT
	}
	if err != nil {
		return nil, pathErr("stat", p, err)
	}
	return n.info(name), nil
}

// ReadDir lists a directory, sorted by name.
func (f *FS) ReadDir(c Cred, p string) ([]fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _, n, err := f.walk(c, p, true)
	switch {
	case err == nil && n == nil:
		err = syscall.ENOENT
	case err == nil && n.children == nil:
		err = syscall.ENOTDIR
	case err == nil && !n.may(c, 4):
		err = syscall.EACCES
	}
	if err != nil {
		return nil, pathErr("open", p, err)
	}
	var list []fs.FileInfo
	for name, child := range n.children {
		list = append(list, child.info(name))
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name() < list[j].Name() })
	return list, nil
}

// Readlink returns what a symbolic link says.
func (f *FS) Readlink(c Cred, p string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _, n, err := f.walk(c, p, false)
	switch {
	case err == nil && n == nil:
		err = syscall.ENOENT
	case err == nil && n.mode&fs.ModeSymlink == 0:
		err = syscall.EINVAL
	}
	if err != nil {
		return "", pathErr("readlink", p, err)
	}
	return n.target, nil
}

// Access reports with a nil error that c may read (4), write (2) or enter and execute (1) p.
func (f *FS) Access(c Cred, p string, want fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _, n, err := f.walk(c, p, true)
	switch {
	case err == nil && n == nil:
		err = syscall.ENOENT
	case err == nil && !n.may(c, want):
		err = syscall.EACCES
	}
	if err != nil {
		return pathErr("access", p, err)
	}
	return nil
}

// IsNotExist reports whether err says that there is no such file.
func IsNotExist(err error) bool { return errors.Is(err, syscall.ENOENT) }
