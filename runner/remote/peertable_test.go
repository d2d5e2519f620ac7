package remote

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// pipeTo makes this test's own program the ProxyCommand of ssh: any name and port lead to the test's server.
const pipeTo = "FLEETUP_TEST_PIPE_TO"

func pipe(addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		os.Exit(1)
	}
	go func() { _, _ = io.Copy(c, os.Stdin); os.Exit(0) }()
	_, _ = io.Copy(os.Stdout, c)
	os.Exit(0)
}

// shower is a server that shows keys, and lets everybody in whom that satisfies.
func shower(t *testing.T, keys []ssh.Signer) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ssh.ServerConfig{NoClientAuth: true}
	for _, k := range keys {
		cfg.AddHostKey(k)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { welcome(c, cfg) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func welcome(c net.Conn, cfg *ssh.ServerConfig) {
	defer c.Close()
	conn, chans, reqs, err := ssh.NewServerConn(c, cfg)
	if err != nil {
		return
	}
	defer conn.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { ssh.DiscardRequests(reqs) })
	for n := range chans {
		ch, reqs, err := n.Accept()
		if err != nil {
			return
		}
		wg.Go(func() {
			for r := range reqs {
				_ = r.Reply(true, nil)
				if r.Type == "exec" {
					_, _ = ch.SendRequest("exit-status", false, make([]byte, 4))
					ch.Close()
				}
			}
		})
	}
}

// pki is the keys of the table.
type pki struct {
	t                           *testing.T
	a, b, ecdsa, rsa, ca, caRSA ssh.Signer
}

func newPKI(t *testing.T) *pki {
	p := &pki{t: t}
	p.a, _ = newKey(t)
	p.b, _ = newKey(t)
	p.ca, _ = newKey(t)
	e, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.ecdsa, _ = ssh.NewSignerFromKey(e)
	for _, to := range []*ssh.Signer{&p.rsa, &p.caRSA} {
		r, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		*to, _ = ssh.NewSignerFromKey(r)
	}
	return p
}

// cert is a's certificate, changed as change says.
func (p *pki) cert(by ssh.Signer, change func(*ssh.Certificate)) ssh.Signer {
	p.t.Helper()
	c := &ssh.Certificate{Key: p.a.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"n1"}, ValidBefore: ssh.CertTimeInfinity}
	if change != nil {
		change(c)
	}
	if err := c.SignCert(rand.Reader, by); err != nil {
		p.t.Fatal(err)
	}
	s, err := ssh.NewCertSigner(c, p.a)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// knownCase is one row: what known_hosts says, what the machine shows, and who says what to that.
type knownCase struct {
	name         string
	host         string // "" n1
	port         int    // 0: 22
	alias        string
	shows        []ssh.Signer
	first, other string // the user's files
	system       string
	want         string // "" trusted; unknown, changed or revoked
}

func TestSameAnswersAsSSH(t *testing.T) {
	cases := knownCases(newPKI(t))
	if len(cases) < 70 {
		t.Errorf("%d rows", len(cases))
	}
	client, err := exec.LookPath("ssh")
	if err != nil {
		t.Log("no ssh is installed: fleetup's answers are held against the table alone")
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			addr := shower(t, c.shows)
			dir := t.TempDir()
			for name, text := range map[string]string{"first": c.first, "other": c.other, "system": c.system} {
				write(t, filepath.Join(dir, name), text, 0o600)
			}
			if got := c.ours(t, addr, dir); got != c.want {
				t.Errorf("fleetup says %q, want %q", got, c.want)
			}
			if client == "" {
				return
			}
			if got, said := c.theirs(t, client, addr, dir); got != c.want {
				t.Errorf("ssh says %q, want %q:\n%s", got, c.want, said)
			}
		})
	}
}

func (c knownCase) at() (host string, port int) {
	host, port = orElse(c.host, "n1"), c.port
	if port == 0 {
		port = 22
	}
	return host, port
}

func (c knownCase) ours(t *testing.T, addr, dir string) string {
	b := newBench(t, func(o *Options) {
		o.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}
	})
	config := fmt.Sprintf("GlobalKnownHostsFile %s\n", filepath.Join(dir, "system"))
	if c.alias != "" {
		config += "HostKeyAlias " + c.alias + "\n"
	}
	write(t, filepath.Join(b.home, ".ssh", "config"), config, 0o600)
	host, port := c.at()
	err := b.ok(Login{Name: host, Port: port, KnownHosts: []string{filepath.Join(dir, "first"), filepath.Join(dir, "absent"), filepath.Join(dir, "other")}})
	var key *HostKeyError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &key):
		mustContain(t, err.Error(), "host "+host, "SHA256:")
		return key.HostKey()
	}
	return err.Error()
}

func (c knownCase) theirs(t *testing.T, client, addr, dir string) (answer, said string) {
	host, port := c.at()
	args := []string{"-F", "none", "-p", fmt.Sprint(port)}
	for _, o := range []string{"StrictHostKeyChecking=yes", "BatchMode=yes", "IdentityFile=none", "IdentityAgent=none", "CheckHostIP=no",
		fmt.Sprintf("UserKnownHostsFile=%[1]s/first %[1]s/absent %[1]s/other", dir), "GlobalKnownHostsFile=" + dir + "/system", "ProxyCommand=" + os.Args[0]} {
		args = append(args, "-o", o)
	}
	if c.alias != "" {
		args = append(args, "-o", "HostKeyAlias="+c.alias)
	}
	cmd := exec.CommandContext(t.Context(), client, append(args, "x@"+host, "true")...)
	cmd.Env = append(os.Environ(), pipeTo+"="+addr)
	var errw bytes.Buffer
	cmd.Stderr = &errw
	err := cmd.Run()
	said = errw.String()
	for _, answer := range []struct{ text, word string }{
		{"REVOKED HOST KEY", "revoked"}, {"HOST IDENTIFICATION HAS CHANGED", "changed"}, {"host key is known for", "unknown"},
	} {
		if strings.Contains(said, answer.text) {
			return answer.word, said
		}
	}
	if err != nil {
		return err.Error(), said
	}
	return "", said
}
