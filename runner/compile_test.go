package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/inventory"
)

// compile writes an inventory, with files beside it, and compiles all of its hosts.
func compile(t *testing.T, files map[string]string) (map[string]Work, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := inventory.Load(filepath.Join(dir, "fleet.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return Compile(f, f.Hosts, func(inventory.Host) Machine { return nil })
}

const twoHosts = `[hosts]
cp1 = { address = "10.0.0.1", groups = ["control-plane"] }
n1  = { address = "10.0.0.2" }
`

func TestCompile(t *testing.T) {
	work, err := compile(t, map[string]string{"fleet.toml": twoHosts + `
[upgrade]
firmware   = { version = "7" }
kernel     = "6.1.0-56-amd64"
kubelet    = "1.37.2"
containerd = "2.1.4"
kubeadm    = "1.37.2"
reboot     = "always"
[reboot]
timeout = "7m"
`, "playbooks/firmware.toml": `description = "x"
[params]
version = { required = true }
[[steps]]
name  = "flash"
check = "fw is {{.version}}"
apply = "fw flash {{.version}}"
`})
	if err != nil {
		t.Fatal(err)
	}
	w := work["n1"]
	var books []string
	for _, s := range w.Steps {
		if book := s.Traits().Playbook; len(books) == 0 || books[len(books)-1] != book {
			books = append(books, book)
		}
	}
	if d := cmp.Diff([]string{"kubeadm", "containerd", "kubelet", "kernel", "firmware"}, books); d != "" {
		t.Error(d)
	}
	if w.KubeletVersion != "v1.37.2" || w.KubeadmVersion != "v1.37.2" || w.RebootPolicy != "always" || w.RebootTimeout != 7*time.Minute {
		t.Errorf("work: %+v", w)
	}
	if !work["cp1"].ControlPlane || w.ControlPlane {
		t.Error("cp1 alone is of the control plane")
	}
}

// What is wrong with a parameter is told on the inventory's own line, once, however many hosts it concerns.
func TestCompileProblems(t *testing.T) {
	_, err := compile(t, map[string]string{"fleet.toml": twoHosts + `
[upgrade]
kubelte = "1.37.2"
os-patches = { securty_only = true }
`})
	if err == nil {
		t.Fatal("compiled")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0]+lines[1], `fleet.toml:6: upgrade.kubelte: `) ||
		!strings.Contains(lines[0]+lines[1], "kubelet") || !strings.Contains(lines[0]+lines[1], `fleet.toml:7: upgrade.os-patches.securty_only: `) {
		t.Errorf("problems:\n%v", err)
	}
}
