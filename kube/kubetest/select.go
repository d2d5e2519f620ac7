package kubetest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// selectorOf compiles what a budget or a Service selects; nil for other kinds. A Service without a selector selects
// nothing; nor does a budget whose selector is invalid.
func selectorOf(obj Object) labels.Selector {
	switch o := obj.(type) {
	case *policyv1.PodDisruptionBudget:
		selector, err := metav1.LabelSelectorAsSelector(o.Spec.Selector)
		if err != nil {
			return labels.Nothing()
		}
		return selector
	case *corev1.Service:
		if len(o.Spec.Selector) == 0 {
			return labels.Nothing()
		}
		return labels.SelectorFromSet(o.Spec.Selector)
	}
	return nil
}

// filter is what a list or watch asks for.
type filter struct {
	ns     string
	labels labels.Selector
	fields fields.Selector
}

// newFilter parses the two selectors of a request; a field that the kind doesn't know is refused as the API does.
func newFilter(k *kind, ns, byLabel, byField string) (filter, error) {
	f := filter{ns: ns}
	var err error
	if f.labels, err = labels.Parse(byLabel); err != nil {
		return f, fmt.Errorf("unable to parse requirement: %w", err)
	}
	if f.fields, err = fields.ParseSelector(byField); err != nil {
		return f, err
	}
	known := fieldsOf(k.new())
	for _, r := range f.fields.Requirements() {
		if _, ok := known[r.Field]; !ok {
			return f, fmt.Errorf("field label not supported: %s", r.Field)
		}
	}
	return f, nil
}

func (f filter) matches(r *record) bool {
	if r == nil || f.ns != "" && f.ns != r.obj.GetNamespace() || !f.labels.Matches(labels.Set(r.obj.GetLabels())) {
		return false
	}
	return f.fields.Empty() || f.fields.Matches(fieldsOf(r.obj))
}

// fieldsOf returns what a field selector may ask of an object.
func fieldsOf(obj Object) fields.Set {
	set := fields.Set{"metadata.name": obj.GetName(), "metadata.namespace": obj.GetNamespace()}
	switch o := obj.(type) {
	case *corev1.Pod:
		set["spec.nodeName"] = o.Spec.NodeName
		set["status.phase"] = string(o.Status.Phase)
		set["spec.restartPolicy"] = string(o.Spec.RestartPolicy)
		set["spec.schedulerName"] = o.Spec.SchedulerName
	case *corev1.Node:
		set["spec.unschedulable"] = fmt.Sprint(o.Spec.Unschedulable)
	case *corev1.Namespace:
		set["status.phase"] = string(o.Status.Phase)
	case *corev1.Event:
		set["involvedObject.kind"] = o.InvolvedObject.Kind
		set["involvedObject.name"] = o.InvolvedObject.Name
		set["involvedObject.namespace"] = o.InvolvedObject.Namespace
		set["involvedObject.uid"] = string(o.InvolvedObject.UID)
		set["reason"] = o.Reason
		set["type"] = o.Type
	}
	return set
}

// selected returns what matches, sorted. Pods of one node are found without looking at all others.
func (s *Server) selected(k *kind, f filter) []*record {
	if node, ok := f.fields.RequiresExactMatch("spec.nodeName"); ok && k == pods {
		var found []*record
		for _, p := range s.pods.on(node) {
			if r := s.tables[pods].get(keyOf(p)); f.matches(r) {
				found = append(found, r)
			}
		}
		return found
	}
	all := s.tables[k].list(f.ns)
	found := all[:0]
	for _, r := range all {
		if f.matches(r) {
			found = append(found, r)
		}
	}
	return found
}
