package remote

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func write(t testing.TB, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// bench is a home with a key in it, a network and a Net.
type bench struct {
	*network
	t     testing.TB
	home  string
	user  ssh.Signer
	net   *Net
	known string
	base  string
}

func newBench(t testing.TB, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, home: t.TempDir(), network: &network{servers: map[string]*server{}}}
	var private []byte
	b.user, private = newKey(t)
	b.known = filepath.Join(b.home, ".ssh", "known_hosts")
	b.base = filepath.Join(t.TempDir(), "base")
	write(t, filepath.Join(b.home, ".ssh", "id_ed25519"), string(private), 0o600)
	write(t, b.known, "", 0o600)
	o := Options{Dial: b.Dial, Base: b.base, home: b.home, SystemDir: filepath.Join(b.home, "etc"), systemdDir: filepath.Join(b.home, "no-systemd"),
		Log: func(s string) { t.Log(s) }}
	for _, f := range change {
		f(&o)
	}
	b.net = New(o)
	t.Cleanup(b.net.Close)
	return b
}

// machine adds a server whose host key is known and that lets root and ops in with the bench's key.
func (b *bench) machine(addr string) *server {
	b.t.Helper()
	s := b.network.server(b.t, addr)
	for _, u := range []string{"root", "ops"} {
		s.users[u] = []ssh.PublicKey{b.user.PublicKey()}
	}
	b.know(knownhosts.Line([]string{addr}, s.hostKeys[0].PublicKey()))
	return s
}

func (b *bench) know(line string) {
	b.t.Helper()
	f, err := os.OpenFile(b.known, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	fmt.Fprintln(f, line)
	f.Close()
}

func (b *bench) host(l Login, f ...Fence) *Host {
	if l.User == "" {
		l.User = "root"
	}
	return b.net.Host(l, append(f, Fence{})[0])
}

func needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s isn't here", p)
		}
	}
}

func mustContain(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q isn't in:\n%s", w, text)
		}
	}
}

func buffers() (*bytes.Buffer, *bytes.Buffer) { return &bytes.Buffer{}, &bytes.Buffer{} }

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// waitFor asks until ok, for a minute: a machine that is busy with other things is slow, not broken.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Error("it didn't come")
			return
		}
	}
}
