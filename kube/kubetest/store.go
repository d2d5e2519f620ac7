package kubetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// key names an object within its kind.
type key struct{ ns, name string }

func keyOf(obj Object) key { return key{obj.GetNamespace(), obj.GetName()} }

// record is one version of an object. It never changes: whoever wants another one copies obj.
type record struct {
	kind     *kind
	obj      Object
	raw      []byte // JSON without kind and apiVersion
	rv       uint64
	selector labels.Selector // what a budget or Service selects; nil for all else
}

// json returns the object as the API answers it.
func (r *record) json() []byte {
	head := fmt.Sprintf(`{"kind":%q,"apiVersion":%q,`, r.kind.name, r.kind.apiVersion())
	return append([]byte(head), r.raw[1:]...)
}

// change is one entry of a table's log. Of before and after, one may be nil.
type change struct {
	rv            uint64
	before, after *record // after of a deletion: the object as it was, at the deletion's version
	kind          watch.EventType
}

// table holds all objects of one kind and what happened to them lately.
type table struct {
	kind    *kind
	spaces  map[string]map[string]*record
	log     []change
	floor   uint64        // what happened up to this version is forgotten
	changed chan struct{} // closed and replaced at each change
}

// logSize is how many changes of a kind a watch can be behind before it is told 410; up to twice as many are kept.
const logSize = 20000

func newTable(k *kind) *table {
	return &table{kind: k, spaces: map[string]map[string]*record{}, changed: make(chan struct{})}
}

func (t *table) get(k key) *record { return t.spaces[k.ns][k.name] }

// list returns the records of one namespace, or of all for "", by namespace and name.
func (t *table) list(ns string) []*record {
	var all []*record
	for space, records := range t.spaces {
		if ns == "" || ns == space {
			for _, r := range records {
				all = append(all, r)
			}
		}
	}
	slices.SortFunc(all, byKey)
	return all
}

func byKey(a, b *record) int {
	return cmp.Or(cmp.Compare(a.obj.GetNamespace(), b.obj.GetNamespace()), cmp.Compare(a.obj.GetName(), b.obj.GetName()))
}

func (t *table) set(k key, r *record) {
	if r == nil {
		delete(t.spaces[k.ns], k.name)
		return
	}
	if t.spaces[k.ns] == nil {
		t.spaces[k.ns] = map[string]*record{}
	}
	t.spaces[k.ns][k.name] = r
}

func (t *table) append(c change) {
	t.log = append(t.log, c)
	if len(t.log) > 2*logSize {
		t.floor = t.log[logSize-1].rv
		t.log = slices.Clone(t.log[logSize:])
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

// since returns the changes after a version; false if some of them are forgotten.
func (t *table) since(rv uint64) ([]change, bool) {
	if rv < t.floor {
		return nil, false
	}
	at, _ := slices.BinarySearchFunc(t.log, rv+1, func(c change, rv uint64) int { return cmp.Compare(c.rv, rv) })
	return t.log[at:], true
}

// commit stores obj, which nobody else may hold any more, as its kind's newest version. A nil before means a creation.
func (s *Server) commit(k *kind, before *record, obj Object) *record {
	s.rv++
	after := newRecord(k, obj, s.rv)
	t := s.tables[k]
	t.set(keyOf(obj), after)
	what := watch.Modified
	if before == nil {
		what = watch.Added
	}
	t.append(change{rv: s.rv, before: before, after: after, kind: what})
	s.noticed(before, after)
	return after
}

// remove deletes for good.
func (s *Server) remove(before *record) *record {
	s.rv++
	last := newRecord(before.kind, before.obj.DeepCopyObject().(Object), s.rv)
	t := s.tables[before.kind]
	t.set(keyOf(before.obj), nil)
	t.append(change{rv: s.rv, before: before, after: last, kind: watch.Deleted})
	s.noticed(before, nil)
	return last
}

// newRecord takes obj over and gives it its version.
func newRecord(k *kind, obj Object, rv uint64) *record {
	obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	obj.SetResourceVersion(strconv.FormatUint(rv, 10))
	return &record{kind: k, obj: obj, raw: encode(obj), rv: rv, selector: selectorOf(obj)}
}

// encode cannot fail: every kind is a plain struct from k8s.io/api, and what came in was JSON.
func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		raw, _ = json.Marshal(metav1.Status{Message: err.Error()})
	}
	return raw
}

// noticed keeps the indexes and tells the controllers what they have to look at again.
func (s *Server) noticed(before, after *record) {
	s.pods.update(before, after)
	s.owners.update(before, after)
	s.markAfter(before, after)
}
