// Package local runs commands on the machine that fleetup itself runs on: hooks, gates that are a command, and the
// commands that secrets come from.
//
//	c := local.Command{Args: []string{"./silence.sh", "node1"}, Timeout: time.Minute}
//	err := c.Run(ctx, func(line string) { … })  // each line of its output, as it comes
//	out, err := c.Output(ctx)                   // what it printed to stdout
//
// No shell is involved. A command is a process group of its own: at its timeout, or when ctx ends, the whole group is
// asked to end, and killed soon after. One that has ended but left a child behind that holds its output has ended.
package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Command is a program with its arguments.
type Command struct {
	Args    []string      // Args[0] is a path, or looked up in $PATH
	Env     []string      // KEY=VALUE; the whole environment. nil: that of this process
	Dir     string        // "": the current folder
	Timeout time.Duration // 0: none but that of ctx
}

const (
	// grace is what a command has between being asked to end and being killed, and how long its output is waited for
	// once it has ended.
	grace = 2 * time.Second
	// mostOutput bounds what Output keeps, in bytes.
	mostOutput = 64 << 10
)

// Run runs the command and hands each line that it prints, on either stream, to line, one at a time. The error says how
// it ended, if not with 0; it wraps *exec.ExitError where the program told so itself.
func (c Command) Run(ctx context.Context, line func(string)) error {
	w := &lines{say: line}
	err := c.run(ctx, w, w, nil)
	w.flush()
	return err
}

// Output runs the command and returns what it printed to stdout, at most 64 KiB. Where it fails, the error ends with the
// last line of its stderr.
func (c Command) Output(ctx context.Context) (string, error) {
	var last string
	told := &lines{say: func(s string) { last = s }}
	out := &head{}
	err := c.run(ctx, out, told, func() string { told.flush(); return last })
	return string(out.kept), err
}

func (c Command) run(ctx context.Context, stdout, stderr io.Writer, last func() string) error {
	if len(c.Args) == 0 {
		return errors.New("no command")
	}
	own := ctx
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		own, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	cmd := exec.CommandContext(own, c.Args[0], c.Args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.Env, c.Dir, stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	err := cmd.Run()
	if own.Err() != nil && cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what the polite request left of the group
	}
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: cut off: %w", c.Args[0], context.Cause(ctx))
	case own.Err() != nil:
		return fmt.Errorf("%s: took longer than %s and was killed", c.Args[0], c.Timeout)
	}
	if last != nil && last() != "" {
		return fmt.Errorf("%s: %w: %s", c.Args[0], err, last())
	}
	return fmt.Errorf("%s: %w", c.Args[0], err)
}

// lines cuts what is written into lines that can be shown: one at a time, of bounded length and number, without control characters.
type lines struct {
	say  func(string)
	rest []byte
	n    int
}

const (
	mostLines   = 500
	longestLine = 2000
)

// Write implements io.Writer. os/exec calls it from one goroutine where both streams are the same writer.
func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 && len(l.rest) > longestLine {
			i = longestLine
		}
		if i < 0 {
			return len(p), nil
		}
		l.line(l.rest[:i])
		l.rest = l.rest[min(i+1, len(l.rest)):]
	}
}

func (l *lines) flush() {
	l.line(l.rest)
	l.rest = nil
}

func (l *lines) line(b []byte) {
	text := strings.TrimSpace(strings.Map(printable, string(b)))
	if text == "" {
		return
	}
	switch l.n++; {
	case l.n < mostLines:
		l.say(text)
	case l.n == mostLines:
		l.say(fmt.Sprintf("more than %d lines; the others aren't kept", mostLines-1))
	}
}

func printable(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case unicode.IsControl(r) || r == '\uFFFD': // those from U+0080 on too: U+009B begins an escape sequence by itself
		return -1
	}
	return r
}

// head keeps the first bytes of what is written, and takes all.
type head struct{ kept []byte }

func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(mostOutput-len(h.kept), len(p))]...)
	return len(p), nil
}
