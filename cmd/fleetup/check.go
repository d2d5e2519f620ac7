package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/runner"
)

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check INVENTORY",
		Short: "Look for what would stop a run, and change nothing",
		Long: `Look for what would stop a run, and change nothing: reachability, host keys, sudo, package locks, disk space,
package versions, version skew, quorum, rights, clocks, whether each drain could succeed now, and what each gate reads.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.check(c.Context(), args[0]) },
	}
}

func (a *app) check(ctx context.Context, path string) error {
	s, err := a.open(ctx, path, true)
	if err != nil {
		return err
	}
	defer s.close()
	found, findings, err := s.preflight(ctx)
	if err != nil {
		return err
	}
	findings = append(findings, s.askGates(ctx)...)
	if a.json() {
		err = json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "hosts": len(found), "findings": nonNil(findings)})
	} else {
		a.checkText(len(found), findings)
	}
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.Refuse {
			return silent(exitFailed)
		}
	}
	return nil
}

// checkText prints what stands against a run first, then what only wants to be known.
func (a *app) checkText(hosts int, findings []runner.Finding) {
	refused := 0
	for _, f := range findings {
		if f.Refuse {
			refused++
			fmt.Fprintln(a.out, indent("refused  ", f.String()))
		}
	}
	for _, f := range findings {
		if !f.Refuse {
			fmt.Fprintln(a.out, indent("note     ", f.String()))
		}
	}
	if refused == 0 {
		fmt.Fprintf(a.out, "%s looked at: nothing stands against a run\n", plural(hosts, "host"))
		return
	}
	fmt.Fprintf(a.out, "%s looked at: a run would be refused for %s\n", plural(hosts, "host"), plural(refused, "reason"))
}

// nonNil makes an empty list [] in JSON.
func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
