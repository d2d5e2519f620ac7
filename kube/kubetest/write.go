package kubetest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// modified is the API's own wording of a lost race.
var errModified = errors.New("the object has been modified; please apply your changes to the latest version and try again")

// now is the time as objects keep it: whole seconds.
func now() metav1.Time { return metav1.NewTime(time.Now().Truncate(time.Second)) }

// create stores a new object, which it takes over. A dry one is only prepared and checked.
func (s *Server) create(k *kind, obj Object, dry bool) (*record, error) {
	if obj.GetName() == "" && obj.GetGenerateName() != "" {
		obj.SetName(obj.GetGenerateName() + s.suffix())
	}
	if k.namespaced && s.tables[namespaces].get(key{name: obj.GetNamespace()}) == nil {
		return nil, apierrors.NewNotFound(namespaces.gr(), obj.GetNamespace())
	}
	if errs := validate(k, obj); len(errs) > 0 {
		return nil, apierrors.NewInvalid(k.gk(), obj.GetName(), errs)
	}
	if s.tables[k].get(keyOf(obj)) != nil {
		return nil, apierrors.NewAlreadyExists(k.gr(), obj.GetName())
	}
	s.admit(k, obj)
	if p, is := obj.(*corev1.Pod); is {
		s.limitRange(p)
		if err := s.overQuota(p); err != nil {
			return nil, err
		}
	}
	if dry {
		return newRecord(k, obj, s.rv), nil
	}
	return s.commit(k, nil, obj), nil
}

// admit gives a new object what the server sets, and its kind's defaults.
func (s *Server) admit(k *kind, obj Object) {
	obj.SetUID(s.uid())
	obj.SetCreationTimestamp(now())
	obj.SetDeletionTimestamp(nil)
	obj.SetDeletionGracePeriodSeconds(nil)
	obj.SetGeneration(0)
	if k.generation {
		obj.SetGeneration(1)
	}
	s.setDefaults(obj)
}

// update replaces an object, or its status alone where sub says so, as PUT does. A change that changes nothing keeps
// the version that there is.
func (s *Server) update(k *kind, obj Object, sub string, dry bool) (*record, error) {
	before := s.tables[k].get(keyOf(obj))
	if before == nil {
		return nil, apierrors.NewNotFound(k.gr(), obj.GetName())
	}
	if err := checkVersion(k, before, obj); err != nil {
		return nil, err
	}
	next := merge(k, before.obj, obj, sub)
	if errs := validate(k, next); len(errs) > 0 {
		return nil, apierrors.NewInvalid(k.gk(), obj.GetName(), errs)
	}
	return s.replace(before, next, dry), nil
}

func checkVersion(k *kind, before *record, obj Object) error {
	version := obj.GetResourceVersion()
	if version == "" && k.locked {
		return apierrors.NewInvalid(k.gk(), obj.GetName(), field.ErrorList{
			field.Invalid(field.NewPath("metadata", "resourceVersion"), 0, "must be specified for an update"),
		})
	}
	if version != "" && version != before.obj.GetResourceVersion() {
		return apierrors.NewConflict(k.gr(), obj.GetName(), errModified)
	}
	if uid := obj.GetUID(); uid != "" && uid != before.obj.GetUID() {
		return apierrors.NewConflict(k.gr(), obj.GetName(), fmt.Errorf(
			"Precondition failed: UID in precondition: %v, UID in object meta: %v", uid, before.obj.GetUID()))
	}
	return nil
}

// merge returns the object that an update leads to: clients change the main resource or the status, never both, and
// never what the server alone sets.
func merge(k *kind, old, sent Object, sub string) Object {
	next := sent.DeepCopyObject().(Object)
	switch {
	case sub == "status":
		next = old.DeepCopyObject().(Object)
		structField(next, "Status").Set(structField(sent.DeepCopyObject().(Object), "Status"))
	case k.status:
		structField(next, "Status").Set(structField(old.DeepCopyObject().(Object), "Status"))
	}
	next.SetUID(old.GetUID())
	next.SetCreationTimestamp(old.GetCreationTimestamp())
	next.SetGenerateName(old.GetGenerateName())
	next.SetDeletionTimestamp(old.GetDeletionTimestamp())
	next.SetDeletionGracePeriodSeconds(old.GetDeletionGracePeriodSeconds())
	next.SetManagedFields(nil)
	return next
}

// replace stores next in place of before, unless they are equal.
func (s *Server) replace(before *record, next Object, dry bool) *record {
	k := before.kind
	next.SetGeneration(before.obj.GetGeneration())
	if spec := structField(next, "Spec"); k.generation && !equality.Semantic.DeepEqual(spec.Interface(), structField(before.obj, "Spec").Interface()) {
		next.SetGeneration(before.obj.GetGeneration() + 1)
	}
	if r := newRecord(k, next, before.rv); dry || bytes.Equal(r.raw, before.raw) {
		return r
	}
	if done := next.GetDeletionTimestamp() != nil && len(next.GetFinalizers()) == 0; done && (k != pods || graceOver(next)) {
		return s.remove(before)
	}
	return s.commit(k, before, next)
}

func graceOver(obj Object) bool {
	grace := obj.GetDeletionGracePeriodSeconds()
	return grace == nil || *grace == 0
}

// change applies edit to a copy of the object and stores it, status and all, as a controller that always wins. It
// reports whether the object exists.
func (s *Server) change(k *kind, at key, edit func(Object)) (*record, bool) {
	before := s.tables[k].get(at)
	if before == nil {
		return nil, false
	}
	next := before.obj.DeepCopyObject().(Object)
	edit(next)
	return s.replace(before, next, false), true
}

// delete begins an object's end, as DELETE does: at once, or when its finalizers are gone, or, for a pod that runs,
// when its kubelet says so. gone is whether it went at once.
func (s *Server) delete(k *kind, at key, options metav1.DeleteOptions, dry bool) (last *record, gone bool, err error) {
	before := s.tables[k].get(at)
	if before == nil {
		return nil, false, apierrors.NewNotFound(k.gr(), at.name)
	}
	if err := checkPreconditions(before, options.Preconditions); err != nil {
		return nil, false, err
	}
	grace := deletionGrace(before.obj, options.GracePeriodSeconds)
	if dry {
		return before, grace == 0, nil
	}
	if grace == 0 && len(before.obj.GetFinalizers()) == 0 {
		return s.remove(before), true, nil
	}
	next := before.obj.DeepCopyObject().(Object)
	if old := next.GetDeletionGracePeriodSeconds(); next.GetDeletionTimestamp() == nil || old != nil && grace < *old {
		until := metav1.NewTime(now().Add(time.Duration(grace) * time.Second))
		next.SetDeletionTimestamp(&until)
		next.SetDeletionGracePeriodSeconds(&grace)
	}
	return s.replace(before, next, false), false, nil
}

// deletionGrace is how many seconds the object may take; only a pod that has a node and hasn't ended may take any.
func deletionGrace(obj Object, asked *int64) int64 {
	p, ok := obj.(*corev1.Pod)
	if !ok || p.Spec.NodeName == "" || finished(p) {
		return 0
	}
	switch {
	case asked != nil:
		return max(0, *asked)
	case p.Spec.TerminationGracePeriodSeconds != nil:
		return *p.Spec.TerminationGracePeriodSeconds
	}
	return 30
}

func checkPreconditions(r *record, want *metav1.Preconditions) error {
	if want == nil {
		return nil
	}
	gr := r.kind.gr()
	gr.Resource = r.kind.name // the API names the kind here
	if uid := want.UID; uid != nil && *uid != "" && *uid != r.obj.GetUID() {
		return apierrors.NewConflict(gr, r.obj.GetName(), fmt.Errorf("the UID in the precondition (%s) does not match the UID in "+
			"record (%s). The object might have been deleted and then recreated", *uid, r.obj.GetUID()))
	}
	if rv := want.ResourceVersion; rv != nil && *rv != "" && *rv != r.obj.GetResourceVersion() {
		return apierrors.NewConflict(gr, r.obj.GetName(), fmt.Errorf("the ResourceVersion in the precondition (%s) does not match the "+
			"ResourceVersion in record (%s). The object might have been modified", *rv, r.obj.GetResourceVersion()))
	}
	return nil
}

const suffixLetters = "bcdfghjklmnpqrstvwxz2456789"

// suffix is what the API appends to a generateName.
func (s *Server) suffix() string {
	b := make([]byte, 5)
	for i := range b {
		b[i] = suffixLetters[s.random.IntN(len(suffixLetters))]
	}
	return string(b)
}

func (s *Server) uid() types.UID {
	a, b := s.random.Uint64(), s.random.Uint64()
	return types.UID(fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff))
}
