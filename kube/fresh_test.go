package kube

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// readied gives the cni pod of n1 a Ready of some time.
func (w *world) readied(status corev1.ConditionStatus, at time.Time) {
	w.Helper()
	for _, p := range w.on("n1") {
		w.must(kubetest.Change(w.Server, p.Namespace, p.Name, func(p *corev1.Pod) {
			for i := range p.Status.Conditions {
				if c := &p.Status.Conditions[i]; c.Type == corev1.PodReady {
					c.Status, c.LastTransitionTime = status, metav1.NewTime(at)
				}
			}
		}))
	}
}

func (w *world) boot(id string) {
	w.Helper()
	w.must(kubetest.Change(w.Server, "", "n1", func(n *corev1.Node) { n.Status.NodeInfo.BootID = id }))
	time.Sleep(time.Second)
}

// TestReadyFromBeforeTheReboot: a node-critical pod counts once its kubelet has looked at it after the reboot, whatever the
// API said until then; a kubelet that has nothing new to say for long is believed; without a reboot the old word stands.
func TestReadyFromBeforeTheReboot(t *testing.T) {
	for _, test := range []struct {
		name     string
		boot     string
		again    time.Duration // when the kubelet says anew that the pod is ready; 0: never
		min, max time.Duration // how long is waited
	}{
		{"no reboot", "one", 0, 0, 2 * time.Second},
		{"a reboot", "two", 7 * time.Second, 5 * time.Second, 10 * time.Second},
		{"a reboot, and nothing new", "two", 0, stalePatience, stalePatience + 3*time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) { w.must(w.AddDaemonSet("kube-system", "cni", nil)) }, func(w *world) {
				w.boot("one")
				state, err := w.c.Claim(w.ctx, "n1", "run-1", map[string]string{factBootID: "one"})
				w.must(err)
				w.must(w.c.Untaint(w.ctx, "n1", "run-1"))
				w.boot(test.boot)
				if test.again > 0 {
					later(test.again-time.Second, func() { w.readied(corev1.ConditionFalse, time.Now()) })
					later(test.again, func() { w.readied(corev1.ConditionTrue, time.Now()) })
				}
				heard, began := listen(), time.Now()
				w.must(w.c.AwaitWhole(w.ctx, "n1", state, heard.say))
				if took := time.Since(began); took < test.min || took > test.max {
					t.Errorf("waited for %s:\n%s", took, heard.all())
				}
				if test.min > 0 && !strings.Contains(heard.all(), "its Ready is from before the reboot") {
					t.Errorf("said: %s", heard.all())
				}
			})
		})
	}
}
