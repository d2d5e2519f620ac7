package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/playbooks"
)

// complete makes shells offer what can stand where the cursor is: inventories, then the hosts of the one that was named.
func (a *app) complete(root *cobra.Command) {
	for _, c := range root.Commands() {
		a.complete(c)
	}
	if words := strings.Fields(root.Use); len(words) > 1 && root.ValidArgsFunction == nil {
		root.ValidArgsFunction = a.completer(words[1:])
	}
}

// completeFlags does it for flags. Only where a shell asks: cobra keeps what it is given here, and with it all that the
// program holds, as long as the process lives, which in tests is many programs long.
func (a *app) completeFlags(root *cobra.Command) {
	// an error says that a flag isn't there or is completed already, which a test would show
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = root.RegisterFlagCompletionFunc("limit", func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		return a.limits(args, typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	for _, order := range []string{"on", "cycle"} {
		if c, _, err := root.Find([]string{"power", order}); err == nil {
			_ = c.RegisterFlagCompletionFunc("boot-once", cobra.FixedCompletions(bootDevices, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

// completer offers arguments by what the command's usage calls them.
func (a *app) completer(usage []string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		name := strings.Trim(usage[min(len(args), len(usage)-1)], "[]")
		switch name, many := strings.CutSuffix(name, "..."); {
		case len(args) >= len(usage) && !many:
		case name == "INVENTORY":
			return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
		case name == "NODE":
			named := func(host string) bool { return slices.Contains(args[1:], host) }
			return slices.DeleteFunc(a.hostNames(args), named), cobra.ShellCompDirectiveNoFileComp
		case name == "NAME" && c.Name() == "playbooks":
			return playbooks.Names(), cobra.ShellCompDirectiveNoFileComp
		case name == "NAME" && c.Name() == "gates":
			return inventory.ReadyGates(), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// limits are the ways to go on with what was typed of a --limit: after the last comma, and after a "!".
func (a *app) limits(args []string, typed string) []string {
	ahead := typed[:strings.LastIndex(typed, ",")+1]
	if strings.HasPrefix(typed[len(ahead):], "!") {
		ahead += "!"
	}
	var offers []string
	for _, h := range a.hostsOf(args) {
		for _, g := range h.Groups {
			offers = append(offers, ahead+"@"+g)
		}
	}
	slices.Sort(offers)
	offers = slices.Compact(offers)
	for _, name := range a.hostNames(args) {
		offers = append(offers, ahead+name)
	}
	return offers
}

func (a *app) hostNames(args []string) []string {
	var names []string
	for _, h := range a.hostsOf(args) {
		if h.Name != "" {
			names = append(names, h.Name)
		}
	}
	return names
}

// hostsOf reads the inventory that was named, as far as it can be read: this is no place to complain.
func (a *app) hostsOf(args []string) []inventory.Host {
	if len(args) == 0 {
		return nil
	}
	f, _ := inventory.Load(args[0], a.flags.set...)
	if f == nil {
		return nil
	}
	return f.Hosts
}
