package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner/diagnose"
	"github.com/fleetup/fleetup/runner/finding"
	"github.com/fleetup/fleetup/runner/gate"
	"github.com/fleetup/fleetup/runner/remote"
)

// diagnoseFlags are what a command line of diagnose asks for.
type diagnoseFlags struct {
	parts      bool
	since      time.Duration
	thresholds string
	show       bool
	onlyNew    bool

	bundle    string
	watch     bool
	every     time.Duration
	perf      time.Duration
	pid       int
	logs, pod string // NAMESPACE/POD
	container string
	previous  bool
}

func (a *app) diagnoseCommand() *cobra.Command {
	var o diagnoseFlags
	c := &cobra.Command{
		Use:   "diagnose INVENTORY [NODE...]",
		Short: "Look into machines: what is wrong now, with evidence, meaning and what to do; changes nothing",
		Long: `Look into all machines at once, or into some, and into what the cluster says of them, and change nothing. Findings come first, the worst on top, each with what
was seen, what it means and what to do; then the numbers. Over SSH it reads /proc, /sys, the logs and the node's own tools.
From where on something is a finding stands in one file: --show-thresholds prints it, --thresholds names your own.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && !o.show {
				return usage("name an inventory")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			var command []string
			if at := c.ArgsLenAtDash(); at >= 0 {
				args, command = args[:at], args[at:]
			}
			if err := o.check(args, command); err != nil {
				return err
			}
			switch {
			case o.perf > 0:
				return a.diagnosePerf(c.Context(), args[0], args[1:], o)
			case o.pod != "":
				return a.diagnosePod(c.Context(), args[0], args[1:], o, command)
			case o.logs != "":
				return a.diagnoseLogs(c.Context(), args[0], o)
			case o.show:
				fmt.Fprint(a.out, diagnose.DefaultThresholds)
				return nil
			case o.parts:
				return a.diagnoseHardware(c.Context(), args[0], args[1:])
			}
			return a.diagnose(c.Context(), args[0], args[1:], o)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.parts, "hardware", false, "instead: CPUs, memory modules, disks and their health, network cards, PCI, firmware, and what the BMC says")
	f.DurationVar(&o.since, "since", 0, "of logs: no older than that, as 2h (default: since the boot)")
	f.StringVar(&o.thresholds, "thresholds", "", "a TOML file with thresholds of your own")
	f.BoolVarP(&o.watch, "watch", "w", false, "look again and again, and tell events as they come, until Ctrl-C")
	f.DurationVar(&o.every, "every", 10*time.Second, "with --watch: how long between two looks")
	f.StringVar(&o.bundle, "bundle", "", "also put all raw outputs, without secrets, into this file (.tar.zst), for a colleague or a vendor")
	f.DurationVar(&o.perf, "perf", 0, "instead: sample for so long what the cores do, with perf, or with strace where a process is named")
	f.IntVar(&o.pid, "pid", 0, "with --perf: of this process alone")
	f.StringVar(&o.logs, "logs", "", "instead: the log of a pod, NAMESPACE/POD, grouped by what its lines say, then its last lines")
	f.StringVar(&o.pod, "pod", "", "instead: run a command in a pod, NAMESPACE/POD, through its node's runtime: --pod shop/web-0 -- CMD")
	f.StringVar(&o.container, "container", "", "with --logs or --pod: which container")
	f.BoolVar(&o.previous, "previous", false, "with --logs: of the container before its last restart")
	f.BoolVar(&o.onlyNew, "only-new", false, onlyNewHelp+"; no numbers")
	f.BoolVar(&o.show, "show-thresholds", false, "print the thresholds, to be copied and changed")
	return c
}

// check refuses flags that don't belong together.
func (o diagnoseFlags) check(args, command []string) error {
	modes := 0
	for _, on := range []bool{o.parts, o.perf > 0, o.logs != "", o.pod != ""} {
		if on {
			modes++
		}
	}
	switch {
	case o.show:
		return nil
	case len(args) == 0:
		return usage("name an inventory")
	case o.watch && (modes > 0 || o.bundle != ""):
		return usage("--watch goes with the usual look alone")
	case o.watch && o.every < time.Second:
		return usage("--every %s: a second at least", o.every)
	case o.bundle != "" && modes > 0:
		return usage("--bundle goes with the usual look alone")
	case o.bundle != "" && !strings.HasSuffix(o.bundle, ".tar.zst"):
		return usage("--bundle %s: it will be a .tar.zst: call it so", o.bundle)
	case modes > 1:
		return usage("--hardware, --perf, --logs and --pod look at different things: one at a time")
	case modes > 0 && o.onlyNew:
		return usage("--only-new is of the findings: not with --hardware, --perf, --logs or --pod")
	case o.pid != 0 && o.perf == 0:
		return usage("--pid says of which process --perf takes samples: give --perf 10s too")
	case o.pid != 0 && len(args) != 2:
		return usage("--pid is a process of one machine: name that one")
	case o.perf != 0 && (o.perf < time.Second || o.perf > time.Hour):
		return usage("--perf %s: from a second to an hour", o.perf)
	case o.pod != "" && len(command) == 0:
		return usage("--pod runs a command: put it after --")
	case o.pod == "" && len(command) > 0:
		return usage("what stands after -- is run in a pod: name it with --pod NAMESPACE/POD")
	case o.container != "" && o.logs == "" && o.pod == "", o.previous && o.logs == "":
		return usage("--container goes with --logs or --pod, --previous with --logs")
	}
	for _, name := range []string{o.logs, o.pod} {
		namespace, pod, ok := strings.Cut(name, "/")
		if name != "" && (!ok || namespace == "" || pod == "" || strings.Contains(pod, "/")) {
			return usage("%q: a pod is named NAMESPACE/POD", name)
		}
	}
	return nil
}

// diagnosed is what is known of one node.
type diagnosed struct {
	Node     string            `json:"node"`
	Findings []finding.Finding `json:"findings"`
	Numbers  *diagnose.Look    `json:"numbers,omitempty"`
	Day      *diagnose.Day     `json:"day,omitempty"`   // by Prometheus, where the inventory names one
	Usage    *kube.Usage       `json:"usage,omitempty"` // by metrics-server, where there is one
	Error    string            `json:"error,omitempty"`

	raw string // what the machine printed
}

// loadSome reads the inventory and selects from it the nodes that are named; none: all that --limit leaves.
func (a *app) loadSome(path string, nodes []string) (*inventory.Fleet, []inventory.Host, error) {
	f, hosts, err := a.load(path, needs{})
	if err == nil && len(nodes) > 0 {
		if hosts, err = f.Select(strings.Join(nodes, ",")); err != nil {
			err = exitWith(exitUsage, err)
		}
	}
	return f, hosts, err
}

func (a *app) diagnose(ctx context.Context, path string, nodes []string, o diagnoseFlags) error {
	limits, err := diagnose.LoadThresholds(o.thresholds)
	if err != nil {
		return usage("%w", err)
	}
	f, hosts, err := a.loadSome(path, nodes)
	if err != nil {
		return err
	}
	ctx, release := a.interruptible(ctx)
	defer release()
	n := a.network(f)
	defer n.Close()
	whole := len(nodes) == 0 && a.flags.limit == ""
	if o.watch {
		return a.watchFleet(ctx, f, o.every, func() diagnosis { return a.lookAll(ctx, n, f, hosts, whole, o, limits) })
	}
	d := a.lookAll(ctx, n, f, hosts, whole, o, limits)
	if ctx.Err() != nil {
		return silent(exitInterrupted)
	}
	if o.bundle != "" {
		if err := a.bundle(ctx, n, f, hosts, d, o.bundle); err != nil {
			return err
		}
	}
	if o.onlyNew {
		return a.showNews(f, d)
	}
	return a.showDiagnosis(d)
}

// lookAll looks into machines and cluster at once; whole: into what belongs to no host of the inventory too.
func (a *app) lookAll(ctx context.Context, n *remote.Net, f *inventory.Fleet, hosts []inventory.Host, whole bool, o diagnoseFlags, limits diagnose.Thresholds) diagnosis {
	var listened diagnosis
	var wg sync.WaitGroup
	wg.Go(func() { listened = a.listenTo(ctx, f, hosts, whole, limits) })
	var days map[string]*diagnose.Day
	var without error
	wg.Go(func() { days, without = a.pastDay(ctx, f, hosts) })
	all := a.lookAt(ctx, n, f, hosts, o, limits)
	wg.Wait()
	for i := range all {
		all[i].seen(listened.usage)
		if day := days[all[i].Node]; day != nil {
			all[i].Day = day
			all[i].Findings = append(all[i].Findings, diagnose.JudgeDay(all[i].Node, *day, limits)...)
			finding.Sort(all[i].Findings)
		}
	}
	if without != nil {
		listened.gaps = append(listened.gaps, "the past day ("+oneLine(without)+")")
	}
	listened.nodes = all
	listened.name(f.Path)
	return listened
}

// showNews shows what the last regular diagnosis didn't find, without numbers: nobody looks at those of a job.
func (a *app) showNews(f *inventory.Fleet, d diagnosis) error {
	fresh, more, err := a.newFindings(f, "diagnose", d.findings())
	if err != nil {
		return err
	}
	if a.json() {
		err = json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "findings": nonNil(fresh), "gaps": nonNil(d.gaps)})
	} else {
		s := a.screen(len(d.nodes))
		if len(fresh) == 0 {
			s.line("", "nothing new")
		}
		s.findings(fresh)
		if more != "" {
			s.line("", more)
		}
	}
	if err == nil && d.unreachable() {
		err = silent(exitFailed)
	}
	return err
}

// unreachable reports whether a machine could not be asked.
func (d diagnosis) unreachable() bool {
	return slices.ContainsFunc(d.nodes, func(n diagnosed) bool { return n.Error != "" })
}

// diagnosis is all that one look came to.
type diagnosis struct {
	nodes []diagnosed
	more  []finding.Finding // by what the API says
	gaps  []string          // what could not be asked at all
	heard kube.Heard
	usage map[string]kube.Usage // by metrics-server, where there is one
}

// findings are all of them.
func (d diagnosis) findings() []finding.Finding {
	list := slices.Clone(d.more)
	for _, n := range d.nodes {
		list = append(list, n.Findings...)
	}
	return list
}

// name puts the inventory's own file into commands, which are to be pasted.
func (d diagnosis) name(inventory string) {
	for _, n := range d.nodes {
		for i := range n.Findings {
			n.Findings[i].Command = strings.ReplaceAll(n.Findings[i].Command, "INVENTORY", shellescape.Quote(inventory))
		}
	}
}

// listenTo asks the cluster's API, where the inventory names one: whole with what belongs to no host of it. An API that doesn't
// answer is a finding.
func (a *app) listenTo(ctx context.Context, f *inventory.Fleet, hosts []inventory.Host, whole bool, limits diagnose.Thresholds) diagnosis {
	if f.Require(false, true) != nil {
		return diagnosis{gaps: []string{"the cluster's API, which the inventory doesn't name ([cluster])"}}
	}
	var heard kube.Heard
	var usage map[string]kube.Usage
	var away error
	err := a.askAPI(ctx, f, func(ctx context.Context, k *kube.Cluster) (err error) {
		if heard, err = k.Listen(ctx); err == nil {
			usage, away = k.Usage(ctx)
		}
		return err
	})
	if err != nil {
		return diagnosis{more: []finding.Finding{{Severity: finding.Critical, Rule: "api", Object: "the cluster's API", Evidence: oneLine(err),
			Meaning: "nothing is known of nodes, pods and events", Action: "see whether the control plane is up, and what this user may list (nodes, pods, events)"}}}
	}
	var names []string
	for _, h := range hosts {
		names = append(names, h.Node)
	}
	d := diagnosis{heard: heard, usage: usage, more: diagnose.JudgeCluster(diagnose.Cluster(heard), names, whole, limits, time.Now())}
	if away != nil {
		d.gaps = append(d.gaps, "metrics-server ("+oneLine(shortURL(away))+")")
	}
	return d
}

// apiTime bounds what the API is asked.
const apiTime = 30 * time.Second

// seen adds what metrics-server saw of a node, which of one that can't be asked is the last that is known.
func (d *diagnosed) seen(usage map[string]kube.Usage) {
	u, known := usage[d.Node]
	if !known {
		return
	}
	d.Usage = &u
	if d.Error != "" && len(d.Findings) > 0 {
		d.Findings[0].Evidence += fmt.Sprintf("; metrics-server saw %.1f cores and %.1f GiB in use", u.Cores, float64(u.Bytes)/(1<<30))
	}
}

// pastDay asks the inventory's Prometheus, where it names one, what it knows of the past day.
func (a *app) pastDay(ctx context.Context, f *inventory.Fleet, hosts []inventory.Host) (map[string]*diagnose.Day, error) {
	if f.Prometheus.URL == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, apiTime)
	defer cancel()
	world := gate.World{Prometheus: a.prometheus(f.Prometheus), Dial: a.dial}
	names, other := map[string][]string{}, metricNames(hosts)
	for _, h := range hosts {
		names[h.Node] = other(h.Node)
	}
	return diagnose.PastDay(ctx, func(ctx context.Context, query string) ([]diagnose.Sample, error) {
		samples, err := world.Samples(ctx, query)
		all := make([]diagnose.Sample, len(samples))
		for i, s := range samples {
			all[i] = diagnose.Sample(s)
		}
		return all, err
	}, names)
}

// lookAt looks into all machines at once.
func (a *app) lookAt(ctx context.Context, n *remote.Net, f *inventory.Fleet, hosts []inventory.Host, o diagnoseFlags, limits diagnose.Thresholds) []diagnosed {
	q := diagnose.Questions{}
	if o.since > 0 {
		q.Since = time.Now().Add(-o.since)
	}
	all := make([]diagnosed, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() {
			q := q
			q.Peers = peersOf(f.Hosts, h)
			all[i] = a.lookOn(ctx, n, h, q, limits)
		})
	}
	wg.Wait()
	return all
}

// lookOn looks into one machine. One that can't be asked is a finding too.
func (a *app) lookOn(ctx context.Context, n *remote.Net, h inventory.Host, q diagnose.Questions, limits diagnose.Thresholds) diagnosed {
	return lookInside(ctx, n.Host(a.login(h), remote.Fence{}), h, q, limits)
}

// lookInside is lookOn for a machine that is known already.
func lookInside(ctx context.Context, m *remote.Host, h inventory.Host, q diagnose.Questions, limits diagnose.Thresholds) diagnosed {
	raw, err := diagnose.Ask(ctx, m.Run, q)
	if err != nil {
		why := unaddressed(brief(h.Name, oneLine(err)))
		return diagnosed{Node: h.Node, Error: why, Findings: []finding.Finding{{
			Severity: finding.Critical, Rule: "unreachable", Object: "node " + h.Node, Evidence: strings.TrimPrefix(why, "diagnose: "),
			Meaning: "nothing is known of the machine but what others say of it", Action: "see whether it has power, and what its BMC says",
			Command: "fleetup power status INVENTORY " + h.Node,
		}}}
	}
	look := diagnose.Parse(raw, q.Since)
	return diagnosed{Node: h.Node, Numbers: &look, raw: raw.Text, Findings: diagnose.Judge(h.Node, look, limits, time.Now())}
}

// peersOf are the machines that one is asked to reach: its neighbour in the inventory, and the first of the control plane.
func peersOf(all []inventory.Host, h inventory.Host) []string {
	var peers []string
	add := func(p inventory.Host) {
		if p.Address != h.Address && p.Address != "" && (len(peers) == 0 || peers[0] != p.Address) {
			peers = append(peers, p.Address)
		}
	}
	for i := range all {
		if all[i].Name == h.Name {
			add(all[(i+1)%len(all)])
		}
	}
	for _, p := range all {
		if p.ControlPlane() {
			add(p)
			break
		}
	}
	return peers
}

// showDiagnosis prints it, and is an error where a machine could not be asked.
func (a *app) showDiagnosis(d diagnosis) error {
	if a.json() {
		object := map[string]any{"version": 1, "nodes": jsonReady(d.nodes), "cluster": nonNil(d.more), "gaps": nonNil(d.gaps)}
		if err := json.NewEncoder(a.out).Encode(object); err != nil {
			return err
		}
	} else {
		a.diagnosisOn(a.screen(len(d.nodes)), d)
	}
	if d.unreachable() {
		return silent(exitFailed)
	}
	return nil
}

// jsonReady makes empty lists [].
func jsonReady(all []diagnosed) []diagnosed {
	for i := range all {
		all[i].Findings = nonNil(all[i].Findings)
	}
	return all
}
