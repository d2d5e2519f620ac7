package playbooks

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// base is what all steps have in common.
type base struct {
	name   string
	kind   string // its type
	id     string // unique in the run: what detached scripts of this step are named by
	traits Traits
}

func (s *base) Name() string                       { return s.name }
func (s *base) Traits() Traits                     { return s.traits }
func (s *base) Verify(context.Context, Host) error { return nil }

// What a type says that can't be taken back.
func (s *base) ID() string                                   { return s.id }
func (s *base) Undoable() string                             { return "what a " + s.kind + " step does can't be taken back" }
func (s *base) Before(context.Context, Host) (string, error) { return "", nil }
func (s *base) Undo(string) Step                             { return nil }

func (s *base) script(suffix string) string { return s.id + "." + suffix }

func (s *base) failed(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", s.name, what, err)
}

var notInID = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// base makes the common part of a step: the type's traits, and over them what the step's own keys say.
func (b *binding) base() base {
	name, _ := b.common["name"].(string)
	s := base{name: literal(name, b.values), kind: b.kind, traits: types[b.kind].defaults}
	if s.name == "" {
		s.name = b.kind
	}
	s.id = notInID.ReplaceAllString(b.book.Name, "-") + fmt.Sprintf(".%d", b.index)
	t := &s.traits
	t.Playbook = b.book.Name
	t.Disruptive = b.flag("disruptive", t.Disruptive)
	t.Repeatable = b.flag("repeatable", t.Repeatable)
	t.Running = b.flag("running", t.Running)
	t.Timeout = b.duration("timeout", t.Timeout)
	if t.Timeout == 0 {
		t.Timeout = 30 * time.Minute
	}
	switch stop := b.str("stop"); stop {
	case "":
	case "nothing":
		t.Stop = StopNothing
	case "kubelet":
		t.Stop = StopKubelet
	case "runtime":
		t.Stop = StopRuntime
	default:
		b.fail("stop", "%q: one of nothing, kubelet, runtime", stop)
	}
	if t.Stop != StopNothing && !t.Disruptive {
		b.fail("stop", "what stops the kubelet is disruptive")
	}
	return s
}

// said passes those lines on that are meant for people, without their mark; the rest is the package tool's own.
func said(say func(string)) func(string) {
	return func(line string) {
		if text, ok := strings.CutPrefix(line, ":: "); ok && say != nil {
			say(text)
		}
	}
}

// mostLines is how many lines of a user's own script are passed on as they come. Each is written down and synced to the disk
// before the next: a flash tool that prints its progress a hundred thousand times would be followed for an hour.
const mostLines = 500

// streamed runs a script detached and passes its first lines on as they come, then says how many more there were.
func streamed(ctx context.Context, h Host, name, script string, say func(string)) error {
	if say == nil {
		say = func(string) {}
	}
	n, last := 0, ""
	_, err := h.Do(ctx, name, script, func(line string) {
		if n++; n <= mostLines {
			say(line)
		}
		last = line
	})
	if n > mostLines {
		say(fmt.Sprintf("… and %d more lines, all in its output below /var/lib/fleetup on the machine; the last: %s", n-mostLines, last))
	}
	return err
}

// lines splits a script's output, without empty lines.
func lines(output string) []string {
	return strings.FieldsFunc(output, func(r rune) bool { return r == '\n' })
}
