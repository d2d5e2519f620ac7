package inventory

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSecrets(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	folder, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]Secret{
		`{ env = "FLEET_SUDO" }`:                {Env: "FLEET_SUDO"},
		`{ file = "sudo.txt" }`:                 {File: folder + "/sudo.txt"},
		`{ file = "~/sudo" }`:                   {File: "/home/ann/sudo"},
		`{ file = "/etc/it's here" }`:           {File: "/etc/it's here"},
		`{ command = ["pass", "--show", "a"] }`: {Command: []string{"pass", "--show", "a"}},
		`{ command = ["./ask.sh", "$x"] }`:      {Command: []string{folder + "/ask.sh", "$x"}},
		`{ command = ["~/bin/ask"] }`:           {Command: []string{"/home/ann/bin/ask"}},
	} {
		got := mustParse(t, "[ssh]\nsudo_password = "+value+"\n"+oneHost).Hosts[0].SSH.SudoPassword
		if diff := cmp.Diff(want, got); diff != "" || got.IsZero() {
			t.Errorf("%s (-want +got):\n%s", value, diff)
		}
	}
	if !(Secret{}).IsZero() {
		t.Error("no secret is not zero")
	}
}

// TestSecretsAreNeverQuoted: whatever somebody wrote for a secret, the messages don't repeat it.
func TestSecretsAreNeverQuoted(t *testing.T) {
	const literal = "hunter2"
	for _, value := range []string{
		`"hunter2"`, `'''hunter2'''`, `["hunter2"]`, `{ password = "hunter2" }`, `{ env = "hunter2!" }`, `{}`,
		`{ env = "A", file = "hunter2" }`, `{ command = [] }`, `{ command = "hunter2" }`, `{ command = ["a", "hunter2\n"] }`,
		`{ command = [""] }`, `7`, `hunter2`, `2006-hunter2`, `"hunter2`, `"hunter2" "x"`, `{ env = hunter2 }`, `"\hunter2"`,
	} {
		_, err := parse("fleet.toml", []byte("[ssh]\nsudo_password = "+value+"\n"+oneHost), nil)
		for _, p := range problemsOf(t, err) {
			if p.Line != 2 || strings.Contains(p.Error(), literal) || strings.Contains(p.Error(), "2006") {
				t.Errorf("%s: %v", value, p)
			}
		}
		_, err = parse("fleet.toml", []byte(oneHost), []string{"ssh.sudo_password=" + value})
		if got := problemsOf(t, err).Error(); !strings.HasPrefix(got, "--set ssh.sudo_password") || strings.Contains(got, literal) {
			t.Errorf("--set %s: %s", value, got)
		}
	}
	_, err := parse("fleet.toml", []byte("[verify]\nhttp = [{ url = \"https://u:hunter2@a/\" }, { url = \"https://u:hunter2@a b/\" }]\n"+oneHost), nil)
	if got := problemsOf(t, err); len(got) != 2 || strings.Contains(got.Error(), literal) {
		t.Errorf("URL: %v", got)
	}
}

func TestPaths(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	r := &reader{folder: "/etc/fleet"}
	for path, want := range map[string]string{
		"id": "/etc/fleet/id", "./keys/../id": "/etc/fleet/id", "/a//b/": "/a/b", "~/.ssh/id": "/home/ann/.ssh/id", "~": "/home/ann", "../id": "/etc/id",
	} {
		if got, err := r.file(path); err != nil || got != want {
			t.Errorf("file(%q) = %q, %v; want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"", "~ann/id", "-id", "a\nb", "a\x00b"} {
		if got, err := r.file(path); err == nil {
			t.Errorf("file(%q) = %q, want an error", path, got)
		}
	}
	t.Setenv("HOME", "")
	if _, err := r.file("~/id"); err == nil || !strings.Contains(err.Error(), "home folder is unknown") {
		t.Errorf("no $HOME: %v", err)
	}
	if got, err := r.file("/abs"); err != nil || got != "/abs" {
		t.Errorf("no $HOME, absolute: %q, %v", got, err)
	}
}

// TestFleetSecrets: every source that a file names is found, each once.
func TestFleetSecrets(t *testing.T) {
	f := mustParse(t, "[ssh]\nsudo_password = { env = \"SUDO\" }\n[prometheus]\nurl = \"http://p\"\nuser = \"ann\"\npassword = { file = \"/p\" }\n"+
		"[[notify]]\nurl = { env = \"CHAT\" }\n[hosts]\nn1 = { address = \"10.0.0.1\" }\n"+
		"n2 = { address = \"10.0.0.2\", bmc = { type = \"redfish\", address = \"10.1.0.2\", user = \"admin\", password = { env = \"BMC\" } } }\n")
	want := []Secret{{Env: "SUDO"}, {Env: "BMC"}, {File: "/p"}, {Env: "CHAT"}}
	if diff := cmp.Diff(want, f.Secrets()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
