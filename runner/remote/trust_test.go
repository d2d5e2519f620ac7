package remote

import (
	"fmt"
	"os"
	"os/exec"
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

// trustIn makes this test's own program another fleetup that trusts many hosts in that file.
const trustIn = "FLEETUP_TEST_TRUST_IN"

const trusts = 30

func trustMany(file string) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(os.Getenv("FLEETUP_TEST_KEY")))
	for i := 0; i < trusts && err == nil; i++ {
		err = Trust(file, []string{fmt.Sprintf("h%d-%d", os.Getpid(), i)}, []ssh.PublicKey{key}, true)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestTrustInSeveralProcesses: nothing is lost, and whoever reads meanwhile never sees half a file.
func TestTrustInSeveralProcesses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ssh", "known_hosts")
	k, _ := newKey(t)
	const processes = 3
	ended := make(chan error, processes)
	for range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), trustIn+"="+file, "FLEETUP_TEST_KEY="+keyLine(k.PublicKey()))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { ended <- cmd.Wait() }()
	}
	seen, left := 0, processes
	for left > 0 {
		select {
		case err := <-ended:
			if left--; err != nil {
				t.Error(err)
			}
		default:
		}
		text, _ := os.ReadFile(file)
		lines := strings.Count(string(text), "\n")
		if lines < seen || len(text) > 0 && text[len(text)-1] != '\n' {
			t.Fatalf("%d lines after %d", lines, seen)
		}
		seen = lines
	}
	if text, _ := os.ReadFile(file); strings.Count(string(text), "\n") != processes*trusts {
		t.Errorf("%d lines of %d", strings.Count(string(text), "\n"), processes*trusts)
	}
	for name, want := range map[string]os.FileMode{file: 0o600, file + ".lock": 0o600, filepath.Dir(file): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}
