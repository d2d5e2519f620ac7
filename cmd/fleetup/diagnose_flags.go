package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/runner/diagnose"
)

// everyDefault is how long --watch waits between two looks.
const everyDefault = 10 * time.Second

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

	keep func(node, printed string) // what a machine printed; nil: it is let go
}

func (a *app) diagnoseCommand() *cobra.Command {
	var o diagnoseFlags
	c := &cobra.Command{
		Use:   "diagnose INVENTORY [NODE...]",
		Short: "Look into machines: what is wrong now, with evidence, meaning and what to do; changes nothing",
		Long: `Look into all machines at once, or into some, and into what the cluster says of them, and change nothing. Findings come first, the worst on top, each with what
was seen, what it means and what to do; then the numbers. Over SSH it reads /proc, /sys, the logs and the node's own tools.
From where on something is a finding stands in one file: --show-thresholds prints it, --thresholds names your own.`,
		Example: `  fleetup diagnose prod.toml --watch
  fleetup diagnose prod.toml node007 --since 2h --bundle case.tar.zst
  fleetup diagnose prod.toml node007 --perf 10s
  fleetup diagnose prod.toml --hardware --output json
  fleetup diagnose prod.toml --logs shop/web-0 --previous`,
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
	durationVar(f, &o.since, "since", 0, "of logs: no older than `TIME`, as 2h (default: since the boot)")
	f.StringVar(&o.thresholds, "thresholds", "", "a TOML `FILE` with thresholds of your own")
	f.BoolVarP(&o.watch, "watch", "w", false, "look again and again, and tell events as they come, until Ctrl-C")
	durationVar(f, &o.every, "every", everyDefault, "with --watch: `TIME` between two looks")
	f.StringVar(&o.bundle, "bundle", "", "also put all raw outputs, without secrets, into this `FILE` (.tar.zst), for a colleague or a vendor")
	durationVar(f, &o.perf, "perf", 0, "instead: sample for a `TIME` what the cores do, with perf, or with strace where a process is named")
	f.IntVar(&o.pid, "pid", 0, "with --perf: of the process `PID` alone")
	f.StringVar(&o.logs, "logs", "", "instead: the log of a pod, `NAMESPACE/POD`, grouped by what its lines say, then its last lines")
	f.StringVar(&o.pod, "pod", "", "instead: run a command in a pod, `NAMESPACE/POD`, through its node's runtime: --pod shop/web-0 -- CMD")
	f.StringVar(&o.container, "container", "", "with --logs or --pod: the container `NAME`")
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
	case o.since > 0 && (o.parts || o.perf > 0 || o.pod != ""):
		return usage("--since is of logs: not with --hardware, --perf or --pod")
	case o.watch && (modes > 0 || o.bundle != "" || o.onlyNew):
		return usage("--watch goes with the usual look alone")
	case !o.watch && o.every != everyDefault:
		return usage("--every says how often --watch looks: it goes with --watch")
	case o.watch && o.every < time.Second:
		return usage("--every %s: a second at least", short(o.every))
	case o.bundle != "" && modes > 0:
		return usage("--bundle goes with the usual look alone")
	case o.bundle != "" && !strings.HasSuffix(o.bundle, ".tar.zst"):
		return usage("--bundle %s: it will be a .tar.zst: call it so", o.bundle)
	case modes > 1:
		return usage("--hardware, --perf, --logs and --pod look at different things: one at a time")
	case modes > 0 && o.onlyNew:
		return usage("--only-new is of the findings: not with --hardware, --perf, --logs or --pod")
	case o.pid < 0:
		return usage("--pid %d: a process has a number above 0", o.pid)
	case o.pid != 0 && o.perf == 0:
		return usage("--pid says of which process --perf takes samples: give --perf 10s too")
	case o.pid != 0 && len(args) != 2:
		return usage("--pid is a process of one machine: name that one")
	case o.perf != 0 && (o.perf < time.Second || o.perf > time.Hour):
		return usage("--perf %s: from a second to an hour", short(o.perf))
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
