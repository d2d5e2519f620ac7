package remote

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
)

func (b *bench) ok(l Login) error {
	b.t.Helper()
	return b.host(l).Exec(b.t.Context(), "true", nil, nil, nil)
}

func certify(t testing.TB, ca ssh.Signer, key ssh.PublicKey, kind uint32, names ...string) *ssh.Certificate {
	t.Helper()
	c := &ssh.Certificate{Key: key, CertType: kind, ValidPrincipals: names, ValidBefore: ssh.CertTimeInfinity}
	if err := c.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestUserCertificateBesideTheKey(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	ca, _ := newKey(t)
	s.users, s.ca = nil, ca.PublicKey()
	cert := certify(t, ca, b.user.PublicKey(), ssh.UserCert, "root")
	write(t, filepath.Join(b.home, ".ssh", "id_ed25519-cert.pub"), string(ssh.MarshalAuthorizedKey(cert)), 0o600)
	if err := b.ok(Login{Name: "n1"}); err != nil {
		t.Error(err)
	}
	if err := b.ok(Login{Name: "n1", User: "ops"}); err == nil {
		t.Error("the certificate isn't for ops")
	}
}

// encrypted puts an encrypted key in place of the bench's and returns its signer.
func (b *bench) encrypted(phrase string) (ssh.Signer, string, ed25519.PrivateKey) {
	b.t.Helper()
	_, private, _ := ed25519.GenerateKey(rand.Reader)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(phrase))
	if err != nil {
		b.t.Fatal(err)
	}
	file := filepath.Join(b.home, "locked")
	write(b.t, file, string(pem.EncodeToMemory(block)), 0o600)
	signer, _ := ssh.NewSignerFromKey(private)
	return signer, file, private
}

func TestEncryptedKeyIsAskedForOnce(t *testing.T) {
	asked := 0
	b := newBench(t, func(o *Options) {
		o.Passphrase = func(_ context.Context, file string) ([]byte, error) {
			asked++
			time.Sleep(5 * time.Second) // longer than the connect timeout: people type slowly
			return []byte("open sesame"), nil
		}
	})
	signer, file, _ := b.encrypted("open sesame")
	for _, name := range []string{"n1:22", "n2:22", "n3:22"} {
		b.machine(name).users["root"] = []ssh.PublicKey{signer.PublicKey()}
	}
	errs := make(chan error)
	for _, name := range []string{"n1", "n2", "n3"} {
		go func() {
			errs <- b.ok(Login{Name: name, IdentityFiles: []string{file}, ConnectTimeout: 4 * time.Second})
		}()
	}
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestEncryptedKeyWithoutAnybodyToAsk(t *testing.T) {
	b := newBench(t)
	signer, file, _ := b.encrypted("x")
	b.machine("n1:22").users["root"] = []ssh.PublicKey{signer.PublicKey()}
	err := b.ok(Login{Name: "n1", IdentityFiles: []string{file}})
	var refused *LoginError
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	mustContain(t, err.Error(), "host n1", file+" is encrypted", "ssh-add")
}

func (b *bench) agent(keys ...ed25519.PrivateKey) string {
	b.t.Helper()
	ring := agent.NewKeyring()
	for i, k := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: k, Comment: fmt.Sprint("key", i)}); err != nil {
			b.t.Fatal(err)
		}
	}
	return b.listener(func(c net.Conn) { _ = agent.ServeAgent(ring, c) })
}

func TestAgentHoldsTheEncryptedKey(t *testing.T) {
	b := newBench(t)
	signer, file, private := b.encrypted("x")
	b.machine("n1:22").users["root"] = []ssh.PublicKey{signer.PublicKey()}
	var many []ed25519.PrivateKey
	for range 9 {
		_, k, _ := ed25519.GenerateKey(rand.Reader)
		many = append(many, k)
	}
	b.net.keys.net.o.agentSock = b.agent(append(many, private)...)
	if err := b.ok(Login{Name: "n1", IdentityFiles: []string{file}}); err != nil {
		t.Error("the named key is the agent's tenth, and must be the first to be offered:", err)
	}
	err := b.ok(Login{Name: "n1", Address: "n1", ConnectTimeout: time.Minute})
	var refused *LoginError
	if !errors.As(err, &refused) || len(refused.Tried) != maxKeys {
		t.Fatal(err)
	}
	mustContain(t, err.Error(), "weren't offered", "identity_files")
}

func TestNamedIdentityMustBeThere(t *testing.T) {
	b := newBench(t)
	b.machine("n1:22")
	err := b.ok(Login{Name: "n1", IdentityFiles: []string{b.home + "/nokey"}})
	mustContain(t, fmt.Sprint(err), "host n1", "nokey", "no such file")
}

func TestHostKeysOfEveryKind(t *testing.T) {
	const addr = "n1:2222"
	for _, test := range []struct {
		name  string
		lines func(t *testing.T, s *server) []string
		want  string // "" trusted
	}{
		{"plain", func(t *testing.T, s *server) []string { return []string{"[n1]:2222 " + line(s)} }, ""},
		{"other port", func(t *testing.T, s *server) []string { return []string{"[n1]:2223 " + line(s)} }, "unknown"},
		{"hashed", func(t *testing.T, s *server) []string {
			return []string{knownhosts.HashHostname("[n1]:2222") + " " + line(s)}
		}, ""},
		{"wildcard", func(t *testing.T, s *server) []string { return []string{"n* " + line(s)} }, ""},
		{"negated", func(t *testing.T, s *server) []string { return []string{"[n*]:2222,![n1]:2222 " + line(s)} }, "unknown"},
		{"several lines", func(t *testing.T, s *server) []string {
			other, _ := newKey(t)
			return []string{"# comment", "[n1]:2222 " + keyLine(other.PublicKey()), "[n1]:2222 " + line(s)}
		}, ""},
		{"revoked", func(t *testing.T, s *server) []string {
			return []string{"[n1]:2222 " + line(s), "@revoked * " + line(s)}
		}, "revoked"},
		{"changed", func(t *testing.T, s *server) []string {
			other, _ := newKey(t)
			return []string{"[n1]:2222 " + keyLine(other.PublicKey())}
		}, "changed"},
		{"authority", func(t *testing.T, s *server) []string {
			return []string{"@cert-authority [n1]:2222 " + certified(t, s, "n1")}
		}, ""},
		{"authority, other name", func(t *testing.T, s *server) []string {
			return []string{"@cert-authority [n1]:2222 " + certified(t, s, "n2")}
		}, "unknown"},
		{"authority, no certificate", func(t *testing.T, s *server) []string {
			ca, _ := newKey(t)
			return []string{"@cert-authority [n1]:2222 " + keyLine(ca.PublicKey())}
		}, "unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			s := b.network.server(t, addr)
			s.users["root"] = []ssh.PublicKey{b.user.PublicKey()}
			shown := s.hostKeys[0].PublicKey()
			for _, l := range test.lines(t, s) {
				b.know(l)
			}
			err := b.ok(Login{Name: "n1", Port: 2222})
			var key *HostKeyError
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && !errors.As(err, &key):
				t.Errorf("want %s, got %v", test.want, err)
			case test.want != "" && key.HostKey() != test.want:
				t.Errorf("want %s, got %v", test.want, err)
			case test.want != "":
				mustContain(t, err.Error(), "host n1", "[n1]:2222", ssh.FingerprintSHA256(shown))
			}
			if test.want != "" && s.logins.Load() > 0 {
				t.Error("it logged in")
			}
		})
	}
}

func keyLine(k ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) }
func line(s *server) string          { return keyLine(s.hostKeys[0].PublicKey()) }

// certified gives the server a certificate for name and returns the authority's line.
func certified(t *testing.T, s *server, name string) string {
	ca, _ := newKey(t)
	cert := certify(t, ca, s.hostKeys[0].PublicKey(), ssh.HostCert, name)
	signer, err := ssh.NewCertSigner(cert, s.hostKeys[0])
	if err != nil {
		t.Fatal(err)
	}
	s.hostKeys = append(s.hostKeys, signer)
	return keyLine(ca.PublicKey())
}

func TestFault27ChangedKeyShowsBothFingerprints(t *testing.T) {
	b := newBench(t)
	s := b.network.server(t, "n1:22")
	old, _ := newKey(t)
	b.know("# the first line")
	b.know("n1 " + keyLine(old.PublicKey()))
	err := b.ok(Login{Name: "n1"})
	mustContain(t, fmt.Sprint(err), ssh.FingerprintSHA256(old.PublicKey()), ssh.FingerprintSHA256(s.hostKeys[0].PublicKey()),
		b.known+":2", "changed", "fleetup trust")
}

func TestUnknownKeySaysTrust(t *testing.T) {
	b := newBench(t)
	s := b.network.server(t, "n1:22")
	err := b.ok(Login{Name: "n1"})
	mustContain(t, fmt.Sprint(err), "unknown", ssh.FingerprintSHA256(s.hostKeys[0].PublicKey()), "fleetup trust", b.known)
	if s.dials.Load() != 1 {
		t.Errorf("%d dials for a key that won't change", s.dials.Load())
	}
}

func TestSeveralKnownHostsFilesAndChangesToThem(t *testing.T) {
	b := newBench(t)
	s := b.network.server(t, "n1:22")
	s.users["root"] = []ssh.PublicKey{b.user.PublicKey()}
	second := filepath.Join(b.home, "second")
	l := Login{Name: "n1", KnownHosts: []string{b.known, second, b.home + "/absent"}}
	if err := b.ok(l); err == nil {
		t.Fatal("nobody knows it yet")
	}
	if err := Trust(second, []string{"n1"}, []ssh.PublicKey{s.hostKeys[0].PublicKey()}, false); err != nil {
		t.Fatal(err)
	}
	if err := b.ok(l); err != nil {
		t.Error("a key that was trusted meanwhile:", err)
	}
}

func TestHostKeysAndTrust(t *testing.T) {
	b := newBench(t)
	s := b.network.server(t, "n1:22")
	s.users["root"] = []ssh.PublicKey{b.user.PublicKey()}
	l := Login{Name: "n1", User: "root"}
	keys, err := b.net.HostKeys(t.Context(), l)
	if err != nil || len(keys) != 1 || !sameKey(keys[0], s.hostKeys[0].PublicKey()) || s.logins.Load() != 0 {
		t.Fatal(keys, err)
	}
	name, files, err := b.net.KnownAs(l)
	if err != nil || name != "n1" || files[0] != b.known {
		t.Fatal(name, files, err)
	}
	if err := Trust(files[0], []string{name}, keys, false); err != nil {
		t.Fatal(err)
	}
	if err := b.net.Check(l, keys[0]); err != nil {
		t.Error(err)
	}
	if err := b.ok(l); err != nil {
		t.Error(err)
	}
}

func TestUnknownKeyNamesLinesThatCanNotBeRead(t *testing.T) {
	var said []string
	b := newBench(t, func(o *Options) { o.Log = func(s string) { said = append(said, s) } })
	s := b.network.server(t, "n1:22")
	b.know("n2 " + line(s))
	b.know("n1 " + line(s)[:40])
	err := b.ok(Login{Name: "n1"})
	mustContain(t, fmt.Sprint(err), "unknown", b.known+":2 is left out", "fleetup trust")
	mustContain(t, strings.Join(said, "\n"), b.known+":2 is left out")
}
