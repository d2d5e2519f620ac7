package remotetest

import (
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/pkg/sftp"

	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// sftp serves files to a user until the channel ends.
func (m *Machine) sftp(ch io.ReadWriteCloser, user User) {
	d := disk{m.FS, user.cred()}
	server := sftp.NewRequestServer(ch, sftp.Handlers{FileGet: d, FilePut: d, FileCmd: d, FileList: d}, sftp.WithStartDirectory(user.home()))
	defer server.Close()
	server.Serve()
}

// disk is the virtual file system as pkg/sftp wants it.
type disk struct {
	fs   *vfs.FS
	cred vfs.Cred
}

func (d disk) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	return d.fs.Open(d.cred, r.Filepath, os.O_RDONLY, 0)
}

func (d disk) Filewrite(r *sftp.Request) (io.WriterAt, error) { return d.open(r) }

// OpenFile opens for reading and writing.
func (d disk) OpenFile(r *sftp.Request) (sftp.WriterAtReaderAt, error) { return d.open(r) }

func (d disk) open(r *sftp.Request) (*vfs.File, error) {
	want := r.Pflags()
	flag := os.O_WRONLY
	if want.Read {
		flag = os.O_RDWR
	}
	for bit, on := range map[int]bool{os.O_CREATE: want.Creat, os.O_TRUNC: want.Trunc, os.O_EXCL: want.Excl} {
		if on {
			flag |= bit
		}
	}
	mode := fs.FileMode(0o644)
	if attrs := r.Attributes(); r.AttrFlags().Permissions {
		mode = attrs.FileMode().Perm()
	}
	return d.fs.Open(d.cred, r.Filepath, flag, mode)
}

func (d disk) Filecmd(r *sftp.Request) error {
	switch r.Method {
	case "Setstat":
		return d.setstat(r)
	case "Rename":
		if _, err := d.fs.Lstat(d.cred, r.Target); err == nil {
			return os.ErrExist // SFTP's own rename doesn't replace
		}
		return d.fs.Rename(d.cred, r.Filepath, r.Target)
	case "Mkdir":
		return d.fs.Mkdir(d.cred, r.Filepath, 0o755)
	case "Rmdir", "Remove":
		return d.fs.Remove(d.cred, r.Filepath)
	case "Symlink":
		return d.fs.Symlink(d.cred, r.Filepath, r.Target)
	case "Link":
		return d.fs.Link(d.cred, r.Filepath, r.Target)
	}
	return sftp.ErrSSHFxOpUnsupported
}

// PosixRename replaces what is there, in one step.
func (d disk) PosixRename(r *sftp.Request) error { return d.fs.Rename(d.cred, r.Filepath, r.Target) }

func (d disk) setstat(r *sftp.Request) error {
	flags, attrs := r.AttrFlags(), r.Attributes()
	if flags.Size {
		f, err := d.fs.Open(d.cred, r.Filepath, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Truncate(int64(attrs.Size)); err != nil {
			return err
		}
	}
	if flags.Permissions {
		if err := d.fs.Chmod(d.cred, r.Filepath, attrs.FileMode()); err != nil {
			return err
		}
	}
	if flags.UidGid {
		if err := d.fs.Chown(d.cred, r.Filepath, vfs.Cred{UID: int(attrs.UID), GID: int(attrs.GID)}); err != nil {
			return err
		}
	}
	if flags.Acmodtime {
		return d.fs.Chtimes(d.cred, r.Filepath, time.Unix(int64(attrs.Mtime), 0))
	}
	return nil
}

func (d disk) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	if r.Method == "List" {
		infos, err := d.fs.ReadDir(d.cred, r.Filepath)
		return infoList(infos), err
	}
	info, err := d.fs.Stat(d.cred, r.Filepath)
	return infoList{info}, err
}

// Lstat describes a link itself.
func (d disk) Lstat(r *sftp.Request) (sftp.ListerAt, error) {
	info, err := d.fs.Lstat(d.cred, r.Filepath)
	return infoList{info}, err
}

// Readlink says where a link leads.
func (d disk) Readlink(name string) (string, error) { return d.fs.Readlink(d.cred, name) }

type infoList []fs.FileInfo

func (l infoList) ListAt(to []os.FileInfo, off int64) (int, error) {
	if off >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(to, l[off:])
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}
