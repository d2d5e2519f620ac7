package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

func (a *app) pauseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pause INVENTORY",
		Short: "Start nothing new in a run, from any machine; what is in flight is finished",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.onLease(c.Context(), args[0], func(k *kube.Cluster, inventory string, was kube.LeaseStatus) error {
				if err := k.Pause(c.Context(), inventory, "by "+username()); err != nil {
					return exitWith(exitFailed, err)
				}
				a.tell("paused: from five seconds on nothing new is started; `fleetup resume INVENTORY` goes on%s", runOf(was))
				return nil
			})
		},
	}
}

func (a *app) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume INVENTORY",
		Short: "Let a paused run go on, and lift the halt of an unattended one, from any machine",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.onLease(c.Context(), args[0], func(k *kube.Cluster, inventory string, was kube.LeaseStatus) error {
				if was.Paused == "" && was.Halt == "" {
					a.tell("nothing to do: neither paused nor halted%s", runOf(was))
					return nil
				}
				if err := k.Pause(c.Context(), inventory, ""); err != nil {
					return exitWith(exitFailed, err)
				}
				if err := k.Unhalt(c.Context(), inventory); err != nil {
					return exitWith(exitFailed, err)
				}
				a.tell("resumed%s", runOf(was))
				return nil
			})
		},
	}
}

// onLease reads what the lease of the inventory's cluster says of its run and hands it over. It needs neither the lease nor a
// machine.
func (a *app) onLease(ctx context.Context, path string, do func(k *kube.Cluster, inventory string, was kube.LeaseStatus) error) error {
	f, _, err := a.load(path, needs{cluster: true})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	k, err := a.openCluster(ctx, f, account{})
	if err != nil {
		cancel()
		return err
	}
	defer func() { cancel(); k.Wait(); k.Close() }()
	was, err := k.Lease(ctx)
	if err != nil {
		return exitWith(exitFailed, err)
	}
	of := was.Of(f.Name)
	known := of.Holder.Run != "" || of.Halt != "" || of.Paused != ""
	if other := was.Holder.Inventory; !known && was.Holder.Run != "" && other != "" && other != f.Name {
		return exitWith(exitFailed, fmt.Errorf("run %s is of inventory %q, not of %q: name that one", was.Holder.Run, other, f.Name))
	}
	return do(k, f.Name, of)
}

// underWay reports whether a process holds the lease, as run would see it, which doesn't wait for the dead.
func underWay(l kube.LeaseStatus) bool {
	return l.Holder.Identity != "" && l.Left > 0 && !gone(l.Holder.Identity)
}

// runOf names the run that the lease knows, and where it runs.
func runOf(l kube.LeaseStatus) string {
	switch {
	case l.Holder.Run == "":
		return "; no run is under way"
	case !underWay(l):
		return "; run " + l.Holder.Run + " isn't running now: `fleetup " + runner.Again(l.Holder.Run) + " INVENTORY` goes on with it"
	}
	return "; run " + l.Holder.Run + " is running"
}
