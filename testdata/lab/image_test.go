package lab_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fleetup/fleetup/testdata/lab"
)

// The image that jobs run: built from cmd/fleetup/Dockerfile, it holds the program and certificates and nothing else, and the
// program works there, as its own user, with time zones that no file tells it.
func TestImage(t *testing.T) {
	image := lab.BuildImage(t, "v1.2.3-lab")
	files := image.Files()
	slices.Sort(files)
	equal(t, "files", strings.Join(files, " "), "/etc/ssl/certs/ca-certificates.crt /fleetup")

	folder := t.TempDir()
	inventory := `[cluster]
[hosts]
n1 = { address = "10.213.0.11" }
[upgrade]
kubelet = "1.37.2"
[[window]]
start    = "0 1 * * Sat"
duration = "4h"
timezone = "Europe/Berlin"
`
	if err := os.WriteFile(filepath.Join(folder, "inventory.toml"), []byte(inventory), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o755); err != nil { // for the image's own user
		t.Fatal(err)
	}
	said, err := image.Run(folder, "version")
	if err != nil {
		t.Fatal(err)
	}
	says(t, said, "fleetup v1.2.3-lab (")
	said, err = image.Run(folder, "job", "/etc/fleetup/inventory.toml", "--image", "registry.example.com/fleetup:1")
	if err != nil {
		t.Fatal(err)
	}
	says(t, said, "runAsUser: 65532", "timeZone: Europe/Berlin")
}
