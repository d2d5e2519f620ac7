package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
)

func (a *app) gatesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "gates [NAME]",
		Short: "List the gates that come with fleetup, or print one to copy and change",
		Long: `List the gates that come with fleetup, or print one to copy and change.

An inventory takes one over with use = "NAME" in a [[gate]] of its own, and may set other bounds beside it.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				text, err := inventory.ReadyGate(args[0])
				if err != nil {
					return usage("%w\n`fleetup gates` lists them", err)
				}
				_, err = fmt.Fprint(a.out, text)
				return err
			}
			var rows [][]string
			for _, name := range inventory.ReadyGates() {
				text, err := inventory.ReadyGate(name)
				if err != nil {
					return err
				}
				about, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
				rows = append(rows, []string{name, about})
			}
			fmt.Fprint(a.out, table(rows, columns(a.out)))
			return nil
		},
	}
}
