package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func init() { cobra.EnableCommandSorting = false } // help lists commands in the order of their use

// help prints what a command is for and how it is used, as wide as the terminal, up to what reads well; without one as wide as most are.
func (a *app) help(c *cobra.Command) {
	width := min(cmp.Or(columns(a.out), 80), 100)
	fmt.Fprintf(a.out, "%s\n\nUsage:\n", fill(cmp.Or(c.Long, c.Short), width))
	if c.Runnable() && !c.HasAvailableSubCommands() {
		fmt.Fprintf(a.out, "  %s\n", c.UseLine())
	} else {
		fmt.Fprintf(a.out, "  %s COMMAND\n", c.CommandPath())
	}
	if c.Example != "" {
		fmt.Fprintf(a.out, "\nExamples:\n%s\n", c.Example)
	}
	a.helpCommands(c, width)
	if c.LocalFlags().HasAvailableFlags() {
		fmt.Fprintf(a.out, "\nFlags:\n%s", c.LocalFlags().FlagUsagesWrapped(width))
	}
	if c.InheritedFlags().HasAvailableFlags() {
		fmt.Fprintf(a.out, "\nFlags of every command:\n%s", c.InheritedFlags().FlagUsagesWrapped(width))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(a.out, "\n%s\n", wrap(fmt.Sprintf("`%s COMMAND --help` tells more of one.", c.CommandPath()), width))
	}
}

// helpCommand shows the help of a command, and doesn't take one that isn't there for none.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err == nil && len(rest) == 0 {
				return found.Help()
			}
			for _, word := range args {
				if deeper := beneath(c.Root(), word); len(deeper) == 1 {
					return deeper[0].Help()
				}
			}
			if err == nil && found.HasParent() && found.HasSubCommands() { // which knows its own best
				return found.RunE(found, rest)
			}
			return unknownCommand(c.Root(), strings.Join(args, " "))
		},
	}
}

// beneath are the commands of commands that are called so: retry finds node retry.
func beneath(root *cobra.Command, name string) (found []*cobra.Command) {
	for _, c := range root.Commands() {
		for _, sub := range c.Commands() {
			if sub.Name() == name && sub.IsAvailableCommand() {
				found = append(found, sub)
			}
		}
	}
	return found
}

// helpCommands lists a command's commands, by groups where it has some.
func (a *app) helpCommands(c *cobra.Command, width int) {
	groups := c.Groups()
	if len(groups) == 0 && c.HasAvailableSubCommands() {
		groups = []*cobra.Group{{Title: "Commands:"}}
	}
	for _, g := range groups {
		var rows [][]string
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && sub.GroupID == g.ID {
				rows = append(rows, []string{"  " + sub.Name(), sub.Short})
			}
		}
		fmt.Fprintf(a.out, "\n%s\n%s", g.Title, table(rows, width))
	}
}

// fill breaks paragraphs anew; indented lines, as of commands, stay as they are.
func fill(text string, width int) string {
	var paragraphs []string
	for p := range strings.SplitSeq(text, "\n\n") {
		if !strings.HasPrefix(p, " ") {
			p = strings.ReplaceAll(wrap(strings.ReplaceAll(p, "\n", " "), width), "\n    ", "\n")
		}
		paragraphs = append(paragraphs, p)
	}
	return strings.Join(paragraphs, "\n\n")
}

// chooses makes c a command that only its own commands do something for.
func chooses(c *cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		var names []string
		for _, sub := range c.Commands() {
			names = append(names, sub.Name())
		}
		what := "say what: " + oneOf(names)
		if len(args) > 0 {
			near := c.SuggestionsFor(args[0])
			if of, _, err := c.Root().Find(args[:1]); err == nil && of != c.Root() { // `fleetup status` tells of all that is held
				near = []string{"`" + of.CommandPath() + "`"}
			}
			if len(near) > 0 {
				what = fmt.Sprintf("unknown command %q; did you mean %s?", c.CommandPath()+" "+args[0], oneOf(near))
			}
		}
		_, arguments, _ := strings.Cut(c.Commands()[0].Use, " ")
		return usage("%s\nusage: %s", what, strings.TrimSpace(c.CommandPath()+" "+strings.Join(names, "|")+" "+arguments))
	}
	return c
}

// oneOf joins names for people: "on, off or cycle".
func oneOf(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// otherNames are what people who come from other tools call a command.
var otherNames = map[string][]string{
	"run": {"upgrade", "update", "apply", "start", "up", "go"}, "plan": {"diff", "preview", "dry-run", "template"},
	"check": {"preflight", "validate", "lint", "verify", "ping", "doctor"}, "status": {"ls", "list", "get", "nodes", "progress"},
	"trust": {"keyscan", "ssh-keyscan", "accept"}, "abort": {"cancel", "stop", "kill"}, "pause": {"suspend", "hold"},
	"resume": {"continue", "unpause"}, "rollback": {"undo", "revert", "downgrade"}, "swap": {"hardware", "replace", "maintenance", "drain"},
	"exec": {"cmd", "command", "shell"}, "ssh": {"login", "connect"}, "report": {"html", "history", "log", "logs"},
	"power": {"bmc", "ipmi", "redfish"}, "job": {"cronjob", "schedule", "install"}, "demo": {"try", "example"},
}
