package runner

import (
	"strings"
	"testing"

	"github.com/fleetup/fleetup/inventory"
	"github.com/google/go-cmp/cmp"
)

// fleetOf makes a fleet of hosts given as "name key=value …"; group=… is a group, node=… the Node object's name.
func fleetOf(hosts ...string) *inventory.Fleet {
	f := &inventory.Fleet{Strategy: inventory.Strategy{MaxUnavailable: inventory.Amount{N: 1}, OnFailure: "stop",
		MaxFailures: inventory.Amount{N: 1}, Cordoned: "skip", Unreachable: "fail"}}
	for _, line := range hosts {
		words := strings.Fields(line)
		h := inventory.Host{Name: words[0], Node: words[0], Labels: map[string]string{}, Drain: inventory.Drain{OnBlocked: "requeue"}}
		for _, w := range words[1:] {
			switch key, value, _ := strings.Cut(w, "="); key {
			case "group":
				h.Groups = append(h.Groups, value)
			case "node":
				h.Node = value
			default:
				h.Labels[key] = value
			}
		}
		f.Hosts = append(f.Hosts, h)
	}
	return f
}

// worldOf is a cluster of exactly the fleet's nodes.
func worldOf(f *inventory.Fleet) World {
	w := World{Nodes: map[string]WorldNode{}, Unreachable: map[string]string{}}
	for _, h := range f.Hosts {
		w.Nodes[h.Node] = WorldNode{Ready: true}
	}
	return w
}

func build(t *testing.T, f *inventory.Fleet, w World) Plan {
	t.Helper()
	p, err := Build(f, f.Hosts, w)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// outline is a plan's stages and the order within them: "control plane: cp1! | nodes: n1 n2"; ! is one that must succeed.
func outline(p Plan) string {
	var stages []string
	for _, s := range p.Stages {
		line := s.Name + ": " + strings.Join(s.Nodes, " ")
		if s.MustSucceed {
			line += "!"
		}
		stages = append(stages, line)
	}
	return strings.Join(stages, " | ")
}

func TestBuildPlain(t *testing.T) {
	f := fleetOf("n1 node=worker-1", "n2")
	p := build(t, f, worldOf(f))
	want := Plan{
		Nodes:     []PlanNode{{Name: "worker-1", Host: "n1", OnBlocked: "requeue"}, {Name: "n2", Host: "n2", OnBlocked: "requeue"}},
		Limits:    []Limit{{Why: "max_unavailable 1", AtMost: 1, Setting: "strategy.max_unavailable"}},
		OnFailure: "stop", MaxFailures: 1, Requeues: 2, Cordoned: "skip",
		Stages: []Stage{{Name: "nodes", Order: OrderUpgrade, Nodes: []string{"worker-1", "n2"}}},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestBuildOrder(t *testing.T) {
	tests := []struct {
		name   string
		hosts  []string
		change func(*inventory.Fleet, *World)
		want   string
	}{
		{"the inventory's", []string{"n3", "n1", "n2"}, nil, "nodes: n3 n1 n2"},
		{"control plane last", []string{"cp1 group=control-plane", "n1"}, nil, "nodes: n1 | control plane: cp1"},
		{"control plane by the node's role", []string{"m1", "n1"},
			func(_ *inventory.Fleet, w *World) { w.Nodes["m1"] = WorldNode{ControlPlane: true} }, "nodes: n1 | control plane: m1"},
		{"control plane first with kubeadm", []string{"n1", "cp1 group=control-plane"},
			func(_ *inventory.Fleet, w *World) { w.KubeadmControlPlane = true }, "control plane: cp1! | nodes: n1"},
		{"kubeadm without a control plane selected", []string{"n1"},
			func(_ *inventory.Fleet, w *World) { w.KubeadmControlPlane = true }, "nodes: n1"},
		{"itself last", []string{"n1", "cp1 group=control-plane", "n2"},
			func(_ *inventory.Fleet, w *World) { w.Self = []string{"n1"} },
			"nodes: n2 | control plane: cp1 | what fleetup itself depends on: n1"},
		{"itself at the end of a control plane that goes first", []string{"cp1 group=control-plane", "cp2 group=control-plane", "n1"},
			func(_ *inventory.Fleet, w *World) { w.Self, w.KubeadmControlPlane = []string{"cp1"}, true },
			"control plane: cp2 cp1! | nodes: n1"},
		{"the longest rack first", []string{"a1 rack=a", "b1 rack=b", "b2 rack=b", "b3 rack=b", "c1 rack=c", "c2 rack=c"},
			func(f *inventory.Fleet, _ *World) { f.Strategy.Spread = map[string]int{"rack": 1} }, "nodes: b1 b2 c1 a1 b3 c2"},
		{"a spread of two halves the chain", []string{"a1 rack=a", "b1 rack=b", "b2 rack=b"},
			func(f *inventory.Fleet, _ *World) { f.Strategy.Spread = map[string]int{"rack": 2} }, "nodes: a1 b1 b2"},
		{"domains together", []string{"a1 rack=a", "b1 rack=b", "a2 rack=a", "b2 rack=b"},
			func(f *inventory.Fleet, _ *World) { f.Strategy.Domains = map[string]int{"rack": 1} }, "nodes: a1 a2 b1 b2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := fleetOf(tt.hosts...)
			w := worldOf(f)
			if tt.change != nil {
				tt.change(f, &w)
			}
			p := build(t, f, w)
			if got := outline(p); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestBuildLimits: each limit counts the whole cluster, also what isn't selected or isn't in the inventory.
func TestBuildLimits(t *testing.T) {
	f := fleetOf("n1 rack=a group=gpu", "n2 rack=b", "n3 rack=a group=gpu", "cp1 group=control-plane", "n4 rack=c")
	f.Strategy.MaxUnavailable = inventory.Amount{N: 50, Percent: true}
	f.Strategy.Spread = map[string]int{"rack": 1}
	f.Strategy.Domains = map[string]int{"rack": 2}
	f.GroupLimits = map[string]inventory.Amount{"gpu": {N: 10, Percent: true}, "unused": {N: 1}}
	w := worldOf(f)
	w.Nodes["x1"] = WorldNode{Labels: map[string]string{"rack": "a"}}
	w.Nodes["x2"] = WorldNode{ControlPlane: true}
	w.Nodes["n2"] = WorldNode{Labels: map[string]string{"rack": "the host's own label comes before the node's"}}
	p, err := Build(f, f.Hosts[:4], w)
	if err != nil {
		t.Fatal(err)
	}
	own := func(names ...string) map[string]string {
		members := map[string]string{}
		for _, name := range names {
			members[name] = name
		}
		return members
	}
	want := []Limit{
		{Why: "max_unavailable 50% of 3 nodes: 1", AtMost: 1, Setting: "strategy.max_unavailable"},
		{Why: "control plane: one at a time", Members: own("cp1", "x2"), AtMost: 1},
		{Why: "group gpu: max_unavailable 10% of 2 nodes: 1", Members: own("n1", "n3"), AtMost: 1, Setting: "groups.gpu.max_unavailable"},
		{Why: "rack a: spread 1", Members: own("n1", "n3", "x1"), AtMost: 1, Setting: "strategy.spread.rack"},
		{Why: "rack b: spread 1", Members: own("n2"), AtMost: 1, Setting: "strategy.spread.rack"},
		{Why: "domains: rack 2", Members: map[string]string{"n1": "a", "n2": "b", "n3": "a", "n4": "c", "x1": "a"}, AtMost: 2, Setting: "strategy.domains.rack"},
	}
	if diff := cmp.Diff(want, p.Limits); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestBuildAmounts(t *testing.T) {
	for _, tt := range []struct {
		amount inventory.Amount
		nodes  int
		want   int
	}{
		{inventory.Amount{N: 3}, 2, 3},
		{inventory.Amount{N: 10, Percent: true}, 29, 2},
		{inventory.Amount{N: 10, Percent: true}, 3, 1},
		{inventory.Amount{N: 100, Percent: true}, 4, 4},
	} {
		if _, got := describe(tt.amount, tt.nodes); got != tt.want {
			t.Errorf("%+v of %d: %d, want %d", tt.amount, tt.nodes, got, tt.want)
		}
	}
	f := fleetOf("cp1 group=control-plane", "cp2 group=control-plane")
	f.Strategy.MaxUnavailable = inventory.Amount{N: 100, Percent: true}
	if p := build(t, f, worldOf(f)); p.Limits[0].AtMost != 2 {
		t.Errorf("the control plane alone: %+v", p.Limits[0])
	}
}

func TestBuildTellsAllProblems(t *testing.T) {
	f := fleetOf("n1 rack=a", "n2", "cp1 group=control-plane", "n3 rack=a", "n4 rack=b")
	f.Strategy.Spread = map[string]int{"rack": 1}
	f.Strategy.Domains = map[string]int{"zone": 1}
	w := worldOf(f)
	delete(w.Nodes, "n3")
	w.Unreachable["n4"] = "connection refused"
	_, err := Build(f, f.Hosts, w)
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"node n3: host n3 is absent from the cluster",
		"node n4: unreachable: connection refused; make it reachable, or set strategy.unreachable",
		`node n2: no label "rack"`,
		`node n1, node n2, node n3 and 1 more: no label "zone"`,
	}
	got := lines(err.Error())
	if len(got) != len(want) {
		t.Fatalf("%d problems:\n%v", len(got), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("problem %d: %s\nwant %s", i, got[i], want[i])
		}
	}
}

func TestBuildUnreachableSkip(t *testing.T) {
	f := fleetOf("n1", "n2")
	f.Strategy.Unreachable = "skip"
	w := worldOf(f)
	w.Unreachable["n2"] = "connection refused"
	p := build(t, f, w)
	if p.Nodes[0].Skip != "" || p.Nodes[1].Skip != "unreachable: connection refused" {
		t.Errorf("%+v", p.Nodes)
	}
}
