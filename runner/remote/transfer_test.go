package remote

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/memnet"
	"golang.org/x/crypto/ssh"
)

func randomFile(t *testing.T, size int) (string, []byte) {
	t.Helper()
	data := make([]byte, size)
	rand.Read(data)
	name := filepath.Join(t.TempDir(), "from")
	write(t, name, string(data), 0o600)
	return name, data
}

func TestUploadAndDownload(t *testing.T) {
	for _, login := range []Login{{Name: "n1", User: "root"}, {Name: "n1", User: "ops", SudoPassword: password("right")}} {
		t.Run(login.User, func(t *testing.T) {
			var done, total int64
			b := newBench(t, func(o *Options) {
				o.Progress = func(_, _ string, d, n int64) { done, total = d, n }
			})
			s, _ := b.sudoMachine("WANT=right")
			s.program("mktemp", "exec /usr/bin/mktemp -d "+s.home+"/stage-XXXXXX")
			from, data := randomFile(t, 300_000)
			to := filepath.Join(s.home, "it's a $(target)")
			h := b.host(login)
			if err := h.Upload(t.Context(), from, to, 0o640); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(to)
			if err != nil || !bytes.Equal(got, data) || done != 300_000 || total != 300_000 {
				t.Errorf("%v, %d of %d bytes", err, done, total)
			}
			if info, _ := os.Stat(to); info.Mode().Perm() != 0o640 {
				t.Errorf("mode %v", info.Mode())
			}
			back := filepath.Join(t.TempDir(), "back")
			if err := h.Download(t.Context(), to, back); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			only(t, s.home, filepath.Base(to))
		})
	}
}

// only checks that a folder holds one file and no temporary ones.
func only(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != name {
		t.Errorf("%v, %v", entries, err)
	}
}

// cutAfter loses the connection once n bytes of SFTP have come.
type cutAfter struct {
	io.ReadWriteCloser
	left *int
	conn *memnet.Conn
}

func (c cutAfter) Read(b []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(b)
	if *c.left -= n; *c.left < 0 {
		c.conn.Cut()
	}
	return n, err
}

func TestFault34UploadCutInTheMiddle(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	from, data := randomFile(t, 1_000_000)
	to := filepath.Join(s.home, "target")
	write(t, to, "old", 0o600)
	cuts := 0
	s.onSFTP = func(ch ssh.Channel, conn func() *memnet.Conn) io.ReadWriteCloser {
		if text, err := os.ReadFile(to); err != nil || string(text) != "old" {
			t.Errorf("the target was touched: %v, %d bytes", err, len(text))
		}
		if cuts++; cuts > 2 {
			return ch
		}
		left := 200_000
		return cutAfter{ch, &left, conn()}
	}
	if err := b.host(Login{Name: "n1"}).Upload(t.Context(), from, to, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, data) || cuts != 3 {
		t.Errorf("%d bytes, %v, %d tries", len(got), err, cuts)
	}
	only(t, s.home, "target")
}

// TestFault34UploadWhoseChannelEndsFirst: a connection that is lost ends its channels before it is known to be lost, on a busy
// machine long before: the upload begins again all the same.
func TestFault34UploadWhoseChannelEndsFirst(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	from, data := randomFile(t, 1000)
	to := filepath.Join(s.home, "target")
	tries := 0
	s.onSFTP = func(ch ssh.Channel, conn func() *memnet.Conn) io.ReadWriteCloser {
		if tries++; tries == 1 {
			s.mu.Lock() // until then it answers nothing
			ch.Close()
			time.Sleep(time.Second)
			conn().Cut()
			s.mu.Unlock()
		}
		return ch
	}
	if err := b.host(Login{Name: "n1"}).Upload(t.Context(), from, to, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, data) || tries != 2 {
		t.Errorf("%d bytes, %v, %d tries", len(got), err, tries)
	}
}

func TestUploadRefusals(t *testing.T) {
	needs(t, "flock")
	b := newBench(t)
	s := b.machine("n1:22")
	h := b.host(Login{Name: "n1"})
	from, _ := randomFile(t, 10)
	for _, test := range []struct{ from, to, want string }{
		{from, "relative", "absolute"},
		{from, s.home, "it is a folder"},
		{from + "x", s.home + "/f", "no such file"},
		{filepath.Dir(from), s.home + "/f", "not a regular file"},
		{from, s.home + "/no/such/folder", "host n1: upload"},
	} {
		err := h.Upload(t.Context(), test.from, test.to, 0o600)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.to, err)
		}
	}
	if _, err := b.host(Login{Name: "n1"}, fence("r", 5)).Run(t.Context(), "true"); err != nil {
		t.Fatal(err)
	}
	err := b.host(Login{Name: "n1"}, fence("r", 4)).Upload(t.Context(), from, s.home+"/f", 0o600)
	var fenced *FencedError
	if !errors.As(err, &fenced) || exists(s.home+"/f") {
		t.Error(err)
	}
	if err := h.Download(t.Context(), s.home+"/absent", filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("a file that isn't there")
	}
}
