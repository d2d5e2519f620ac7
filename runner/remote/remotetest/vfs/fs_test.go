package vfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var root, ops = Cred{}, Cred{UID: 1000, GID: 1000}

func disk(t *testing.T) *FS {
	t.Helper()
	f := New()
	for dir, mode := range map[string]fs.FileMode{"/etc": 0o755, "/tmp": 0o777, "/root": 0o700} {
		if err := f.Mkdir(root, dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	f.Chmod(root, "/tmp", 0o777|fs.ModeSticky)
	if err := f.WriteFile(root, "/etc/hosts", []byte("hosts"), 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestErrors(t *testing.T) {
	f := disk(t)
	f.Symlink(root, "/loop", "/loop")
	f.WriteFile(root, "/tmp/rooted", nil, 0o644)
	open := func(c Cred, name string, flag int) error { _, err := f.Open(c, name, flag, 0o644); return err }
	for _, tt := range []struct {
		what string
		err  error
		want syscall.Errno
	}{
		{"read what isn't there", open(root, "/nope", os.O_RDONLY), syscall.ENOENT},
		{"write as another", open(ops, "/etc/hosts", os.O_WRONLY), syscall.EACCES},
		{"make where one may not", open(ops, "/etc/new", os.O_WRONLY|os.O_CREATE), syscall.EACCES},
		{"look into a closed directory", open(ops, "/root/x", os.O_RDONLY), syscall.EACCES},
		{"make it twice", open(root, "/etc/hosts", os.O_WRONLY|os.O_CREATE|os.O_EXCL), syscall.EEXIST},
		{"write a directory", open(root, "/etc", os.O_WRONLY), syscall.EISDIR},
		{"below a file", open(root, "/etc/hosts/x", os.O_RDONLY), syscall.ENOTDIR},
		{"a loop", open(root, "/loop", os.O_RDONLY), syscall.ELOOP},
		{"remove a full directory", f.Remove(root, "/etc"), syscall.ENOTEMPTY},
		{"remove another's in /tmp", f.Remove(ops, "/tmp/rooted"), syscall.EPERM},
		{"a directory into itself", f.Rename(root, "/etc", "/etc/x"), syscall.EINVAL},
		{"a file over a directory", f.Rename(root, "/etc/hosts", "/tmp"), syscall.EISDIR},
		{"chown by a user", f.Chown(ops, "/tmp/rooted", ops), syscall.EPERM},
		{"chmod of another's", f.Chmod(ops, "/etc/hosts", 0o777), syscall.EPERM},
		{"mkdir twice", f.Mkdir(root, "/etc", 0o755), syscall.EEXIST},
		{"remove the root", f.RemoveAll(root, "/"), syscall.EBUSY},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, tt.err, tt.want)
		}
	}
}

func TestRenameReplacesAndLinksShare(t *testing.T) {
	f := disk(t)
	f.WriteFile(root, "/etc/new", []byte("new"), 0o600)
	f.Link(root, "/etc/new", "/etc/second")
	if err := f.Rename(root, "/etc/new", "/etc/hosts"); err != nil {
		t.Fatal(err)
	}
	f.Symlink(root, "hosts", "/etc/link")
	for _, name := range []string{"/etc/hosts", "/etc/second", "/etc/link", "/../etc/./hosts"} {
		if data, err := f.ReadFile(root, name); err != nil || string(data) != "new" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if _, err := f.Stat(root, "/etc/new"); !IsNotExist(err) {
		t.Errorf("the old name: %v", err)
	}
	info, _ := f.Lstat(root, "/etc/link")
	if info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("link: %v", info.Mode())
	}
}

func TestFullDiskStillReads(t *testing.T) {
	f := disk(t)
	f.Fill("/etc")
	if err := f.WriteFile(root, "/etc/more", []byte("x"), 0o644); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write: %v", err)
	}
	if data, err := f.ReadFile(root, "/etc/hosts"); err != nil || string(data) != "hosts" {
		t.Errorf("%q %v", data, err)
	}
	f.Unfill("/etc")
	if err := f.WriteFile(root, "/etc/more", []byte("x"), 0o644); err != nil {
		t.Error(err)
	}
}

func TestRemovedFileIsReadOn(t *testing.T) {
	f := disk(t)
	file, err := f.Open(root, "/etc/hosts", os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.RemoveAll(root, "/etc")
	if data, err := io.ReadAll(file); err != nil || string(data) != "hosts" {
		t.Errorf("%q %v", data, err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}

func TestFlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := disk(t)
		a, _ := f.Open(root, "/etc/hosts", os.O_RDONLY, 0)
		b, _ := f.Open(root, "/etc/hosts", os.O_RDONLY, 0)
		if first, again := a.TryLock(), a.TryLock(); !first || !again || b.TryLock() {
			t.Error("two holders, or one refused its own lock")
		}
		time.AfterFunc(time.Minute, func() { a.Close() })
		began := time.Now()
		if err := b.Lock(context.Background()); err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		b.Close()
	})
}
