package kube

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// TestFault40LessThanBefore: a node that comes back with less memory isn't whole, and the amounts are named.
func TestFault40LessThanBefore(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		before := w.c.Nodes()["n1"].Allocatable
		less := corev1.ResourceList{}
		for name, text := range before {
			less[corev1.ResourceName(name)] = resource.MustParse(text)
		}
		less[corev1.ResourceMemory] = resource.MustParse("16Gi")
		w.Kubelet("n1", kubetest.KubeletStatus{BootID: "another", Allocatable: less, Capacity: less})
		time.Sleep(5 * time.Second)
		heard := listen()
		_, err := w.within(time.Minute, func(ctx context.Context) error { return w.c.AwaitWhole(ctx, "n1", before, heard.say) })
		if err == nil || !strings.Contains(err.Error(), "allocatable memory is 16Gi and was 32Gi") {
			t.Errorf("got %v", err)
		}
	})
}
