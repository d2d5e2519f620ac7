package kubetest

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// podIndex finds pods by their node, "" for those that have none yet.
type podIndex struct {
	onNode map[string]map[key]*record
	used   map[string]*use
}

func newPodIndex() podIndex {
	return podIndex{onNode: map[string]map[key]*record{}, used: map[string]*use{}}
}

func (x *podIndex) update(before, after *record) {
	if p := asPod(before); p != nil {
		delete(x.onNode[p.Spec.NodeName], keyOf(p))
		x.used[p.Spec.NodeName].add(p, -1)
	}
	if p := asPod(after); p != nil {
		if x.onNode[p.Spec.NodeName] == nil {
			x.onNode[p.Spec.NodeName], x.used[p.Spec.NodeName] = map[key]*record{}, &use{}
		}
		x.used[p.Spec.NodeName].add(p, 1)
		x.onNode[p.Spec.NodeName][keyOf(p)] = after
	}
}

// on returns the pods bound to a node, by name; "" asks for those that wait for one.
func (x *podIndex) on(node string) []*corev1.Pod { return sortedPods(x.onNode[node]) }

func sortedPods(of map[key]*record) []*corev1.Pod {
	all := make([]*record, 0, len(of))
	for _, r := range of {
		all = append(all, r)
	}
	slices.SortFunc(all, byKey)
	found := make([]*corev1.Pod, len(all))
	for i, r := range all {
		found[i] = r.obj.(*corev1.Pod)
	}
	return found
}

// asPod returns nil for nil and for other kinds.
func asPod(r *record) *corev1.Pod {
	if r == nil {
		return nil
	}
	p, _ := r.obj.(*corev1.Pod)
	return p
}

// place is a key among all kinds.
type place struct {
	kind *kind
	key
}

// ownerIndex finds what an object controls, by its UID.
type ownerIndex map[types.UID]map[place]*record

func (x ownerIndex) update(before, after *record) {
	if uid, at, ok := ownedBy(before); ok {
		if delete(x[uid], at); len(x[uid]) == 0 {
			delete(x, uid)
		}
	}
	if uid, at, ok := ownedBy(after); ok {
		if x[uid] == nil {
			x[uid] = map[place]*record{}
		}
		x[uid][at] = after
	}
}

func ownedBy(r *record) (types.UID, place, bool) {
	if r == nil {
		return "", place{}, false
	}
	ref := metav1.GetControllerOfNoCopy(r.obj)
	if ref == nil {
		return "", place{}, false
	}
	return ref.UID, place{r.kind, keyOf(r.obj)}, true
}

// podsOf returns the pods that an object controls, by name.
func (x ownerIndex) podsOf(uid types.UID) []*corev1.Pod {
	found := map[key]*record{}
	for at, r := range x[uid] {
		if at.kind == pods {
			found[at.key] = r
		}
	}
	return sortedPods(found)
}
