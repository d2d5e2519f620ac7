package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/remote"
)

// session is an inventory with the cluster and the machines that it names, open for one command.
type session struct {
	app      *app
	fleet    *inventory.Fleet
	hosts    []inventory.Host // selected
	net      *remote.Net
	cluster  *cluster
	machines map[string]*remote.Host // by node name
	work     map[string]runner.Work
	asked    []runner.Gate // the inventory's gates
	unread   []string      // what a forecast goes without
	before   func() map[string]runner.Spent
	looks    bool // this user may look alone
	stop     context.CancelFunc
}

// open reads the inventory, binds its playbooks and opens the cluster. Nothing is touched, no machine dialled. upgrade
// says that the command has no meaning without an [upgrade].
func (a *app) open(ctx context.Context, path string, upgrade bool) (*session, error) {
	return a.openAs(ctx, path, upgrade, false)
}

// openAs is open for a user that may look alone, where looks says so.
func (a *app) openAs(ctx context.Context, path string, upgrade, looks bool) (*session, error) {
	f, hosts, err := a.load(path, needs{upgrade: upgrade, cluster: true, playbooks: true})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &session{app: a, fleet: f, hosts: hosts, net: a.network(f), stop: cancel, looks: looks}
	s.before = sync.OnceValue(s.past)
	if err := s.compile(remote.Fence{}); err != nil {
		s.close()
		return nil, err
	}
	if s.asked, err = s.gates(); err != nil {
		s.close()
		return nil, err
	}
	k, err := a.openCluster(ctx, f, account{s.ownRights(), looks})
	if err != nil {
		s.close()
		return nil, err
	}
	s.cluster = newCluster(k, f.Name, hosts)
	return s, nil
}

// compile binds the playbooks to machines that carry the fence.
func (s *session) compile(fence remote.Fence) error {
	s.machines = make(map[string]*remote.Host, len(s.hosts))
	work, err := runner.Compile(s.fleet, s.hosts, func(h inventory.Host) runner.Machine {
		m := s.net.Host(s.app.login(h), fence)
		s.machines[h.Node] = m
		return m
	})
	s.work = work
	if err != nil {
		return err
	}
	return s.wirePower()
}

// close ends every connection and watch.
func (s *session) close() {
	s.stop()
	if s.cluster != nil {
		s.cluster.Wait()
		s.cluster.Close()
	}
	s.net.Close()
}

// situation asks the cluster what preflight wants to know.
func (s *session) situation(ctx context.Context) (runner.Situation, error) {
	sit := runner.Situation{Nodes: map[string]runner.SituationNode{}}
	var err error
	if sit.OldestAPI, sit.NewestAPI, err = s.cluster.ServerVersion(ctx); err != nil {
		return sit, fmt.Errorf("cluster: version: %w", err)
	}
	if sit.Missing, err = s.cluster.Missing(ctx, s.extraRights()...); err != nil {
		return sit, fmt.Errorf("cluster: rights: %w", err)
	}
	sit.ClockOffset, _ = s.cluster.ClockOffset()
	sit.Unhealthy = s.cluster.UnhealthyControlPlane(s.claimedBy(s.cluster.run)...) // those go first: going on is what mends them
	nodes := s.cluster.Nodes()
	for _, h := range s.hosts {
		n, ok := nodes[h.Node]
		if !ok {
			continue
		}
		sit.Nodes[h.Node] = s.predict(n)
	}
	return sit, nil
}

// ownRights are those that only this inventory needs.
func (s *session) ownRights() []kube.Rule {
	if s.looks {
		return gateRules(s.fleet)
	}
	return fleetRules(s.fleet, s.hosts)
}

// extraRights are those that only this run needs.
func (s *session) extraRights() []kube.Rule {
	if s.looks {
		return s.ownRights()
	}
	return append(kube.Extra(kube.Needs{PastBudget: len(s.cluster.pastBudget) > 0}), s.ownRights()...)
}

// predict says what a drain of the node would meet now.
func (s *session) predict(n kube.Node) runner.SituationNode {
	d := s.cluster.PlanDrain(n.Name, s.cluster.options(n.Name))
	sn := runner.SituationNode{Spare: s.isSpare(n.Name), Kubelet: n.KubeletVersion, Ours: s.ours(n), Blockers: d.Blockers, Warnings: d.Warnings}
	for _, p := range d.Refuse {
		sn.Refused = append(sn.Refused, fmt.Sprintf("pod %s/%s: %s", p.Namespace, p.Name, p.Why))
	}
	sn.Refused = append(sn.Refused, d.Downtime...)
	var stays *kube.BlockedError
	if n.Name == s.cluster.SelfNode() && errors.As(s.cluster.HandOver(n.Name), &stays) {
		sn.Blockers = append(sn.Blockers, stays.By...)
	}
	return sn
}

func (s *session) isSpare(node string) bool {
	return slices.ContainsFunc(s.hosts, func(h inventory.Host) bool { return h.Node == node && h.Spare })
}

// ours reports whether the node is in flight: claimed by the run that is picked up.
func (s *session) ours(n kube.Node) bool { return n.Run != "" && n.Run == s.cluster.run }

// survey looks at all machines, with a line of progress on a terminal.
func (s *session) survey(ctx context.Context) map[string]*runner.Surveyed {
	for name, w := range s.work {
		n, _ := s.cluster.Node(name)
		if h, held := runner.HoldOf(n.Run, n.State); held {
			w.Hold = h.String()
			s.work[name] = w
		}
	}
	return runner.Survey(ctx, s.work, s.fleet.FanOut, s.app.looking())
}

// preflight looks at everything, and returns what was found and what stands against a run.
func (s *session) preflight(ctx context.Context) (map[string]*runner.Surveyed, []runner.Finding, error) {
	sit, err := s.situation(ctx)
	if err != nil {
		return nil, nil, err
	}
	var looking sync.WaitGroup
	looking.Go(func() { s.unread = s.cluster.LookAhead(ctx) })
	found := s.survey(ctx)
	looking.Wait()
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	findings := runner.Judge(found, sit, s.fleet.Strategy.Unreachable)
	findings = append(findings, s.tryProbes(ctx)...)
	findings = append(findings, s.poolFindings()...)
	findings = append(findings, s.strays()...)
	for _, other := range s.cluster.OtherHands(ctx) {
		findings = append(findings, runner.Finding{What: "other hands", Why: other})
	}
	findings = append(findings, legacyFindings(s.hosts)...)
	for i, f := range findings {
		findings[i].Why = brief(f.Node, f.Why)
	}
	return found, unknownKeys(found, findings), nil
}

// tryProbes asks the API server whether it would take the probe pods, once for each kind. A right that is missing is
// among the rights.
func (s *session) tryProbes(ctx context.Context) []runner.Finding {
	var all []runner.Finding
	var asked []kube.Probe
	for _, h := range s.hosts {
		p, wanted := s.cluster.probes[h.Node]
		if !wanted || slices.ContainsFunc(asked, func(q kube.Probe) bool { return reflect.DeepEqual(p, q) }) {
			continue
		}
		asked = append(asked, p)
		if err := s.cluster.TryProbe(ctx, h.Node, s.cluster.run, p); err != nil && !apierrors.IsForbidden(err) {
			all = append(all, runner.Finding{What: "probe", Why: "the API server wouldn't take the probe pod: " + err.Error(), Refuse: true})
		}
	}
	return all
}

// strays are the nodes that carry a run's taint and no claim: pods are kept off them, and no run gives them back.
func (s *session) strays() []runner.Finding {
	var all []runner.Finding
	for _, h := range s.hosts {
		if n, ok := s.cluster.Node(h.Node); ok && n.Stray != "" {
			all = append(all, runner.Finding{Node: h.Node, What: "taint", Why: fmt.Sprintf(
				"%s of run %s keeps pods off, and no run has claimed the node: kubectl taint node %s %s-", kube.TaintMaintenance, n.Stray, h.Node, kube.TaintMaintenance)})
		}
	}
	return all
}

// refusal is the error of a preflight that found something against the run; nil if it didn't.
func refusal(findings []runner.Finding) error {
	var lines []string
	for _, f := range together(findings) {
		if f.Refuse {
			lines = append(lines, f.String())
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return exitWith(exitFailed, errors.New("refused before anything was touched:\n"+strings.Join(lines, "\n")))
}

// build makes the plan. p is the run that is gone on with.
func (s *session) build(found map[string]*runner.Surveyed, p runner.Progress) (runner.Plan, error) {
	plan, err := runner.Build(s.fleet, s.hosts, s.world(found, p))
	return plan, exitWith(exitFailed, err)
}

// world is what the scheduler's plan needs of the cluster. p is the run that is gone on with.
func (s *session) world(found map[string]*runner.Surveyed, p runner.Progress) runner.World {
	w := runner.World{Nodes: map[string]runner.WorldNode{}, Unreachable: map[string]string{}, Idle: map[string]bool{}, Wakeable: map[string]bool{}}
	took, _ := s.takes(found)
	w.Takes = whole(took)
	w.Gates = runner.PlanGates(s.judges(nil))
	for name, n := range s.cluster.Nodes() {
		w.Nodes[name] = runner.WorldNode{Labels: n.Labels, ControlPlane: n.ControlPlane, Ready: n.Ready,
			Cordoned: n.Unschedulable && n.Run == "" && n.Failed == ""}
	}
	for name, v := range found {
		n, _ := s.cluster.Node(name)
		if v.Err != nil && v.Work.Hold == "" && !s.ours(n) {
			w.Unreachable[name] = brief(name, v.Err.Error())
		}
		w.KubeadmControlPlane = w.KubeadmControlPlane || v.Work.ControlPlane && v.Work.KubeadmVersion != ""
		w.Wakeable[name] = v.Work.Power != nil
		w.Idle[name] = v.NothingToDo() && !worked(n, cmp.Or(p.Run, s.cluster.run), p.Nodes[name])
	}
	w.Self = s.self()
	return w
}

// worked reports whether the run has changed the node, by its journal or, where that was lost, by what it left there: what the
// node has to do no more, it had to do.
func worked(n kube.Node, run string, by runner.NodeProgress) bool {
	return by.Changed || run != "" && (n.Run == run || n.Last["run"] == run)
}

// self names the nodes that carry this run: where our own pod runs, and those that are a jump host of the fleet.
func (s *session) self() []string {
	var self []string
	if n := s.cluster.SelfNode(); n != "" {
		self = append(self, n)
	}
	jumps := map[string]bool{}
	for _, h := range s.fleet.Hosts {
		for _, chain := range h.SSH.Jump {
			for hop := range strings.SplitSeq(chain, ",") {
				jumps[hopName(hop)] = true
			}
		}
	}
	for _, h := range s.hosts {
		if jumps[h.Name] || jumps[h.Address] {
			self = append(self, h.Node)
		}
	}
	return self
}

// hopName is the host of "user@host:port".
func hopName(hop string) string {
	hop = strings.TrimSpace(hop)
	if _, host, ok := strings.Cut(hop, "@"); ok {
		hop = host
	}
	if strings.HasPrefix(hop, "[") {
		host, _, _ := strings.Cut(hop[1:], "]")
		return host
	}
	host, _, _ := strings.Cut(hop, ":")
	return host
}
