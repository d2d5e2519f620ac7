package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/runner"
)

func (a *app) checkCommand() *cobra.Command {
	var onlyNew bool
	c := &cobra.Command{
		Use:   "check INVENTORY",
		Short: "Look for what would stop a run, and change nothing",
		Long: `Look for what would stop a run, and change nothing: reachability, host keys, sudo, package locks, disk space,
package versions, version skew, quorum, rights, clocks, whether each drain could succeed now, and what each gate reads.`,
		Example: `  fleetup check prod.toml
  fleetup check prod.toml --limit @workers --output json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.check(c.Context(), args[0], onlyNew) },
	}
	c.Flags().BoolVar(&onlyNew, "only-new", false, "for regular checks: say, and notify, what the last one with this flag didn't find")
	return c
}

func (a *app) check(ctx context.Context, path string, onlyNew bool) error {
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
	shown, known := findings, 0
	if onlyNew {
		if shown, known, err = s.news("check", findings); err != nil {
			return err
		}
		s.tellNews("check", shown)
	}
	if a.json() {
		err = json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "hosts": len(found), "findings": nonNil(shown)})
	} else {
		a.checkText(len(found), shown, known, refusals(findings))
	}
	if err != nil {
		return err
	}
	if refusals(findings) > 0 {
		return silent(exitFailed)
	}
	return nil
}

// refusals counts what stands against a run.
func refusals(findings []runner.Finding) int {
	n := 0
	for _, f := range findings {
		if f.Refuse {
			n++
		}
	}
	return n
}

// checkText prints what stands against a run first, then what only wants to be known. Those that are known from
// last time are counted alone.
func (a *app) checkText(hosts int, shown []runner.Finding, known, refused int) {
	shown = together(shown)
	for _, f := range shown {
		if f.Refuse {
			under(a.out, "refused  ", f.String())
		}
	}
	for _, f := range shown {
		if !f.Refuse {
			under(a.out, "note     ", f.String())
		}
	}
	if known > 0 {
		fmt.Fprintf(paper(a.out), "%s as last time\n", plural(known, "finding"))
	}
	if refused == 0 {
		fmt.Fprintf(paper(a.out), "%s looked at: nothing stands against a run\n", plural(hosts, "host"))
		return
	}
	fmt.Fprintf(paper(a.out), "%s looked at: a run would be refused for %s\n", plural(hosts, "host"), plural(refused, "reason"))
}

// nonNil makes an empty list [] in JSON.
func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
