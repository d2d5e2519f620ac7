package vfs

import (
	"io/fs"
	"time"
)

// Info is what Sys of a FileInfo of this package returns.
type Info struct {
	Cred
	Ino   uint64
	Nlink int
}

type info struct {
	name  string
	size  int64
	mode  fs.FileMode
	mtime time.Time
	sys   *Info
}

func (n *node) info(name string) fs.FileInfo {
	size := int64(len(n.data))
	switch {
	case n.mode&fs.ModeSymlink != 0:
		size = int64(len(n.target))
	case n.mode.IsDir():
		size = 4096
	}
	return &info{name, size, n.mode, n.mtime, &Info{n.cred, n.ino, n.nlink}}
}

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.size }
func (i *info) Mode() fs.FileMode  { return i.mode }
func (i *info) ModTime() time.Time { return i.mtime }
func (i *info) IsDir() bool        { return i.mode.IsDir() }
func (i *info) Sys() any           { return i.sys }

// Uid and Gid let an SFTP server say who owns the file.
func (i *info) Uid() uint32 { return uint32(i.sys.UID) }

// Gid is the group's number.
func (i *info) Gid() uint32 { return uint32(i.sys.GID) }
