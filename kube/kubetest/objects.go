package kubetest

import (
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Get returns a copy of an object as it is now, or nil: Get[*corev1.Pod](s, "shop", "web-0"). ns is "" for what has none.
func Get[T Object](s *Server, ns, name string) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	var none T
	if r := s.tables[kindOfType(reflect.TypeFor[T]())].get(key{ns, name}); r != nil {
		return r.obj.DeepCopyObject().(T)
	}
	return none
}

// List returns copies of all objects of a kind in a namespace, or in all for "", by namespace and name.
func List[T Object](s *Server, ns string) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []T
	for _, r := range s.tables[kindOfType(reflect.TypeFor[T]())].list(ns) {
		found = append(found, r.obj.DeepCopyObject().(T))
	}
	return found
}

// Change edits an object, status and all, past every check: Change(s, "", "n1", func(n *corev1.Node) { … }). It is an
// error if the object isn't there.
func Change[T Object](s *Server, ns, name string, edit func(T)) error {
	s.mu.Lock()
	defer s.settle()
	k := kindOfType(reflect.TypeFor[T]())
	if _, ok := s.change(k, key{ns, name}, func(o Object) { edit(o.(T)) }); !ok {
		return apierrors.NewNotFound(k.gr(), name)
	}
	return nil
}

// Add stores copies of objects, status and all. A namespace that isn't there is made.
func (s *Server) Add(objects ...Object) error {
	s.mu.Lock()
	defer s.settle()
	for _, o := range objects {
		k := kindOf(o)
		if k == nil {
			return fmt.Errorf("kubetest: no resource stores a %T", o)
		}
		if ns := o.GetNamespace(); ns != "" {
			s.addNamespaces(ns)
		}
		if _, err := s.create(k, o.DeepCopyObject().(Object), false); err != nil {
			return err
		}
	}
	return nil
}

// Delete deletes an object as a client without options does: finalizers and a pod's grace period count.
func (s *Server) Delete(object Object) error {
	s.mu.Lock()
	defer s.settle()
	k := kindOf(object)
	if k == nil {
		return fmt.Errorf("kubetest: no resource stores a %T", object)
	}
	_, _, err := s.delete(k, keyOf(object), metav1.DeleteOptions{}, false)
	return err
}

func (s *Server) addNamespaces(names ...string) {
	for _, name := range names {
		if s.tables[namespaces].get(key{name: name}) == nil {
			ns := &corev1.Namespace{}
			ns.Name = name
			ns.Labels = map[string]string{corev1.LabelMetadataName: name}
			_, _ = s.create(namespaces, ns, false)
		}
	}
}
