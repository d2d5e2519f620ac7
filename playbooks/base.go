package playbooks

import (
	"context"
	"embed"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Rollbacker is a Step that can be taken back: Rollback brings the machine to what it ran before the last Apply.
type Rollbacker interface {
	Rollback(ctx context.Context, h Host) error
}

// base is what all steps have in common.
type base struct {
	name   string
	id     string // unique in the run: what detached scripts of this step are named by
	traits Traits
}

func (s *base) Name() string                       { return s.name }
func (s *base) Traits() Traits                     { return s.traits }
func (s *base) Verify(context.Context, Host) error { return nil }
func (s *base) script(suffix string) string        { return s.id + "." + suffix }

func (s *base) failed(what string, err error) error {
	return fmt.Errorf("%s: %s: %w", s.name, what, err)
}

var notInID = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// base makes the common part of a step: the type's traits, and over them what the step's own keys say.
func (b *binding) base() base {
	name, _ := b.common["name"].(string)
	s := base{name: literal(name, b.values), traits: types[b.kind].defaults}
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

//go:embed sh/*.sh
var library embed.FS

// lib returns the named parts of the shell library behind common.sh, which all of them need.
func lib(names ...string) string {
	all := part("common")
	for _, name := range names {
		all += part(name)
	}
	return all
}

// part is one file of the shell library, without its comments: it is sent to every machine.
func part(name string) string {
	text, err := library.ReadFile("sh/" + name + ".sh")
	if err != nil {
		panic(err) // the file is embedded: only a typo in this package gets here
	}
	return comment.ReplaceAllString(string(text), "")
}

var comment = regexp.MustCompile(`(?m)^#.*\n|^\n`)

// withTool is a script that has the functions of the machine's own package tool: apt.sh's or dnf.sh's. A machine with
// neither is told so.
func withTool(body string) string {
	return lib("install") + chooseTool("fail 'this machine has neither apt nor dnf: install one, or leave its package steps out'") + body
}

// chooseTool is the part of a script that takes the functions of one package tool; without one, otherwise is done.
func chooseTool(otherwise string) string {
	return "case $(tool) in\napt)\n" + part("apt") + ";;\ndnf)\n" + part("dnf") + ";;\n*) " + otherwise + " ;;\nesac\n"
}

// said passes those lines on that are meant for people, without their mark; the rest is the package tool's own.
func said(say func(string)) func(string) {
	return func(line string) {
		if text, ok := strings.CutPrefix(line, ":: "); ok && say != nil {
			say(text)
		}
	}
}

// lines splits a script's output, without empty lines.
func lines(output string) []string {
	return strings.FieldsFunc(output, func(r rune) bool { return r == '\n' })
}
