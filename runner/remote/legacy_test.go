package remote

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestLegacyAlgorithms: what is allowed by name lets us in to a machine that has nothing else, and nothing but that does.
func TestLegacyAlgorithms(t *testing.T) {
	for _, m := range oldMachines(t, newPKI(t)) {
		t.Run(m.name, func(t *testing.T) {
			if m.allow == nil {
				err := newBench(t).ok(Login{Name: "n1", Legacy: []string{"arcfour"}})
				mustContain(t, fmt.Sprint(err), "arcfour", "never used")
				return
			}
			b := newBench(t)
			b.old(m)
			if err := b.ok(Login{Name: "n1", Legacy: m.allow}); err != nil {
				t.Error(err)
			}
			keys, err := b.net.HostKeys(t.Context(), Login{Name: "n1", Legacy: m.allow})
			if err != nil || len(keys) != 1 {
				t.Errorf("%d keys to be trusted, %v", len(keys), err)
			}
			for i, one := range m.allow {
				others := slices.DeleteFunc(everyLegacy(), func(a string) bool { return a == one || len(m.said) > 2 && slices.Contains(m.said, a) })
				if err := b.ok(Login{Name: "n1", Legacy: others}); err == nil {
					t.Errorf("let in without %s", one)
				} else if i == 0 && len(m.allow) == 1 {
					mustContain(t, err.Error(), "legacy_algorithms = [")
				}
			}
		})
	}
}

func everyLegacy() []string {
	old := legacy()
	all := slices.Concat(old.KeyExchanges, old.Ciphers, old.MACs, []string{ssh.KeyAlgoRSA, "ssh-dss"})
	return slices.DeleteFunc(all, func(a string) bool { return slices.Contains(neverAgain, a) })
}

// TestLegacyStandsBehind: with everything allowed, a machine that has both is still spoken to safely.
func TestLegacyStandsBehind(t *testing.T) {
	e := endpoint{legacy: everyLegacy()}
	c, safe := e.config(), modern()
	for _, list := range [][2][]string{{c.KeyExchanges, safe.KeyExchanges}, {c.Ciphers, safe.Ciphers}, {c.MACs, safe.MACs}} {
		if got := list[0][:len(list[1])]; !slices.Equal(got, list[1]) || len(list[0]) == len(list[1]) {
			t.Errorf("%q doesn't begin with %q", list[0], list[1])
		}
	}
	p := newPKI(t)
	b := newBench(t)
	s := b.machine("n1:22")
	s.hostKeys = []ssh.Signer{p.rsa}
	b.know("n1 " + of(p.rsa))
	db, err := b.net.known.open([]string{b.known})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(db.algorithms(endpoint{host: "n1", port: 22, legacy: e.legacy})[:4], " "); !strings.HasSuffix(got, "rsa-sha2-512 rsa-sha2-256 ssh-rsa") {
		t.Errorf("host keys are asked for in the order %s", got)
	}
}

// TestLegacyLogin: a server that takes only signatures by SHA-1 from an RSA key gets one where ssh-rsa is allowed.
func TestLegacyLogin(t *testing.T) {
	p := newPKI(t)
	for _, allowed := range [][]string{nil, {ssh.HMACSHA1}, {ssh.KeyAlgoRSA}} {
		b := newBench(t)
		s := b.machine("n1:22")
		s.users["root"] = []ssh.PublicKey{p.rsa.PublicKey()}
		s.tune = func(c *ssh.ServerConfig) { c.PublicKeyAuthAlgorithms = []string{ssh.KeyAlgoRSA} }
		b.net.keys.cache[`[] [] false`] = []cachedSigner{{p.rsa, "rsa"}}
		err := b.ok(Login{Name: "n1", Legacy: allowed})
		if want := slices.Contains(allowed, ssh.KeyAlgoRSA); want != (err == nil) {
			t.Errorf("with %q allowed: %v", allowed, err)
		}
	}
}
