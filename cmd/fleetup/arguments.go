package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fleetup/fleetup/inventory"
)

// What is wrong with a command line is told in one way, whatever part of it is: what it is, and what would be right.

// strict makes wrong arguments usage errors that show what is right.
func strict(c *cobra.Command) {
	c.SuggestionsMinimumDistance = 2
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, given []string) error {
			if err := args(c, given); err != nil {
				return usage("wrong arguments: %s\nusage: %s", wrongArguments(c.Use, given), c.UseLine())
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}

// wrongArguments says which of those that a command's usage names are missing, or which are too many: "ssh INVENTORY NODE" with
// one lacks NODE.
func wrongArguments(use string, given []string) string {
	var wanted []string
	most := 0
	for _, word := range strings.Fields(use)[1:] {
		switch {
		case word == "--" || word == "[flags]":
			continue
		case strings.HasSuffix(strings.TrimSuffix(word, "]"), "..."):
			most += 1 << 20
		}
		most++
		if !strings.HasPrefix(word, "[") {
			wanted = append(wanted, strings.TrimSuffix(word, "..."))
		}
	}
	switch {
	case len(given) == 0 && len(wanted) > 0:
		return missing(wanted)
	case len(given) < len(wanted):
		return missing(wanted[len(given):]) + "; given: " + listed(given)
	case len(given) > most && most > 0:
		return "too many: " + listed(given[most:])
	}
	return listed(given)
}

// missing joins names for people: "INVENTORY and NODE are missing".
func missing(names []string) string {
	if len(names) == 1 {
		return names[0] + " is missing"
	}
	return strings.Join(names, " and ") + " are missing"
}

// listed quotes the arguments that were given.
func listed(given []string) string { return strings.Trim(fmt.Sprintf("%q", given), "[]") }

// flagError words what is wrong with a flag: which one that isn't there was most likely meant to be, and what a value should be like.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	var bare *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(c, unknown)
	case errors.As(err, &invalid):
		return usage("--%s: %s", invalid.GetFlag().Name, wrongValue(invalid))
	case errors.As(err, &bare):
		name, does := pflag.UnquoteUsage(bare.GetFlag())
		return usage("--%s needs a value, %s: %s", bare.GetFlag().Name, name, does)
	}
	return usage("%w; `%s --help` lists the flags", err, c.CommandPath())
}

// wrongValue says what a flag's value is not.
func wrongValue(e *pflag.InvalidValueError) string {
	switch e.GetFlag().Value.Type() {
	case "bool":
		return fmt.Sprintf("%q is neither true nor false; the flag alone is true", e.GetValue())
	case "int":
		return fmt.Sprintf("%q is not a whole number such as 4711", e.GetValue())
	}
	return e.Unwrap().Error()
}

// unknownFlag names what a flag that isn't there was most likely meant to be.
func unknownFlag(c *cobra.Command, err *pflag.NotExistError) error {
	name := err.GetSpecifiedName()
	if slices.Contains([]string{"dry-run", "dryrun", "n", "diff", "noop", "check"}, name) && c.Name() != "job" {
		return usage("%w; `fleetup plan INVENTORY` shows what would be done, and changes nothing", err)
	}
	flags := &cobra.Command{Use: "flags", SuggestionsMinimumDistance: 2}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		flags.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	if near := flags.SuggestionsFor(name); len(near) > 0 && len(name) > 1 {
		return usage("%w; did you mean --%s?", err, strings.Join(near, " or --"))
	}
	return usage("%w; `%s --help` lists the flags", err, c.CommandPath())
}

// durationVar adds a flag for a duration as the inventory has it, days too.
func durationVar(f *pflag.FlagSet, d *time.Duration, name string, otherwise time.Duration, use string) {
	*d = otherwise
	f.Var((*duration)(d), name, use)
}

// duration implements pflag.Value.
type duration time.Duration

func (d *duration) String() string {
	if *d == 0 {
		return "" // no default, for help
	}
	return short(time.Duration(*d))
}

func (d *duration) Set(text string) error {
	parsed, err := inventory.ParseDuration(text)
	*d = duration(parsed)
	return err
}

func (d *duration) Type() string { return "duration" }
