package kubetest

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A kubelet's lease: it lasts 40 seconds and is renewed each quarter of that, as nodeLeaseDurationSeconds says.
const (
	leaseLasts = 40 * time.Second
	leaseRenew = leaseLasts / 4
)

// renew shows that a kubelet lives, as long as it does: its Lease in kube-node-lease, from its first status on.
func (s *Server) renew(node string) {
	k := s.kubelets[node]
	if k == nil || !k.posted || time.Now().Before(k.renews) {
		return
	}
	k.renews = time.Now().Add(leaseRenew)
	s.work.after(leaseRenew, runNodeLease, key{name: node})
	at, renewed := key{corev1.NamespaceNodeLease, node}, metav1.NewMicroTime(time.Now())
	if _, there := s.change(leases, at, func(o Object) { o.(*coordinationv1.Lease).Spec.RenewTime = &renewed }); there {
		return
	}
	l := &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{
		HolderIdentity: &node, LeaseDurationSeconds: new(int32(leaseLasts / time.Second)), RenewTime: &renewed,
	}}
	l.Namespace, l.Name = at.ns, at.name
	_, _ = s.create(leases, l, false)
}
