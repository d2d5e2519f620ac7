package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/diagnose"
	"github.com/fleetup/fleetup/runner/finding"
	"github.com/fleetup/fleetup/runner/remote"
)

// diagnosed is what is known of one node.
type diagnosed struct {
	Node     string            `json:"node"`
	Findings []finding.Finding `json:"findings"`
	Numbers  *diagnose.Look    `json:"numbers,omitempty"`
	Day      *diagnose.Day     `json:"day,omitempty"`   // by Prometheus, where the inventory names one
	Usage    *kube.Usage       `json:"usage,omitempty"` // by metrics-server, where there is one
	Error    string            `json:"error,omitempty"`

	holder *diagnose.Holder // who holds the node; nil: nobody, or that isn't known
}

// loadSome reads the inventory and selects from it the nodes that are named; none: all that --limit leaves.
func (a *app) loadSome(path string, nodes []string) (*inventory.Fleet, []inventory.Host, error) {
	f, hosts, err := a.load(path, needs{})
	if err == nil && len(nodes) > 0 {
		hosts, err = selectNamed(f, nodes...)
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
	var b *bundled
	if o.bundle != "" { // first: a file that can't be written is said before a fleet is asked
		if b, err = a.newBundle(f, o.bundle, o.thresholds); err != nil {
			return err
		}
		defer b.discard()
		o.keep = b.look
	}
	d := a.lookAll(ctx, n, f, hosts, whole, o, limits)
	if ctx.Err() != nil {
		return silent(exitInterrupted)
	}
	if b != nil {
		if err := b.collect(ctx, n, hosts, d); err != nil {
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
	all := a.lookAt(ctx, n, f, hosts, o)
	wg.Wait()
	a.lookAtPods(ctx, n, hosts, all, listened.heard.Pods, o)
	held := holders(listened.heard.Nodes, f.Hosts)
	off := offForWork(f.Hosts, held)
	for i := range all {
		if look := all[i].Numbers; look != nil {
			look.Peers = slices.DeleteFunc(look.Peers, func(p diagnose.Peer) bool { return off[p.Address] })
		}
		if h, ok := held[all[i].Node]; ok {
			all[i].holder = &h
		}
		all[i].judge(limits)
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
	listened.name(a.hint)
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

// unreachable reports whether a machine could not be asked that ought to answer: one that is off for hardware work needn't, nor a closed spare.
func (d diagnosis) unreachable() bool {
	return slices.ContainsFunc(d.nodes, func(n diagnosed) bool { return n.Error != "" && (n.holder == nil || !n.holder.Off && !n.holder.Spare) })
}

// away is how many machines could not be asked.
func (d diagnosis) away() (n int) {
	for _, node := range d.nodes {
		if node.Error != "" {
			n++
		}
	}
	return n
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
func (d diagnosis) name(hint func(string) string) {
	lists := [][]finding.Finding{d.more}
	for _, n := range d.nodes {
		lists = append(lists, n.Findings)
	}
	for _, list := range lists {
		for i := range list {
			list[i].Command = hint(list[i].Command)
		}
	}
}

// lookedAtOnce is how many machines are looked into at a time: what one printed is held until it is read.
const lookedAtOnce = 128

// since is from when on logs are wanted; zero: since the boot.
func (o diagnoseFlags) from() (t time.Time) {
	if o.since > 0 {
		t = time.Now().Add(-o.since)
	}
	return t
}

// lookAt looks into all machines at once. Nothing is judged yet.
func (a *app) lookAt(ctx context.Context, n *remote.Net, f *inventory.Fleet, hosts []inventory.Host, o diagnoseFlags) []diagnosed {
	q := diagnose.Questions{Since: o.from()}
	all := make([]diagnosed, len(hosts))
	each := a.eachShown
	if o.watch { // its screen stands while it looks again
		each = eachOf
	}
	each(hosts, lookedAtOnce, func(i int, h inventory.Host) {
		q := q
		q.Peers = peersOf(f.Hosts, h)
		all[i] = lookInside(ctx, n.Host(a.login(h), remote.Fence{}), h, q, o.keep)
	})
	return all
}

// lookInside looks into one machine. What a machine printed goes to keep, which may be nil, and
// isn't held.
func lookInside(ctx context.Context, m *remote.Host, h inventory.Host, q diagnose.Questions, keep func(node, printed string)) diagnosed {
	raw, err := diagnose.Ask(ctx, m.Run, q)
	if err != nil {
		why := unaddressed(brief(h.Name, oneLine(err)))
		return diagnosed{Node: h.Node, Error: why}
	}
	if keep != nil {
		keep(h.Node, raw.Text)
	}
	look := diagnose.Parse(raw, q.Since)
	return diagnosed{Node: h.Node, Numbers: &look}
}

// judge adds what is wrong by what was seen.
func (d *diagnosed) judge(limits diagnose.Thresholds) {
	if d.Error != "" {
		d.Findings = append(d.Findings, diagnose.Away(d.Node, strings.TrimPrefix(d.Error, "diagnose: "), d.holder))
	}
	if d.Numbers != nil {
		if d.holder != nil && !d.holder.Spare { // one that is on is as any other
			d.Numbers.Holder = d.holder
		}
		d.Findings = append(d.Findings, diagnose.Judge(d.Node, *d.Numbers, limits, time.Now())...)
	}
}

// lookAtPods asks machines for the logs of pods that they can't do without and didn't know as such: the API tells of those.
func (a *app) lookAtPods(ctx context.Context, n *remote.Net, hosts []inventory.Host, all []diagnosed, pods []corev1.Pod, o diagnoseFlags) {
	eachOf(hosts, lookedAtOnce, func(i int, h inventory.Host) {
		look := all[i].Numbers
		if look == nil {
			return
		}
		more := slices.DeleteFunc(diagnose.NodeCritical(pods, h.Node), func(pod string) bool { return slices.Contains(look.PodLogs, pod) })
		if len(more) == 0 {
			return
		}
		shapes, err := diagnose.AskPods(ctx, n.Host(a.login(h), remote.Fence{}).Run, more, o.from())
		if err != nil {
			look.Gaps = append(look.Gaps, "the logs of "+strings.Join(more, ", "))
			return
		}
		look.AddLogs(shapes)
	})
}

// holders are the runs that hold nodes, by the nodes' names, and what keeps closed spares.
func holders(nodes []corev1.Node, hosts []inventory.Host) map[string]diagnose.Holder {
	all, spares := map[string]diagnose.Holder{}, map[string]bool{}
	for _, h := range hosts {
		spares[h.Node] = h.Spare
	}
	for _, n := range nodes {
		if spares[n.Name] && n.Spec.Unschedulable {
			all[n.Name] = diagnose.Holder{Spare: true}
		}
		if run := n.Annotations[kube.AnnotationRun]; run != "" {
			h := diagnose.Holder{Run: run, Failed: n.Annotations[kube.AnnotationFailed]}
			if work, held := runner.HoldOf(run, kube.StateOf(&n)); held {
				h.Work, h.Off = work.String(), work.Off
			}
			all[n.Name] = h
		}
	}
	return all
}

// offForWork are the addresses of the machines that are off for hardware work, or may be as closed spares: that they don't answer their neighbours tells nothing.
func offForWork(hosts []inventory.Host, held map[string]diagnose.Holder) map[string]bool {
	off := map[string]bool{}
	for _, h := range hosts {
		off[h.Address] = off[h.Address] || held[h.Node].Off || held[h.Node].Spare
	}
	return off
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
