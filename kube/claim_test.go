package kube

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// plain is a Node without what any write changes.
func plain(n *corev1.Node) *corev1.Node {
	n = n.DeepCopy()
	n.ResourceVersion, n.ManagedFields = "", nil
	if len(n.Annotations) == 0 {
		n.Annotations = nil
	}
	if len(n.Labels) == 0 {
		n.Labels = nil
	}
	if len(n.Spec.Taints) == 0 {
		n.Spec.Taints = nil
	}
	for i := range n.Status.Conditions {
		n.Status.Conditions[i].LastHeartbeatTime = metav1.Time{}
	}
	return n
}

func TestClaimAndRelease(t *testing.T) {
	tests := []struct {
		name              string
		before            func(*corev1.Node)
		cordoned, exclude string
	}{
		{"a node as it comes", func(*corev1.Node) {}, "false", "false"},
		{"a human's cordon stays (fault 17)", func(n *corev1.Node) { n.Spec.Unschedulable = true }, "true", "false"},
		{"kubeadm's label stays", func(n *corev1.Node) { n.Labels[LabelExcludeLB] = "" }, "false", "true"},
		{"a label with a value", func(n *corev1.Node) { n.Labels[LabelExcludeLB] = "yes" }, "false", "true"},
		{"somebody's taints stay", func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: "gpu", Value: "a", Effect: corev1.TaintEffectNoSchedule}}
		}, "false", "false"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.must(kubetest.Change(w.Server, "", "n1", func(n *corev1.Node) {
					n.Labels = map[string]string{"rack": "r1"}
					test.before(n)
				}))
				time.Sleep(time.Second)
				before := plain(w.node("n1"))
				state, err := w.c.Claim(w.ctx, "n1", "run-1", map[string]string{"kernel": "6.1"})
				w.must(err)
				want := map[string]string{"kernel": "6.1", FactCordoned: test.cordoned, FactExcluded: test.exclude}
				if d := cmp.Diff(want, state); d != "" {
					t.Error(d)
				}
				claimed(t, w.node("n1"), "run-1")
				if n := w.c.Nodes()["n1"]; n.Run != "run-1" || !n.Unschedulable {
					t.Errorf("our own write isn't seen at once: %+v", n)
				}
				w.must(w.c.Release(w.ctx, "n1", "run-1", nil))
				time.Sleep(time.Second) // the cordon's own taint is the node controller's
				if d := cmp.Diff(before, plain(w.node("n1"))); d != "" {
					t.Errorf("not as it was:\n%s", d)
				}
			})
		})
	}
}

func claimed(t *testing.T, n *corev1.Node, run string) {
	t.Helper()
	if n.Annotations[AnnotationRun] != run || !n.Spec.Unschedulable || !strings.Contains(n.Annotations[AnnotationState], FactCordoned) {
		t.Errorf("annotations %v, unschedulable %v", n.Annotations, n.Spec.Unschedulable)
	}
	if _, ok := n.Labels[LabelExcludeLB]; !ok {
		t.Error("the load balancers' label is missing")
	}
	found := 0
	for _, taint := range n.Spec.Taints {
		if taint.Key == TaintMaintenance && taint.Value == run && taint.Effect == corev1.TaintEffectNoSchedule {
			found++
		}
	}
	if found != 1 {
		t.Errorf("taints %v", n.Spec.Taints)
	}
}

func TestClaimIsOneWrite(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.ForgetRequests()
		_, err := w.c.Claim(w.ctx, "n1", "run-1", nil)
		w.must(err)
		if writes := w.Count("patch", "nodes") + w.Count("update", "nodes"); writes != 1 {
			t.Errorf("%d writes", writes)
		}
		w.ForgetRequests()
		_, err = w.c.Claim(w.ctx, "n1", "run-1", nil)
		w.must(err)
		if writes := w.Count("patch", "nodes"); writes != 0 {
			t.Errorf("claimed as wanted already, yet %d writes", writes)
		}
	})
}

func TestClaimAgain(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, err := w.c.Claim(w.ctx, "n1", "run-1", map[string]string{"kernel": "old"})
		w.must(err)
		w.must(w.c.Fail(w.ctx, "n1", "run-1", "kubelet doesn't start"))
		w.must(kubetest.Change(w.Server, "", "n1", func(n *corev1.Node) { n.Spec.Unschedulable = false }))
		time.Sleep(time.Second)
		if !w.c.Uncordoned("n1", "run-1") {
			t.Error("somebody's uncordon wasn't noticed (fault 18)")
		}
		state, err := w.c.Claim(w.ctx, "n1", "run-1", map[string]string{"kernel": "new"})
		w.must(err)
		if state["kernel"] != "old" || state[FactCordoned] != "false" {
			t.Errorf("the first state must stay: %v", state)
		}
		claimed(t, w.node("n1"), "run-1")
		if why, ok := w.node("n1").Annotations[AnnotationFailed]; ok {
			t.Errorf("still failed: %s", why)
		}
		if w.c.Uncordoned("n1", "run-1") {
			t.Error("claimed again, and yet said to be uncordoned")
		}
	})
}

// A node that an earlier run failed on and left may be taken by another, which gives it back as the first one found it.
func TestClaimOfWhatAnotherRunFailedOn(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.must(kubetest.Change(w.Server, "", "n1", func(n *corev1.Node) { n.Spec.Unschedulable = true }))
		time.Sleep(time.Second)
		_, err := w.c.Claim(w.ctx, "n1", "run-1", map[string]string{"boot_id": "b1", "inventory": "a", "changes": "kernel"})
		w.must(err)
		w.must(w.c.Fail(w.ctx, "n1", "run-1", "no boot"))
		state, err := w.c.Claim(w.ctx, "n1", "run-2", map[string]string{"boot_id": "b2", "inventory": "b", "changes": "kubelet"})
		w.must(err)
		if state[FactCordoned] != "true" || state["boot_id"] != "b1" || state["inventory"] != "b" || state["changes"] != "kubelet" {
			t.Errorf("state %v", state)
		}
		if n := w.node("n1"); n.Annotations[AnnotationRun] != "run-2" || n.Annotations[AnnotationFailed] != "" {
			t.Errorf("annotations %v", n.Annotations)
		}
		w.must(w.c.Release(w.ctx, "n1", "run-2", nil))
		if !w.node("n1").Spec.Unschedulable {
			t.Error("the cordon from before the first run is gone")
		}
	})
}

func TestClaimOfAnotherRun(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, err := w.c.Claim(w.ctx, "n1", "run-1", nil)
		w.must(err)
		time.Sleep(time.Second)
		before := w.node("n1")
		_, err = w.open().Claim(w.ctx, "n1", "run-2", nil)
		var other interface{ ClaimedBy() string }
		if !errors.As(err, &other) || other.ClaimedBy() != "run-1" {
			w.Fatalf("got %v", err)
		}
		w.must(w.c.Release(w.ctx, "n1", "run-2", nil))
		w.must(w.c.Untaint(w.ctx, "n1", "run-2"))
		if err := w.c.Note(w.ctx, "n1", "run-2", map[string]string{"a": "b"}); err == nil {
			t.Error("another run could note")
		}
		if err := w.c.Fail(w.ctx, "n1", "run-2", "x"); err == nil {
			t.Error("another run could fail it")
		}
		if d := cmp.Diff(before, w.node("n1")); d != "" {
			t.Errorf("another run changed it:\n%s", d)
		}
	})
}

// Whatever is written between our reading and our writing stays: here somebody labels the node each time we look.
func TestClaimConflicts(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		left := 3
		w.Fail(func(r *http.Request) (int, time.Duration, bool) {
			if r.Method == http.MethodPatch && left > 0 {
				left--
				w.must(kubetest.Change(w.Server, "", "n1", func(n *corev1.Node) {
					n.Annotations = map[string]string{"count": strings.Repeat("x", left+1)}
				}))
			}
			return 0, 0, false
		})
		_, err := w.c.Claim(w.ctx, "n1", "run-1", nil)
		w.must(err)
		if n := w.node("n1"); n.Annotations["count"] != "x" || left != 0 {
			t.Errorf("lost somebody's write: %v", n.Annotations)
		}
		claimed(t, w.node("n1"), "run-1")
	})
}

func TestFailAndNote(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, err := w.c.Claim(w.ctx, "n1", "run-1", map[string]string{"a": "1"})
		w.must(err)
		w.must(w.c.Note(w.ctx, "n1", "run-1", map[string]string{"boot": "id"}))
		w.must(w.c.Fail(w.ctx, "n1", "run-1", "kernel 6.2 isn't what runs"))
		n := w.node("n1")
		if !n.Spec.Unschedulable || len(n.Spec.Taints) > 0 && n.Spec.Taints[0].Key == TaintMaintenance {
			t.Errorf("cordon must stay and taint go: %+v", n.Spec)
		}
		got := w.c.Nodes()["n1"]
		want := map[string]string{"a": "1", "boot": "id", FactCordoned: "false", FactExcluded: "false"}
		if d := cmp.Diff(want, got.State); d != "" || got.Failed != "kernel 6.2 isn't what runs" || got.Run != "run-1" {
			t.Errorf("%+v %s", got, d)
		}
		w.must(w.c.Release(w.ctx, "n1", "run-1", map[string]string{"kubelet": "v1.36.4"}))
		w.must(w.c.Release(w.ctx, "n1", "run-1", map[string]string{"kubelet": "again"}))
		n = w.node("n1")
		if d := cmp.Diff(map[string]string{AnnotationLast: `{"kubelet":"v1.36.4"}`}, n.Annotations); d != "" || n.Spec.Unschedulable {
			t.Errorf("%s, unschedulable %v", d, n.Spec.Unschedulable)
		}
	})
}

func TestClaimWaitsForTheAPI(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.Refuse(true)
		later(3*time.Minute, func() { w.Refuse(false) })
		began := time.Now()
		_, err := w.c.Claim(w.ctx, "n1", "run-1", nil)
		w.must(err)
		if took := time.Since(began); took < 3*time.Minute || took > 3*time.Minute+20*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestClaimErrors(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, err := w.c.Claim(w.ctx, "n9", "run-1", nil)
		if err == nil || !strings.HasPrefix(err.Error(), "node n9: claim: the cluster has no such node") {
			t.Errorf("got %v", err)
		}
		w.c.Guard(func() error { return ErrDoubt })
		w.ForgetRequests()
		if _, err := w.within(time.Minute, func(ctx context.Context) error {
			_, err := w.c.Claim(ctx, "n1", "run-1", nil)
			return err
		}); !errors.Is(err, ErrDoubt) || countPatches(w.Requests()) != 0 {
			t.Errorf("got %v after %d writes", err, countPatches(w.Requests()))
		}
		w.c.Guard(nil)
		ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
		defer cancel()
		w.Refuse(true)
		if _, err := w.c.Claim(ctx, "n1", "run-1", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		w.Refuse(false)
	})
}

func TestClaimWithoutRecord(t *testing.T) {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Annotations: map[string]string{AnnotationRun: "r", AnnotationState: "{broken"}}}
	n.Spec.Unschedulable = true
	state, err := claim(n, "r", nil, nil)
	if err != nil || state[FactCordoned] != "true" {
		t.Fatalf("nobody knows whose cordon it is, so it must stay: %v %v", state, err)
	}
	if release(n, nil); !n.Spec.Unschedulable {
		t.Error("uncordoned")
	}
}

func TestNodePatch(t *testing.T) {
	before := &corev1.Node{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "7", Labels: map[string]string{"a": "1", "b": "2"}}}
	before.Spec.Unschedulable = true
	before.Spec.Taints = []corev1.Taint{{Key: "k"}}
	after := before.DeepCopy()
	if p := nodePatch(before, after); p != nil {
		t.Errorf("nothing changed: %s", p)
	}
	after.Labels = map[string]string{"a": "1", "c": "3"}
	after.Spec.Unschedulable, after.Spec.Taints = false, nil
	want := `{"metadata":{"labels":{"b":null,"c":"3"},"resourceVersion":"7"},"spec":{"taints":null,"unschedulable":null}}`
	if p := string(nodePatch(before, after)); p != want {
		t.Errorf("got  %s\nwant %s", p, want)
	}
}

// Somebody, or a tool that knows nothing of them, takes our annotations off a claimed node; or its kubelet registers it anew.
// What this process recorded is put back with its next write, and the node is given back as it was found.
func TestClaimTakenOff(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		before := w.node("n1")
		strip := func() {
			w.must(kubetest.Change(w.Server, "", "n1", func(n *corev1.Node) {
				delete(n.Annotations, AnnotationRun)
				delete(n.Annotations, AnnotationState)
			}))
		}
		for name, write := range map[string]func(){
			"given back at once": func() {},
			"claimed again":      func() { _, err := w.c.Claim(w.ctx, "n1", "run-1", nil); w.must(err) },
			"noted": func() {
				w.must(w.c.Note(w.ctx, "n1", "run-1", map[string]string{"begun": "stop"}))
				if s := w.node("n1").Annotations[AnnotationState]; !strings.Contains(s, `"boot_id":"7"`) || !strings.Contains(s, `"begun":"stop"`) {
					t.Error("noted ", s)
				}
			},
			"failed": func() { w.must(w.c.Fail(w.ctx, "n1", "run-1", "no")) },
		} {
			_, err := w.c.Claim(w.ctx, "n1", "run-1", map[string]string{"boot_id": "7"})
			w.must(err)
			strip()
			write()
			w.must(w.c.Release(w.ctx, "n1", "run-1", nil))
			after := w.node("n1")
			if after.Spec.Unschedulable || len(after.Spec.Taints) > 0 || len(after.Annotations) > 0 || len(after.Labels) != len(before.Labels) {
				t.Errorf("%s: left behind %+v %v %v", name, after.Spec, after.Annotations, after.Labels)
			}
		}
		w.must(kubetest.Change(w.Server, "", "n1", func(n *corev1.Node) { n.Spec.Unschedulable = true }))
		w.must(w.c.Release(w.ctx, "n1", "run-1", nil))
		if !w.node("n1").Spec.Unschedulable {
			t.Error("a node that was given back is none of ours, and its cordon a human's")
		}
	})
}
