package kube

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

func TestListen(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddDeployment("shop", "web", 2, nil)) }, func(w *world) {
		w.must(w.Add(&corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "e1"}, Reason: "NodeNotReady", LastTimestamp: metav1.NewTime(time.Now())}))
		h, err := w.c.Listen(w.ctx)
		w.must(err)
		if len(h.Nodes) != 3 || len(h.Pods) < 2 || len(h.Events) != 1 || h.Events[0].Reason != "NodeNotReady" {
			t.Errorf("heard %d nodes, %d pods, %+v", len(h.Nodes), len(h.Pods), h.Events)
		}
		w.Refuse(true)
		if _, err := w.c.Listen(w.ctx); err == nil {
			t.Error("an API server that is away said something")
		}
	})
}

// Who asks without watches hears within two seconds that no API server is there; one that is back before is passed by.
func TestAnswers(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.must(w.c.Answers(w.ctx))
		w.Refuse(true)
		began := time.Now()
		if err := w.c.Answers(w.ctx); err == nil || !strings.Contains(err.Error(), "no API server at ") || time.Since(began) > 3*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		var back sync.WaitGroup
		back.Go(func() {
			time.Sleep(time.Second)
			w.Refuse(false)
		})
		w.must(w.c.Answers(w.ctx))
		back.Wait()
	})
}

// Events of before aren't told, those that happen and happen again are, also when the watch was cut in between.
func TestFollowEvents(t *testing.T) {
	event := func(name string) *corev1.Event {
		return &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Reason: name}
	}
	inWorld(t, func(w *world) { w.must(w.Add(event("old"))) }, func(w *world) {
		var mu sync.Mutex
		var told []string
		ctx, cancel := context.WithCancel(w.ctx)
		var following sync.WaitGroup
		following.Go(func() {
			w.c.FollowEvents(ctx, func(e corev1.Event) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprintf("%s×%d", e.Reason, e.Count))
			})
		})
		time.Sleep(time.Second)
		w.must(w.Add(event("new")))
		time.Sleep(time.Second)
		w.CutWatches()
		w.must(kubetest.Change(w.Server, "default", "new", func(e *corev1.Event) { e.Count = 2 }))
		time.Sleep(30 * time.Second)
		cancel()
		following.Wait()
		if got := strings.Join(told, " "); got != "new×0 new×2" {
			t.Errorf("told %s", got)
		}
	})
}

func TestPodLogAndNode(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Runs(func(*corev1.Pod) kubetest.Ran { return kubetest.Ran{Log: "one\ntwo\n"} })
		w.must(w.Add(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "job"}, Spec: corev1.PodSpec{
			NodeName: "n2", RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "job"}}}}))
	}, func(w *world) {
		text, err := w.c.PodLog(w.ctx, "shop", "job", LogOptions{Lines: 10, Since: time.Now().Add(-time.Hour)})
		w.must(err)
		if !strings.Contains(text, "two") {
			t.Errorf("log: %q", text)
		}
		node, err := w.c.PodNode(w.ctx, "shop", "job")
		if err != nil || node != "n2" {
			t.Errorf("on %q, %v", node, err)
		}
		if _, err := w.c.PodNode(w.ctx, "shop", "gone"); err == nil || !strings.Contains(err.Error(), "read pod shop/gone") {
			t.Errorf("a pod that isn't there: %v", err)
		}
		for _, name := range []string{"jo", "gone"} {
			for _, err := range []error{only(w.c.PodNode(w.ctx, "shop", name)), only(w.c.PodLog(w.ctx, "shop", name, LogOptions{Lines: 1}))} {
				if err == nil || !strings.HasSuffix(err.Error(), "; there are job") {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if _, err := w.c.PodNode(w.ctx, "nowhere", "gone"); err == nil || !strings.HasSuffix(err.Error(), "namespace nowhere has no pods") {
			t.Errorf("a namespace that isn't there: %v", err)
		}
	})
}

// only is the error of a call that gives more.
func only(_ string, err error) error { return err }

// metrics-server is another API behind the same address; a cluster without one has no answer, and that is no error.
func TestUsage(t *testing.T) {
	s := kubetest.New(t.Context(), kubetest.Config{Seed: 1})
	defer s.Close()
	status := http.StatusNotFound
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/apis/metrics.k8s.io/v1beta1/nodes" {
			s.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status == http.StatusOK {
			fmt.Fprint(w, `{"kind":"NodeMetricsList","items":[{"metadata":{"name":"n1"},"usage":{"cpu":"3250m","memory":"2Gi"}}]}`)
		}
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := s.WriteKubeconfig(file, server.URL); err != nil {
		t.Fatal(err)
	}
	c, err := Open(Config{Kubeconfig: file})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.Usage(t.Context()); got != nil || err != nil {
		t.Errorf("without metrics-server: %v, %v", got, err)
	}
	status = http.StatusOK
	if got, err := c.Usage(t.Context()); err != nil || got["n1"] != (Usage{3.25, 2 << 30}) {
		t.Errorf("used %v, %v", got, err)
	}
	status = http.StatusServiceUnavailable
	if _, err := c.Usage(t.Context()); err == nil || !strings.Contains(err.Error(), "ask metrics-server") {
		t.Errorf("with one that is away: %v", err)
	}
}
