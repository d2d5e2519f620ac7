package kubetest

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// A kubelet that posts nothing new for five minutes still tells that it lives, every ten seconds, and falls silent when
// it is stopped.
func TestKubeletRenewsItsLease(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		age := func() time.Duration {
			l := Get[*coordinationv1.Lease](b.Server, "kube-node-lease", "n1")
			if l == nil || l.Spec.RenewTime == nil || *l.Spec.HolderIdentity != "n1" {
				t.Fatalf("the lease is %v", l)
			}
			return time.Since(l.Spec.RenewTime.Time)
		}
		for range 9 {
			time.Sleep(11 * time.Second)
			if a := age(); a >= 10*time.Second {
				t.Errorf("renewed %s ago", a)
			}
		}
		b.StopKubelet("n1")
		time.Sleep(30 * time.Second)
		if a := age(); a < 29*time.Second {
			t.Errorf("renewed %s ago, by a kubelet that is stopped", a)
		}
		b.Kubelet("n1", KubeletStatus{})
		time.Sleep(2 * time.Second)
		if a := age(); a > time.Second {
			t.Errorf("renewed %s ago, by a kubelet that was started since", a)
		}
	})
}
