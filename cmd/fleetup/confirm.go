package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
)

// errNo is a question's no, and that of somebody who only presses Enter.
var errNo = errors.New("not confirmed; nothing was touched")

// confirm asks a question on the terminal. Without one it is an error that names --yes. Ctrl-C at the question is an answer
// too: it ends the command at once, with exit 130.
func (a *app) confirm(ctx context.Context, question string) error {
	if a.flags.yes {
		return nil
	}
	if !a.terminal() {
		return usage("%s? There is no terminal to ask on: say --yes", question)
	}
	interrupted := exitWith(exitInterrupted, errors.New("interrupted; not confirmed"))
	a.asking.Store(true)
	defer a.asking.Store(false)
	if a.stopping.Load() {
		return interrupted
	}
	fmt.Fprintf(paper(a.err), "%s? [y/N] ", question)
	answers := make(chan string, 1)
	go func() { // where nobody answers it ends with the process: a terminal's reads have no deadline
		line, err := bufio.NewReader(a.in).ReadString('\n') // the whole line, so that the shell doesn't get the rest of it
		if err != nil {
			fmt.Fprintln(a.err)
		}
		answers <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.err)
		return interrupted
	case answer := <-answers:
		if answer != "y" && answer != "yes" {
			return exitWith(exitFailed, errNo)
		}
		return nil
	}
}
