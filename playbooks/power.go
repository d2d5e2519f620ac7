package playbooks

import (
	"context"
	"errors"
	"strings"
	"time"
)

var _ = register("power", stepType{
	keys:     map[string]kind{"power": aString, "check": aShell, "expect": aList},
	required: []string{"check"},
	defaults: Traits{Disruptive: true, Repeatable: true, Holds: true, Timeout: 30 * time.Minute},
	build:    buildPower,
	topLevel: true,
})

// power asks for hardware work: once all else is done to the node and verified, the runner turns the machine off and holds it.
// check says with exit 0 that the work was done, so that the node isn't turned off again.
type power struct {
	base
	check  string
	expect []string
}

func buildPower(b *binding) Step {
	s := &power{base: b.base(), check: b.script("check"), expect: b.list("expect")}
	if state := b.str("power"); state != "hold" {
		b.fail("power", "%q: a run turns a machine off only to hold it for hardware work, power = \"hold\"; `fleetup power on INVENTORY NODE` and the like are for all else", state)
	}
	if !s.traits.Disruptive {
		b.fail("disruptive", "a machine that is turned off has to be drained")
	}
	return s
}

// Expect are the changes of the hardware that are announced with the hold, as `fleetup swap begin --expect` takes them.
func (s *power) Expect() []string { return s.expect }

// Check runs the script in check.
func (s *power) Check(ctx context.Context, h Host) (Status, error) {
	out, err := h.Run(ctx, "(\n"+s.check+"\n) >/dev/null 2>&1\necho \"rc $?\"\n")
	if err != nil {
		return Status{}, s.failed("check", err)
	}
	if strings.Contains(out, "rc 0\n") {
		return Status{Clean: true}, nil
	}
	return Status{Changes: []string{s.name + ": turned off and held, for hardware work"}}, nil
}

// Apply isn't called: the runner holds the node, after everything else.
func (s *power) Apply(context.Context, Host, func(string)) error {
	return errors.New(s.name + ": hardware work isn't a script's")
}

// Undoable: what hands did, hands take back.
func (s *power) Undoable() string { return "hardware work is taken back by hand" }
