package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/live"
)

// app is one invocation: its streams, its flags, and the ways out to the network, which the demo replaces.
type app struct {
	in     *os.File
	out    io.Writer // data
	err    io.Writer // progress and questions
	getenv func(string) string

	dial func(ctx context.Context, network, addr string) (net.Conn, error) // nil: the real network

	// What tests in virtual time replace of a process; nil or "": the real one.
	notify   func(chan<- os.Signal) (stop func()) // sends signals to the channel
	boottime func() time.Duration                 // the clock of the lease
	identity string                               // who holds the lease
	wrap     func(*runner.Runner)                 // puts faults between a run and the world

	inventory string // the file that was named; "": none was yet
	vanishes  bool   // the machines end with this process: no other can go on with a run

	ending   sync.WaitGroup // what comes to an end by itself, and that the end of the process needn't wait for
	asking   atomic.Bool    // a question is open: Ctrl-C answers it
	stopping atomic.Bool    // Ctrl-C was pressed once: nothing new begins, and no question either

	shown    atomic.Pointer[display]                    // what is told beside a run goes through it; nil: none is shown
	page     *live.Server                               // follows the run for people elsewhere; nil: nobody asked
	transfer func(host, file string, done, total int64) // how far a file is; nil: nobody looks

	flags struct {
		limit    string
		set      []string
		yes      bool
		output   string
		noColor  bool
		verbose  bool
		stateDir string
	}
}

// The exit codes of section 4 of the design.
const (
	exitDone        = 0
	exitFailed      = 1
	exitPending     = 2
	exitHalted      = 3
	exitHeld        = 4
	exitUsage       = 64
	exitInventory   = 65
	exitInterrupted = 130
)

// exitError is an error that knows its exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func exitWith(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// silent ends with a code and says no more: all has been said.
type silent int

func (s silent) Error() string { return fmt.Sprintf("exit %d", int(s)) }

// main runs one command line and returns its exit code.
func (a *app) main(ctx context.Context, args []string) int {
	a.out, a.err = hinting{plainly(a.out), a}, hinting{plainly(a.err), a}
	root := a.root()
	root.SetArgs(args)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		a.completeFlags(root)
	}
	err := root.ExecuteContext(ctx)
	code := exitCode(err)
	var s silent
	if err != nil && !errors.As(err, &s) {
		under(a.err, "fleetup: ", err.Error())
	}
	return code
}

// exitCode finds the code that an error asks for.
func exitCode(err error) int {
	var s silent
	var e *exitError
	var problems inventory.Problems
	var status interface{ ExitStatus() int }
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &s):
		return int(s)
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &problems):
		return exitInventory
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &status):
		return status.ExitStatus()
	}
	return exitFailed
}

// indent puts a prefix before the first line, and lets the others follow beneath it.
func indent(prefix, text string) string {
	return prefix + strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", len(prefix)))
}

// about is what help begins with: the order of use, and what scripts ask for.
const about = `Upgrade fleets of bare-metal Kubernetes nodes with zero downtime.

  fleetup trust prod.toml    show the machines' host keys, keep them on yes
  fleetup check prod.toml    what would stop a run; changes nothing
  fleetup plan  prod.toml    what would be done; changes nothing
  fleetup run   prod.toml    do it, or go on with it

Exit codes: 0 done, or nothing to do; 1 failed or refused; 2 changes pending (plan --detailed-exitcode); 3 halted or
aborted; 4 another run holds the lease; 5 no window open, or it closed with work left; 64 usage; 65 the inventory or a playbook is wrong; 130 interrupted.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "fleetup",
		Short:         "Upgrade fleets of bare-metal Kubernetes nodes with zero downtime",
		Long:          about,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return a.validFlags(c) }
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { a.help(c) })
	f := root.PersistentFlags()
	f.StringVar(&a.flags.limit, "limit", "", "only these `HOSTS`: names, ranges, @groups, comma between, ! before what is left out")
	f.StringArrayVar(&a.flags.set, "set", nil, "`KEY=VALUE` of the inventory for this run, as drain.grace_period=60s")
	f.BoolVarP(&a.flags.yes, "yes", "y", false, "answer yes to what would be asked")
	f.StringVar(&a.flags.output, "output", "text", "`FORMAT`: text or json")
	f.BoolVar(&a.flags.noColor, "no-color", false, "no colours (also NO_COLOR)")
	f.BoolVarP(&a.flags.verbose, "verbose", "v", false, "say more")
	f.StringVar(&a.flags.stateDir, "state-dir", "", "`DIR` in which journals are kept (default $XDG_STATE_HOME/fleetup)")
	for _, g := range a.commands() {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range g.commands {
			c.GroupID, c.SuggestFor = g.title, otherNames[c.Name()]
			root.AddCommand(c)
		}
	}
	other := root.Groups()[len(root.Groups())-1].ID
	root.SetCompletionCommandGroupID(other)
	root.SetHelpCommandGroupID(other)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil { // which would answer a shell it doesn't know with its help
		chooses(c)
		c.Short = "Print what makes a shell complete commands, inventories, hosts and groups"
		c.Long = c.Short + ".\n\n  source <(fleetup completion bash)   for this shell; in ~/.bashrc for every one"
	}
	strict(root)
	a.complete(root)
	return root
}

// validFlags looks at the flags that all commands have.
func (a *app) validFlags(c *cobra.Command) error {
	if c.Flags().Changed("limit") && strings.TrimSpace(a.flags.limit) == "" { // as of a script whose variable is empty
		return usage("--limit is empty, which is neither all hosts nor none: name some, or leave it out for all")
	}
	formats := []string{"text", "json"}
	if c.Name() == "report" {
		formats = append(formats, "markdown")
	}
	if !slices.Contains(formats, a.flags.output) {
		return usage("--output %q: it is %s", a.flags.output, oneOf(formats))
	}
	return nil
}

// unknownCommand names the commands that may have been meant.
func unknownCommand(root *cobra.Command, name string) error {
	near := root.SuggestionsFor(name)
	for _, c := range beneath(root, name) {
		near = append(near, strings.TrimPrefix(c.CommandPath(), root.Name()+" "))
	}
	if len(near) > 0 {
		return usage("unknown command %q; did you mean %s?", name, strings.Join(near, " or "))
	}
	return usage("unknown command %q; `fleetup help` lists all", name)
}

// json reports whether --output json was asked for.
func (a *app) json() bool { return a.flags.output == "json" }

// terminal reports whether progress goes to a terminal and questions can be asked on one.
func (a *app) terminal() bool {
	f, ok := plainly(a.err).(*os.File)
	return ok && a.in != nil && term.IsTerminal(int(f.Fd())) && term.IsTerminal(int(a.in.Fd()))
}

// color reports whether the terminal takes colours and nobody forbade them.
func (a *app) color() bool {
	return a.terminal() && !a.flags.noColor && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// stateDir is where the journals of an inventory are.
func (a *app) stateDir(fleet string) (string, error) {
	dir := a.flags.stateDir
	if dir == "" {
		dir = a.getenv("XDG_STATE_HOME")
		if dir == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", usage("no place for the journal: %w; name one with --state-dir", err)
			}
			dir = filepath.Join(home, ".local", "state")
		}
		dir = filepath.Join(dir, "fleetup")
	}
	return filepath.Join(dir, fleet), nil
}
