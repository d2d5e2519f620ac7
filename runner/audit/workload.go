package audit

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// workload is what makes pods and is meant to go on running: a Deployment, a StatefulSet, a DaemonSet, or a ReplicaSet
// that nothing else makes.
type workload struct {
	kind     string // deployment, statefulset, daemonset or replicaset, as kubectl takes it
	meta     metav1.ObjectMeta
	replicas int // wanted; of a DaemonSet the pods that there are
	selector *metav1.LabelSelector
	labels   map[string]string // of its pods
	spec     *corev1.PodSpec   // of its pods, as the template has it
	pods     []*corev1.Pod     // that there are, but ended ones
	budgets  []*policyv1.PodDisruptionBudget
	service  *corev1.Service // one that leads to its pods, by TCP if one does; nil: none does
}

func (w *workload) object() string { return w.kind + " " + w.meta.Namespace + "/" + w.meta.Name }

// daemon reports whether its pods belong to their nodes.
func (w *workload) daemon() bool { return w.kind == "daemonset" }

// world is the facts with what belongs together put together, for the checks.
type world struct {
	*Facts
	nodes       map[string]*corev1.Node
	hosts       map[string]Host // of the inventory, by node
	workloads   []*workload     // by namespace and name; not kube-system's DaemonSets
	inNamespace map[string][]*workload
	orphans     []*corev1.Pod            // pods that nothing makes anew
	onNode      map[string][]*corev1.Pod // that take room there
	maker       map[*corev1.Pod]*workload
}

// system reports whether a namespace belongs to the cluster. What a drain meets there (budgets, replicas, places, rollouts,
// probes) is looked at as elsewhere, for the cluster's DNS moves as any other pod does. What its pods ask for, and its
// DaemonSets, are whoever's who makes the cluster; its static pods are their nodes'.
func system(namespace string) bool { return namespace == metav1.NamespaceSystem }

func newWorld(f *Facts) *world {
	w := &world{Facts: f, nodes: map[string]*corev1.Node{}, hosts: map[string]Host{}, onNode: map[string][]*corev1.Pod{}, maker: map[*corev1.Pod]*workload{}}
	for i := range f.Nodes {
		w.nodes[f.Nodes[i].Name] = &f.Nodes[i]
	}
	for _, h := range f.Hosts {
		w.hosts[h.Node] = h
	}
	all := w.makers()
	for i := range f.Pods {
		w.place(&f.Pods[i], all)
	}
	for _, load := range all {
		if !system(load.meta.Namespace) || !load.daemon() {
			w.workloads = append(w.workloads, load)
		}
	}
	slices.SortFunc(w.workloads, func(a, b *workload) int {
		return cmp.Or(cmp.Compare(a.meta.Namespace, b.meta.Namespace), cmp.Compare(a.meta.Name, b.meta.Name), cmp.Compare(a.kind, b.kind))
	})
	w.guard()
	return w
}

// makers are all workloads, by "Kind/namespace/name" of the controller that stands in their pods.
func (w *world) makers() map[string]*workload {
	all := map[string]*workload{}
	for i := range w.Deployments {
		d := &w.Deployments[i]
		all["Deployment/"+d.Namespace+"/"+d.Name] = &workload{kind: "deployment", meta: d.ObjectMeta, replicas: count(d.Spec.Replicas),
			selector: d.Spec.Selector, labels: d.Spec.Template.Labels, spec: &d.Spec.Template.Spec}
	}
	for i := range w.StatefulSets {
		s := &w.StatefulSets[i]
		all["StatefulSet/"+s.Namespace+"/"+s.Name] = &workload{kind: "statefulset", meta: s.ObjectMeta, replicas: count(s.Spec.Replicas),
			selector: s.Spec.Selector, labels: s.Spec.Template.Labels, spec: &s.Spec.Template.Spec}
	}
	for i := range w.DaemonSets {
		d := &w.DaemonSets[i]
		all["DaemonSet/"+d.Namespace+"/"+d.Name] = &workload{kind: "daemonset", meta: d.ObjectMeta,
			selector: d.Spec.Selector, labels: d.Spec.Template.Labels, spec: &d.Spec.Template.Spec}
	}
	for i := range w.ReplicaSets {
		r := &w.ReplicaSets[i]
		if metav1.GetControllerOf(r) == nil {
			all["ReplicaSet/"+r.Namespace+"/"+r.Name] = &workload{kind: "replicaset", meta: r.ObjectMeta, replicas: count(r.Spec.Replicas),
				selector: r.Spec.Selector, labels: r.Spec.Template.Labels, spec: &r.Spec.Template.Spec}
		}
	}
	return all
}

// place puts a pod to its node and its workload. The pods of a Deployment are a ReplicaSet's.
func (w *world) place(p *corev1.Pod, all map[string]*workload) {
	if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return
	}
	if p.Spec.NodeName != "" {
		w.onNode[p.Spec.NodeName] = append(w.onNode[p.Spec.NodeName], p)
	}
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		if _, mirror := p.Annotations[corev1.MirrorPodAnnotationKey]; !mirror && p.DeletionTimestamp == nil {
			w.orphans = append(w.orphans, p)
		}
		return
	}
	load := all[owner.Kind+"/"+p.Namespace+"/"+owner.Name]
	if load == nil && owner.Kind == "ReplicaSet" {
		if i := strings.LastIndex(owner.Name, "-"); i > 0 {
			load = all["Deployment/"+p.Namespace+"/"+owner.Name[:i]]
		}
	}
	if load != nil {
		load.pods = append(load.pods, p)
		w.maker[p] = load
		if load.daemon() {
			load.replicas++
		}
	}
}

// guard tells each workload its budgets and a Service.
func (w *world) guard() {
	w.inNamespace = map[string][]*workload{}
	for _, load := range w.workloads {
		w.inNamespace[load.meta.Namespace] = append(w.inNamespace[load.meta.Namespace], load)
	}
	for i := range w.Budgets {
		b := &w.Budgets[i]
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		for _, load := range w.inNamespace[b.Namespace] {
			if err == nil && selector.Matches(labels.Set(load.labels)) {
				load.budgets = append(load.budgets, b)
			}
		}
	}
	for i := range w.Services {
		s := &w.Services[i]
		selector := labels.SelectorFromSet(s.Spec.Selector)
		for _, load := range w.inNamespace[s.Namespace] {
			if len(s.Spec.Selector) > 0 && selector.Matches(labels.Set(load.labels)) &&
				(load.service == nil || len(tcpPorts(load.service)) == 0 && len(tcpPorts(s)) > 0) {
				load.service = s
			}
		}
	}
}

// selects follows policy/v1: an empty selector means every pod, none means no pod, an invalid one no pod either.
func selects(s *metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(of))
}

// count is the API's default where nothing is set.
func count(replicas *int32) int {
	if replicas == nil {
		return 1
	}
	return int(*replicas)
}

func ready(n corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// accepted reports whether somebody accepts what a rule would find about an object.
func accepted(annotations map[string]string, rule string) bool {
	for name := range strings.SplitSeq(annotations[Accept], ",") {
		if strings.TrimSpace(name) == rule {
			return true
		}
	}
	return false
}
