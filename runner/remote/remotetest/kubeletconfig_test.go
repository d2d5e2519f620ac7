package remotetest

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/crypto/ssh"
)

// TestKubeletConfig: a simulated kubelet puts its configuration together as a real one did, where it knows how: not from flags or its
// unit, nor what a drop-in takes back, nor whole CPUs.
func TestKubeletConfig(t *testing.T) {
	for _, name := range []string{"defaults", "reserved", "hard", "soft", "dropins", "flags-beside", "pods-per-core"} {
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(filepath.Join("..", "..", "..", "testdata", "kubelet", name+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			box(t, Options{}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
				var answer struct {
					Config map[string]any `json:"kubeletconfig"`
				}
				root := login("root")
				for _, f := range archive.Files {
					if f.Name == "configz.json" {
						if err := json.Unmarshal(f.Data, &answer); err != nil {
							t.Fatal(err)
						}
					} else if strings.Contains(f.Name, "/") {
						if _, errs, status := run(t, root, "mkdir -p /"+filepath.Dir(f.Name), ""); status != 0 {
							t.Fatal(errs)
						}
						if err := m.WriteFile("/"+f.Name, f.Data); err != nil {
							t.Fatal(err)
						}
					}
				}
				config, err := m.KubeletConfig()
				if err != nil {
					t.Fatal(err)
				}
				body, err := json.Marshal(config) // numbers as the answer has them
				if err != nil {
					t.Fatal(err)
				}
				var has map[string]any
				if err := json.Unmarshal(body, &has); err != nil {
					t.Fatal(err)
				}
				for _, field := range []string{"kubeReserved", "systemReserved", "evictionHard", "evictionSoft", "evictionSoftGracePeriod", "maxPods", "podsPerCore"} {
					if real, simulated := fmt.Sprint(answer.Config[field]), fmt.Sprint(has[field]); real != simulated {
						t.Errorf("%s: %s, and a real kubelet has %s", field, simulated, real)
					}
				}
			})
		})
	}
}
