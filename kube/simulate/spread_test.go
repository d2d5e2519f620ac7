package simulate_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fleetup/fleetup/kube/simulate"
)

// apartOver spreads an app over a topology, by a constraint that is changed.
func apartOver(key string, edit ...func(*corev1.TopologySpreadConstraint)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		spread(key)(p)
		for _, change := range edit {
			change(&p.Spec.TopologySpreadConstraints[0])
		}
	}
}

func honoring(c *corev1.TopologySpreadConstraint) {
	honor := corev1.NodeInclusionPolicyHonor
	c.NodeTaintsPolicy = &honor
}

func ignoringAffinity(c *corev1.TopologySpreadConstraint) {
	ignore := corev1.NodeInclusionPolicyIgnore
	c.NodeAffinityPolicy = &ignore
}

func overSoMany(n int32) func(*corev1.TopologySpreadConstraint) {
	return func(c *corev1.TopologySpreadConstraint) { c.MinDomains = &n }
}

// TestSpreading: which domains a constraint counts decides whether what a drain moves finds a place before the node is back.
// Source: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
func TestSpreading(t *testing.T) {
	const nowhere = "n2: 1 moves, shop/web-2 homeless for 5m0s: 0/3 nodes are available: 2 node(s) didn't match pod topology spread constraints, 1 node(s) were unschedulable"
	zoned := func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: "a"} } // n1 and n3
	ofVersion := func(p *corev1.Pod) { p.Labels["version"] = p.Name[len(p.Name)-1:] }
	for _, c := range []struct {
		name  string
		world *cluster
		want  string
	}{
		{"a closed node is a domain without pods", nodes(3).pods("web", "100m", "n1 n2 n3", apartOver(corev1.LabelHostname)), nowhere},
		{"unless taints are honoured", nodes(3).pods("web", "100m", "n1 n2 n3", apartOver(corev1.LabelHostname, honoring)), "n2: 1 moves"},
		{"fewer domains than there have to be", nodes(3).pods("web", "100m", "n1 n2 n3", apartOver(corev1.LabelHostname, honoring, overSoMany(3))), nowhere},
		{"a domain that its selector rules out", nodes(3).pods("web", "100m", "n1", apartOver(corev1.LabelHostname), zoned).
			pods("other", "100m", "n2", func(p *corev1.Pod) { p.Labels["app"] = "other" }), "n2: 1 moves"},
		{"a skew of two", nodes(3).pods("web", "100m", "n1 n2 n3", apartOver(corev1.LabelHostname, func(c *corev1.TopologySpreadConstraint) { c.MaxSkew = 2 })), "n2: 1 moves"},
		{"who only wishes for it", nodes(3).pods("web", "100m", "n1 n2 n3", apartOver(corev1.LabelHostname, func(c *corev1.TopologySpreadConstraint) {
			c.WhenUnsatisfiable = corev1.ScheduleAnyway
		})), "n2: 1 moves"},
		{"each version by itself", nodes(3).pods("web", "100m", "n1 n2 n3", ofVersion, apartOver(corev1.LabelHostname, func(c *corev1.TopologySpreadConstraint) {
			c.LabelSelector.MatchLabels = map[string]string{"app": "web"}
			c.MatchLabelKeys = []string{"version"}
		})), "n2: 1 moves"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(simulate.Run(c.world.World, oneByOne("n2"))); got != c.want {
				t.Errorf("foreseen:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
	// A domain where the pod itself can't go counts once the constraint ignores that.
	for ignores, want := range map[bool]string{
		false: "n1: 1 moves",
		true:  "n1: 1 moves, shop/web-1 homeless for 5m0s: 0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) didn't match pod topology spread constraints, 1 node(s) were unschedulable",
	} {
		edits := []func(*corev1.TopologySpreadConstraint){honoring}
		if ignores {
			edits = append(edits, ignoringAffinity)
		}
		world := nodes(3).pods("web", "100m", "n1 n3", zoned, apartOver(corev1.LabelHostname, edits...))
		if got := told(simulate.Run(world.World, oneByOne("n1"))); got != want {
			t.Errorf("ignoring the affinity %v, foreseen:\n%s\nwant:\n%s", ignores, got, want)
		}
	}
}

// TestElsewhere: whether a pod could start on another node as things stand, or why not.
func TestElsewhere(t *testing.T) {
	for _, c := range []struct {
		name  string
		world *cluster
		want  string
	}{
		{"room elsewhere", nodes(3).pods("run", "1500m", "n1"), ""},
		{"no room", nodes(2).pods("run", "1500m", "n1").pods("web", "1", "n2"), "0/1 nodes are available: 1 Insufficient cpu"},
		{"the others are closed", nodes(2).node("n2", func(n *corev1.Node) { n.Spec.Unschedulable = true }).pods("run", "100m", "n1"),
			"0/1 nodes are available: 1 node(s) were unschedulable"},
		{"its own node is no other", nodes(1).pods("run", "100m", "n1"), "0/0 nodes are available"},
		{"it is bound to its own", nodes(2).pods("run", "100m", "n1", picky(corev1.LabelHostname, "n1")), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector"},
		{"no node yet", nodes(2).pods("run", "100m", "-"), ""},
		{"no such pod", nodes(2), ""},
		{"what it leaves behind is nobody's room", nodes(2).pods("run", "1500m", "n1").node("n2", func(n *corev1.Node) {
			n.Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("1")
		}), "0/1 nodes are available: 1 Insufficient cpu"},
	} {
		if got := simulate.Elsewhere(c.world.World, "shop/run-1"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestLastEndpoint: what counts as another endpoint of a Service, and what drain.last_endpoint makes of a last one.
func TestLastEndpoint(t *testing.T) {
	const none = "n1: blocked: Service shop/web has no other endpoint"
	by := func(mode string) func(*simulate.Rules) { return func(r *simulate.Rules) { r.Last = mode } }
	for _, c := range []struct {
		name  string
		world *cluster
		want  string
	}{
		{"nobody asks", nodes(2).pods("web", "100m", "n1").service("web"), "n1: 1 moves"},
		{"allowed", nodes(2).pods("web", "100m", "n1").service("web").rules(by("allow")), "n1: 1 moves"},
		{"blocked", nodes(2).pods("web", "100m", "n1").service("web").rules(by("block")),
			none + `, and last_endpoint is "block"; keep another pod of it ready, or accept that with --accept-downtime shop/web`},
		{"another is ready", nodes(2).pods("web", "100m", "n1 n2").service("web").rules(by("block")), "n1: 1 moves"},
		{"another is ill", nodes(2).pods("web", "100m", "n1").pods("web", "100m", "n2", notReady).service("web").rules(by("block")),
			none + `, and last_endpoint is "block"; keep another pod of it ready, or accept that with --accept-downtime shop/web`},
		{"it is ill itself, and serves nobody", nodes(2).pods("web", "100m", "n1", notReady).service("web").rules(by("block")), "n1: 1 moves"},
		{"another Service's", nodes(2).pods("web", "100m", "n1").pods("db", "100m", "n2").service("db").rules(by("block")), "n1: 1 moves"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(simulate.Run(c.world.World, oneByOne("n1"))); got != c.want {
				t.Errorf("foreseen:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}
