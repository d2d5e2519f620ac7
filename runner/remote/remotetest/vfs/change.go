package vfs

import (
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"
)

// entry finds the place of p for a change of its directory: the directory, the name, and what is there or nil.
func (f *FS) entry(c Cred, p string) (*node, string, *node, error) {
	dir, name, n, err := f.walk(c, p, false)
	if err != nil {
		return nil, "", nil, err
	}
	if dir == nil {
		return nil, "", nil, syscall.EBUSY
	}
	if !dir.may(c, 3) {
		return nil, "", nil, syscall.EACCES
	}
	if n != nil && dir.mode&fs.ModeSticky != 0 && c.UID != 0 && c.UID != n.cred.UID && c.UID != dir.cred.UID {
		return nil, "", nil, syscall.EPERM
	}
	return dir, name, n, nil
}

// Mkdir makes one directory.
func (f *FS) Mkdir(c Cred, p string, perm fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, name, n, err := f.walk(c, p, false)
	switch {
	case err == nil && n != nil:
		err = syscall.EEXIST
	case err == nil && !dir.may(c, 3):
		err = syscall.EACCES
	case err == nil && f.isFull(path.Clean(p)):
		err = syscall.ENOSPC
	}
	if err != nil {
		return pathErr("mkdir", p, err)
	}
	dir.add(name, f.newNode(fs.ModeDir|perm, c))
	return nil
}

func (n *node) add(name string, child *node) {
	n.children[name] = child
	n.mtime = time.Now()
}

// MkdirAll makes a directory and those above it; one that is there already is no error.
func (f *FS) MkdirAll(c Cred, p string, perm fs.FileMode) error {
	p = path.Clean("/" + p)
	if p == "/" {
		return nil
	}
	if info, err := f.Stat(c, p); err == nil {
		if !info.IsDir() {
			return pathErr("mkdir", p, syscall.ENOTDIR)
		}
		return nil
	}
	if err := f.MkdirAll(c, path.Dir(p), perm); err != nil {
		return err
	}
	return f.Mkdir(c, p, perm)
}

// Remove removes a file, a link, or an empty directory.
func (f *FS) Remove(c Cred, p string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, name, n, err := f.entry(c, p)
	switch {
	case err == nil && n == nil:
		err = syscall.ENOENT
	case err == nil && len(n.children) > 0:
		err = syscall.ENOTEMPTY
	}
	if err != nil {
		return pathErr("remove", p, err)
	}
	n.nlink--
	delete(dir.children, name)
	dir.mtime = time.Now()
	return nil
}

// RemoveAll removes p and what is below; that it isn't there is no error.
func (f *FS) RemoveAll(c Cred, p string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, name, n, err := f.entry(c, p)
	if err == syscall.ENOENT || err == nil && n == nil {
		return nil
	}
	if err != nil {
		return pathErr("remove", p, err)
	}
	delete(dir.children, name)
	dir.mtime = time.Now()
	return nil
}

// Clear empties a directory, as a reboot does a tmpfs.
func (f *FS) Clear(p string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, _, n, err := f.walk(Cred{}, p, true); err == nil && n != nil && n.children != nil {
		n.children = map[string]*node{}
	}
}

// Rename moves from to to in one step, replacing a file or an empty directory that is there.
func (f *FS) Rename(c Cred, from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.rename(c, from, to); err != nil {
		return pathErr("rename", from, err)
	}
	return nil
}

func (f *FS) rename(c Cred, from, to string) error {
	dir, name, n, err := f.entry(c, from)
	if err != nil {
		return err
	}
	if n == nil {
		return syscall.ENOENT
	}
	toDir, toName, old, err := f.entry(c, to)
	switch {
	case err != nil:
		return err
	case old == n:
		return nil
	case n.mode.IsDir() && strings.HasPrefix(path.Clean(to)+"/", path.Clean(from)+"/"):
		return syscall.EINVAL
	case old != nil && old.mode.IsDir() && !n.mode.IsDir():
		return syscall.EISDIR
	case old != nil && n.mode.IsDir() && !old.mode.IsDir():
		return syscall.ENOTDIR
	case old != nil && len(old.children) > 0:
		return syscall.ENOTEMPTY
	}
	delete(dir.children, name)
	toDir.add(toName, n)
	return nil
}

// Symlink makes p a symbolic link that says target.
func (f *FS) Symlink(c Cred, target, p string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, name, n, err := f.entry(c, p)
	if err == nil && n != nil {
		err = syscall.EEXIST
	}
	if err != nil {
		return pathErr("symlink", p, err)
	}
	link := f.newNode(fs.ModeSymlink|0o777, c)
	link.target = target
	dir.add(name, link)
	return nil
}

// Link gives the file old a second name.
func (f *FS) Link(c Cred, old, p string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _, n, err := f.walk(c, old, false)
	if err == nil && n == nil {
		err = syscall.ENOENT
	}
	if err == nil && n.mode.IsDir() {
		err = syscall.EPERM
	}
	if err != nil {
		return pathErr("link", old, err)
	}
	dir, name, there, err := f.entry(c, p)
	if err == nil && there != nil {
		err = syscall.EEXIST
	}
	if err != nil {
		return pathErr("link", p, err)
	}
	n.nlink++
	dir.add(name, n)
	return nil
}

// change applies do to the node at p where c owns it.
func (f *FS) change(c Cred, op, p string, do func(*node)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _, n, err := f.walk(c, p, true)
	switch {
	case err == nil && n == nil:
		err = syscall.ENOENT
	case err == nil && c.UID != 0 && c.UID != n.cred.UID:
		err = syscall.EPERM
	}
	if err != nil {
		return pathErr(op, p, err)
	}
	do(n)
	return nil
}

const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// Chmod sets the mode's permission bits.
func (f *FS) Chmod(c Cred, p string, mode fs.FileMode) error {
	return f.change(c, "chmod", p, func(n *node) { n.mode = n.mode&^modeBits | mode&modeBits })
}

// Chown gives p to another user; root alone may.
func (f *FS) Chown(c Cred, p string, to Cred) error {
	if c.UID != 0 {
		return pathErr("chown", p, syscall.EPERM)
	}
	return f.change(c, "chown", p, func(n *node) { n.cred = to })
}

// Chtimes sets the time of the last change.
func (f *FS) Chtimes(c Cred, p string, mtime time.Time) error {
	return f.change(c, "utimes", p, func(n *node) { n.mtime = mtime })
}
