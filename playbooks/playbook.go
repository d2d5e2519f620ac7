package playbooks

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Playbook is a file that was read and found right; Bind makes steps of it for one machine.
type Playbook struct {
	Name        string
	Description string
	File        string // as it was opened, "built-in kubelet" for an embedded one
	Dir         string // what local paths in it are relative to: the inventory's folder
	Params      map[string]Param

	steps []spec
}

// Param is one parameter of a playbook.
type Param struct {
	Required bool
	Help     string
	Type     string // string (default), bool, int or list
	Default  any    // string, bool, int64 or []string; nil where there is none
	line     int
}

// order is how built-ins follow one another on a node, whatever their order in the inventory: kubeadm needs a running
// kubelet, the runtime is replaced before the kubelet that needs the newer one, and the reboot comes last.
var order = []string{"kubeadm", "os-patches", "containerd", "docker", "kubelet", "kubelet-config", "cleanup", "kernel", "restart"}

//go:embed builtin/*.toml
var builtin embed.FS

// Names returns the built-in playbooks in their order of execution.
func Names() []string { return slices.Clone(order) }

// Source returns the TOML of a built-in playbook, for people to copy and change.
func Source(name string) ([]byte, error) {
	if !slices.Contains(order, name) {
		return nil, fmt.Errorf("no built-in playbook is named %q%s", name, didYouMean(name, order))
	}
	return builtin.ReadFile("builtin/" + name + ".toml")
}

// Load reads the playbook of that name: ./playbooks/NAME.toml in dir, the inventory's folder, or else the built-in one.
// What is wrong in the file is returned as Problems, all at once.
func Load(dir, name string) (*Playbook, error) {
	file := filepath.Join(dir, "playbooks", name+".toml")
	own := ownNames(dir)
	if slices.Contains(own, name) {
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("playbook %s: %w", name, err)
		}
		return parse(dir, file, name, source)
	}
	source, err := Source(name)
	if err != nil {
		return nil, Problems{{Key: name, Message: fmt.Sprintf("no playbook is named so: neither a built-in one nor %s%s",
			file, didYouMean(name, append(own, order...)))}}
	}
	return parse(dir, "built-in "+name, name, source)
}

// ownNames lists the playbooks that lie beside the inventory.
func ownNames(dir string) []string {
	entries, err := os.ReadDir(filepath.Join(dir, "playbooks"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".toml"); ok && !e.IsDir() {
			names = append(names, name)
		}
	}
	return names
}

// Order returns the playbooks in uses in the order that they are run in: the built-in ones in theirs, then the user's
// own in the order given; after[NAME] puts one of these behind another instead. Errors are Problems with Key the name.
func Order(uses []string, after map[string]string) ([]string, error) {
	var problems Problems
	var ordered []string
	for _, name := range order {
		if slices.Contains(uses, name) {
			ordered = append(ordered, name)
		}
	}
	followers := map[string][]string{}
	for _, name := range uses {
		ahead := after[name]
		switch {
		case ahead == "" && !slices.Contains(order, name):
			ordered = append(ordered, name)
		case ahead == "":
		case slices.Contains(order, name):
			problems = append(problems, Problem{Key: name, Message: fmt.Sprintf("after = %q: a built-in playbook has its fixed place", ahead)})
		case !slices.Contains(uses, ahead):
			problems = append(problems, Problem{Key: name, Message: fmt.Sprintf("after = %q: no such playbook in [upgrade]%s", ahead, didYouMean(ahead, uses))})
		default:
			followers[ahead] = append(followers[ahead], name)
		}
	}
	ordered = insertFollowers(ordered, followers)
	for _, name := range uses {
		if len(problems) == 0 && !slices.Contains(ordered, name) {
			problems = append(problems, Problem{Key: name, Message: fmt.Sprintf("after = %q: the two wait for one another", after[name])})
		}
	}
	return ordered, problems.err()
}

// insertFollowers puts each playbook's followers right behind it, and theirs behind them.
func insertFollowers(names []string, followers map[string][]string) []string {
	var all []string
	for _, name := range names {
		all = append(all, name)
		all = append(all, insertFollowers(followers[name], followers)...)
	}
	return all
}
