package kube

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// world is a simulated cluster of some nodes and a Cluster that follows it, in virtual time.
type world struct {
	*testing.T
	*kubetest.Server
	ctx context.Context
	c   *Cluster
}

// inWorld runs a test in a bubble of virtual time. fill makes what there is before the watches start; its pods get five
// seconds to become Ready.
func inWorld(t *testing.T, fill func(w *world), test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(context.Background(), kubetest.Config{Seed: 1})
		defer s.Close()
		w := &world{T: t, Server: s}
		for _, n := range []string{"n1", "n2", "n3"} {
			w.must(s.AddNode(n, nil))
		}
		if fill != nil {
			fill(w)
		}
		time.Sleep(5 * time.Second)
		ctx, cancel := context.WithCancel(context.Background())
		w.ctx, w.c = ctx, w.open()
		defer w.c.Close()
		defer w.c.Wait()
		defer cancel()
		w.must(w.c.Start(ctx))
		test(w)
	})
}

// open makes another client of the same server, as another machine would.
func (w *world) open() *Cluster {
	w.Helper()
	return w.openConfig(Config{})
}

func (w *world) openConfig(config Config) *Cluster {
	w.Helper()
	file := filepath.Join(w.TempDir(), "kubeconfig")
	w.must(os.WriteFile(file, w.Kubeconfig(), 0o600))
	began := time.Now()
	config.Kubeconfig, config.Dial = file, w.Dial
	if config.Boottime == nil {
		config.Boottime = func() time.Duration { return time.Since(began) }
	}
	c, err := Open(config)
	w.must(err)
	return c
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) node(name string) *corev1.Node { return kubetest.Get[*corev1.Node](w.Server, "", name) }

// on lists the pods on a node by namespace/name, static and DaemonSet pods too.
func (w *world) on(node string) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, p := range kubetest.List[*corev1.Pod](w.Server, "") {
		if p.Spec.NodeName == node {
			pods = append(pods, p)
		}
	}
	return pods
}

// spoken collects what a wait says, with the time since it began.
type spoken struct {
	mu    sync.Mutex
	began time.Time
	first time.Duration
	texts []string
}

func listen() *spoken { return &spoken{began: time.Now()} }

func (s *spoken) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.texts) == 0 {
		s.first = time.Since(s.began)
	}
	s.texts = append(s.texts, text)
}

func (s *spoken) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.texts, "\n")
}

// heard fails the test unless the words came, the first of all within two seconds.
func (s *spoken) heard(t *testing.T, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(s.all(), word) {
			t.Errorf("not said: %q, but:\n%s", word, s.all())
		}
	}
	if s.first > 2*time.Second {
		t.Errorf("said after %s", s.first)
	}
}

// later runs f in virtual time, and is waited for by the bubble.
func later(d time.Duration, f func()) { time.AfterFunc(d, f) }

// ownPods are drain options that ask nothing special.
func ownPods() DrainOptions {
	return DrainOptions{IgnoreDaemonSets: true, DeleteEmptyDirData: true, GracePeriod: -1}
}
