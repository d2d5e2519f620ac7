package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

// cluster is a kube.Cluster as the runner wants it: each node is drained by its own host's settings, and the
// zero-downtime proof hears what the run knows.
type cluster struct {
	*kube.Cluster
	run    string
	name   string // of the inventory
	proof  *kube.Proof
	drains map[string]kube.DrainOptions // by node name
	probes map[string]kube.Probe        // by node name; absent: none

	consent
}

// consent is what somebody allowed for one run: budgets that may be violated, and Services that may have no endpoint.
type consent struct{ pastBudget, acceptDowntime []string }

func newCluster(k *kube.Cluster, name string, hosts []inventory.Host) *cluster {
	c := &cluster{Cluster: k, name: name, drains: map[string]kube.DrainOptions{}, probes: map[string]kube.Probe{}}
	for _, h := range hosts {
		c.drains[h.Node] = kube.DrainOptions{
			IgnoreDaemonSets:   h.Drain.IgnoreDaemonSets,
			DeleteEmptyDirData: h.Drain.DeleteEmptyDirData,
			Force:              h.Drain.Force,
			GracePeriod:        h.Drain.GracePeriod,
			Timeout:            h.Drain.Timeout,
			LastEndpoint:       h.Drain.LastEndpoint,
			AcceptDowntime:     h.Drain.AcceptDowntime,
		}
		if h.Verify.Probe.Image != "" {
			c.probes[h.Node] = kube.Probe(h.Verify.Probe)
		}
	}
	return c
}

// allow makes what somebody allowed for this run hold on every node.
func (c *cluster) allow(what consent) {
	c.consent = what
	for node, o := range c.drains {
		o.PastBudget = what.pastBudget
		o.AcceptDowntime = slices.Concat(o.AcceptDowntime, what.acceptDowntime)
		c.drains[node] = o
	}
}

// accepted are the Services that may have no endpoint for a while, by the command line or the inventory.
func (c *cluster) accepted() []string {
	var list []string
	for _, o := range c.drains {
		list = append(list, o.AcceptDowntime...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// options are the drain settings of a node.
func (c *cluster) options(node string) kube.DrainOptions {
	o := c.drains[node]
	o.Run = c.run
	return o
}

// Claim implements runner.Claims. Nobody else may reboot a node that is claimed; TryDrain has waited for who might.
func (c *cluster) Claim(ctx context.Context, node, run string, facts map[string]string) (map[string]string, error) {
	if err := c.HoldKured(ctx, node, run, nil); err != nil {
		return nil, err
	}
	state, err := c.Cluster.Claim(ctx, node, run, facts)
	if err != nil {
		return nil, err
	}
	return state, c.SkipRemediation(ctx, node, true) // after: what a process that is killed leaves on the Machine, the claim tells of
}

// Release implements runner.Claims. What keeps MachineHealthChecks off goes first: nobody comes back for a node that is
// given back.
func (c *cluster) Release(ctx context.Context, node, run string, last map[string]string) error {
	if n, ok := c.Node(node); ok && n.Run == run {
		if err := c.SkipRemediation(ctx, node, false); err != nil {
			return err
		}
	}
	return c.Cluster.Release(ctx, node, run, last)
}

// TryDrain implements runner.Drains. kured, where it is here, is kept off before the first node is closed.
func (c *cluster) TryDrain(ctx context.Context, node string, waiting func(string)) error {
	if err := c.HoldKured(ctx, node, c.run, waiting); err != nil {
		return err
	}
	return c.Cluster.TryDrain(ctx, node, c.options(node), waiting)
}

// Drain implements runner.Drains.
func (c *cluster) Drain(ctx context.Context, node string, tell func(string) error, waiting func(string)) error {
	o := c.options(node)
	o.Tell = tell
	return c.Cluster.Drain(ctx, node, o, waiting)
}

// Probe implements runner.Prober.
func (c *cluster) Probe(ctx context.Context, node, run string, waiting func(string)) error {
	p, wanted := c.probes[node]
	if !wanted {
		return nil
	}
	return c.Cluster.Probe(ctx, node, run, p, waiting)
}

// factInventory is the key of a claim's state that says whose run it is: two inventories may share a cluster.
const factInventory = "inventory"

// Facts implements runner.Watch: allocatable resources by their names, and what the node runs.
func (c *cluster) Facts(node string) map[string]string {
	n, ok := c.Nodes()[node]
	if !ok {
		return nil
	}
	facts := maps.Clone(n.Allocatable)
	if facts == nil {
		facts = map[string]string{}
	}
	facts[factInventory] = c.name
	facts["kubelet"], facts["kernel"], facts["runtime"] = n.KubeletVersion, n.Kernel, n.Runtime
	return facts
}

// Observe implements runner.Watch.
func (c *cluster) Observe() (map[string]runner.NodeObserved, []string) {
	nodes := c.Nodes()
	seen := make(map[string]runner.NodeObserved, len(nodes))
	for name, n := range nodes {
		o := runner.NodeObserved{Ready: n.Ready, Cordoned: n.Unschedulable, Run: n.Run, Failed: n.Failed}
		if h, held := runner.HoldOf(n.Run, n.State); held {
			o.Hold = h.String()
		}
		seen[name] = o
	}
	return seen, c.Stranded()
}

// Troubles implements runner.Watch.
func (c *cluster) Troubles() []runner.Trouble {
	var list []runner.Trouble
	ahead, _ := c.ClockOffset()
	for _, t := range c.Cluster.Troubles() {
		list = append(list, runner.Trouble{Node: t.Node, What: t.What, At: t.At.Add(-ahead)}) // by our clock
	}
	return list
}

// Event implements runner.Watch.
func (c *cluster) Event(ctx context.Context, node, reason, message string, warning bool) {
	c.Cluster.Event(ctx, node, c.run, reason, message, warning)
}

// Down implements runner.Watch.
func (c *cluster) Down(node string, down bool) {
	if c.proof != nil {
		c.proof.Down(node, down)
	}
}

// Draining implements runner.Watch.
func (c *cluster) Draining(node string, on bool) {
	if c.proof != nil {
		c.proof.Draining(node, on)
	}
}

// targets are what [verify] http asks all through a run.
func (c *cluster) targets(checks []inventory.HTTPCheck) []runner.Target {
	targets := make([]runner.Target, 0, len(checks))
	for _, h := range checks {
		t := runner.Target{Name: h.URL, Want: h.Status}
		if h.Service != "" {
			t.Name = h.Service + h.Path
			t.Ask = func(ctx context.Context) (int, error) { return c.ProxyGet(ctx, h.Service, h.Path) }
		} else {
			t.Ask = func(ctx context.Context) (int, error) { return get(ctx, h.URL) }
		}
		targets = append(targets, t)
	}
	return targets
}

// account is what is known of the rights of a command's user: those that it needs beside every run's own, or that it may look alone.
type account struct {
	extra []kube.Rule
	looks bool
}

// openCluster opens the API and starts the watches; both end with ctx. A cluster that doesn't answer is an error
// within the time that people wait for one.
func (a *app) openCluster(ctx context.Context, f *inventory.Fleet, as account) (*kube.Cluster, error) {
	k, err := a.reachCluster(f, as)
	if err != nil {
		return nil, err
	}
	if a.terminal() { // an API that is away takes half a minute
		fmt.Fprint(a.err, "asking the cluster's API ")
		defer func() { fmt.Fprint(a.err, "\r\033[K") }()
	}
	watched, stop := context.WithCancel(ctx)
	if err := k.Start(watched); err != nil {
		stop() // or the watches would try for ever
		a.ending.Go(func() {
			k.Wait() // some seconds: what a watch sleeps between attempts isn't cut short
			k.Close()
		})
		return nil, exitWith(exitFailed, shortURL(err))
	}
	context.AfterFunc(ctx, stop)
	return k, nil
}

// reachCluster prepares the way to the inventory's cluster. Nothing is sent, and no watch begun.
func (a *app) reachCluster(f *inventory.Fleet, as account) (*kube.Cluster, error) {
	k, err := kube.Open(kube.Config{
		Kubeconfig: f.Cluster.Kubeconfig, Context: f.Cluster.Context, Namespace: f.Cluster.Namespace, Dial: a.dial,
		Boottime: a.boottime, Extra: as.extra, Looks: as.looks,
	})
	if errors.Is(err, fs.ErrNotExist) && f.Cluster.Kubeconfig != "" {
		return nil, exitWith(exitFailed, fmt.Errorf("cluster: kubeconfig %s: there is no such file; put it there, or name another under [cluster]", f.Cluster.Kubeconfig))
	}
	if err != nil {
		return nil, exitWith(exitFailed, fmt.Errorf("cluster: %w", err))
	}
	k.OnWait(a.aside)
	return k, nil
}

// shortURL leaves the address of the request out of an error of the API: it is long, and says what the error says.
func shortURL(err error) error {
	var request *url.Error
	if !errors.As(err, &request) {
		return err
	}
	return errors.New(strings.Replace(err.Error(), request.Error(), request.Err.Error(), 1))
}
