package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/runner/remote/remotetest"
	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

// The two secrets of these tests: sudo's password and the API server's token.
const (
	canaryPassword = "canary-password-4b1d"
	canaryToken    = "canary-token-9e07"
)

// inSecretYard runs a test on two machines whose sudo wants the password, with an API server that wants the token.
func inSecretYard(t *testing.T, ssh, upgrade string, test func(s *yard)) {
	t.Helper()
	isolated(t)
	synctest.Test(t, func(t *testing.T) {
		nodes := box.Workers(2)
		for i := range nodes {
			nodes[i].Machine = func(o *remotetest.Options) {
				o.Users = []remotetest.User{{Name: "ops", UID: 1000, Sudo: remotetest.SudoPassword, Password: canaryPassword}}
			}
		}
		dir := filepath.Join(t.TempDir(), "box")
		b, err := box.New(context.Background(), dir, box.Options{Nodes: nodes, Cluster: kubetest.Config{Seed: 1}})
		s := &yard{T: t, Box: b, began: time.Now()}
		s.must(err)
		defer b.Close()
		b.API.Token(canaryToken, "ops")
		config := regexp.MustCompile(`token: "[^"]*"`).ReplaceAll(b.API.Kubeconfig(), []byte(`token: "`+canaryToken+`"`))
		s.must(os.WriteFile(filepath.Join(dir, "kubeconfig"), config, 0o600))
		s.must(os.WriteFile(filepath.Join(dir, "password"), []byte(canaryPassword+"\n"), 0o600))
		s.inventory, err = b.Inventory("[groups.workers.ssh]\nsudo_password = " + strings.ReplaceAll(ssh, "DIR", dir) + "\n" + upgrade)
		s.must(err)
		test(s)
	})
}

// TestSecretIsNowhere runs every command at the highest verbosity, with the password from each of its sources, right
// and wrong, and looks for both secrets in all that comes of it.
func TestSecretIsNowhere(t *testing.T) {
	for name, source := range map[string]string{
		"env": `{ env = "FLEET_SUDO" }`, "file": `{ file = "password" }`, "command": `{ command = ["cat", "DIR/password"] }`,
	} {
		t.Run(name, func(t *testing.T) {
			inSecretYard(t, source, yardUpgrade, func(s *yard) {
				state := filepath.Join(s.TempDir(), "state")
				command := func(want int, args ...string) {
					s.Helper()
					p := s.process(state)
					p.getenv = func(key string) string { return map[string]string{"FLEET_SUDO": canaryPassword}[key] }
					if got := p.fleetup(append([]string{"--verbose"}, args...)...); got != want {
						s.Errorf("%q: exit %d, want %d:\n%s%s", args, got, want, p.out, p.err)
					}
				}
				command(0, "check", s.inventory)
				command(0, "--output", "json", "plan", s.inventory)
				command(0, "plan", s.inventory)
				command(0, "exec", s.inventory, "--", "env")
				command(0, "run", s.inventory)
				command(0, "--output", "json", "run", s.inventory)
				command(0, "--output", "json", "status", s.inventory)
				s.nowhere(state)
				if _, err := os.Stat(state); err != nil {
					s.Errorf("no journal was looked at: %v", err)
				}
			})
		})
	}
}

// TestSecretThatIsWrongIsNowhere: what is refused must not be repeated in the refusal.
func TestSecretThatIsWrongIsNowhere(t *testing.T) {
	inSecretYard(t, `{ env = "FLEET_SUDO" }`, yardUpgrade, func(s *yard) {
		state := filepath.Join(s.TempDir(), "state")
		for _, args := range [][]string{{"check", s.inventory}, {"run", s.inventory}, {"--output", "json", "run", s.inventory}} {
			p := s.process(state)
			p.getenv = func(string) string { return "wrong-" + canaryPassword }
			if got := p.fleetup(append([]string{"--verbose"}, args...)...); got != exitFailed {
				s.Errorf("%q: exit %d:\n%s%s", args, got, p.out, p.err)
			}
		}
		if !strings.Contains(s.said(), "wrong sudo password") {
			s.Errorf("it isn't said:\n%s", s.said())
		}
		s.nowhere(state)
	})
}

// nowhere looks for the secrets in what was printed and kept here, on the machines and in the API.
func (s *yard) nowhere(state string) {
	s.Helper()
	s.clean("printed", []byte(s.said()))
	s.must(filepath.WalkDir(state, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // nothing was begun, so nothing was kept
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			s.Errorf("%s has mode %v", name, info.Mode())
		}
		if d.Type().IsRegular() {
			text, err := os.ReadFile(name)
			s.clean(name, text)
			return err
		}
		return nil
	}))
	known, err := os.ReadFile(filepath.Join(filepath.Dir(s.inventory), "known_hosts"))
	s.must(err)
	s.clean("known_hosts", known)
	for name, m := range s.Machines {
		s.clean("programs on "+name, []byte(strings.Join(m.Log(), "\n")))
		for _, dir := range []string{"/var/lib/fleetup", "/tmp", "/var/tmp", "/home", "/root", "/run"} {
			s.cleanDisk(name, m.FS, dir)
		}
	}
	for what, list := range map[string]any{
		"nodes": kubetest.List[*corev1.Node](s.API, ""), "events": kubetest.List[*corev1.Event](s.API, ""), "leases": kubetest.List[*coordinationv1.Lease](s.API, ""),
	} {
		text, err := json.Marshal(list)
		s.must(err)
		s.clean(what, text)
	}
}

func (s *yard) clean(what string, text []byte) {
	s.Helper()
	for _, secret := range []string{canaryPassword, canaryToken} {
		if i := bytes.Index(text, []byte(secret)); i >= 0 {
			s.Errorf("%s is in %s: … %s", secret, what, text[max(0, i-80):min(len(text), i+80)])
		}
	}
}

func (s *yard) cleanDisk(machine string, disk *vfs.FS, dir string) {
	s.Helper()
	entries, err := disk.ReadDir(vfs.Cred{}, dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			s.cleanDisk(machine, disk, name)
		} else if text, err := disk.ReadFile(vfs.Cred{}, name); err == nil {
			s.clean(machine+":"+name, text)
		}
	}
}

// A secret's file that isn't there is said with its path and what to do.
func TestSecretFileAway(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bmc-password")
	_, err := new(app).secret(t.Context(), "bmc.password", inventory.Secret{File: file})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), file) || !strings.HasSuffix(err.Error(), ": put it there, readable by you, or name another source in the inventory") {
		t.Error(err)
	}
}
