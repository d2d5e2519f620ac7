package kubetest

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validate checks what clients of this kind get wrong: names, labels, annotations, taints, and where an Event may lie.
func validate(k *kind, obj Object) field.ErrorList {
	meta := field.NewPath("metadata")
	var errs field.ErrorList
	if obj.GetName() == "" {
		errs = append(errs, field.Required(meta.Child("name"), "name or generateName is required"))
	} else if msgs := apivalidation.NameIsDNSSubdomain(obj.GetName(), false); len(msgs) > 0 {
		errs = append(errs, field.Invalid(meta.Child("name"), obj.GetName(), strings.Join(msgs, "; ")))
	}
	errs = append(errs, metav1validation.ValidateLabels(obj.GetLabels(), meta.Child("labels"))...)
	errs = append(errs, apivalidation.ValidateAnnotations(obj.GetAnnotations(), meta.Child("annotations"))...)
	switch o := obj.(type) {
	case *corev1.Node:
		errs = append(errs, validateTaints(o.Spec.Taints, field.NewPath("spec", "taints"))...)
	case *corev1.Event:
		errs = append(errs, validateEvent(o)...)
	}
	return errs
}

func validateTaints(taints []corev1.Taint, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i, t := range taints {
		for _, msg := range validation.IsQualifiedName(t.Key) {
			errs = append(errs, field.Invalid(at.Index(i).Child("key"), t.Key, msg))
		}
		for _, msg := range validation.IsValidLabelValue(t.Value) {
			errs = append(errs, field.Invalid(at.Index(i).Child("value"), t.Value, msg))
		}
		switch t.Effect {
		case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
		default:
			errs = append(errs, field.NotSupported(at.Index(i).Child("effect"), t.Effect, []string{"NoExecute", "NoSchedule", "PreferNoSchedule"}))
		}
		if id := t.Key + ":" + string(t.Effect); seen[id] {
			errs = append(errs, field.Duplicate(at.Index(i), t))
		} else {
			seen[id] = true
		}
	}
	return errs
}

// validateEvent: an Event about a thing without a namespace, such as a Node, lies in default or kube-system.
func validateEvent(e *corev1.Event) field.ErrorList {
	about := e.InvolvedObject.Namespace
	if about == "" && (e.Namespace == "default" || e.Namespace == "kube-system") || about == e.Namespace {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("involvedObject", "namespace"), about, "does not match event.namespace")}
}
