package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	do          func(ctx context.Context, b bmc.Starter, o powerOptions) error
}

// powerOptions are how an order is to be carried out, and where it says what it waits for.
type powerOptions struct {
	working bool       // also on machines that still run workloads
	hard    bool       // off: without asking the operating system
	once    bmc.Device // on and cycle: what the machine boots from then, and only then; "" for what it always does
	host    string
	say     func(string)
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
  fleetup power cycle prod.toml node007
  fleetup power on prod.toml node007 --boot-once pxe
  fleetup power events prod.toml node007 --last 50`,
		Short: "Ask and switch machines' power through their BMCs, read their sensors and event logs",
	}
	for _, o := range powerOrders {
		c.AddCommand(a.powerOrderCommand(o))
	}
	for _, q := range powerQuestions {
		c.AddCommand(a.powerQuestionCommand(q))
	}
	return chooses(c)
}

// bootDevices are what --boot-once may say.
var bootDevices = []string{string(bmc.Disk), string(bmc.PXE), string(bmc.CD), string(bmc.Setup)}

func (a *app) powerOrderCommand(o powerOrder) *cobra.Command {
	var opts powerOptions
	var once string
	c := &cobra.Command{
		Use: o.name + " INVENTORY NODE...", Short: o.short, Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if opts.once = bmc.Device(once); once != "" && !slices.Contains(bootDevices, once) {
				return usage("--boot-once: a machine can't be told to boot from %q, but from %s", once, oneOf(bootDevices))
			}
			return a.switchPower(c.Context(), o, args[0], args[1:], opts)
		},
	}
	if o.cuts {
		c.Flags().BoolVar(&opts.working, "with-workloads", false, "also machines that still run workloads, or of which that can't be known")
	}
	switch o.name {
	case "off":
		c.Flags().BoolVar(&opts.hard, "hard", false, "take the power away at once, without asking the operating system")
	case "on", "cycle":
		c.Flags().StringVar(&once, "boot-once", "", "`DEVICE` to boot from this time and no other: "+oneOf(bootDevices)+" (the firmware's own screen)")
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

func (a *app) switchPower(ctx context.Context, o powerOrder, path string, nodes []string, opts powerOptions) error {
	ctx, release := a.interruptible(ctx)
	defer release()
	f, hosts, switches, err := a.switches(path, nodes, func(h inventory.Host, b bmc.Starter) error { return o.unfit(h, b, opts) })
	if err != nil {
		return err
	}
	if o.cuts && !opts.working {
		if err := a.atWork(ctx, f, hosts); err != nil {
			return err
		}
	}
	if o.do != nil {
		question := fmt.Sprintf("power %s %s", o.name, fold(hostNames(hosts)))
		if opts.once != "" {
			question += fmt.Sprintf(", booted from %s this once", opts.once)
		}
		if err := a.confirm(ctx, question); err != nil {
			return err
		}
	}
	all := make([]powered, len(hosts))
	eachOf(hosts, atOnce, func(i int, h inventory.Host) { all[i] = a.switchOne(ctx, o, h, switches[i], opts) })
	if err := a.showPower(ctx, all); ctx.Err() == nil {
		return err
	}
	if o.do != nil {
		fmt.Fprintf(paper(a.err), "interrupted; what a machine has been told it does all the same: `fleetup power status INVENTORY %s` says how it stands\n", strings.Join(nodes, " "))
	}
	return silent(exitInterrupted)
}

// unfit says why a BMC can't do what is asked.
func (o powerOrder) unfit(h inventory.Host, b bmc.Starter, opts powerOptions) error {
	_, full := b.(bmc.Power)
	_, chooses := b.(bmc.Booter)
	switch {
	case !full && o.name != "on":
		return fmt.Errorf("%s: Wake-on-LAN can turn a machine on and no more", h.Name)
	case opts.once != "" && !chooses:
		return fmt.Errorf("%s: --boot-once needs a BMC of type redfish or ipmi, and this one is of type %s", h.Name, h.BMC.Type)
	}
	return nil
}

func hostNames(hosts []inventory.Host) []string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	return names
}

// switches opens the BMCs of an inventory's nodes, one for each host, and refuses those that can't do what is asked before anything
// is switched.
func (a *app) switches(path string, nodes []string, unfit func(inventory.Host, bmc.Starter) error) (*inventory.Fleet, []inventory.Host, []bmc.Starter, error) {
	f, _, err := a.load(path, needs{})
	if err != nil {
		return nil, nil, nil, err
	}
	hosts, err := selectNamed(f, nodes...)
	if err != nil {
		return nil, nil, nil, err
	}
	found := make([]bmc.Starter, len(hosts))
	var wrong []error
	for i, h := range hosts {
		b, err := a.bmcOf(h)
		switch {
		case err != nil:
		case b == nil:
			err = noBMC(h)
		default:
			err = unfit(h, b)
		}
		if err != nil {
			wrong = append(wrong, err)
		}
		found[i] = b
	}
	return f, hosts, found, exitWith(exitUsage, errors.Join(wrong...))
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

func (a *app) switchOne(ctx context.Context, o powerOrder, h inventory.Host, b bmc.Starter, opts powerOptions) powered {
	r := powered{Host: h.Name, Node: h.Node, Power: "unknown"}
	opts.host, opts.say = h.Name, func(text string) { fmt.Fprintf(paper(a.err), "%s: %s\n", h.Name, text) }
	err := ctx.Err()
	if err == nil && o.do != nil {
		err = o.do(ctx, b, opts)
	}
	if p, ok := b.(bmc.Power); ok && err == nil {
		var s bmc.State
		if s, err = p.State(ctx); err == nil {
			r.Power = string(s)
		}
	}
	if errors.Is(err, errOn) {
		r.Power = string(bmc.On)
	}
	if err != nil {
		r.Error = complaint(ctx, err)
	}
	return r
}

// complaint is an error for a table, unless it is but the command's own end.
func complaint(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return "interrupted"
	}
	return oneLine(err)
}

// powerTimeout is how long a machine may take to be on once it was told: power supplies take seconds, some boards a minute.
const powerTimeout = 2 * time.Minute

// errOn is what keeps a machine from being booted from elsewhere by turning it on.
var errOn = errors.New("it is on")

func turnOn(ctx context.Context, b bmc.Starter, o powerOptions) error {
	p, tells := b.(bmc.Power)
	if o.once != "" {
		if s, err := p.State(ctx); err != nil {
			return err
		} else if s == bmc.On {
			return fmt.Errorf("%w, and boots from nothing now: `fleetup power cycle INVENTORY %s --boot-once %s` takes its power and gives it back", errOn, o.host, o.once)
		}
	}
	if err := bootingFrom(ctx, b, o, b.On); err != nil || !tells { // without an answer nobody can tell
		return err
	}
	o.say("waiting until it is on")
	ctx, cancel := context.WithTimeout(ctx, powerTimeout)
	defer cancel()
	return bmc.Await(ctx, p, bmc.On)
}

// bootingFrom has the boot that an order brings about begin from another device, where one was asked for. The two go together: a BMC
// forgets the device after a minute in which no order came (IPMI 2.0, 28.12).
func bootingFrom(ctx context.Context, b bmc.Starter, o powerOptions, order func(context.Context) error) error {
	if o.once == "" {
		return order(ctx)
	}
	if err := b.(bmc.Booter).BootOnce(ctx, o.once); err != nil { // unfit has seen to it
		return err
	}
	if err := order(ctx); err != nil {
		return fmt.Errorf("%w; its next boot may be from %s all the same", err, o.once)
	}
	return nil
}

func turnOff(ctx context.Context, b bmc.Starter, o powerOptions) error {
	p := b.(bmc.Power) // unfit has seen to it
	if !o.hard {
		return bmc.TurnOff(ctx, p, graceToShutDown, o.say)
	}
	if err := p.Off(ctx, true); err != nil {
		return err
	}
	o.say("its power is taken away; waiting until it is off")
	ctx, cancel := context.WithTimeout(ctx, powerTimeout)
	defer cancel()
	return bmc.Await(ctx, p, bmc.Off)
}

func cycle(ctx context.Context, b bmc.Starter, o powerOptions) error {
	return bootingFrom(ctx, b, o, b.(bmc.Power).Cycle) // unfit has seen to it
}

func (a *app) showPower(ctx context.Context, all []powered) error {
	failed := 0
	var rows [][]string
	for _, r := range all {
		if r.Error != "" && ctx.Err() == nil {
			failed++
		}
		rows = append(rows, []string{r.Host, r.Power, r.Error})
	}
	return a.showHosts(len(all), all, rows, failed)
}

// showHosts prints what came of each host, as a document or as a table, and fails where some did.
func (a *app) showHosts(hosts int, all any, rows [][]string, failed int) error {
	if a.json() {
		if err := json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "hosts": all}); err != nil {
			return err
		}
	} else {
		fmt.Fprint(a.out, table(rows, columns(a.out)))
	}
	if failed > 0 {
		fmt.Fprintf(paper(a.err), "%d of %s failed\n", failed, plural(hosts, "machine"))
		return silent(exitFailed)
	}
	return nil
}
