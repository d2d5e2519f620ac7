package remotetest

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// A machine can look into a package index that apt hasn't fetched yet, and is told where there is none.
func TestCurl(t *testing.T) {
	box(t, Options{}, func(t *testing.T, _ *Machine, login func(string) *ssh.Client) {
		c := login("root")
		out, _, status := run(t, c, `curl -fsSL --max-time 10 -o /tmp/index https://pkgs.k8s.io/core:/stable:/v1.37/deb/Packages && cat /tmp/index`, "")
		if status != 0 || !strings.Contains(out, "Package: kubelet\nVersion: 1.37.2-1.1\n") {
			t.Errorf("status %d: %s", status, out)
		}
		_, errs, status := run(t, c, `curl -fsSL https://pkgs.k8s.io/core:/stable:/v9.99/deb/Packages`, "")
		if status != 22 || !strings.Contains(errs, "404") {
			t.Errorf("an index that isn't there: status %d, %s", status, errs)
		}
	})
}

// Two programs that print at once don't share what they print into.
func TestPrintfAtOnce(t *testing.T) {
	box(t, Options{}, func(t *testing.T, _ *Machine, login func(string) *ssh.Client) {
		out, errs, status := run(t, login("root"), `for i in 1 2 3 4 5 6 7 8; do (n=0; while [ $n -lt 200 ]; do printf '%s-%s\n' $i $n; n=$((n+1)); done) & done; wait`, "")
		if status != 0 || strings.Count(out, "\n") != 1600 {
			t.Errorf("status %d, %d lines, %s", status, strings.Count(out, "\n"), errs)
		}
	})
}
