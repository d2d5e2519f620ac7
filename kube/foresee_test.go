package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/kube/simulate"
	"github.com/fleetup/fleetup/kube/simulate/simulatetest"
)

const patience = 30 * time.Second // as patient as these drains are

// foreseeable makes a world of the package simulatetest on the simulated API server.
func foreseeable(w *world, made simulatetest.World) {
	for i, name := range made.Nodes {
		if w.node(name) == nil {
			w.must(w.AddNode(name, nil))
		}
		w.must(kubetest.Change(w.Server, "", name, func(n *corev1.Node) {
			n.Labels = maps.Clone(n.Labels)
			n.Labels[simulatetest.LabelCell], n.Labels[simulatetest.LabelZone] = made.Name, string(rune('a'+i%2))
			n.Status.Allocatable = maps.Clone(n.Status.Allocatable)
			if n.Status.Allocatable == nil {
				n.Status.Allocatable = corev1.ResourceList{}
			}
			n.Status.Allocatable[simulatetest.Slots] = *resource.NewQuantity(int64(made.Slots), resource.DecimalSI)
		}))
	}
	for _, o := range made.Objects {
		w.must(w.Add(o.(kubetest.Object)))
	}
}

// drained drains the groups of a world as a run would, and returns how many nodes of each were left as they were.
func drained(w *world, made simulatetest.World, o DrainOptions) []int {
	failed := make([]int, len(made.Groups))
	for i, group := range made.Groups {
		time.Sleep(10 * time.Second) // virtual: what moved is well again
		w.must(w.c.Pend(w.ctx, "run-1", slices.Concat(made.Groups[i:]...)))
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, node := range group {
			if len(w.c.Stranded()) > 0 { // a run would begin nothing
				failed[i]++
				continue
			}
			wg.Go(func() {
				err := drainOnce(w.ctx, w.c, node, o)
				var blocked *BlockedError
				var refused *RefusedError
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.As(err, &blocked) || errors.As(err, &refused):
					failed[i]++
				case err != nil:
					w.Errorf("%s: %v", node, err)
				}
			})
		}
		wg.Wait()
		for _, node := range group {
			if n, _ := w.c.Node(node); n.Run != "" {
				w.must(w.c.Release(w.ctx, node, "run-1", nil))
			}
		}
	}
	return failed
}

// drainOnce is what a run does until the node is empty.
func drainOnce(ctx context.Context, c *Cluster, node string, o DrainOptions) error {
	if err := c.TryDrain(ctx, node, o, nil); err != nil {
		return err
	}
	if _, err := c.Claim(ctx, node, "run-1", nil); err != nil {
		return err
	}
	return c.Drain(ctx, node, o, nil)
}

// What is foreseen of thirty clusters made by chance is what drains of them then do. The same is tried on a real API server in
// testdata/lab.
func TestForeseenIsWhatHappens(t *testing.T) {
	right, seen := 0, map[string]int{}
	for number, tried := 0, 0; tried < 30; number++ {
		made := simulatetest.Make(number, []string{"n1", "n2", "n3", "n4"})
		if made.RealScheduler {
			continue
		}
		tried++
		inWorld(t, func(w *world) { foreseeable(w, made) }, func(w *world) {
			o := DrainOptions{IgnoreDaemonSets: true, Force: true, GracePeriod: -1, Timeout: patience, LastEndpoint: made.Last, Run: "run-1"}
			foreseen := simulate.Run(w.c.World(func(string) DrainOptions { return o }), made.Turns())
			want, got := simulatetest.Failed(made, foreseen), drained(w, made, o)
			if slices.Equal(want, got) {
				right++
			} else {
				t.Errorf("%s (%s, last endpoint %q, groups %v): foreseen to fail %v, did %v\n%s", made.Name, strings.Join(made.Kinds, ", "), made.Last, made.Groups, want, got, foreseenText(foreseen))
			}
			for _, n := range got {
				seen[fmt.Sprint(n)]++
			}
		})
	}
	t.Logf("%d of 30 as foreseen; groups by how many of their nodes failed: %v", right, seen)
	if seen["0"] == 0 || seen["1"] == 0 || seen["2"] == 0 {
		t.Errorf("the worlds are all alike: %v", seen)
	}
}

func foreseenText(drains []simulate.Drain) string {
	var b strings.Builder
	for _, d := range drains {
		fmt.Fprintf(&b, "  %+v\n", d)
	}
	return b.String()
}

// What a quota's scopes are about is kept of each pod.
func TestWorldKnowsWhatScopesAreAbout(t *testing.T) {
	deadline := int64(60)
	p := &corev1.Pod{Spec: corev1.PodSpec{ActiveDeadlineSeconds: &deadline, PriorityClassName: "high"}, Status: corev1.PodStatus{QOSClass: corev1.PodQOSBurstable}}
	if trimPod(p); p.Spec.ActiveDeadlineSeconds == nil || p.Spec.PriorityClassName != "high" || p.Status.QOSClass != corev1.PodQOSBurstable {
		t.Errorf("%+v", p)
	}
}

// TestLookAhead: quotas and what nodes can attach are part of a forecast where they can be read, and what can't is named.
func TestLookAhead(t *testing.T) {
	inWorld(t, func(w *world) {
		quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "quota"}}
		quota.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2")}
		count := int32(3)
		csi := &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
		csi.Spec.Drivers = []storagev1.CSINodeDriver{{Name: "csi.example.com", NodeID: "n1", Allocatable: &storagev1.VolumeNodeResources{Count: &count}}, {Name: "any.example.com", NodeID: "n1"}}
		pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-1"}}
		pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "shop", Name: "data"}
		pv.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: "csi.example.com", VolumeHandle: "1"}
		w.must(w.Add(quota, csi, pv))
	}, func(w *world) {
		if unread := w.c.LookAhead(w.ctx); len(unread) > 0 {
			t.Errorf("unread: %q", unread)
		}
		got := w.c.World(func(string) DrainOptions { return DrainOptions{} })
		if len(got.Quotas) != 1 || got.Attachable["n1"]["csi.example.com"] != 3 || len(got.Attachable["n1"]) != 1 || got.Drivers["shop/data"] != "csi.example.com" {
			t.Errorf("%d quotas, attachable %v, drivers %v", len(got.Quotas), got.Attachable, got.Drivers)
		}
		w.Authorize(func(_, _, _, resource, _, _ string) bool { return resource != "resourcequotas" })
		unread := w.c.LookAhead(w.ctx)
		if len(unread) != 1 || !strings.HasPrefix(unread[0], "what quotas would refuse isn't foreseen: ") {
			t.Errorf("unread: %q", unread)
		}
	})
}
