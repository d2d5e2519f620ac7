package kube

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// TestAwaitConfigured holds a kubelet's live configuration against what was wanted; amounts count by their value, and a
// kubelet that isn't there yet is waited for.
func TestAwaitConfigured(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Kubelet("n1", kubetest.KubeletStatus{Config: map[string]any{"maxPods": 200, "kubeReserved": map[string]any{"memory": "1024Mi", "cpu": "0.1", "pid": "1000"},
			"evictionSoftGracePeriod": map[string]any{"memory.available": "1m30s"}}})
	}, func(w *world) {
		good := map[string]any{"maxPods": 200, "kubeReserved": map[string]string{"memory": "1Gi", "cpu": "100m"}, "evictionSoftGracePeriod": map[string]string{"memory.available": "90s"}}
		w.must(w.c.AwaitConfigured(w.ctx, "n1", good, nil))
		for want, fields := range map[string]map[string]any{
			"kubeReserved memory is 1024Mi, wanted 2Gi; a flag or another file outranks": {"kubeReserved": map[string]string{"memory": "2Gi"}},
			"evictionHard memory.available is not set, wanted 1Gi":                       {"evictionHard": map[string]string{"memory.available": "1Gi"}},
			"maxPods is 200, wanted 110":                                                 {"maxPods": 110},
		} {
			if err := w.c.AwaitConfigured(w.ctx, "n1", fields, nil); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
		w.StopKubelet("n1")
		heard := listen()
		time.AfterFunc(20*time.Second, func() { w.Kubelet("n1", kubetest.KubeletStatus{}) })
		if _, err := w.within(time.Minute, func(ctx context.Context) error { return w.c.AwaitConfigured(ctx, "n1", good, heard.say) }); err != nil {
			t.Error(err)
		}
		heard.heard(t, "the kubelet to tell its configuration: ")
		w.Authorize(func(_, _, _, resource, _, _ string) bool { return resource != "nodes/proxy" })
		_, err := w.within(time.Minute, func(ctx context.Context) error { return w.c.AwaitConfigured(ctx, "n1", good, nil) })
		if err == nil || !strings.Contains(err.Error(), "`fleetup check INVENTORY` names the rules to add") {
			t.Errorf("without the right: %v", err)
		}
	})
}
