package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
)

// needs is what a command needs of an inventory besides hosts.
type needs struct {
	upgrade   bool // an [upgrade] with at least one playbook
	cluster   bool // a [cluster]
	playbooks bool // those that are named must be there and right
}

// load reads the inventory and selects from it. All that is wrong with it is told at once: where the file is wrong,
// also what the command would have refused later.
func (a *app) load(path string, n needs) (*inventory.Fleet, []inventory.Host, error) {
	a.inventory = path
	f, err := inventory.Load(path, a.flags.set...)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, usage("inventory %s: no such file; %s", path, instead(filepath.Dir(path)))
	}
	var wrong inventory.Problems
	if err != nil && !errors.As(err, &wrong) {
		return nil, nil, usage("%w", err)
	}
	if f == nil {
		return nil, nil, fewer(wrong)
	}
	var more inventory.Problems
	if errors.As(f.Require(n.upgrade, n.cluster), &more) {
		wrong = wrong.With(more)
	}
	if len(wrong) > 0 {
		if n.playbooks {
			wrong = wrong.With(misused(f))
		}
		return nil, nil, fewer(wrong)
	}
	hosts, err := f.Select(a.flags.limit)
	if err != nil {
		return nil, nil, exitWith(exitUsage, err)
	}
	return f, hosts, nil
}

// instead is what somebody may have meant who names an inventory that isn't in dir.
func instead(dir string) string {
	there, _ := filepath.Glob(filepath.Join(dir, "*.toml")) // its one error is of the pattern
	switch {
	case len(there) == 0:
		return "the least that one holds is [hosts] with n1 = { address = \"10.0.0.1\" }"
	case len(there) > 5:
		return fmt.Sprintf("there are %d others in that folder", len(there))
	}
	return "there is " + strings.Join(there, ", ")
}

// misused is what is wrong with the playbooks that the inventory names, and with what it tells them.
func misused(f *inventory.Fleet) inventory.Problems {
	var wrong inventory.Problems
	_, err := runner.Compile(f, f.Hosts, func(inventory.Host) runner.Machine { return nil })
	errors.As(err, &wrong)
	return wrong
}

// mostProblems are more than anybody mends at once.
const mostProblems = 50

// fewer keeps a file that isn't an inventory at all from filling the screen.
func fewer(wrong inventory.Problems) error {
	if len(wrong) <= mostProblems {
		return wrong
	}
	return exitWith(exitInventory, fmt.Errorf("%w\nand %d more like these", wrong[:mostProblems], len(wrong)-mostProblems))
}
