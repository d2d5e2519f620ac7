package lab_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fleetup/fleetup/testdata/lab"
)

// Every way to become root on a machine, and every way to reach one.
func TestLoginsOfFleetup(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 1, Bastions: 1})
	n1, b1 := l.Machines[0], l.Machines[1]
	secret := filepath.Join(l.Dir, "secret")
	if err := os.WriteFile(secret, []byte("lab-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(l.Dir, "wrong")
	if err := os.WriteFile(wrong, []byte("not-it\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sudo := func(file string) string {
		return strings.Replace(l.Hosts("pw"), `user = "pw"`, fmt.Sprintf("user = \"pw\"\nsudo_password = { file = %q }", file), 1)
	}
	l.Env = append(l.Env, "FLEET_SUDO=lab-secret")
	const patches = "[upgrade]\nos-patches = {}\n"

	t.Run("wrong sudo password", func(t *testing.T) {
		before, boot := getNode(t, l, "n1"), n1.BootID()
		for _, command := range []string{"check", "run"} {
			said := fleetup(t, l, 1, command, l.WriteInventory(sudo(wrong)+patches))
			says(t, said, "n1", "sudo", "password")
			saysNot(t, said, "not-it")
		}
		untouched(t, l, n1, before, boot)
	})
	for _, test := range []struct{ name, inventory string }{
		{"root", l.Hosts("root")},
		{"ops", l.Hosts("ops")},
		{"sudo password", sudo(secret)},
		{"sudo password by environment", strings.Replace(sudo(secret), fmt.Sprintf("{ file = %q }", secret), `{ env = "FLEET_SUDO" }`, 1)},
		{"certificate", strings.Replace(l.Hosts("ops"), l.Key, l.Certificate, 1)},
		{"jump host", strings.Replace(l.Hosts("ops"), `user = "ops"`, fmt.Sprintf("user = \"ops\"\njump = [\"root@%s\"]", b1.IP), 1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "jump host" {
				defer n1.OnlyFrom(b1)()
			}
			n1.Must("apt-get -q -y --allow-downgrades install labpatch=1.0-1 labextra=1.0-1")
			inventory := l.WriteInventory(test.inventory + patches)
			says(t, fleetup(t, l, 0, "check", inventory), "nothing stands against a run")
			said := fleetup(t, l, 0, "run", "--yes", inventory)
			saysNot(t, said, "lab-secret")
			equal(t, "patched", n1.Must("dpkg-query -W -f '${Version} ' labpatch labextra"), "1.1-1 1.1-1")
		})
	}
	if out, err := n1.Exec("grep -r lab-secret /var/lib/fleetup /proc/[0-9]*/cmdline /proc/[0-9]*/environ /var/log/auth.log /var/log/journal 2>/dev/null"); err == nil {
		t.Errorf("the sudo password is on the machine: %s", out)
	}
	state := filepath.Join(l.Dir, "state")
	_ = filepath.WalkDir(state, func(path string, d os.DirEntry, err error) error {
		if text, readErr := os.ReadFile(path); err == nil && !d.IsDir() && readErr == nil && strings.Contains(string(text), "lab-secret") {
			t.Errorf("the sudo password is in %s", path)
		}
		return nil
	})
}
