package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner/bmc"
)

// powerOrder is what `fleetup power` may be told.
type powerOrder struct {
	name, short string
	cuts        bool // takes the power from a machine that may be at work
	do          func(ctx context.Context, b bmc.Starter, hard bool) error
}

var powerOrders = []powerOrder{
	{"status", "Say which machines are on", false, nil},
	{"on", "Turn machines on, and wait until they are", false, turnOn},
	{"off", "Shut machines down, and wait until they are off; the power is taken from one that doesn't listen for 3 minutes", true, turnOff},
	{"cycle", "Take the power from machines and give it back, whatever they are doing", true, cycle},
}

func (a *app) powerCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "power",
		Example: `  fleetup power status prod.toml node007
  fleetup power cycle prod.toml node007`,
		Short: "Ask and switch machines' power through their BMCs",
	}
	for _, o := range powerOrders {
		c.AddCommand(a.powerOrderCommand(o))
	}
	return chooses(c)
}

func (a *app) powerOrderCommand(o powerOrder) *cobra.Command {
	var working, hard bool
	c := &cobra.Command{
		Use: o.name + " INVENTORY NODE...", Short: o.short, Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.switchPower(c.Context(), o, args[0], args[1:], working, hard)
		},
	}
	if o.cuts {
		c.Flags().BoolVar(&working, "with-workloads", false, "also machines that still run workloads, or of which that can't be known")
	}
	if o.name == "off" {
		c.Flags().BoolVar(&hard, "hard", false, "take the power away at once, without asking the operating system")
	}
	return c
}

// powered is what became of one machine.
type powered struct {
	Host  string `json:"host"`
	Node  string `json:"node"`
	Power string `json:"power"` // on, off, or unknown
	Error string `json:"error,omitempty"`
}

func (a *app) switchPower(ctx context.Context, o powerOrder, path string, nodes []string, working, hard bool) error {
	f, _, err := a.load(path, needs{})
	if err != nil {
		return err
	}
	hosts, err := selectNamed(f, nodes...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	_, release := a.signals(cancel)
	defer release()
	defer cancel(nil)
	switches, err := a.switches(o, hosts)
	if err != nil {
		return err
	}
	if o.cuts && !working {
		if err := a.atWork(ctx, f, hosts); err != nil {
			return err
		}
	}
	if o.do != nil {
		if err := a.confirm(ctx, fmt.Sprintf("power %s %s", o.name, fold(hostNames(hosts)))); err != nil {
			return err
		}
	}
	return a.showPower(switchAll(ctx, o, hosts, switches, hard))
}

func hostNames(hosts []inventory.Host) []string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	return names
}

// switches opens every host's BMC, and refuses those that can't do what is asked before anything is switched.
func (a *app) switches(o powerOrder, hosts []inventory.Host) ([]bmc.Starter, error) {
	found := make([]bmc.Starter, len(hosts))
	var wrong []error
	for i, h := range hosts {
		b, err := a.bmcOf(h)
		_, full := b.(bmc.Power)
		switch {
		case err != nil:
			wrong = append(wrong, err)
		case b == nil:
			wrong = append(wrong, noBMC(h))
		case !full && o.name != "on":
			wrong = append(wrong, fmt.Errorf("%s: Wake-on-LAN can turn a machine on and no more", h.Name))
		}
		found[i] = b
	}
	return found, exitWith(exitUsage, errors.Join(wrong...))
}

// atWork refuses machines that still run workloads: pods that a drain would have to move.
func (a *app) atWork(ctx context.Context, f *inventory.Fleet, hosts []inventory.Host) error {
	if !f.Cluster.HasSection {
		return usage("without [cluster] in the inventory nobody can tell whether these machines run workloads; --with-workloads goes ahead all the same")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k, err := a.openCluster(ctx, f, account{})
	if err != nil {
		return fmt.Errorf("%w; --with-workloads goes ahead without asking", err)
	}
	defer func() { cancel(); k.Wait(); k.Close() }()
	var busy []string
	for _, h := range hosts {
		d := k.PlanDrain(h.Node, kube.DrainOptions{IgnoreDaemonSets: true, DeleteEmptyDirData: true, Force: true})
		if n := len(d.Evict); n > 0 {
			busy = append(busy, fmt.Sprintf("%s runs %s (%s/%s%s)", h.Node, plural(n, "pod"), d.Evict[0].Namespace, d.Evict[0].Name, andOthers(n)))
		}
	}
	if len(busy) == 0 {
		return nil
	}
	return exitWith(exitFailed, fmt.Errorf("refused, nothing was switched:\n%s\ndrain first (`kubectl drain`, or `fleetup swap begin INVENTORY NODE`), or say --with-workloads",
		strings.Join(busy, "\n")))
}

func andOthers(n int) string {
	if n == 1 {
		return ""
	}
	return ", …"
}

// atOnce is how many BMCs are asked at a time: they are slow, and share a small network.
const atOnce = 32

func switchAll(ctx context.Context, o powerOrder, hosts []inventory.Host, switches []bmc.Starter, hard bool) []powered {
	all := make([]powered, len(hosts))
	eachOf(hosts, atOnce, func(i int, h inventory.Host) { all[i] = switchOne(ctx, o, h, switches[i], hard) })
	return all
}

func switchOne(ctx context.Context, o powerOrder, h inventory.Host, b bmc.Starter, hard bool) powered {
	r := powered{Host: h.Name, Node: h.Node, Power: "unknown"}
	var err error
	if o.do != nil {
		err = o.do(ctx, b, hard)
	}
	if p, ok := b.(bmc.Power); ok && err == nil {
		var s bmc.State
		if s, err = p.State(ctx); err == nil {
			r.Power = string(s)
		}
	}
	if err != nil {
		r.Error = oneLine(err)
	}
	return r
}

// powerTimeout is how long a machine may take to be on once it was told: power supplies take seconds, some boards a minute.
const powerTimeout = 2 * time.Minute

func turnOn(ctx context.Context, b bmc.Starter, _ bool) error {
	if err := b.On(ctx); err != nil {
		return err
	}
	p, ok := b.(bmc.Power)
	if !ok {
		return nil // nobody can tell
	}
	ctx, cancel := context.WithTimeout(ctx, powerTimeout)
	defer cancel()
	return bmc.Await(ctx, p, bmc.On)
}

func turnOff(ctx context.Context, b bmc.Starter, hard bool) error {
	p := b.(bmc.Power) // switches has seen to it
	if !hard {
		return bmc.TurnOff(ctx, p, graceToShutDown)
	}
	if err := p.Off(ctx, true); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, powerTimeout)
	defer cancel()
	return bmc.Await(ctx, p, bmc.Off)
}

func cycle(ctx context.Context, b bmc.Starter, _ bool) error {
	return b.(bmc.Power).Cycle(ctx) // switches has seen to it
}

func (a *app) showPower(all []powered) error {
	failed := 0
	for _, r := range all {
		if r.Error != "" {
			failed++
		}
	}
	if a.json() {
		if err := json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "hosts": all}); err != nil {
			return err
		}
	} else {
		var rows [][]string
		for _, r := range all {
			rows = append(rows, []string{r.Host, r.Power, r.Error})
		}
		fmt.Fprint(a.out, table(rows, columns(a.out)))
	}
	if failed > 0 {
		fmt.Fprintf(paper(a.err), "%d of %s failed\n", failed, plural(len(all), "machine"))
		return silent(exitFailed)
	}
	return nil
}
