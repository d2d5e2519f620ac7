package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner/remote"
)

// oldSSHD is a server of long ago.
func oldSSHD(c *ssh.ServerConfig) {
	c.KeyExchanges = []string{ssh.InsecureKeyExchangeDH14SHA1}
	c.Ciphers, c.MACs = []string{ssh.InsecureCipherAES128CBC}, []string{ssh.HMACSHA1}
}

func TestLegacyFindings(t *testing.T) {
	host := func(name string, legacy ...string) inventory.Host {
		return inventory.Host{Name: name, SSH: inventory.SSH{Legacy: legacy}}
	}
	got := legacyFindings([]inventory.Host{host("n1", "ssh-rsa", "hmac-sha1"), host("n2", "hmac-sha1", "ssh-rsa"), host("n3"), host("n4", "ssh-dss")})
	if len(got) != 2 || got[0].Refuse || !strings.Contains(got[0].Why, "n[1-2] allows hmac-sha1, ssh-rsa,") || !strings.Contains(got[1].Why, "n4 allows ssh-dss,") {
		t.Errorf("%+v", got)
	}
}

// TestLegacyNames: what an inventory may allow is what the SSH side knows.
func TestLegacyNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.toml")
	if err := os.WriteFile(path, []byte("[ssh]\nlegacy_algorithms = [\"x\"]\n[hosts]\nn1 = {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := inventory.Load(path)
	if err == nil {
		t.Fatal("x is accepted")
	}
	_, list, _ := strings.Cut(err.Error(), "those are ")
	names := regexp.MustCompile(`[a-z0-9-]+`).FindAllString(strings.SplitN(list, "\n", 2)[0], -1)
	if len(names) < 5 {
		t.Fatalf("%q of %v", names, err)
	}
	net := remote.New(remote.Options{})
	defer net.Close()
	for _, name := range names {
		if _, _, err := net.KnownAs(remote.Login{Name: "n1", User: "root", Legacy: []string{name}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
