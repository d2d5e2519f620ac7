package remote

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fleetup/fleetup/playbooks"
)

// hostile are what shells trip over.
var hostile = []string{"", " ", "a b", "$(touch executed)", "`touch executed`", "'", `"`, `'"'"'`, `\`, `\\`, "\n", "a\nb\n", "\r", "\t", "if", "PATH=/x", "-n", "-e",
	"~", "*", "?", "[a]", "#", "\xff\xfe", "é", "!", "!!", "{}", "{a,b}", "&&", ";touch executed", "|", ">executed", "<x", "\x01\x02\x1b[0m", "\x7f", "%s%n", "$HOME", "${x}", "$'x'", "--", "EOF\nx\nEOF"}

const special = " '\"$`\\\n!*;&|<>(){}[]~#%="

// anyBytes are n arguments of any bytes but NUL, the hostile ones among them.
func anyBytes(seed uint64, n int) []string {
	random := rand.New(rand.NewPCG(seed, 1))
	args := append([]string(nil), hostile...)
	for len(args) < n {
		b := make([]byte, random.IntN(40))
		for i := range b {
			if b[i] = byte(1 + random.IntN(255)); random.IntN(2) == 0 {
				b[i] = special[random.IntN(len(special))]
			}
		}
		args = append(args, string(b))
	}
	return args
}

// TestFault38AnyBytesAreOneArgument goes the whole way: a script over SSH to the real /bin/sh, as root, below sudo with
// and without a password, detached, and back in a file that the program called wrote.
func TestFault38AnyBytesAreOneArgument(t *testing.T) {
	needs(t, "flock", "setsid")
	seed := rand.Uint64()
	args := anyBytes(seed, 300)
	for _, test := range []struct {
		name, user, sudo string
		detached         bool
	}{
		{"root", "root", "", false}, {"sudo", "ops", "NOPASSWD=1", false}, {"sudo with a password", "ops", "WANT=secret", false},
		{"root, detached", "root", "", true}, {"sudo with a password, detached", "ops", "WANT=secret", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			s, _ := b.sudoMachine(test.sudo)
			got := filepath.Join(s.home, "got")
			s.program("record", `printf '%s\0' "$@" >`+quote(got)+"\n")
			h := b.host(Login{Name: "n1", User: test.user, SudoPassword: password("secret")}, Fence{Run: "run-1", Epoch: 1})
			script := "record"
			for _, a := range args {
				script += " " + quote(a)
			}
			var err error
			if test.detached {
				_, err = h.Do(t.Context(), "record", script, nil)
			} else {
				_, err = h.Run(t.Context(), script)
			}
			if err != nil {
				t.Fatal(err)
			}
			same(t, seed, got, args)
		})
	}
}

func same(t *testing.T, seed uint64, file string, want []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	if len(got) != len(want) {
		t.Fatalf("seed %d: %d arguments of %d", seed, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("seed %d: %q came out as %q", seed, want[i], got[i])
		}
	}
	for _, dir := range []string{filepath.Dir(file), "/"} {
		if exists(filepath.Join(dir, "executed")) {
			t.Error("a part of an argument was executed in " + dir)
		}
	}
}

// TestFault38ParametersOnTheWholeWay: a playbook's parameters, through its template, in check, apply and verify.
func TestFault38ParametersOnTheWholeWay(t *testing.T) {
	needs(t, "flock", "setsid")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "playbooks", "flash.toml"), `description = "x"
[params]
values = { type = "list", required = true }
[[steps]]
name   = "flash"
check  = "record check {{.values}}; false"
apply  = "record apply {{.values}}"
verify = "record verify {{.values}}"
`, 0o600)
	book, err := playbooks.Load(dir, "flash")
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	var values []any
	var args []string
	for _, a := range anyBytes(seed, 200) {
		if _, err := book.Bind(map[string]any{"values": []any{a}}, playbooks.Target{Node: "n1"}); err == nil { // control characters are refused
			values, args = append(values, a), append(args, a)
		}
	}
	if len(args) < 30 {
		t.Fatalf("seed %d: only %d of 200 are accepted", seed, len(args))
	}
	steps, err := book.Bind(map[string]any{"values": values}, playbooks.Target{Node: "n1"})
	if err != nil || len(steps) != 1 {
		t.Fatal(steps, err)
	}
	b := newBench(t)
	s, _ := b.sudoMachine("WANT=secret")
	s.program("record", "what=$1\nshift\nprintf '%s\\0' \"$@\" >"+quote(s.home)+"/$what\n")
	h := b.host(Login{Name: "n1", User: "ops", SudoPassword: password("secret")}, Fence{Run: "run-1", Epoch: 1})
	if _, err := steps[0].Check(t.Context(), h); err != nil {
		t.Error(err)
	}
	if err := steps[0].Apply(t.Context(), h, nil); err != nil {
		t.Error(err)
	}
	if err := steps[0].Verify(t.Context(), h); err != nil {
		t.Error(err)
	}
	for _, what := range []string{"check", "apply", "verify"} {
		same(t, seed, filepath.Join(s.home, what), args)
	}
}
