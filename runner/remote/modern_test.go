package remote

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// oldMachine is one that speaks nothing that is still safe for one purpose.
type oldMachine struct {
	name  string
	key   ssh.Signer
	tune  func(*ssh.ServerConfig)
	said  []string // of a login to it
	allow []string // what lets us in after all; nil: nothing does
}

func oldMachines(t *testing.T, p *pki) []oldMachine {
	sha1, err := ssh.NewSignerWithAlgorithms(p.rsa.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	if err != nil {
		t.Fatal(err)
	}
	kex := func(name string) func(*ssh.ServerConfig) {
		return func(c *ssh.ServerConfig) { c.KeyExchanges = []string{name} }
	}
	return []oldMachine{
		{"host key by SHA-1", sha1, func(*ssh.ServerConfig) {}, []string{"host key", "ssh-rsa", "ssh-keygen -A"}, []string{ssh.KeyAlgoRSA}},
		{"key exchange of the logjam", p.a, kex(ssh.InsecureKeyExchangeDH1SHA1), []string{"key exchange", "diffie-hellman-group1-sha1"},
			[]string{ssh.InsecureKeyExchangeDH1SHA1}},
		{"key exchange by SHA-1", p.a, kex(ssh.InsecureKeyExchangeDH14SHA1), []string{"key exchange", "diffie-hellman-group14-sha1"},
			[]string{ssh.InsecureKeyExchangeDH14SHA1}},
		{"group exchange by SHA-1", p.a, kex(ssh.InsecureKeyExchangeDHGEXSHA1), []string{"key exchange", "diffie-hellman-group-exchange-sha1"},
			[]string{ssh.InsecureKeyExchangeDHGEXSHA1}},
		{"CBC", p.a, func(c *ssh.ServerConfig) {
			c.Ciphers = []string{ssh.InsecureCipherAES128CBC, ssh.InsecureCipherTripleDESCBC}
		}, []string{"cipher", "aes128-cbc", "3des-cbc"}, []string{ssh.InsecureCipherTripleDESCBC}},
		{"RC4", p.a, func(c *ssh.ServerConfig) { c.Ciphers = []string{ssh.InsecureCipherRC4} }, []string{"cipher", "arcfour"}, nil},
		{"MAC by SHA-1", p.a, func(c *ssh.ServerConfig) { c.Ciphers, c.MACs = []string{ssh.CipherAES128CTR}, []string{ssh.HMACSHA1} },
			[]string{"MAC", "hmac-sha1"}, []string{ssh.HMACSHA1}},
		{"MAC by a piece of SHA-1", p.a, func(c *ssh.ServerConfig) {
			c.Ciphers, c.MACs = []string{ssh.CipherAES128CTR}, []string{ssh.InsecureHMACSHA196}
		},
			[]string{"MAC", "hmac-sha1-96"}, []string{ssh.InsecureHMACSHA196}},
		{"all of it", sha1, func(c *ssh.ServerConfig) {
			c.KeyExchanges, c.Ciphers, c.MACs = []string{ssh.InsecureKeyExchangeDH14SHA1}, []string{ssh.InsecureCipherAES128CBC}, []string{ssh.HMACSHA1}
		}, []string{"key exchange"}, []string{ssh.KeyAlgoRSA, ssh.HMACSHA1, ssh.InsecureCipherAES128CBC, ssh.InsecureKeyExchangeDH14SHA1}},
	}
}

// old puts an old machine on a bench.
func (b *bench) old(m oldMachine) *server {
	s := b.machine("n1:22")
	s.hostKeys, s.tune = []ssh.Signer{m.key}, m.tune
	b.know("n1 " + of(m.key))
	return s
}

// TestOnlyModernAlgorithms: a machine that has nothing else is refused with what it has, whatever else would do.
func TestOnlyModernAlgorithms(t *testing.T) {
	for _, m := range oldMachines(t, newPKI(t)) {
		t.Run(m.name, func(t *testing.T) {
			b := newBench(t)
			s := b.old(m)
			err := b.ok(Login{Name: "n1"})
			mustContain(t, fmt.Sprint(err), append(m.said, "host n1", "no longer safe", "update its sshd")...)
			if s.logins.Load() > 0 || s.dials.Load() != 1 {
				t.Errorf("%d logins, %d dials", s.logins.Load(), s.dials.Load())
			}
			if _, err := b.net.HostKeys(t.Context(), Login{Name: "n1"}); err == nil || !strings.Contains(err.Error(), "safe") {
				t.Errorf("its key is shown to be trusted: %v", err)
			}
		})
	}
}

// TestRSAKeysSignWithSHA2: also for a server that says nothing about what it takes, and then expects SHA-1.
func TestRSAKeysSignWithSHA2(t *testing.T) {
	p := newPKI(t)
	for _, takes := range [][]string{{ssh.KeyAlgoRSA}, {ssh.KeyAlgoRSASHA256}, {ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSA}} {
		b := newBench(t)
		s := b.machine("n1:22")
		s.users["root"] = []ssh.PublicKey{p.rsa.PublicKey()}
		s.tune = func(c *ssh.ServerConfig) { c.PublicKeyAuthAlgorithms = takes }
		b.net.keys.cache[`[] [] false`] = []cachedSigner{{p.rsa, "rsa"}}
		err := b.ok(Login{Name: "n1"})
		if modern := takes[0] != ssh.KeyAlgoRSA; modern != (err == nil) {
			t.Errorf("a server that takes %q: %v", takes, err)
		}
	}
}

// TestNoAgentForwarding: an agent is there and holds the key, and whatever a Host can do, nobody asks to forward it.
func TestNoAgentForwarding(t *testing.T) {
	needs(t, "flock", "setsid")
	b := newBench(t)
	s := b.machine("n1:22")
	jump := b.machine("gate:22")
	_, file, private := b.encrypted("x")
	signer, _ := ssh.NewSignerFromKey(private)
	b.net.keys.net.o.agentSock = b.agent(private)
	s.users["root"] = []ssh.PublicKey{signer.PublicKey()}
	jump.users["root"] = s.users["root"]
	write(t, filepath.Join(b.home, ".ssh", "config"), "ForwardAgent yes\nForwardX11 yes\n", 0o600)
	h := b.host(Login{Name: "n1", IdentityFiles: []string{file}, Jump: []string{"root@gate"}}, Fence{Run: "run-1", Epoch: 3})
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	_, runErr := h.Run(t.Context(), "env | grep -c SSH_AUTH_SOCK || true")
	_, doErr := h.Do(t.Context(), "step", "true", nil)
	for what, err := range map[string]error{
		"run": runErr, "do": doErr, "exec": h.Exec(t.Context(), "true", nil, nil, nil), "shell": h.Shell(t.Context(), null, nil, nil),
		"upload": h.Upload(t.Context(), file, filepath.Join(s.home, "f"), 0o600), "download": h.Download(t.Context(), filepath.Join(s.home, "f"), filepath.Join(b.home, "g")),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	allowed := []string{"channel session", "channel direct-tcpip", "exec", "shell", "subsystem", "pty-req", "window-change", "signal", "keepalive@openssh.com"}
	for _, s := range []*server{s, jump} {
		s.mu.Lock()
		if len(s.requests) == 0 {
			t.Error("nothing was asked")
		}
		for _, r := range s.requests {
			if !slices.Contains(allowed, r) {
				t.Errorf("it asked for %q", r)
			}
		}
		s.mu.Unlock()
	}
}
