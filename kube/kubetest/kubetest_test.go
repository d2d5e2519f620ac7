package kubetest

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"
	authclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	coordclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	policyclient "k8s.io/client-go/kubernetes/typed/policy/v1"
	"k8s.io/client-go/rest"
)

// bench is a server and the clients that tests reach it with.
type bench struct {
	*Server
	core   *coreclient.CoreV1Client
	apps   *appsclient.AppsV1Client
	policy *policyclient.PolicyV1Client
	auth   *authclient.AuthorizationV1Client
	coord  *coordclient.CoordinationV1Client
}

// in runs a test in a bubble, against a server with nodes n1 to nN.
func in(t *testing.T, nodes int, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := New(t.Context(), Config{Seed: 1})
		defer s.Close()
		for i := range nodes {
			must(t, s.AddNode(fmt.Sprintf("n%d", i+1), map[string]string{"rack": "r1"}))
		}
		f(t, newBench(t, s, ""))
	})
}

func newBench(t *testing.T, s *Server, token string) *bench {
	t.Helper()
	config := &rest.Config{Host: "http://kubetest", QPS: -1, BearerToken: token}
	transport := &http.Transport{DialContext: s.Dial}
	t.Cleanup(transport.CloseIdleConnections)
	round, err := rest.HTTPWrappersForConfig(config, transport)
	must(t, err)
	client := &http.Client{Transport: round}
	b := &bench{Server: s}
	b.core, err = coreclient.NewForConfigAndClient(config, client)
	must(t, err)
	b.apps, err = appsclient.NewForConfigAndClient(config, client)
	must(t, err)
	b.policy, err = policyclient.NewForConfigAndClient(config, client)
	must(t, err)
	b.auth, err = authclient.NewForConfigAndClient(config, client)
	must(t, err)
	b.coord, err = coordclient.NewForConfigAndClient(config, client)
	must(t, err)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// evict asks for one eviction, by UID.
func (b *bench) evict(p *corev1.Pod, dryRun ...string) error {
	return b.policy.Evictions(p.Namespace).Evict(context.Background(), &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.UID)), DryRun: dryRun},
	})
}

// readyPods counts the Ready ones of a namespace.
func (b *bench) readyPods(ns string) (n int) {
	for _, p := range List[*corev1.Pod](b.Server, ns) {
		if ready(p) && p.DeletionTimestamp == nil {
			n++
		}
	}
	return n
}

func TestDeploymentComesBackElsewhere(t *testing.T) {
	in(t, 3, func(t *testing.T, b *bench) {
		must(t, b.AddDeployment("shop", "web", 4, nil))
		must(t, b.AddService("shop", "web", "web"))
		time.Sleep(3 * time.Second)
		if n := b.readyPods("shop"); n != 4 {
			t.Fatalf("%d pods are Ready, want 4", n)
		}
		node := List[*corev1.Pod](b.Server, "shop")[0].Spec.NodeName
		_, err := b.core.Nodes().Patch(t.Context(), node, "application/strategic-merge-patch+json",
			[]byte(`{"spec":{"unschedulable":true}}`), metav1.PatchOptions{})
		must(t, err)
		for _, p := range List[*corev1.Pod](b.Server, "shop") {
			if p.Spec.NodeName == node {
				must(t, b.evict(p))
			}
		}
		time.Sleep(5 * time.Second)
		for _, p := range List[*corev1.Pod](b.Server, "shop") {
			if p.Spec.NodeName == node {
				t.Errorf("pod %s is on the cordoned node", p.Name)
			}
		}
		if n := b.readyPods("shop"); n != 4 {
			t.Errorf("%d pods are Ready afterwards, want 4", n)
		}
		d, err := b.apps.Deployments("shop").Get(t.Context(), "web", metav1.GetOptions{})
		must(t, err)
		if d.Status.AvailableReplicas != 4 {
			t.Errorf("the Deployment has %d available", d.Status.AvailableReplicas)
		}
	})
}
