package kube

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// What goes wrong while a run watches is told; what went wrong before, on a node of a run, or again and again, isn't.
func TestTroubles(t *testing.T) {
	evicted := func(p *corev1.Pod) {
		p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", "low on memory"
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()})
	}
	killed := func(restarts int32) func(p *corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", Ready: true, RestartCount: restarts, LastTerminationState: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled", FinishedAt: metav1.Now()}}}}
		}
	}
	notReady := func(n *corev1.Node) {
		for i := range n.Status.Conditions {
			if c := &n.Status.Conditions[i]; c.Type == corev1.NodeReady {
				c.Status, c.LastTransitionTime = corev1.ConditionUnknown, metav1.Now()
			}
		}
	}
	bare := func(name string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "app"}}}}
	}
	inWorld(t, func(w *world) {
		w.must(w.Add(bare("before"), bare("a"), bare("b"), bare("loops")))
		w.must(kubetest.Change(w.Server, "shop", "before", evicted))
	}, func(w *world) {
		time.Sleep(2 * time.Second)
		if got := w.c.Troubles(); len(got) != 0 {
			t.Errorf("before anything went wrong: %v", got)
		}
		w.must(kubetest.Change(w.Server, "shop", "a", evicted))
		w.must(kubetest.Change(w.Server, "shop", "loops", killed(7)))
		time.Sleep(2 * time.Second)
		w.must(kubetest.Change(w.Server, "shop", "b", killed(1)))
		time.Sleep(2 * time.Second)
		w.StopKubelet("n2")
		w.must(kubetest.Change(w.Server, "", "n2", notReady))
		time.Sleep(time.Second)
		var got []string
		for _, trouble := range w.c.Troubles() {
			got = append(got, fmt.Sprint(trouble.Node, " ", trouble.What))
		}
		want := "n2 turned NotReady\nn1 container app of pod shop/b ran out of memory\nn1 pod shop/a was evicted: low on memory"
		if strings.Join(got, "\n") != want {
			t.Errorf("troubles:\n%s\nwant\n%s", strings.Join(got, "\n"), want)
		}
		for _, node := range []string{"n1", "n2"} {
			w.must(kubetest.Change(w.Server, "", node, func(n *corev1.Node) {
				metav1.SetMetaDataAnnotation(&n.ObjectMeta, AnnotationRun, "r1")
			}))
		}
		time.Sleep(time.Second)
		if got := w.c.Troubles(); len(got) != 0 {
			t.Errorf("on nodes of a run: %v", got)
		}
	})
}
