package remote

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func fixedKey(t testing.TB, seed byte) ssh.PublicKey {
	t.Helper()
	s, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return s.PublicKey()
}

// FuzzKnownHosts: whatever a file holds, trusting a key in it makes that key trusted unless it is revoked there, takes
// nothing from another host, and leaves authorities and revoked keys as they are.
func FuzzKnownHosts(f *testing.F) {
	a, b := fixedKey(f, 1), fixedKey(f, 2)
	ka, kb := keyLine(a), keyLine(b)
	for _, text := range []string{"", "n1 " + kb, "n1,n2 " + kb + "\nn2 " + ka, "@revoked * " + ka, "@cert-authority * " + kb + "\n*,!n1 " + kb,
		"# x\n\n  n? " + kb + "\r\n|1|x|y " + kb, "[n1]:2222,n2 " + ka + " comment", "@x n1 " + ka + "\n@revoked @revoked n2 " + kb} {
		f.Add(text, "n1", true)
		f.Add(text, "[n1]:2222", false)
	}
	f.Fuzz(func(t *testing.T, text, host string, replace bool) {
		if host = strings.ToLower(host); !nameable(host) || host == "n2" {
			return
		}
		before, after := &knownDB{}, &knownDB{}
		before.read("before", []byte(text))
		changed := trusting([]byte(text), []string{host}, []ssh.PublicKey{a}, replace)
		after.read("after", changed)
		v := after.judge([]string{host}, host, a)
		if revoked := before.judge([]string{host}, host, a).revoked != nil; v.trusted == revoked {
			t.Fatalf("revoked %v, and then %+v:\n%s", revoked, v, changed)
		}
		for _, k := range []ssh.PublicKey{a, b} {
			if x, y := before.judge([]string{"n2"}, "n2", k), after.judge([]string{"n2"}, "n2", k); x.trusted != y.trusted || x.changed != y.changed || (x.revoked == nil) != (y.revoked == nil) {
				t.Fatalf("n2 was %+v and is %+v:\n%s", x, y, changed)
			}
		}
		if again := trusting(changed, []string{host}, []ssh.PublicKey{a}, replace); !bytes.Equal(again, changed) {
			t.Fatalf("a second time changes it:\n%s\n%s", changed, again)
		}
	})
}

// FuzzQuoting: any bytes but NUL go into a script, on standard input as scripts go to machines, and come out as one
// argument with the same bytes.
func FuzzQuoting(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) {
			return
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", scriptLine("m"))
		cmd.Stdin = strings.NewReader("set -- " + quote(s) + "\nprintf '%s:%s.' $# \"$1\"\n")
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != "m\n1:"+s+".~m~m" {
			t.Errorf("%q came out as %q, %v", s, out, err)
		}
	})
}
