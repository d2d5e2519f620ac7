package remote

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func TestTrustText(t *testing.T) {
	a, _ := newKey(t)
	c, _ := newKey(t)
	ka, kc := keyLine(a.PublicKey()), keyLine(c.PublicKey())
	for _, test := range []struct {
		name, old string
		replace   bool
		want      string
	}{
		{"new file", "", false, "h " + kc + "\n"},
		{"already there", "h " + kc + "\n", false, "h " + kc + "\n"},
		{"added", "h " + ka + "\n", false, "h " + ka + "\nh " + kc + "\n"},
		{"replaced", "# hi\nh " + ka + "\nx " + ka + "\n", true, "# hi\nx " + ka + "\nh " + kc + "\n"},
		{"shared line", "h,x " + ka + "\n", true, "x " + ka + "\nh " + kc + "\n"},
		{"authority and revoked stay", "@revoked h " + ka + "\n@cert-authority h " + ka + "\n", true,
			"@revoked h " + ka + "\n@cert-authority h " + ka + "\nh " + kc + "\n"},
		{"patterns stay", "* " + ka + "\n", true, "* " + ka + "\nh " + kc + "\n"},
		{"garbage stays", "\nh\n\tfoo bar\n", true, "h\n\tfoo bar\nh " + kc + "\n"},
	} {
		if got := string(trusting([]byte(test.old), []string{"h"}, []ssh.PublicKey{c.PublicKey()}, test.replace)); got != test.want {
			t.Errorf("%s:\n%q\nwant\n%q", test.name, got, test.want)
		}
	}
}

func TestTrustHashesWhereNamesAreHashed(t *testing.T) {
	a, _ := newKey(t)
	c, _ := newKey(t)
	file := filepath.Join(t.TempDir(), "d", "known_hosts")
	write(t, file, knownhosts.HashHostname("[h]:22022")+" "+keyLine(a.PublicKey())+"\n", 0o640)
	if err := Trust(file, []string{"[h]:22022"}, []ssh.PublicKey{c.PublicKey()}, true); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), "22022") || strings.Count(string(text), "\n") != 1 || !strings.HasPrefix(string(text), "|1|") {
		t.Errorf("%s %v", text, err)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestTrustFromManyAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known_hosts")
	k, _ := newKey(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := Trust(file, []string{strings.Repeat("h", i+1)}, []ssh.PublicKey{k.PublicKey()}, false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if text, _ := os.ReadFile(file); strings.Count(string(text), "\n") != 20 {
		t.Errorf("lines were lost:\n%s", text)
	}
}
