package simulate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fleetup/fleetup/kube/simulate"
)

// cluster makes a World; its nodes are n1, n2, … with two cpus each, in zones a and b in turn.
type cluster struct{ simulate.World }

func nodes(n int) *cluster {
	c := &cluster{}
	for i := range n {
		name := fmt.Sprintf("n%d", i+1)
		node := &corev1.Node{}
		node.Name, node.Labels = name, map[string]string{corev1.LabelHostname: name, corev1.LabelTopologyZone: string(rune('a' + i%2))}
		node.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourcePods: resource.MustParse("10")}
		c.Nodes = append(c.Nodes, node)
	}
	c.Rules = func(p *corev1.Pod, _ string) simulate.Rules {
		return simulate.Rules{Stays: p.Labels["app"] == "agent", Patience: 15 * time.Minute}
	}
	return c
}

// pods puts one pod of an app onto each of the nodes, "-" being none.
func (c *cluster) pods(app, cpu, on string, edit ...func(*corev1.Pod)) *cluster {
	for i, node := range strings.Fields(on) {
		p := &corev1.Pod{}
		controller := true
		p.Namespace, p.Name, p.Labels = "shop", fmt.Sprintf("%s-%d", app, i+1), map[string]string{"app": app}
		p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: app, UID: types.UID(app), Controller: &controller}}
		p.Spec.Containers = []corev1.Container{{}}
		p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
		p.Status.Phase = corev1.PodPending
		if node != "-" {
			p.Spec.NodeName, p.Status.Phase = node, corev1.PodRunning
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		for _, change := range edit {
			change(p)
		}
		c.Pods = append(c.Pods, p)
	}
	return c
}

func (c *cluster) budget(app string, needs int) *cluster {
	b := &policyv1.PodDisruptionBudget{}
	b.Namespace, b.Name = "shop", app
	b.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	for _, p := range c.Pods {
		if p.Labels["app"] == app {
			b.Status.ExpectedPods++
			if len(p.Status.Conditions) > 0 && p.Status.Conditions[0].Status == corev1.ConditionTrue {
				b.Status.CurrentHealthy++
			}
		}
	}
	b.Status.DesiredHealthy = int32(needs)
	c.Budgets = append(c.Budgets, b)
	return c
}

func (c *cluster) service(app string) *cluster {
	s := &corev1.Service{}
	s.Namespace, s.Name, s.Spec.Selector = "shop", app, map[string]string{"app": app}
	c.Services = append(c.Services, s)
	return c
}

// quota is one that its controller has counted, but where it is changed: then nobody has yet.
func (c *cluster) quota(name corev1.ResourceName, hard string, edit ...func(*corev1.ResourceQuota)) *cluster {
	q := &corev1.ResourceQuota{}
	q.Namespace, q.Name = "shop", "quota"
	q.Spec.Hard = corev1.ResourceList{name: resource.MustParse(hard)}
	used := *resource.NewQuantity(int64(len(c.Pods)), resource.DecimalSI)
	if name != corev1.ResourcePods {
		used = resource.Quantity{}
		for _, p := range c.Pods {
			used.Add(*p.Spec.Containers[0].Resources.Requests.Cpu())
		}
	}
	q.Status.Hard, q.Status.Used = q.Spec.Hard, corev1.ResourceList{name: used}
	for _, change := range edit {
		q.Status = corev1.ResourceQuotaStatus{}
		change(q)
	}
	c.Quotas = append(c.Quotas, q)
	return c
}

// attachable lets nodes attach so many volumes; each pod's claim is bound to one.
func (c *cluster) attachable(most int, nodes ...string) *cluster {
	c.Drivers, c.Attachable = map[string]string{}, map[string]map[string]int{}
	for _, p := range c.Pods {
		c.Drivers["shop/"+p.Name] = "csi.example.com"
	}
	for _, n := range nodes {
		c.Attachable[n] = map[string]int{"csi.example.com": most}
	}
	return c
}

func claiming(p *corev1.Pod) {
	p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: p.Name}}}}
}

// node changes one.
func (c *cluster) node(name string, change func(*corev1.Node)) *cluster {
	for _, n := range c.Nodes {
		if n.Name == name {
			change(n)
		}
	}
	return c
}

// volumesOn binds each pod's claim to a volume that only one node reaches.
func (c *cluster) volumesOn(node string) *cluster {
	only := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}}}
	c.Volumes = map[string]*corev1.VolumeNodeAffinity{}
	for _, p := range c.Pods {
		c.Volumes["shop/"+p.Name] = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{only}}}
	}
	return c
}

func dedicated(n *corev1.Node) {
	n.Spec.Taints = []corev1.Taint{{Key: "dedicated", Value: "gpu", Effect: corev1.TaintEffectNoSchedule}}
}

func tolerant(p *corev1.Pod) {
	p.Spec.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "gpu"}}
}

// listening takes a port of its node.
func listening(protocol corev1.Protocol, ip string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 53, Protocol: protocol, HostIP: ip}}
	}
}

func (c *cluster) rules(change func(*simulate.Rules)) *cluster {
	before := c.Rules
	c.Rules = func(p *corev1.Pod, node string) simulate.Rules {
		r := before(p, node)
		change(&r)
		return r
	}
	return c
}

// alsoOver has a pod spread over a label too, by far less.
func alsoOver(key string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		c := p.Spec.TopologySpreadConstraints[0]
		c.TopologyKey, c.MaxSkew = key, 5
		p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, c)
	}
}

func inRack(rack string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Labels["rack"] = rack }
}

// perTemplate has its rules look only at pods of the same ReplicaSet.
func perTemplate(p *corev1.Pod) {
	p.Labels["pod-template-hash"] = "abc"
	p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].MatchLabelKeys = []string{"pod-template-hash"}
	p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": p.Labels["app"]}}
}

func gated(p *corev1.Pod) {
	p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/wait"}}
}

func notReady(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }

func bare(p *corev1.Pod) { p.OwnerReferences = nil }

func picky(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{key: value} }
}

func apart(key string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
				TopologyKey: key, LabelSelector: &metav1.LabelSelector{MatchLabels: p.Labels}}}}}
	}
}

func together(with string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
				TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": with}}}}}}
	}
}

func spread(key string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: key,
			WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{MatchLabels: p.Labels}}}
	}
}

// told is what is foreseen of each drain, in short: "n1: 2 moves", "n1: blocked: why", "n1: homeless shop/web-1 for 5m".
func told(drains []simulate.Drain) string {
	var lines []string
	for _, d := range drains {
		line := fmt.Sprintf("%s: %d moves", d.Node, d.Moves)
		if len(d.Blocked) > 0 {
			line = d.Node + ": blocked: " + strings.Join(d.Blocked, "; ")
		}
		if d.Held != "" {
			line = d.Node + ": held: " + d.Held
		}
		if d.Rounds > 1 {
			line += fmt.Sprintf(" in %d rounds", d.Rounds)
		}
		if d.Waited > 0 && len(d.Blocked) == 0 {
			line += fmt.Sprintf(", waits %s for %s", d.Waited, strings.Join(d.For, "; "))
		}
		for _, v := range d.Displaced {
			line += fmt.Sprintf(", %s displaces %s", v.By, v.Pod)
			if len(v.Last) > 0 {
				line += ", the last endpoint of " + strings.Join(v.Last, " and ")
			}
		}
		for _, h := range d.Homeless {
			line += fmt.Sprintf(", %s homeless", h.Pod)
			if h.Ever {
				line += " for " + h.For.String()
			}
			line += ": " + h.Why
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// oneByOne gives each node five minutes, in turn.
func oneByOne(names ...string) []simulate.Turn {
	var turns []simulate.Turn
	for i, name := range names {
		turns = append(turns, simulate.Turn{Node: name, At: time.Duration(i) * 5 * time.Minute, Takes: 5 * time.Minute})
	}
	return turns
}

func atOnce(names ...string) []simulate.Turn {
	turns := oneByOne(names...)
	for i := range turns {
		turns[i].At = 0
	}
	return turns
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name  string
		world *cluster
		turns []simulate.Turn
		want  string
	}{
		{"room elsewhere", nodes(3).pods("web", "500m", "n1 n2 n3").budget("web", 2), oneByOne("n1", "n2", "n3"),
			"n1: 1 moves\nn2: 2 moves in 2 rounds\nn3: 1 moves"},
		{"a budget that never allows anything", nodes(3).pods("web", "500m", "n1 n2").budget("web", 2), oneByOne("n1", "n3"),
			"n1: blocked: budget shop/web needs 2 healthy pods and has 2: it never allows a disruption, as there are 2 in all\nn3: 0 moves"},
		{"two pods of a budget of one, one after another", nodes(3).pods("web", "500m", "n1 n1 n2").budget("web", 2), oneByOne("n1"),
			"n1: 2 moves in 2 rounds"},
		{"an ill pod holds its budget", nodes(3).pods("web", "500m", "n1 n2").pods("web", "500m", "n3", notReady).budget("web", 2), oneByOne("n1"),
			"n1: blocked: budget shop/web needs 2 healthy pods and has 2"},
		{"an ill pod itself may go", nodes(3).pods("web", "500m", "n1 n2").pods("web", "500m", "n3", notReady).budget("web", 2), oneByOne("n3"),
			"n3: 1 moves"},
		{"two budgets", nodes(2).pods("web", "500m", "n1").budget("web", 0).budget("web", 0), oneByOne("n1"),
			"n1: blocked: pod shop/web-1 has more than one budget (web, web), which the eviction API refuses"},
		{"no room until the node is back", nodes(2).pods("web", "1500m", "n1 n2"), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 homeless for 5m0s: 0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable"},
		{"the second drain waits until the first is back", nodes(3).pods("web", "1500m", "n1 n2 n3").budget("web", 2), atOnce("n1", "n2"),
			"n1: 1 moves, shop/web-1 homeless for 5m0s: 0/3 nodes are available: 2 node(s) were unschedulable, 1 Insufficient cpu\n" +
				"n2: 1 moves, waits 5m0s for budget shop/web needs 2 healthy pods and has 2, shop/web-2 homeless for 5m0s: 0/3 nodes are available: 2 Insufficient cpu, 1 node(s) were unschedulable"},
		{"nothing begins while a pod has no place", nodes(2).pods("web", "500m", "n1", picky(corev1.LabelHostname, "n9")), oneByOne("n1", "n2"),
			"n1: 1 moves, shop/web-1 homeless: 0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable\n" +
				"n2: held: pod shop/web-1 has nowhere to go: 0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable"},
		{"one that tolerates the cordon is left where it comes back to", nodes(2).pods("operator", "1500m", "n1", tolerateAll).pods("web", "1500m", "n2"), oneByOne("n1"),
			"n1: 1 moves"},
		{"also by way of another node that is drained", nodes(3).pods("operator", "1500m", "n2", tolerateAll).pods("web", "1500m", "n3"), atOnce("n1", "n2"),
			"n1: 1 moves\nn2: 1 moves"},
		{"and with its last endpoint", nodes(3).pods("operator", "1500m", "n1", tolerateAll).pods("web", "1500m", "n3").service("operator").
			rules(func(r *simulate.Rules) { r.Last = "surge" }), atOnce("n1", "n2"), "n1: 1 moves\nn2: 1 moves"},
		{"DaemonSets stay", nodes(2).pods("agent", "100m", "n1 n2"), oneByOne("n1"), "n1: 0 moves"},
		{"a pod that nothing makes anew is gone", nodes(2).pods("one", "1500m", "n1 n2", bare), oneByOne("n1", "n2"), "n1: 1 moves\nn2: 1 moves"},
		{"anti-affinity", nodes(3).pods("web", "100m", "n1 n2 n3", apart(corev1.LabelHostname)), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 homeless for 5m0s: 0/3 nodes are available: 2 node(s) didn't match pod anti-affinity rules, 1 node(s) were unschedulable"},
		{"anti-affinity of those that are there", nodes(2).pods("web", "100m", "n1").pods("lone", "100m", "n2", func(p *corev1.Pod) {
			apart(corev1.LabelHostname)(p)
			p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector.MatchLabels = map[string]string{"app": "web"}
		}), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 homeless for 5m0s: 0/2 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules, 1 node(s) were unschedulable"},
		{"affinity", nodes(3).pods("db", "100m", "n1").pods("web", "100m", "n2", together("db")), oneByOne("n2"),
			"n2: 1 moves"},
		{"spread over zones", nodes(3).pods("web", "100m", "n1 n2 n3 n2", spread(corev1.LabelTopologyZone)), oneByOne("n2"),
			"n2: 2 moves, shop/web-2 homeless for 5m0s: 0/3 nodes are available: 2 node(s) didn't match pod topology spread constraints, 1 node(s) were unschedulable, " +
				"shop/web-4 homeless for 5m0s: 0/3 nodes are available: 2 node(s) didn't match pod topology spread constraints, 1 node(s) were unschedulable"},
		{"spread over zones and racks: a node that isn't in any rack counts for no zone", nodes(4).node("n1", inRack("r1")).node("n3", inRack("r1")).node("n4", inRack("r2")).
			pods("web", "100m", "n1 n2", spread(corev1.LabelTopologyZone), alsoOver("rack")).pods("other", "2", "n3"), oneByOne("n1"), "n1: 1 moves"},
		{"the last endpoint of a Deployment is made anew first", nodes(2).pods("web", "100m", "n1").budget("web", 1).service("web").
			rules(func(r *simulate.Rules) { r.Last = "surge" }), oneByOne("n1"), "n1: 1 moves"},
		{"and isn't where it has nowhere to go", nodes(2).pods("web", "1500m", "n1").pods("other", "1", "n2").service("web").
			rules(func(r *simulate.Rules) { r.Last = "surge" }), oneByOne("n1"),
			"n1: blocked: the last endpoint of its Service, shop/web-1, has to be made anew before it goes, and has nowhere to go: 0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable"},
		{"nor where the old one keeps it away", nodes(3).pods("web", "500m", "n1", apart(corev1.LabelTopologyZone)).pods("other", "2", "n2").service("web").
			rules(func(r *simulate.Rules) { r.Last = "surge" }), oneByOne("n1"),
			"n1: blocked: the last endpoint of its Service, shop/web-1, has to be made anew before it goes, and has nowhere to go: 0/3 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match pod anti-affinity rules, 1 node(s) were unschedulable"},
		{"which those of an older template don't, where it says so", nodes(3).pods("web", "500m", "n1", apart(corev1.LabelTopologyZone), perTemplate).pods("other", "2", "n2").service("web").
			rules(func(r *simulate.Rules) { r.Last = "surge" }), oneByOne("n1"), "n1: 1 moves"},
		{"a pod with a scheduling gate takes no room", nodes(2).pods("web", "1500m", "n1").pods("gated", "1500m", "-", gated), oneByOne("n1", "n2"),
			"n1: 1 moves\nn2: 1 moves"},
		{"the last endpoint that can't", nodes(2).pods("db", "100m", "n1").service("db").
			rules(func(r *simulate.Rules) {
				r.Last, r.Rigid = "surge", "StatefulSet shop/db ends a pod before it makes it anew"
			}), oneByOne("n1"),
			"n1: blocked: Service shop/db has no other endpoint, and has none while it moves: StatefulSet shop/db ends a pod before it makes it anew; keep another pod of it ready, or accept that with --accept-downtime shop/db"},
		{"and is accepted", nodes(2).pods("db", "100m", "n1").service("db").
			rules(func(r *simulate.Rules) {
				r.Last, r.Rigid, r.Accepted = "surge", "no", func(string) bool { return true }
			}), oneByOne("n1"), "n1: 1 moves"},
		{"a refused pod keeps all others", nodes(2).pods("web", "100m", "n1 n1").
			rules(func(r *simulate.Rules) { r.Refused = "Pods with local storage" }), oneByOne("n1"),
			"n1: blocked: cannot delete Pods with local storage: shop/web-1; cannot delete Pods with local storage: shop/web-2"},
		{"a quota that is full lets pods move", nodes(2).pods("web", "500m", "n1 n1").quota("pods", "2"), oneByOne("n1"), "n1: 2 moves"},
		{"one that was lowered since doesn't", nodes(2).pods("web", "500m", "n1 n1 n2").quota("requests.cpu", "500m").budget("web", 1), oneByOne("n1", "n2"),
			"n1: 2 moves, shop/web-1 homeless: quota shop/quota refuses it: it allows 500m requests.cpu, shop/web-2 homeless: quota shop/quota refuses it: it allows 500m requests.cpu\n" +
				"n2: blocked: budget shop/web needs 1 healthy pods and has 1"},
		{"nor a surge beside what is there", nodes(2).pods("web", "100m", "n1").service("web").quota("pods", "1").
			rules(func(r *simulate.Rules) { r.Last = "surge" }), oneByOne("n1"),
			"n1: blocked: the last endpoint of its Service, shop/web-1, has to be made anew before it goes, and has nowhere to go: quota shop/quota refuses it: it allows 1 pods"},
		{"a quota of other pods", nodes(2).pods("web", "500m", "n1 n1").quota("pods", "1", scope(corev1.ResourceQuotaScopeBestEffort)), oneByOne("n1"), "n1: 2 moves"},
		{"one of such pods", nodes(2).pods("web", "0", "n1 n1").pods("other", "500m", "n1").quota("pods", "1", scope(corev1.ResourceQuotaScopeBestEffort)), oneByOne("n1"),
			"n1: 3 moves, shop/web-1 homeless: quota shop/quota refuses it: it allows 1 pods"},
		{"no more volumes than a node can attach", nodes(3).pods("db", "100m", "n1 n2 n3", claiming).attachable(1, "n2", "n3"), oneByOne("n1"),
			"n1: 1 moves, shop/db-1 homeless for 5m0s: 0/3 nodes are available: 2 node(s) exceed max volume count, 1 node(s) were unschedulable"},
		{"as many as it can", nodes(2).pods("db", "100m", "n1 n2", claiming).attachable(2, "n2"), oneByOne("n1"), "n1: 1 moves"},
		{"a taint", nodes(2).node("n2", dedicated).pods("web", "100m", "n1"), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 homeless for 5m0s: 0/2 nodes are available: 1 node(s) had untolerated taint(s) {dedicated: gpu}, 1 node(s) were unschedulable"},
		{"a taint that is tolerated", nodes(2).node("n2", dedicated).pods("web", "100m", "n1", tolerant), oneByOne("n1"), "n1: 1 moves"},
		{"a taint that only dislikes", nodes(2).node("n2", func(n *corev1.Node) { dedicated(n); n.Spec.Taints[0].Effect = corev1.TaintEffectPreferNoSchedule }).
			pods("web", "100m", "n1"), oneByOne("n1"), "n1: 1 moves"},
		{"a port of the host", nodes(2).pods("dns", "100m", "n1 n2", listening("", "")), oneByOne("n1"),
			"n1: 1 moves, shop/dns-1 homeless for 5m0s: 0/2 nodes are available: 1 node(s) didn't have free ports for the requested pod ports, 1 node(s) were unschedulable"},
		{"the same port at one of its addresses", nodes(2).pods("dns", "100m", "n1", listening("TCP", "10.0.0.1")).pods("all", "100m", "n2", listening("", "0.0.0.0")), oneByOne("n1"),
			"n1: 1 moves, shop/dns-1 homeless for 5m0s: 0/2 nodes are available: 1 node(s) didn't have free ports for the requested pod ports, 1 node(s) were unschedulable"},
		{"the same port of another protocol", nodes(2).pods("dns", "100m", "n1", listening("UDP", "")).pods("web", "100m", "n2", listening("TCP", "")), oneByOne("n1"), "n1: 1 moves"},
		{"a volume that only one node reaches", nodes(2).pods("db", "100m", "n1", claiming).volumesOn("n1"), oneByOne("n1"),
			"n1: 1 moves, shop/db-1 homeless for 5m0s: 0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 1 node(s) were unschedulable"},
		{"no more pods than a kubelet takes", nodes(2).node("n2", func(n *corev1.Node) { n.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("1") }).
			pods("web", "100m", "n1 n2"), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 homeless for 5m0s: 0/2 nodes are available: 1 Too many pods, 1 node(s) were unschedulable"},
		{"a node that spreading knows nothing of", nodes(2).node("n2", func(n *corev1.Node) { delete(n.Labels, corev1.LabelTopologyZone) }).
			pods("web", "100m", "n1", spread(corev1.LabelTopologyZone)), oneByOne("n1"),
			"n1: 1 moves, shop/web-1 homeless for 5m0s: 0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label), 1 node(s) were unschedulable"},
		{"opened only", nodes(2).pods("web", "1500m", "n1 n2 -"), []simulate.Turn{{Node: "n1", Opens: true}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(simulate.Run(c.world.World, c.turns)); got != c.want {
				t.Errorf("foreseen:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// BenchmarkRun plays a run over a thousand nodes with thirty thousand pods of a thousand Services in one namespace, ten nodes
// at a time.
func BenchmarkRun(b *testing.B) {
	c := nodes(1000)
	c.rules(func(r *simulate.Rules) { r.Last = "surge" })
	var turns []simulate.Turn
	for i, n := range c.Nodes {
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourcePods: resource.MustParse("110")}
		app := fmt.Sprintf("app-%d", i)
		c.pods(app, "100m", strings.Repeat(n.Name+" ", 30)).service(app)
		turns = append(turns, simulate.Turn{Node: n.Name, At: time.Duration(i/10) * 5 * time.Minute, Takes: 5 * time.Minute})
	}
	for b.Loop() {
		if drains := simulate.Run(c.World, turns); len(drains) != 1000 || drains[999].Fails() {
			b.Fatalf("%d drains, the last one: %+v", len(drains), drains[len(drains)-1])
		}
	}
}
