package kubetest

import (
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestStaleUpdateConflicts(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		n, err := b.core.Nodes().Get(t.Context(), "n1", metav1.GetOptions{})
		must(t, err)
		stale := n.DeepCopy()
		n.Annotations = map[string]string{"fleetup.io/run": "r1"}
		n, err = b.core.Nodes().Update(t.Context(), n, metav1.UpdateOptions{})
		must(t, err)
		stale.Spec.Unschedulable = true
		_, err = b.core.Nodes().Update(t.Context(), stale, metav1.UpdateOptions{})
		if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "the object has been modified") {
			t.Errorf("a stale update: %v, want 409", err)
		}
		again, err := b.core.Nodes().Update(t.Context(), n, metav1.UpdateOptions{})
		must(t, err)
		if again.ResourceVersion != n.ResourceVersion {
			t.Error("an update without a change made a new version")
		}
		_, err = b.coord.Leases("kube-system").Create(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "fleetup"}}, metav1.CreateOptions{})
		must(t, err)
		_, err = b.coord.Leases("kube-system").Update(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "fleetup"}}, metav1.UpdateOptions{})
		if !apierrors.IsInvalid(err) {
			t.Errorf("a Lease updated without a version: %v, want 422", err)
		}
	})
}

func TestPatches(t *testing.T) {
	for how, body := range map[types.PatchType]string{
		types.MergePatchType:          `{"metadata":{"annotations":{"a":"1","old":null}},"spec":{"unschedulable":true}}`,
		types.StrategicMergePatchType: `{"metadata":{"annotations":{"a":"1","old":null}},"spec":{"unschedulable":true}}`,
		types.JSONPatchType:           `[{"op":"add","path":"/metadata/annotations/a","value":"1"},{"op":"remove","path":"/metadata/annotations/old"},{"op":"add","path":"/spec/unschedulable","value":true}]`,
	} {
		t.Run(string(how), func(t *testing.T) {
			in(t, 1, func(t *testing.T, b *bench) {
				must(t, Change(b.Server, "", "n1", func(n *corev1.Node) { n.Annotations = map[string]string{"old": "x"} }))
				_, err := b.core.Nodes().Patch(t.Context(), "n1", how, []byte(body), metav1.PatchOptions{})
				must(t, err)
				n := Get[*corev1.Node](b.Server, "", "n1")
				if n.Annotations["a"] != "1" || len(n.Annotations) != 1 || !n.Spec.Unschedulable || nodeReady(n) != "True" {
					t.Errorf("patched: %v %v", n.Annotations, n.Spec)
				}
				if len(n.Spec.Taints) != 1 || n.Spec.Taints[0].Key != corev1.TaintNodeUnschedulable {
					t.Errorf("a cordoned node's taints: %v", n.Spec.Taints)
				}
			})
		})
	}
}

func TestRefusals(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		update := func(edit func(*corev1.Node)) error {
			n := Get[*corev1.Node](b.Server, "", "n1")
			edit(n)
			_, err := b.core.Nodes().Update(t.Context(), n, metav1.UpdateOptions{})
			return err
		}
		event := func(ns string) error {
			_, err := b.core.Events(ns).Create(t.Context(), &corev1.Event{
				ObjectMeta: metav1.ObjectMeta{GenerateName: "n1."}, InvolvedObject: corev1.ObjectReference{Kind: "Node", Name: "n1"},
			}, metav1.CreateOptions{})
			return err
		}
		_, apply := b.core.Nodes().Patch(t.Context(), "n1", types.ApplyPatchType, []byte(`{}`), metav1.PatchOptions{})
		_, none := b.core.Nodes().Get(t.Context(), "n9", metav1.GetOptions{})
		_, field := b.core.Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.colour=red"})
		for what, c := range map[string]struct {
			err error
			is  func(error) bool
		}{
			"a label value":    {update(func(n *corev1.Node) { n.Labels["x"] = "no spaces" }), apierrors.IsInvalid},
			"a taint's effect": {update(func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "a", Effect: "Never"}} }), apierrors.IsInvalid},
			"another UID":      {update(func(n *corev1.Node) { n.UID = "other" }), apierrors.IsConflict},
			"an event's place": {event("shop"), apierrors.IsNotFound},
			"an event astray":  {event("kube-public"), apierrors.IsInvalid},
			"apply":            {apply, apierrors.IsUnsupportedMediaType},
			"no such node":     {none, apierrors.IsNotFound},
			"no such field":    {field, apierrors.IsBadRequest},
		} {
			if !c.is(c.err) {
				t.Errorf("%s: %v", what, c.err)
			}
		}
		must(t, event("default"))
	})
}

func TestDeletion(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		must(t, b.AddStatefulSet("shop", "db", 1, nil))
		time.Sleep(5 * time.Second)
		must(t, Change(b.Server, "shop", "db-0", func(p *corev1.Pod) { p.Finalizers = []string{"example.com/keep"} }))
		other := types.UID("other")
		err := b.core.Pods("shop").Delete(t.Context(), "db-0", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
		if !apierrors.IsConflict(err) {
			t.Errorf("a delete by another UID: %v, want 409", err)
		}
		must(t, b.core.Pods("shop").Delete(t.Context(), "db-0", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}))
		if p := Get[*corev1.Pod](b.Server, "shop", "db-0"); p.DeletionTimestamp != nil {
			t.Error("a dry deletion wasn't")
		}
		must(t, b.core.Pods("shop").Delete(t.Context(), "db-0", metav1.DeleteOptions{}))
		time.Sleep(time.Hour)
		p := Get[*corev1.Pod](b.Server, "shop", "db-0")
		if p == nil || p.DeletionTimestamp == nil || ready(p) {
			t.Fatalf("a pod with a finalizer after an hour: %v", p)
		}
		p.Finalizers = nil
		_, err = b.core.Pods("shop").Update(t.Context(), p, metav1.UpdateOptions{})
		must(t, err)
		time.Sleep(5 * time.Second)
		if back := Get[*corev1.Pod](b.Server, "shop", "db-0"); back == nil || back.UID == p.UID || !ready(back) {
			t.Errorf("db-0 didn't come back once its finalizer was gone: %v", back)
		}
	})
}

func TestListPagesAndSelectors(t *testing.T) {
	in(t, 5, func(t *testing.T, b *bench) {
		must(t, b.AddDaemonSet("kube-system", "cni", nil))
		time.Sleep(5 * time.Second)
		var names []string
		options := metav1.ListOptions{Limit: 2}
		for {
			list, err := b.core.Nodes().List(t.Context(), options)
			must(t, err)
			for _, n := range list.Items {
				names = append(names, n.Name)
			}
			if options.Continue = list.Continue; list.Continue == "" {
				break
			}
		}
		if got := strings.Join(names, " "); got != "n1 n2 n3 n4 n5" {
			t.Errorf("pages of two: %s", got)
		}
		for field, want := range map[string]int{
			"spec.nodeName=n3": 1, "status.phase=Running": 5, "spec.nodeName=n3,status.phase!=Running": 0, "spec.nodeName=n9": 0,
		} {
			list, err := b.core.Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: field, LabelSelector: "app=cni"})
			must(t, err)
			if len(list.Items) != want {
				t.Errorf("%s: %d pods, want %d", field, len(list.Items), want)
			}
		}
	})
}
