package playbooks

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLoadProblems: each mistake is refused with its line, its key and what to do about it.
func TestLoadProblems(t *testing.T) {
	t.Parallel()
	step := "[[steps]]\nname = \"x\"\n"
	tests := []struct{ name, source, want string }{
		{"syntax", "description = \n", "own.toml:1: "},
		{"unknown key", "descripton = \"x\"\n" + step + "reboot = {}\n", `own.toml:1: descripton: unknown key; did you mean "description"?`},
		{"description", "description = 3\n" + step + "reboot = {}\n", "own.toml:1: description: must be a string"},
		{"no steps", "description = \"x\"\n", "needs at least one [[steps]]"},
		{"apply without check", step + "apply = \"true\"\n", "own.toml:1: steps[0].check: is missing"},
		{"check without apply", step + "check = \"true\"\n", "steps[0].apply: is missing"},
		{"no type", step + "timeout = \"1m\"\n", "steps[0]: has no type"},
		{"parameter in quotes", "[params]\nv = {}\n" + step + "check = \"true\"\napply = \"x '{{.v}}'\"\n", "own.toml:6: steps[0].apply: {{.v}} must stand as a word of its own"},
		{"unknown parameter", "[params]\nversion = {}\n" + step + "check = \"true\"\napply = \"x {{.verson}}\"\n", `own.toml:6: steps[0].apply: {{.verson}} is no parameter of this playbook; did you mean "version"?`},
		{"a template's other words", step + "check = \"true\"\napply = \"{{if .x}}\"\n", "a parameter is written {{.name}}"},
		{"no shell", step + "check = \"true\"\napply = \"if x\"\n", "own.toml:4: steps[0].apply: is no script for /bin/sh"},
		{"unknown key of a command", step + "check = \"true\"\napply = \"x\"\ntimout = \"1m\"\n", `own.toml:5: steps[0].timout: unknown key for a command step; did you mean "timeout"?`},
		{"unknown key of a package", step + "package = { name = [\"x\"], version = \"1\" }\n", `own.toml:3: steps[0].name: unknown key for a package step; did you mean "names"?`},
		{"wrong type", step + "package = { names = [\"x\"], version = 1 }\n", "own.toml:3: steps[0].version: must be a string"},
		{"a bool by name", step + "check = \"true\"\napply = \"x\"\ndisruptive = \"no\"\n", "steps[0].disruptive: must be a bool"},
		{"a list by name", step + "package = { names = \"x\", version = \"1\" }\n", "steps[0].names: must be a list"},
		{"duration", step + "check = \"true\"\napply = \"x\"\ntimeout = \"soon\"\n", `own.toml:5: steps[0].timeout: "soon" is no duration`},
		{"power as a table", step + "check = \"true\"\npower = { state = \"off\" }\n", "own.toml:4: steps[0].power: must be a string"},
		{"power without check", step + "power = \"hold\"\n", "steps[0].check: is missing: a power step needs it"},
		{"two types", step + "reboot = {}\nkernel = { version = \"latest\" }\n", "unknown key for a kernel step"},
		{"second step", step + "reboot = {}\n" + step + "kernl = {}\n", "own.toml:4: steps[1]: has no type"},
		{"params", "params = 3\n" + step + "reboot = {}\n", "own.toml:1: params: must be a table"},
		{"a parameter", "[params]\nx = 3\n" + step + "reboot = {}\n", "own.toml:2: params.x: must be a table"},
		{"a parameter's key", "[params]\nx = { requird = true }\n" + step + "reboot = {}\n", `params.x.requird: unknown key; did you mean "required"?`},
		{"a parameter's default", "[params]\nx = { default = 1.5 }\n" + step + "reboot = {}\n", "params.x.default: must be a string, bool, int or a list"},
		{"a parameter's type", "[params]\nx = { type = \"float\" }\n" + step + "reboot = {}\n", "params.x.type: doesn't fit"},
		{"required with default", "[params]\nx = { required = true, default = \"1\" }\n" + step + "reboot = {}\n", "params.x: a required parameter has no default"},
		{"a given name", "[params]\nnode = {}\n" + step + "reboot = {}\n", "params.node: is given by fleetup itself"},
		{"a parameter's name", "[params]\n\"a b\" = {}\n" + step + "reboot = {}\n", "has letters, digits and _ only"},
	}
	for _, tt := range tests {
		_, err := load(t, tt.source)
		var problems Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v\nwant %s", tt.name, err, tt.want)
		}
	}
	_, err := load(t, "a = 1\nb = 2\n"+step+"apply = \"x '\"\n")
	var problems Problems
	if !errors.As(err, &problems) || len(problems) < 4 {
		t.Errorf("not all at once: %v", err)
	}
}

func load(t *testing.T, source string) (*Playbook, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "playbooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "playbooks", "own.toml"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load(dir, "own")
}

// TestBindProblems: parameters, and what becomes of them in their keys.
func TestBindProblems(t *testing.T) {
	t.Parallel()
	tests := []struct {
		playbook string
		params   map[string]any
		want     string
	}{
		{"kubelet", nil, "version: is missing: playbook kubelet needs it"},
		{"kubelet", map[string]any{"version": ""}, "version: is empty"},
		{"kubelet", map[string]any{"verson": "1.37.2"}, `verson: unknown parameter of playbook kubelet; did you mean "version"?`},
		{"kubelet", map[string]any{"version": int64(1)}, "version: must be a string"},
		{"kubelet", map[string]any{"version": 1.37}, "version: must be a string, in quotes"},
		{"kernel", map[string]any{"version": "latest", "insurance": "no"}, "insurance: must be true or false, without quotes"},
		{"kubelet", map[string]any{"version": "v1.37.2"}, "1.37.2 rather than v1.37.2"},
		{"kubelet", map[string]any{"version": "$(reboot)"}, "is no version"},
		{"kubelet", map[string]any{"version": "1.37.2' || reboot '"}, "is no version"},
		{"kubelet", map[string]any{"version": "1.37.2\nx"}, "control character"},
		{"kubelet", map[string]any{"version": "latest"}, "is no version"},
		{"kubeadm", map[string]any{"version": "1.37"}, "kubeadm wants a whole version"},
		{"kernel", map[string]any{"version": "newest"}, "is no version"},
		{"restart", map[string]any{"max_uptime": "a month"}, "is no duration"},
		{"os-patches", map[string]any{"exclude": []any{"a b"}}, "is no pattern"},
		{"os-patches", map[string]any{"exclude": []any{int64(3)}}, "exclude: must be a list"},
		{"os-patches", map[string]any{"exclude": []any{"x\x1b[2J"}}, "control character"},
		{"os-patches", map[string]any{"security_only": "yes"}, "must be true or false, without quotes"},
		{"docker", map[string]any{"version": "28.5.1", "containerd": "`id`"}, "is no version"},
	}
	for _, tt := range tests {
		book, err := Load("", tt.playbook)
		if err != nil {
			t.Fatal(err)
		}
		steps, err := book.Bind(tt.params, Target{})
		var problems Problems
		if !errors.As(err, &problems) || steps != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %v: got %v\nwant %s", tt.playbook, tt.params, err, tt.want)
		}
		if len(problems) != 1 {
			t.Errorf("%s %v: one slip of the pen is told as %d problems: %v", tt.playbook, tt.params, len(problems), err)
		}
	}
}

// TestBindBlames: a key that is nothing but a parameter is the inventory's problem, by the parameter's name, also where every step
// may have that key; one that the playbook puts together is the playbook's, with its line.
func TestBindBlames(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{
		`timeout = "{{.v}}"`:    `v: "soon" is no duration`,
		`stop = "{{.v}}"`:       `v: "soon": one of nothing, kubelet, runtime`,
		`disruptive = "{{.v}}"`: "v: must be true or false",
		`repeatable = "{{.v}}"`: "v: must be true or false",
		`running = "{{.v}}"`:    "v: must be true or false",
		`timeout = "{{.v}}er"`:  `own.toml:3: steps[0].timeout: "sooner" is no duration`,
	} {
		book, err := load(t, "[params]\nv = {}\n[[steps]]\ncheck = \"true\"\napply = \"true\"\n"+step+"\n")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = book.Bind(map[string]any{"v": "soon"}, Target{}); err == nil || !strings.Contains(err.Error(), want) || strings.HasPrefix(want, "v: ") != strings.HasPrefix(err.Error(), "v: ") {
			t.Errorf("%s: got %v\nwant %s", step, err, want)
		}
	}
}

func TestStepProblems(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{
		`service = { name = "a b", state = "started" }`:                              "no name of a unit",
		`service = { name = "a", state = "up" }`:                                     "one of started, stopped, restarted",
		`service = { name = "a" }`:                                                   "steps[0].state: is missing",
		`upload = { from = "a", to = "b" }`:                                          "must be the full path",
		`upload = { from = "", to = "/b" }`:                                          "is empty",
		`upload = { from = "a", to = "/b", mode = "rw" }`:                            "write it in octal",
		`package = { version = "1" }`:                                                "is missing: names, one_of or optional",
		`package = { names = ["a;b"], version = "1" }`:                               "no name of a package",
		`package = { names = ["a"], version = "1", exclude = ["b"] }`:                "goes with upgrade",
		`package = { upgrade = "some" }`:                                             "only \"all\" can be upgraded",
		`package = { upgrade = "all", names = ["a"] }`:                               "doesn't go with upgrade",
		`package = { names = ["a"], version = "1", starts = "a b" }`:                 "no name of a unit",
		`reboot = { max_uptime = "3d", here = true }`:                                "max_uptime doesn't go with it",
		"stop = \"network\"\nreboot = {}":                                            "one of nothing, kubelet, runtime",
		"stop = \"kubelet\"\ndisruptive = false\ncheck = \"true\"\napply = \"true\"": "is disruptive",
	} {
		book, err := load(t, "[[steps]]\n"+step+"\n")
		if err == nil {
			_, err = book.Bind(nil, Target{})
		}
		var problems Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), want) || problems[0].Line != 1 {
			t.Errorf("%s: got %v\nwant %s", step, err, want)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	if _, err := Load(t.TempDir(), "kublet"); err == nil || !strings.Contains(err.Error(), `did you mean "kubelet"?`) {
		t.Errorf("unknown: %v", err)
	}
	if _, err := Load(t.TempDir(), "../kubelet"); err == nil {
		t.Error("a path is taken for a name")
	}
	if _, err := Source("kernl"); err == nil || !strings.Contains(err.Error(), `did you mean "kernel"?`) {
		t.Errorf("Source: %v", err)
	}
	book, err := load(t, "description = \"mine\"\n[[steps]]\nreboot = {}\n")
	if err != nil || book.Description != "mine" {
		t.Errorf("own: %+v, %v", book, err)
	}
	// One's own kubelet.toml wins over the built-in one.
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "playbooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	source, err := Source("kubelet")
	if err != nil {
		t.Fatal(err)
	}
	mine := strings.Replace(string(source), "The kubelet", "My kubelet", 1)
	if err := os.WriteFile(filepath.Join(dir, "playbooks", "kubelet.toml"), []byte(mine), 0o644); err != nil {
		t.Fatal(err)
	}
	if book, err := Load(dir, "kubelet"); err != nil || !strings.HasPrefix(book.Description, "My kubelet") {
		t.Errorf("own kubelet: %+v, %v", book, err)
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		uses  string
		after map[string]string
		want  string
		err   string
	}{
		{"kernel kubelet containerd os-patches kubeadm", nil, "kubeadm os-patches containerd kubelet kernel", ""},
		{"nic kubelet bios", nil, "kubelet nic bios", ""},
		{"nic kubelet kernel bios", map[string]string{"nic": "kubelet"}, "kubelet nic kernel bios", ""},
		{"nic kubelet bios", map[string]string{"nic": "kubelet", "bios": "nic"}, "kubelet nic bios", ""},
		{"nic kubelet", map[string]string{"nic": "kublet"}, "", `no such playbook in [upgrade]; did you mean "kubelet"?`},
		{"nic bios", map[string]string{"nic": "bios", "bios": "nic"}, "", "wait for one another"},
		{"nic", map[string]string{"nic": "nic"}, "", "wait for one another"},
		{"kernel kubelet", map[string]string{"kernel": "kubelet"}, "", "has its fixed place"},
		{"", nil, "", ""},
	}
	for _, tt := range tests {
		got, err := Order(strings.Fields(tt.uses), tt.after)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %s", tt.uses, err, tt.err)
		}
		if err == nil && !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s: %v, want %s", tt.uses, got, tt.want)
		}
	}
}

// FuzzLoad: whatever a file holds, reading and binding it ends, with steps or with problems.
func FuzzLoad(f *testing.F) {
	for _, name := range Names() {
		source, err := Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source)
	}
	f.Add([]byte("[params]\nv = {}\n[[steps]]\ncheck = \"x {{.v}}\"\napply = \"y $(z {{.v}})\"\n"))
	f.Add([]byte("steps = [{ check = \"\", apply = \"{{.node}}\" }, 3]\n"))
	f.Fuzz(func(t *testing.T, source []byte) {
		book, err := parse("", "x.toml", "x", source)
		var problems Problems
		if err != nil {
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("no Problems: %v", err)
			}
			return
		}
		if _, err := book.Bind(map[string]any{"version": "1.2.3", "v": "$(x)"}, Target{Node: "n1"}); err != nil && !errors.As(err, &problems) {
			t.Fatalf("no Problems: %v", err)
		}
	})
}
