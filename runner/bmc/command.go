package bmc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// lingering is how long a program that has ended may keep its output open, by what it left running.
const lingering = time.Second

// command switches a machine by the operator's own programs.
type command struct{ c Config }

func newCommand(c Config) (Starter, error) {
	p := c.Programs
	if len(p.Status) == 0 || len(p.On) == 0 || len(p.Off) == 0 {
		return nil, errors.New("bmc: of type command needs the programs status, on and off")
	}
	if c.Run == nil {
		c.Run = run
	}
	return &command{c}, nil
}

// State reads the program's last word: on or off.
func (m *command) State(ctx context.Context) (State, error) {
	out, err := m.call(ctx, "status", m.c.Programs.Status)
	if err != nil {
		return "", err
	}
	words := strings.FieldsFunc(strings.ToLower(out), func(r rune) bool { return r < 'a' || r > 'z' })
	if len(words) > 0 {
		switch last := State(words[len(words)-1]); last {
		case On, Off:
			return last, nil
		}
	}
	return "", fmt.Errorf("%s: status printed %q, where the last word has to be on or off", m.c.Programs.Status[0], brief(out))
}

func (m *command) On(ctx context.Context) error {
	_, err := m.call(ctx, "on", m.c.Programs.On)
	return err
}

// Off runs the same program either way: what it does is the operator's affair.
func (m *command) Off(ctx context.Context, _ bool) error {
	_, err := m.call(ctx, "off", m.c.Programs.Off)
	return err
}

func (m *command) Cycle(ctx context.Context) error {
	if len(m.c.Programs.Cycle) > 0 {
		_, err := m.call(ctx, "cycle", m.c.Programs.Cycle)
		return err
	}
	if err := m.Off(ctx, true); err != nil {
		return err
	}
	if err := within(ctx, m.c.Timeout, func(ctx context.Context) error { return Await(ctx, m, Off) }); err != nil {
		return err
	}
	return m.On(ctx)
}

// call runs a program with the call's time.
func (m *command) call(ctx context.Context, what string, argv []string) (out string, err error) {
	c, cancel := context.WithTimeout(ctx, m.c.Timeout)
	defer cancel()
	out, err = m.c.Run(c, argv)
	if err != nil && c.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("it took longer than %s and was ended", m.c.Timeout)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w; try it by hand", argv[0], what, err)
	}
	return out, nil
}

func run(ctx context.Context, argv []string) (string, error) {
	return RunProgram(exec.CommandContext(ctx, argv[0], argv[1:]...))
}

// RunProgram runs a program and returns what it printed. An error holds what it wrote to stderr. What a program leaves
// running behind it doesn't keep the call.
func RunProgram(c *exec.Cmd) (string, error) {
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr, c.WaitDelay = &out, &errs, lingering
	err := c.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if said := brief(errs.String()); err != nil && said != "" {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return out.String(), err
}

// brief is the first line of what a program or a BMC said, without an end.
func brief(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}
