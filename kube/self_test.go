package kube

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/kube/simulate"
)

// TestHandOver: whether another pod could go on with a run whose own pod is on n1, by what the scheduler would say; and that
// what is played ahead leaves n1 as it is where none could.
func TestHandOver(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
	t.Setenv("NODE_NAME", "n1")
	t.Setenv("POD_NAMESPACE", "ops")
	t.Setenv("POD_NAME", "fleetup-1")
	one := resource.MustParse("1")
	for name, tc := range map[string]struct {
		pod   func(*corev1.Pod)
		world func(*world)
		why   string // "": it could
	}{
		"anywhere": {},
		"a volume of this node alone": {func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{ofClaim("journals")} }, func(w *world) {
			v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "disk-1"}}
			v.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "ops", Name: "journals"}
			v.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"n1"}}}}}}}
			w.must(w.Add(v))
		}, "could start on no other node: 0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity"},
		"a volume of the network": {func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{ofClaim("journals")} }, func(w *world) {
			v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "disk-1"}}
			v.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "ops", Name: "journals"}
			w.must(w.Add(v))
		}, ""},
		"a label of this node": {func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"runner": "yes"} }, nil,
			"could start on no other node: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector"},
		"no room": {func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{"example.com/seat": one}
		}, func(w *world) {
			w.must(kubetest.Change(w.Server, "", "n1", func(n *corev1.Node) { n.Status.Allocatable = corev1.ResourceList{"example.com/seat": one, "pods": one} }))
		}, "2 Insufficient example.com/seat"},
		"the others are closed": {nil, func(w *world) {
			for _, n := range []string{"n2", "n3"} {
				w.must(kubetest.Change(w.Server, "", n, func(n *corev1.Node) { n.Spec.Unschedulable = true }))
			}
		}, "2 node(s) were unschedulable"},
		"nothing would make it": {func(p *corev1.Pod) { p.OwnerReferences = nil }, nil, "has nothing that would make another one elsewhere"},
		"not to be found":       {func(p *corev1.Pod) { p.Name = "fleetup-2" }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "fleetup-1"}}
				controller := true
				p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "fleetup", UID: "job-1", Controller: &controller}}
				p.Spec.NodeName, p.Spec.Containers = "n1", []corev1.Container{{Name: "fleetup", Image: "fleetup:1"}}
				if tc.pod != nil {
					tc.pod(p)
				}
				if tc.world != nil {
					tc.world(w)
				}
				w.must(w.Add(p))
			}, func(w *world) {
				if n := w.c.SelfNode(); n != "n1" {
					t.Errorf("on %q", n)
				}
				err := w.c.HandOver("n1")
				var blocked *BlockedError
				if tc.why == "" && err != nil || tc.why != "" && (!errors.As(err, &blocked) || !strings.Contains(blocked.By[0], "fleetup's own pod ops/fleetup-1 ") || !strings.HasSuffix(blocked.By[0], tc.why)) {
					t.Errorf("%v", err)
				}
				ahead := simulate.Run(w.c.World(func(string) DrainOptions { return ownPods() }), []simulate.Turn{{Node: "n1", Takes: time.Minute}})
				if ahead[0].Fails() != (tc.why != "") || tc.why != "" && !strings.Contains(ahead[0].Blocked[0], tc.why) {
					t.Errorf("played ahead: %+v", ahead[0])
				}
			})
		})
	}
}

func ofClaim(claim string) corev1.Volume {
	v := corev1.Volume{Name: "state"}
	v.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}
	return v
}
