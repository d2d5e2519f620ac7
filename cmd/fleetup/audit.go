package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apiversion "k8s.io/apimachinery/pkg/util/version"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/playbooks"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/audit"
	"github.com/fleetup/fleetup/runner/finding"
	"github.com/fleetup/fleetup/runner/hardware"
	"github.com/fleetup/fleetup/runner/remote"
)

// auditFlags are those of `fleetup audit`.
type auditFlags struct {
	failOn  string
	patches bool
	api     bool
	onlyNew bool
}

func (a *app) auditCommand() *cobra.Command {
	var flags auditFlags
	c := &cobra.Command{
		Use:   "audit INVENTORY",
		Short: "Find what will hurt in the next maintenance, with the patch that mends it; changes nothing",
		Long: `Find what will hurt in the next maintenance while there is time to mend it, and change nothing: budgets that are missing
or never let a pod go, single replicas, replicas that share a node or a rack, pods without requests, what a drained node's
pods would have no room for, kubelets that reserve nothing, leftover cordons and taints, version skew, certificates,
pending patches and reboots, failing disks, and hosts that aren't like those they should be like.

Each finding says how bad it is, what it is about, why it matters, and what mends it: --patches prints all of that as a
script to read and run. What is meant to be so is accepted on the object itself, by rule, and isn't told again:

  kubectl -n shop annotate deployment web ` + audit.Accept + `=single-replica

The exit code is 0 whatever is found; with --fail-on LEVEL it is 1 where a finding is of that level (info, warning or
critical) or worse.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.audit(c.Context(), args[0], flags) },
	}
	c.Flags().StringVar(&flags.failOn, "fail-on", "", "exit 1 from this `LEVEL` on: info, warning or critical")
	c.Flags().BoolVar(&flags.patches, "patches", false, "print a script of all that mends, and nothing else")
	c.Flags().BoolVar(&flags.api, "api-only", false, "ask the cluster alone, and log into no machine")
	c.Flags().BoolVar(&flags.onlyNew, "only-new", false, onlyNewHelp)
	return c
}

func (a *app) audit(ctx context.Context, path string, flags auditFlags) error {
	failOn := finding.Critical + 1
	if flags.failOn != "" {
		if err := failOn.UnmarshalText([]byte(flags.failOn)); err != nil || failOn == finding.None {
			return usage("--fail-on %q: it is info, warning or critical", flags.failOn)
		}
	}
	f, hosts, err := a.load(path, needs{cluster: true})
	if err != nil {
		return err
	}
	ctx, release := a.interruptible(ctx)
	defer release()
	facts, err := a.auditFacts(ctx, f, hosts, flags.api)
	if ctx.Err() != nil {
		return silent(exitInterrupted) // half a look would be taken for a whole one, also by --only-new
	}
	if err != nil {
		return exitWith(exitFailed, shortURL(err))
	}
	list := a.selected(audit.Find(facts), f, hosts)
	for i := range list {
		list[i].Command = a.hint(list[i].Command)
	}
	shown, more := list, ""
	if flags.onlyNew {
		if shown, more, err = a.newFindings(f, "audit", list); err != nil {
			return err
		}
	}
	if err := a.showAudit(path, facts, shown, flags.patches); err != nil {
		return err
	}
	if more != "" && !a.json() {
		fmt.Fprintln(paper(a.out), more)
	}
	if finding.Worst(list) >= failOn {
		return silent(exitFailed)
	}
	return nil
}

// auditFacts reads the cluster and asks the machines, both at once.
func (a *app) auditFacts(ctx context.Context, f *inventory.Fleet, hosts []inventory.Host, apiOnly bool) (*audit.Facts, error) {
	k, err := a.reachCluster(f, account{})
	if err != nil {
		return nil, err
	}
	defer k.Close()
	if err := k.Answers(ctx); err != nil {
		return nil, err
	}
	machines := make([]audited, len(hosts))
	var asking sync.WaitGroup
	if !apiOnly {
		asking.Go(func() { a.askMachines(ctx, f, hosts, machines) })
	}
	facts, err := audit.Read(ctx, k)
	asking.Wait()
	if err != nil {
		return nil, err
	}
	facts.Hosts = []audit.Host{}
	for _, h := range f.Hosts {
		facts.Hosts = append(facts.Hosts, audit.Host{Node: h.Node, Groups: h.Groups, Labels: h.Labels, Spare: h.Spare})
	}
	if err := judgeSkew(ctx, k, facts); err != nil {
		return nil, err
	}
	if apiOnly {
		facts.Gaps = append(facts.Gaps, "the machines: --api-only")
		return facts, nil
	}
	facts.Machines = map[string]audit.Machine{}
	held := holders(facts.Nodes, nil)
	for i, h := range hosts {
		m := machines[i]
		if work := held[h.Node]; m.Error != "" && work.Off { // a run leaves it alone
			facts.Gaps = append(facts.Gaps, "node "+h.Node+": off, and "+work.String())
			continue
		}
		facts.Machines[h.Node] = m.Machine
		if _, told := facts.Kubelets[h.Node]; !told && m.kubelet != nil {
			facts.Kubelets[h.Node] = *m.kubelet
		}
		for _, gap := range m.gaps {
			facts.Gaps = append(facts.Gaps, "node "+h.Node+": "+gap)
		}
	}
	return facts, nil
}

// judgeSkew says which kubelets mustn't run beside these API servers, and which not beside the next minor version.
func judgeSkew(ctx context.Context, k *kube.Cluster, facts *audit.Facts) error {
	var pods []*corev1.Pod
	for i := range facts.Pods {
		pods = append(pods, &facts.Pods[i])
	}
	oldest, newest, err := k.ServerVersions(ctx, pods)
	if err != nil {
		return err
	}
	facts.API, facts.Skew, facts.Behind = oldest, map[string]string{}, map[string]string{}
	next := ""
	if v, err := apiversion.ParseGeneric(newest); err == nil {
		next = fmt.Sprintf("%d.%d.0", v.Major(), v.Minor()+1)
	}
	for _, n := range facts.Nodes {
		kubelet := n.Status.NodeInfo.KubeletVersion
		switch why := runner.Skew(kubelet, oldest, newest, ""); {
		case why != "":
			facts.Skew[n.Name] = why
		case runner.Skew(kubelet, oldest, next, "") != "":
			facts.Behind[n.Name] = fmt.Sprintf("kubelet %s beside API servers of %s: %s wouldn't support it", strings.TrimPrefix(kubelet, "v"), strings.TrimPrefix(newest, "v"), next)
		}
	}
	return nil
}

// audited is what one machine told.
type audited struct {
	audit.Machine
	kubelet *audit.Kubelet
	gaps    []string
}

func (a *app) askMachines(ctx context.Context, f *inventory.Fleet, hosts []inventory.Host, into []audited) {
	n := a.network(f)
	defer n.Close()
	a.eachShown(hosts, f.FanOut, func(i int, h inventory.Host) { into[i] = a.askMachine(ctx, n, h) })
}

// askMachine asks one machine what ages and drifts there, what it is made of, and what an upgrade would change now.
func (a *app) askMachine(ctx context.Context, n *remote.Net, h inventory.Host) audited {
	m := n.Host(a.login(h), remote.Fence{})
	defer m.Close() //nolint:errcheck // nothing to lose
	var found audited
	var err error
	if found.Machine, found.kubelet, err = audit.Look(ctx, m.Run); err != nil {
		return audited{Machine: audit.Machine{Error: brief(h.Node, oneLine(err))}}
	}
	gap := func(what string, err error) {
		if err != nil {
			found.gaps = append(found.gaps, what+": "+brief(h.Node, oneLine(err)))
		}
	}
	d, err := a.inventoried(ctx, h, m)
	gap("hardware", err)
	addHardware(&found.Machine, d)
	found.Patches, err = wouldChange(ctx, m, "os-patches", nil)
	gap("patches", err)
	found.Kernel, err = wouldChange(ctx, m, "kernel", map[string]any{"version": "latest"})
	gap("kernel", err)
	required, why, err := playbooks.RebootRequired(ctx, m)
	gap("reboot", err)
	if required {
		found.RebootRequired = []string{why}
	}
	return found
}

// wouldChange is what a built-in playbook would change now; nil where it would nothing, or what it did waits for a reboot.
func wouldChange(ctx context.Context, m playbooks.Host, name string, params map[string]any) ([]string, error) {
	book, err := playbooks.Load("", name)
	if err != nil {
		return nil, err
	}
	steps, err := book.Bind(params, playbooks.Target{})
	if err != nil {
		return nil, err
	}
	var changes []string
	for _, s := range steps {
		status, err := s.Check(ctx, m)
		if err != nil {
			return nil, err
		}
		if !status.Clean && !status.Staged && len(status.Problems) == 0 {
			changes = append(changes, status.Changes...)
		}
	}
	return changes, nil
}

// addHardware notes what fails, what ages, and the firmware that machines of one model should share.
func addHardware(m *audit.Machine, d hardware.Document) {
	m.Failing, m.Ageing = hardware.Problems(d), hardware.Warnings(d)
	m.Model = strings.TrimSpace(d.System.Vendor + " " + d.System.Model)
	set := func(name, value string) {
		if value != "" {
			m.Firmware[name] = value
		}
	}
	set("BIOS", d.System.BIOS)
	set("BMC firmware", d.System.BMCFirmware)
	for _, n := range d.NICs {
		set("firmware of "+n.Name, n.Firmware)
	}
	for _, disk := range d.Disks {
		set("firmware of disk "+strings.TrimSpace(disk.Name+" "+disk.Model), disk.Firmware)
	}
}

// selected leaves out what is about hosts that --limit left out.
func (a *app) selected(list []finding.Finding, f *inventory.Fleet, hosts []inventory.Host) []finding.Finding {
	if a.flags.limit == "" {
		return list
	}
	in := func(all []inventory.Host, node string) bool {
		return slices.ContainsFunc(all, func(h inventory.Host) bool { return h.Node == node })
	}
	return slices.DeleteFunc(list, func(x finding.Finding) bool {
		node, is := strings.CutPrefix(x.Object, "node ")
		return is && in(f.Hosts, node) && !in(hosts, node)
	})
}

// mostAudited is how many kinds of finding are told where lines are few: three lines each, and all within forty.
const mostAudited = 12

func (a *app) showAudit(path string, facts *audit.Facts, list []finding.Finding, patches bool) error {
	switch {
	case a.json():
		return json.NewEncoder(a.out).Encode(map[string]any{"version": 1, "time": facts.Now.UTC().Format(time.RFC3339),
			"nodes": len(facts.Nodes), "findings": nonNil(list), "gaps": nonNil(facts.Gaps)})
	case patches:
		a.showPatches(path, list)
		return nil
	}
	a.auditOn(a.screen(len(facts.Nodes)), path, facts, list)
	return nil
}

// auditOn prints findings for people.
func (a *app) auditOn(s screen, path string, facts *audit.Facts, list []finding.Finding) {
	s.tight = s.tight && !a.flags.verbose
	s.kinds, s.shown, s.most = mostAudited, map[string]bool{}, "all by `fleetup audit INVENTORY --patches`"
	s.line("", fmt.Sprintf("%s, %s looked at: %s", plural(len(facts.Nodes), "node"), plural(len(facts.Pods), "pod"), counted(list)))
	s.findings(list)
	if s.tight && len(list) > 0 {
		s.line("", "--verbose tells why each matters; what mends them: "+s.most)
	}
	if len(facts.Gaps) > 0 {
		s.line("", "not asked: "+strings.Join(facts.Gaps, "; "))
	}
}

// counted says how many findings there are of each level.
func counted(list []finding.Finding) string {
	n := map[finding.Severity]int{}
	for _, f := range list {
		n[f.Severity]++
	}
	if len(list) == 0 {
		return "nothing found"
	}
	return fmt.Sprintf("%d critical, %s, %d to know", n[finding.Critical], plural(n[finding.Warning], "warning"), n[finding.Info])
}

// printable keeps what machines and manifests say from being more than words in a comment.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// asIs begins the lines of a command that somebody has to know the workload for: it runs once they are taken off.
const asIs = "#! "

// showPatches prints what mends as a script. What isn't for a shell (lines of the inventory, work of hands) is in it as a
// comment, once for all that it is for, and so is what needs care.
func (a *app) showPatches(path string, list []finding.Finding) {
	fmt.Fprintf(a.out, "#!/bin/sh\n# What `fleetup audit INVENTORY` found, and what mends it: read it, take out what you won't have, run it.\n# What needs care stands behind #! and runs once that is taken off.\nset -eux\n")
	type remedy struct{ rule, command string }
	objects := map[remedy][]string{}
	for _, f := range list {
		r := remedy{f.Rule, f.Command}
		objects[r] = append(objects[r], strings.TrimPrefix(f.Object, "node "))
	}
	told := map[string]bool{}
	for _, f := range list {
		who, is := objects[remedy{f.Rule, f.Command}]
		if !is {
			continue
		}
		delete(objects, remedy{f.Rule, f.Command})
		fmt.Fprintf(a.out, "\n# %s %s, %s: %s\n# %s\n", f.Severity, f.Rule, printable(fold(slices.Compact(who))), printable(f.Evidence), f.Action)
		switch {
		case strings.HasPrefix(f.Command, "kubectl ") && f.Care != "":
			fmt.Fprintf(a.out, "# careful: %s\n%s%s\n", f.Care, asIs, strings.ReplaceAll(f.Command, "\n", "\n"+asIs))
		case strings.HasPrefix(f.Command, "kubectl "):
			fmt.Fprintln(a.out, f.Command)
		case told[f.Command]:
			fmt.Fprintln(a.out, "#   as above")
		default:
			fmt.Fprintln(a.out, "#   "+strings.ReplaceAll(f.Command, "\n", "\n#   "))
		}
		told[f.Command] = true
	}
}
