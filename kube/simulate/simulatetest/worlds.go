// Package simulatetest makes clusters by chance, to hold what kube/simulate foresees against what drains then do: on the
// simulated API server, and on a real one.
//
//	w := simulatetest.Make(7, []string{"n1", "n2", "n3", "n4"})
//	… make w.Nodes' labels and slots and w.Objects, wait until their pods are as wanted …
//	foreseen := simulate.Run(cluster.World(options), w.Turns(patience))
//	… drain group after group of w.Groups, and compare with simulatetest.Failed(foreseen) …
//
// Room is counted in an extended resource, Slots, which a test can give to any node, also one with a kubelet of its own.
package simulatetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/fleetup/fleetup/kube/simulate"
)

// Slots is the resource by which a node's room is counted, and the labels of a world's nodes.
const (
	Slots     = "example.com/slots"
	LabelCell = "example.com/cell" // the nodes of one world share a value of their own
	LabelZone = "example.com/zone" // "a" and "b" in turn
	// NeverReady is a readiness gate that nobody opens: the pod runs and is never ready.
	NeverReady = "example.com/never"
)

// World is a cluster to be made.
type World struct {
	Name    string // of its namespace
	Kinds   []string
	Nodes   []string
	Slots   int // of each node
	Objects []runtime.Object
	Pods    int // that there are once all is as wanted, and how many of them are ready
	Ready   int
	Last    string     // drain.last_endpoint
	Groups  [][]string // the nodes that are drained, those of a group at once
	// RealScheduler: it leans on what the simulated scheduler doesn't know.
	RealScheduler bool
}

// maker adds one workload to a world.
type maker func(*World, *rand.Rand)

var makers = []struct {
	name string
	make maker
}{
	{"roomy", roomy}, {"strict", strict}, {"apart", apart}, {"pinned", pinned}, {"stateful", stateful}, {"bare", bare}, {"ill", ill},
	{"full", full}, {"two budgets", twoBudgets}, {"single", single}, {"zones", zones}, {"beside", beside},
}

// Make makes the world of a number: the same one each time. Its first workload goes through all kinds as numbers count up.
func Make(number int, nodes []string) World {
	r := rand.New(rand.NewPCG(uint64(number), 30))
	w := World{Name: fmt.Sprintf("world-%d", number), Nodes: nodes, Slots: 20, Last: []string{"", "surge", "block", "allow"}[r.IntN(4)]}
	first := number % len(makers)
	for _, k := range []int{first, r.IntN(len(makers))}[:1+r.IntN(2)] {
		if name := makers[k].name; !slices.Contains(w.Kinds, name) {
			w.Kinds = append(w.Kinds, name)
			makers[k].make(&w, r)
		}
	}
	order := slices.Clone(nodes)
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for len(order) > 0 {
		n := min(1+r.IntN(2), len(order))
		w.Groups = append(w.Groups, order[:n])
		order = order[n:]
	}
	return w
}

// Turns are the world's drains as a run would have them: a group's nodes are closed until all of it is through.
func (w World) Turns() []simulate.Turn {
	const long = 10 * time.Hour // longer than any drain is patient
	var turns []simulate.Turn
	for i, group := range w.Groups {
		for _, node := range group {
			turns = append(turns, simulate.Turn{Node: node, At: time.Duration(i) * long, Takes: long - time.Hour})
		}
	}
	return turns
}

// Failed says of each group how many of its nodes would be left as they were: of two that are drained at once chance decides
// which has to wait for the other.
func Failed(w World, drains []simulate.Drain) []int {
	failed := make([]int, len(w.Groups))
	for _, d := range drains {
		if d.Fails() {
			failed[slices.IndexFunc(w.Groups, func(g []string) bool { return slices.Contains(g, d.Node) })]++
		}
	}
	return failed
}

func (w *World) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: w.Name, Name: name, Labels: map[string]string{"app": name}}
}

// template is a pod of the world's cell that takes some slots.
func (w *World) template(name string, slots int, edit ...func(*corev1.PodSpec)) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}}}
	quantity := corev1.ResourceList{Slots: *resource.NewQuantity(int64(slots), resource.DecimalSI)}
	t.Spec.Containers = []corev1.Container{{Name: "c", Image: "registry.example.com/" + name + ":1",
		Resources: corev1.ResourceRequirements{Requests: quantity, Limits: quantity}}}
	t.Spec.NodeSelector = map[string]string{LabelCell: w.Name}
	t.Spec.TerminationGracePeriodSeconds = new(int64)
	*t.Spec.TerminationGracePeriodSeconds = 1
	for _, change := range edit {
		change(&t.Spec)
	}
	return t
}

func (w *World) deployment(name string, replicas, slots int, edit ...func(*corev1.PodSpec)) {
	n := int32(replicas)
	d := &appsv1.Deployment{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: w.meta(name)}
	d.Spec = appsv1.DeploymentSpec{Replicas: &n, Selector: selects(name), Template: w.template(name, slots, edit...)}
	w.Objects = append(w.Objects, d)
	w.Pods, w.Ready = w.Pods+replicas, w.Ready+replicas
}

func (w *World) statefulSet(name string, replicas, slots int) {
	n := int32(replicas)
	s := &appsv1.StatefulSet{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"}, ObjectMeta: w.meta(name)}
	s.Spec = appsv1.StatefulSetSpec{Replicas: &n, Selector: selects(name), Template: w.template(name, slots), ServiceName: name,
		PodManagementPolicy: appsv1.ParallelPodManagement}
	w.Objects = append(w.Objects, s)
	w.Pods, w.Ready = w.Pods+replicas, w.Ready+replicas
}

// budget is one of a workload; of the two amounts one is "".
func (w *World) budget(name, app, minAvailable, maxUnavailable string) *policyv1.PodDisruptionBudget {
	b := &policyv1.PodDisruptionBudget{TypeMeta: metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}, ObjectMeta: w.meta(name)}
	b.Spec = policyv1.PodDisruptionBudgetSpec{Selector: selects(app), MinAvailable: amount(minAvailable), MaxUnavailable: amount(maxUnavailable)}
	w.Objects = append(w.Objects, b)
	return b
}

func (w *World) service(name string) {
	s := &corev1.Service{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: w.meta(name)}
	s.Spec = corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}}}
	w.Objects = append(w.Objects, s)
}

func selects(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func amount(s string) *intstr.IntOrString {
	if s == "" {
		return nil
	}
	v := intstr.Parse(s)
	return &v
}
