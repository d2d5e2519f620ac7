package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/kube/kubetest"
)

func (a *app) demoCommand() *cobra.Command {
	var dir string
	var serve serveFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "The main job on a simulated fleet, in under a minute",
		Long: `Upgrade six simulated machines with a Deployment, its PodDisruptionBudget, a StatefulSet and a DaemonSet on them, by
the very code that run uses: real SSH, SFTP and HTTP to machines and an API server that live in this process. Nothing
outside of it is touched, except the folder in which the inventory is left for reading.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), dir, serve) },
	}
	c.Flags().StringVar(&dir, "dir", "demo-fleet", "`DIR` in which the inventory, the keys and the journal are left")
	serve.flags(c)
	return c
}

const demoUpgrade = `[upgrade]
containerd = "2.1.4"
kubelet    = "1.37.2"               # the nodes run 1.36.4
reboot     = "always"

[strategy]
max_unavailable = 2                 # nodes at a time …
spread          = { rack = 1 }      # … but never two of one rack

[verify]
http = [{ service = "shop/web:http", path = "/healthz" }]
`

func (a *app) demo(ctx context.Context, dir string, serve serveFlags) error {
	b, err := demoBox(ctx, dir)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer b.Close()
	path, err := b.Inventory(demoUpgrade)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	a.inventory = path
	fmt.Fprint(paper(a.err), "six simulated machines, upgraded as `fleetup run INVENTORY` would\n\n")
	a.dial, a.vanishes = b.Dial, true
	a.flags.yes, a.flags.stateDir = true, filepath.Join(b.Dir, "state")
	if err := a.run(ctx, path, runFlags{serve: serve}); err != nil {
		return err
	}
	if !a.json() {
		fmt.Fprintf(paper(a.out), "\nThe inventory that was used: %s\n", path)
	}
	return nil
}

// demoBox makes the fleet and waits until its workloads run.
func demoBox(ctx context.Context, dir string) (*box.Box, error) {
	if err := os.RemoveAll(filepath.Join(dir, "state")); err != nil { // the last demo's machines are gone
		return nil, err
	}
	b, err := box.New(ctx, dir, box.Options{
		Nodes:       box.Workers(6),
		Cluster:     kubetest.Config{StartDelay: 500 * time.Millisecond, StopDelay: 500 * time.Millisecond, ReadyDelay: 300 * time.Millisecond},
		InstallTime: 700 * time.Millisecond,
		RebootTime:  1500 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	if err := b.Shop(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}
