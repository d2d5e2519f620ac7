package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner/hardware"
	"github.com/fleetup/fleetup/runner/remote"
)

func (a *app) diagnoseCommand() *cobra.Command {
	var parts bool
	c := &cobra.Command{
		Use:   "diagnose INVENTORY [NODE...]",
		Short: "Look into machines: --hardware says what they are made of",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !parts {
				return usage("say what to look at: --hardware")
			}
			return a.diagnoseHardware(c.Context(), args[0], args[1:])
		},
	}
	c.Flags().BoolVar(&parts, "hardware", false, "CPUs, memory modules, disks and their health, network cards, PCI, firmware, and what the BMC says")
	return c
}

// madeOf is what one machine is made of.
type madeOf struct {
	Node     string             `json:"node"`
	Hardware *hardware.Document `json:"hardware,omitempty"`
	Problems []string           `json:"problems"`
	Warnings []string           `json:"warnings"`
	Error    string             `json:"error,omitempty"`
}

func (a *app) diagnoseHardware(ctx context.Context, path string, nodes []string) error {
	f, hosts, err := a.load(path, needs{})
	if err != nil {
		return err
	}
	if len(nodes) > 0 {
		if hosts, err = f.Select(strings.Join(nodes, ",")); err != nil {
			return exitWith(exitUsage, err)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	_, release := a.signals(cancel)
	defer release()
	defer cancel(nil)
	n := a.network(f)
	defer n.Close()
	all := make([]madeOf, len(hosts))
	room := make(chan struct{}, max(f.FanOut, 1))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			all[i] = a.lookInto(ctx, n, h)
		})
	}
	wg.Wait()
	return a.showHardware(all)
}

func (a *app) lookInto(ctx context.Context, n *remote.Net, h inventory.Host) madeOf {
	m := n.Host(a.login(h), remote.Fence{})
	defer m.Close() //nolint:errcheck // nothing to lose
	d, err := a.inventoried(ctx, h, m)
	if err != nil {
		return madeOf{Node: h.Node, Error: oneLine(err), Problems: []string{}, Warnings: []string{}}
	}
	return madeOf{Node: h.Node, Hardware: &d, Problems: append([]string{}, hardware.Problems(d)...), Warnings: append([]string{}, hardware.Warnings(d)...)}
}

func (a *app) showHardware(all []madeOf) error {
	failed := 0
	for _, r := range all {
		if r.Error != "" {
			failed++
		}
	}
	if a.json() {
		if err := json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "nodes": all}); err != nil {
			return err
		}
	} else {
		for _, r := range all {
			if err := a.showOneHardware(r); err != nil {
				return err
			}
		}
	}
	if failed > 0 {
		fmt.Fprintf(a.err, "%d of %s could not be asked\n", failed, plural(len(all), "machine"))
		return silent(exitFailed)
	}
	return nil
}

func (a *app) showOneHardware(r madeOf) error {
	fmt.Fprintln(a.out, r.Node)
	for _, p := range r.Problems {
		fmt.Fprintf(a.out, "  PROBLEM  %s\n", p)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(a.out, "  warning  %s\n", w)
	}
	if r.Error != "" {
		fmt.Fprintf(a.out, "  %s\n", brief(r.Node, r.Error))
		return nil
	}
	return hardware.Print(a.out, *r.Hardware)
}
