package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// What mends a finding is printed for a shell: kubectl, with the namespace first, so that it can be pasted as it is.

type object = map[string]any

// kubectl is a command about an object in a namespace, or about one that is in none.
func kubectl(namespace, format string, args ...any) string {
	command := "kubectl "
	if namespace != "" {
		command += "-n " + shellescape.Quote(namespace) + " "
	}
	return command + fmt.Sprintf(format, args...)
}

// patch is a patch of a workload's or another namespaced object: how is strategic, merge or json.
func patch(meta metav1.ObjectMeta, kind, how string, change any) string {
	return kubectl(meta.Namespace, "patch %s %s --type %s -p %s", kind, meta.Name, how, shellescape.Quote(oneLine(change)))
}

// podSpec is a strategic patch of the pods that a workload makes.
func (w *workload) podSpec(change object) string {
	return patch(w.meta, w.kind, "strategic", object{"spec": object{"template": object{"spec": change}}})
}

// container is one entry of a list that strategic patches merge by name.
func container(name string, change object) object {
	change["name"] = name
	return change
}

// remove is a JSON patch that takes what is at these places out of a workload's pods; later places of a list come first.
func (w *workload) remove(paths ...string) string {
	var steps []object
	for _, path := range slices.Backward(paths) {
		steps = append(steps, object{"op": "remove", "path": "/spec/template/spec/" + path})
	}
	return patch(w.meta, w.kind, "json", steps)
}

// accept is the command that says that a thing is meant to be so.
func accept(meta metav1.ObjectMeta, kind, rule string) string {
	rules := rule
	if has := meta.Annotations[Accept]; has != "" {
		rules = has + "," + rule
	}
	return kubectl(meta.Namespace, "annotate --overwrite %s %s %s", kind, meta.Name, shellescape.Quote(Accept+"="+rules))
}

func oneLine(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // maps, lists and strings alone
		return ""
	}
	return string(text)
}

// apply makes objects, as `kubectl apply` reads them.
func apply(objects ...object) string {
	var docs []string
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			continue
		}
		docs = append(docs, string(text))
	}
	return "kubectl apply -f - <<'EOF'\n" + strings.Join(docs, "---\n") + "EOF"
}

func manifest(apiVersion, kind, namespace, name string, spec any) object {
	return object{"apiVersion": apiVersion, "kind": kind, "metadata": object{"namespace": namespace, "name": name}, "spec": spec}
}

// budgetFor is a budget that lets one pod of a workload go at a time, whatever its number of replicas, and that pods that
// are broken don't block. It takes no other budget's name, also not of one that is made for another workload.
func (w *world) budgetFor(load *workload) object {
	name := load.meta.Name
	for _, b := range w.Budgets {
		if b.Namespace == load.meta.Namespace && b.Name == name {
			name += "-" + load.kind
		}
	}
	if name == load.meta.Name && slices.ContainsFunc(w.inNamespace[load.meta.Namespace], func(o *workload) bool { return o.meta.Name == name && o.kind != load.kind }) {
		name += "-" + load.kind
	}
	return manifest("policy/v1", "PodDisruptionBudget", load.meta.Namespace, name, object{
		"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": w.onlyOf(load)})
}

// onlyOf is the selector of a workload, narrowed where pods of others have all its labels too: a pod of two budgets can't be
// evicted. Where no label tells them apart it stays as it is.
func (w *world) onlyOf(load *workload) *metav1.LabelSelector {
	selector := load.selector
	for _, other := range w.inNamespace[load.meta.Namespace] {
		if other == load || !selects(selector, other.labels) {
			continue
		}
		if narrowed := without(selector, other, []guarded{load.guarded()}); narrowed != nil {
			selector = narrowed
		}
	}
	return selector
}

// deploymentOf makes a Deployment of a pod that nobody makes anew, its budget, and takes the pod away. What its environment
// is set to isn't printed, for it may be a secret: the command puts it into a Secret. note says so, or why there is no command.
func (w *world) deploymentOf(p *corev1.Pod) (command, note string) {
	if p.Spec.RestartPolicy != corev1.RestartPolicyAlways { // it is meant to end
		return accept(p.ObjectMeta, "pod", "no-controller"), ""
	}
	spec := bare(p.Spec)
	keep, note, ok := hideEnvironment(p, &spec)
	if !ok {
		return "", note
	}
	labels := map[string]string{"app": p.Name}
	if len(p.Labels) > 0 {
		labels = p.Labels
	}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	name := p.Name
	for slices.ContainsFunc(w.inNamespace[p.Namespace], func(o *workload) bool { return o.kind == "deployment" && o.meta.Name == name }) {
		name += "-pod" // than to take another one's place
	}
	d := manifest("apps/v1", "Deployment", p.Namespace, name, object{
		"replicas": 2, "selector": selector, "template": object{"metadata": object{"labels": labels}, "spec": spec}})
	objects := []object{d}
	if !slices.ContainsFunc(w.Facts.budgetsOf(p.Namespace), func(s *metav1.LabelSelector) bool { return selects(s, labels) }) {
		objects = append(objects, w.budgetFor(&workload{kind: "deployment", meta: metav1.ObjectMeta{Namespace: p.Namespace, Name: name}, selector: selector, labels: labels}))
	}
	return keep + apply(objects...) + "\n" + kubectl(p.Namespace, "delete pod %s --wait=false", p.Name), note
}

func (f *Facts) budgetsOf(namespace string) (selectors []*metav1.LabelSelector) {
	for i := range f.Budgets {
		if f.Budgets[i].Namespace == namespace {
			selectors = append(selectors, f.Budgets[i].Spec.Selector)
		}
	}
	return selectors
}

// apiAccess is how the volumes are named that the API server mounts into every pod for its service account.
const apiAccess = "kube-api-access-"

// bare is a pod's spec without what the API server, the scheduler and its admission put there.
func bare(s corev1.PodSpec) corev1.PodSpec {
	s = *s.DeepCopy()
	s.EphemeralContainers = nil
	s.NodeName, s.RestartPolicy, s.PreemptionPolicy, s.Priority, s.EnableServiceLinks = "", "", nil, nil, nil
	s.Tolerations = slices.DeleteFunc(s.Tolerations, func(t corev1.Toleration) bool {
		return t.TolerationSeconds != nil && (t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable)
	})
	s.Volumes = slices.DeleteFunc(s.Volumes, func(v corev1.Volume) bool { return strings.HasPrefix(v.Name, apiAccess) })
	for _, containers := range [][]corev1.Container{s.Containers, s.InitContainers} {
		for i := range containers {
			containers[i].VolumeMounts = slices.DeleteFunc(containers[i].VolumeMounts, func(m corev1.VolumeMount) bool {
				return strings.HasPrefix(m.Name, apiAccess)
			})
		}
	}
	return s
}
