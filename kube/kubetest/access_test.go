package kubetest

import (
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

func TestRights(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		b.Token("t0k3n", "fleetup")
		b.Authorize(func(user, verb, group, resource, ns, name string) bool {
			return user != "fleetup" || verb == "get" && resource == "nodes"
		})
		f := newBench(t, b.Server, "t0k3n")
		_, err := f.core.Nodes().Get(t.Context(), "n1", metav1.GetOptions{})
		must(t, err)
		_, err = f.core.Secrets("shop").List(t.Context(), metav1.ListOptions{})
		const denied = `secrets is forbidden: User "fleetup" cannot list resource "secrets" in API group "" in the namespace "shop"`
		if !apierrors.IsForbidden(err) || err.Error() != denied {
			t.Errorf("got %v", err)
		}
		for resource, want := range map[string]bool{"nodes": true, "pods": false} {
			r, err := f.auth.SelfSubjectAccessReviews().Create(t.Context(), &authorizationv1.SelfSubjectAccessReview{
				Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: resource}},
			}, metav1.CreateOptions{})
			must(t, err)
			if r.Status.Allowed != want {
				t.Errorf("get %s: %v, want %v", resource, r.Status.Allowed, want)
			}
		}
		rules, err := f.auth.SelfSubjectRulesReviews().Create(t.Context(), &authorizationv1.SelfSubjectRulesReview{}, metav1.CreateOptions{})
		must(t, err)
		if n := len(rules.Status.ResourceRules); n != 1 {
			t.Errorf("%d rules, want 1", n)
		}
		_, err = newBench(t, b.Server, "wrong").core.Nodes().Get(t.Context(), "n1", metav1.GetOptions{})
		if !apierrors.IsUnauthorized(err) {
			t.Errorf("a wrong token: %v, want 401", err)
		}
		codes := ""
		for _, r := range b.Requests() {
			if r.Resource == "secrets" && r.User == "fleetup" && r.Code == 403 {
				codes += r.Verb
			}
		}
		if codes != "list" {
			t.Errorf("the log tells %q of secrets", codes)
		}
	})
}

func TestServiceProxy(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		must(t, b.AddService("shop", "web", "web"))
		ask := func() (string, error) {
			raw, err := b.core.Services("shop").ProxyGet("", "web", "http", "/healthz", nil).DoRaw(t.Context())
			return string(raw), err
		}
		if _, err := ask(); !apierrors.IsServiceUnavailable(err) {
			t.Errorf("without endpoints: %v, want 503", err)
		}
		must(t, b.AddDeployment("shop", "web", 1, nil))
		time.Sleep(5 * time.Second)
		b.Proxy(func(ns, service, port, path string) (int, string) { return 200, ns + service + port + path })
		if got, err := ask(); err != nil || got != "shopwebhttp/healthz" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestRetryAfterIsHonouredByClientGo(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		began := time.Now()
		b.Fail(tooBusyUntil(began.Add(9 * time.Second)))
		_, err := b.core.Nodes().Get(t.Context(), "n1", metav1.GetOptions{})
		must(t, err)
		if took := time.Since(began); took != 10*time.Second || b.Count("get", "nodes") != 3 {
			t.Errorf("%d requests in %s, want 3 in 10s", b.Count("get", "nodes"), took)
		}
	})
}

// Outside a bubble, over a real socket, as the demo does.
func TestRealListener(t *testing.T) {
	s := New(t.Context(), Config{StartDelay: time.Millisecond})
	defer s.Close()
	must(t, s.AddNode("n1", nil))
	h := httptest.NewServer(s)
	defer h.Close()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, s.WriteKubeconfig(path, h.URL))
	config, err := clientcmd.BuildConfigFromFlags("", path)
	must(t, err)
	core, err := coreclient.NewForConfig(config)
	must(t, err)
	n, err := core.Nodes().Get(t.Context(), "n1", metav1.GetOptions{})
	must(t, err)
	if nodeReady(n) != corev1.ConditionTrue {
		t.Errorf("n1 is %s", nodeReady(n))
	}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	must(t, err)
	_, lists, err := d.ServerGroupsAndResources()
	must(t, err)
	if len(lists) != 8 {
		t.Errorf("%d groups, want 8", len(lists))
	}
	s.SetVersion("v1.38.1")
	v, err := d.ServerVersion()
	must(t, err)
	if v.GitVersion != "v1.38.1" || v.Minor != "38" {
		t.Errorf("version %+v", v)
	}
}
