package inventory

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Secrets are all sources of secrets that the inventory names, each once.
func (f *Fleet) Secrets() []Secret {
	var all []Secret
	add := func(s Secret) {
		if !s.IsZero() && !slices.ContainsFunc(all, func(other Secret) bool { return reflect.DeepEqual(other, s) }) {
			all = append(all, s)
		}
	}
	for _, h := range f.Hosts {
		add(h.SSH.SudoPassword)
		add(h.BMC.Password)
	}
	add(f.Prometheus.Bearer)
	add(f.Prometheus.Password)
	for _, n := range f.Notify {
		add(n.URL)
	}
	return all
}

const howSecret = `name where it comes from: { env = "NAME" }, { file = "PATH" } or { command = ["PROGRAM", "ARGUMENT"] }`

// secret is where a secret comes from. No message quotes the value, which may be the secret itself.
func (t *table) secret(name string) (Secret, bool) {
	v, ok := t.get(name)
	if !ok {
		return Secret{}, false
	}
	if _, isTable := v.(map[string]any); !isTable {
		t.bad(name, "a secret never stands in the inventory, which ends up in version control; %s", howSecret)
		return Secret{}, false
	}
	sub, _ := t.sub(name)
	before := len(t.problems)
	secret := sub.source()
	sub.done()
	if len(t.problems) > before {
		return Secret{}, false
	}
	if len(sub.m) != 1 {
		t.bad(name, "exactly one source is needed; %s", howSecret)
		return Secret{}, false
	}
	return secret, true
}

func (t *table) source() (s Secret) {
	if env, ok := t.string("env"); ok {
		s.Env = env
		if !variable.MatchString(env) {
			t.bad("env", "is not the name of an environment variable; the secret itself never stands in the inventory")
		}
	}
	s.File, _ = t.filePath("file")
	if command, ok := t.strings("command"); ok {
		s.Command = t.program("command", command)
	}
	return s
}

// program checks a command line that runs on this machine, without a shell. A program with a slash is a path like any
// other in the inventory.
func (t *table) program(name string, command []string) []string {
	if len(command) == 0 {
		t.bad(name, "names no program")
		return nil
	}
	for _, arg := range command {
		if strings.IndexFunc(arg, unicode.IsControl) >= 0 {
			t.bad(name, "unsafe string: control characters and line breaks are refused")
			return nil
		}
	}
	if !strings.ContainsRune(command[0], filepath.Separator) {
		if err := check(command[0], func(s string) error {
			if s == "" {
				return fmt.Errorf("names no program")
			}
			return nil
		}); err != nil {
			t.bad(name, "%v", err)
		}
		return command
	}
	program, err := t.file(command[0])
	if err != nil {
		t.bad(name, "%v", err)
	}
	return append([]string{program}, command[1:]...)
}
