package remote

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A private key that others may read is refused with what mends it, also among the usual names; its public half is not.
func TestKeyThatOthersMayRead(t *testing.T) {
	b := newBench(t)
	b.machine("n1:22")
	file := filepath.Join(b.home, ".ssh", "id_ed25519")
	for mode, want := range map[os.FileMode]string{0o600: "", 0o400: "", 0o644: "chmod 600 " + file, 0o640: "mode 0640"} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		for _, login := range []Login{{Name: "n1"}, {Name: "n1", IdentityFiles: []string{file}}} {
			ring := &keyring{net: b.net, files: map[string]*keyFile{}}
			_, notes, err := ring.load(endpoint{idents: login.IdentityFiles, only: true})
			said := strings.Join(notes, "; ")
			if err != nil {
				said = err.Error()
			}
			if want == "" && said != "" || !strings.Contains(said, want) {
				t.Errorf("mode %04o, named %v: %q", mode, login.IdentityFiles, said)
			}
		}
	}
}

// A key that the inventory names has to be there.
func TestKeyThatIsNot(t *testing.T) {
	b := newBench(t)
	ring := &keyring{net: b.net, files: map[string]*keyFile{}}
	_, _, err := ring.load(endpoint{idents: []string{"/no/such/key"}, only: true})
	if want := "identity file /no/such/key: no such file or directory; name another in ssh.identity_files"; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}
