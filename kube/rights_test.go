package kube

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

func TestFault39MissingRights(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		missing, err := w.c.Missing(w.ctx, Extra(Needs{PastBudget: true, Proxy: true, Surge: true})...)
		if err != nil || missing != nil {
			t.Errorf("the administrator lacks %q, %v", missing, err)
		}
		w.Authorize(func(_, verb, group, resource, namespace, name string) bool {
			return !(resource == "pods/eviction" || resource == "leases" && namespace == "kube-system" && verb == "update")
		})
		missing, err = w.c.Missing(w.ctx)
		w.must(err)
		want := []string{
			"may not create pods/eviction (drain); add to a ClusterRole of this user:\n" +
				"- apiGroups: [\"\"]\n  resources: [\"pods/eviction\"]\n  verbs: [\"create\"]",
			"may not update leases in namespace kube-system (hold the lease); add to a Role in namespace kube-system of this user:\n" +
				"- apiGroups: [\"coordination.k8s.io\"]\n  resources: [\"leases\"]\n  verbs: [\"update\"]\n  resourceNames: [\"fleetup\"]",
		}
		if strings.Join(missing, "\n\n") != strings.Join(want, "\n\n") {
			t.Errorf("got:\n%s", strings.Join(missing, "\n\n"))
		}
		w.Refuse(true)
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		defer cancel()
		if _, err := w.c.Missing(ctx); err == nil {
			t.Error("no answer counts as no error")
		}
		w.Refuse(false)
	})
}

// Whoever may nothing learns of every rule at once, and at once: watches that are refused don't hold the error back.
func TestStartWithoutRights(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.Authorize(func(_, _, _, resource, _, _ string) bool { return resource == "selfsubjectaccessreviews" })
		c := w.open()
		begun := time.Now()
		err := c.Start(w.ctx)
		c.Wait()
		c.Close()
		if err == nil || strings.Count(err.Error(), "- apiGroups:") != len(Rules("")) || time.Since(begun) > time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
	})
}

// With exactly these rights a whole run works: none is missing. And each is used: the requests show it.
func TestRulesAreWhatARunNeeds(t *testing.T) {
	rules := append(Rules(""), Extra(Needs{PastBudget: true})...)
	allowed := func(verb, group, resource, namespace, name string) bool {
		for _, r := range rules {
			if r.Group == group && r.Resource == resource && (r.Namespace == "" || r.Namespace == namespace) && (r.Name == "" || r.Name == name) {
				for _, v := range r.Verbs {
					if v == verb {
						return true
					}
				}
			}
		}
		return resource == "selfsubjectaccessreviews"
	}
	inWorld(t, func(w *world) {
		shop(w)
		w.must(w.AddDeployment("shop", "api", 3, nil))
		w.must(w.AddPDB("shop", "api", "api", "3", ""))
		w.Authorize(func(_, verb, group, resource, namespace, name string) bool {
			ok := allowed(verb, group, resource, namespace, name)
			if !ok {
				t.Errorf("a run needs %s %s/%s in %q", verb, group, resource, namespace)
			}
			return ok
		})
	}, func(w *world) {
		lease, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		w.c.Guard(lease.Held)
		_, err = w.c.UID(w.ctx)
		w.must(err)
		o := ownPods()
		o.PastBudget = []string{"shop/api"}
		w.must(w.c.TryDrain(w.ctx, "n1", o, nil))
		w.claim("n1")
		w.c.Event(w.ctx, "n1", "run-1", "Cordoned", "for an upgrade", false)
		w.must(w.c.Drain(w.ctx, "n1", o, nil))
		_, _ = w.within(10*time.Second, func(ctx context.Context) error { return w.c.AwaitReady(ctx, "n1", "", time.Now(), nil) })
		w.must(w.c.Release(w.ctx, "n1", "run-1", nil))
		w.must(lease.Halt(w.ctx, "x"))
		time.Sleep(time.Minute)
		w.must(lease.Release(w.ctx))
		used := map[string]bool{}
		for _, r := range w.Requests() {
			used[r.Verb+" "+r.Resource] = true
		}
		for _, r := range rules {
			for _, verb := range r.Verbs {
				if !used[verb+" "+r.Resource] && verb != "list" { // a watch that streams its list needs it only against older servers
					t.Errorf("asked for, yet not used: %s %s", verb, r.Resource)
				}
			}
		}
	})
}

func TestStartNamesTheMissingRight(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.Authorize(func(_, _, _, resource, _, _ string) bool { return resource != "poddisruptionbudgets" })
		ctx, cancel := context.WithCancel(w.ctx)
		c := w.open()
		began := time.Now()
		err := c.Start(ctx)
		if err == nil || !strings.Contains(err.Error(), "list and watch poddisruptionbudgets.policy") || !strings.Contains(err.Error(), `verbs: ["list", "watch"]`) {
			t.Errorf("got %v", err)
		}
		if time.Since(began) > 2*time.Second {
			t.Errorf("took %s", time.Since(began))
		}
		cancel()
		c.Wait()
		c.Close()
	})
}

func TestStartWithoutAnAPIServer(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.Refuse(true)
		ctx, cancel := context.WithCancel(w.ctx)
		c := w.open()
		began := time.Now()
		err := c.Start(ctx)
		if err == nil || !strings.Contains(err.Error(), "no API server at ") || !strings.Contains(err.Error(), "refused") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took < 2*time.Second || took > 2100*time.Millisecond {
			t.Errorf("given up after %s", took)
		}
		cancel()
		c.Wait()
		w.Refuse(false)
	})
}

// One that takes the connection and keeps silent is given up after half a minute, by its address.
func TestStartWithoutAnAnswer(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.Delay(func(*http.Request) time.Duration { return time.Hour })
		ctx, cancel := context.WithCancel(w.ctx)
		c := w.open()
		began := time.Now()
		err := c.Start(ctx)
		if err == nil || !strings.Contains(err.Error(), c.address+" takes connections and gave no answer in 30s") || strings.Contains(err.Error(), "%!") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took < startTimeout || took > startTimeout+time.Second {
			t.Errorf("given up after %s", took)
		}
		cancel()
		c.Wait()
		w.Delay(nil)
	})
}

// An API server that is just being restarted is waited for, as is one that answers when it is asked once more.
func TestStartWaitsForAnAPIServer(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.Refuse(true)
		later(1900*time.Millisecond, func() { w.Refuse(false) })
		ctx, cancel := context.WithCancel(w.ctx)
		c := w.open()
		w.must(c.Start(ctx))
		cancel()
		c.Wait()
		c.Close()
	})
}

func TestNobody(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "up"},
		{&url.Error{Op: "Get", Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}}, "up"},
		{&net.DNSError{Name: "api", IsNotFound: true}, "name"},
		{&net.DNSError{Name: "api", IsTimeout: true, IsTemporary: true}, ""},
		{&tls.CertificateVerificationError{Err: errors.New("unknown authority")}, "authority"},
		{context.DeadlineExceeded, ""},
		{nil, ""},
	} {
		if got := nobody(tt.err); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%v: %q, want about %q", tt.err, got, tt.want)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("KUBECONFIG", filepath.Join(dir, "none"))
	t.Setenv("HOME", dir)
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := Open(Config{}); err == nil || !strings.Contains(err.Error(), "cluster.kubeconfig") {
		t.Errorf("nothing to open: %v", err)
	}
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Kubeconfig: file}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a broken file: %v", err)
	}
	if _, err := Open(Config{Kubeconfig: filepath.Join(dir, "absent")}); err == nil {
		t.Error("a file that isn't there")
	}
}

// TestEventsKeepTheirOrder: the API server's clock is known to half a second, and what is known of it may jump.
func TestEventsKeepTheirOrder(t *testing.T) {
	inWorld(t, shop, func(w *world) {
		for i, ahead := range []time.Duration{3 * time.Second, 0} {
			w.SetClock(ahead)
			_, err := w.c.UID(w.ctx) // an answer tells the server's time
			w.must(err)
			w.c.Event(w.ctx, "n1", "run-1", fmt.Sprint("Step", i), "", false)
		}
		time.Sleep(time.Second)
		at := map[string]time.Time{}
		for _, e := range kubetest.List[*corev1.Event](w.Server, "default") {
			at[e.Reason] = e.LastTimestamp.Time
		}
		if at["Step0"].IsZero() || at["Step1"].Before(at["Step0"]) {
			t.Errorf("told at %v", at)
		}
	})
}

func TestEventUIDAndProxy(t *testing.T) {
	inWorld(t, shop, func(w *world) {
		w.c.Event(w.ctx, "n1", "run-1", "Drained", "4 pods evicted", false)
		w.c.Event(w.ctx, "n1", "run-1", "Failed", "no kubelet", true)
		time.Sleep(time.Second)
		events := kubetest.List[*corev1.Event](w.Server, "default")
		mine := 0
		for _, e := range events {
			if e.Source.Component == "fleetup" && e.InvolvedObject.Kind == "Node" && e.InvolvedObject.UID == w.node("n1").UID && strings.HasPrefix(e.Message, "run run-1: ") {
				mine++
			}
		}
		if mine != 2 {
			t.Errorf("%d of ours among %+v", mine, events)
		}
		uid, err := w.c.UID(w.ctx)
		if err != nil || uid != string(kubetest.Get[*corev1.Namespace](w.Server, "", "kube-system").UID) {
			t.Errorf("%q %v", uid, err)
		}
		w.Proxy(func(ns, service, port, path string) (int, string) {
			if ns+service+port+path != "shopwebhttp/healthz/live" {
				return http.StatusNotFound, ns + " " + service + " " + port + " " + path
			}
			return http.StatusTeapot, "short and stout"
		})
		if status, err := w.c.ProxyGet(w.ctx, "shop/web:http", "/healthz/live"); status != http.StatusTeapot || err != nil {
			t.Errorf("%d %v", status, err)
		}
		if _, err := w.c.ProxyGet(w.ctx, "web", "/"); err == nil {
			t.Error("a Service without a namespace")
		}
		if n := w.c.SelfNode(); n != "" {
			t.Errorf("outside a cluster: %q", n)
		}
	})
}

func TestClocks(t *testing.T) {
	var d dateClock
	at := time.Date(2026, 7, 1, 12, 0, 0, 400_000_000, time.UTC)
	if _, known := d.read(); known {
		t.Error("known before any answer")
	}
	d.see(at.Truncate(time.Second), at, at) // in step: nothing to tell
	if offset, _ := d.read(); offset.Abs() > time.Second/2 {
		t.Errorf("offset %s", offset)
	}
	d.see(at.Add(time.Hour).Truncate(time.Second), at, at)
	if offset, _ := d.read(); (offset - time.Hour).Abs() > time.Second {
		t.Errorf("offset %s", offset)
	}
	if a, b := systemBoottime(), systemBoottime(); a <= 0 || b < a {
		t.Errorf("%s %s", a, b)
	}
	if old, newest := versionRange("v1.37.2", []string{"r.io/kube-apiserver:v1.36.9", "r.io:5000/kube-apiserver@sha256:0", "x/y:v0.1", "r.io/kube-apiserver:v1.38.0@sha256:1"}); old != "v1.36.9" || newest != "v1.38.0" {
		t.Errorf("%s %s", old, newest)
	}
}
