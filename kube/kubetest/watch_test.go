package kubetest

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// reflectPods runs a real Reflector of all pods until stop is called.
func reflectPods(b *bench) (store cache.Store, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	store = cache.NewStore(cache.MetaNamespaceKeyFunc)
	lw := cache.NewListWatchFromClient(b.core.RESTClient(), "pods", metav1.NamespaceAll, fields.Everything())
	r := cache.NewReflector(lw, &corev1.Pod{}, store, 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.RunWithContext(ctx)
	}()
	return store, func() {
		cancel()
		<-done
	}
}

// sameAs compares what the Reflector saw with what there is, by UID and version.
func (b *bench) sameAs(t *testing.T, store cache.Store, when string) {
	t.Helper()
	want := map[string]string{}
	for _, p := range List[*corev1.Pod](b.Server, "") {
		want[p.Namespace+"/"+p.Name] = string(p.UID) + "@" + p.ResourceVersion
	}
	if got := len(store.List()); got != len(want) {
		t.Errorf("%s: the reflector holds %d pods, there are %d", when, got, len(want))
	}
	for _, o := range store.List() {
		p := o.(*corev1.Pod)
		if got := string(p.UID) + "@" + p.ResourceVersion; got != want[p.Namespace+"/"+p.Name] {
			t.Errorf("%s: %s: the reflector holds %s, want %s", when, p.Name, got, want[p.Namespace+"/"+p.Name])
		}
	}
}

func TestReflectorSeesEverything(t *testing.T) {
	in(t, 3, func(t *testing.T, b *bench) {
		must(t, b.AddDeployment("shop", "web", 6, nil))
		store, stop := reflectPods(b)
		defer stop()
		time.Sleep(5 * time.Second)
		b.sameAs(t, store, "at first")

		for i, hurt := range []func(){
			b.CutWatches,
			b.ExpireWatches,
			func() { b.Refuse(true); time.Sleep(time.Minute); b.Refuse(false) },
			func() { b.Fail(gone); b.CutWatches(); time.Sleep(time.Minute); b.Fail(nil) },
			func() { b.Fail(broken); b.CutWatches(); time.Sleep(time.Minute); b.Fail(nil) },
		} {
			hurt()
			must(t, b.Delete(List[*corev1.Pod](b.Server, "shop")[i]))
			time.Sleep(2 * time.Minute)
			b.sameAs(t, store, fmt.Sprintf("after fault %d", i))
		}
		if lists := b.Count("list", "pods"); lists > 10 {
			t.Errorf("%d lists for five faults: the reflector lists in a loop", lists)
		}
	})
}

// gone is an API server that knows no past. (client-go asks again without a pause if even a watch from now gets 410.)
func gone(r *http.Request) (int, time.Duration, bool) {
	rv := r.URL.Query().Get("resourceVersion")
	return http.StatusGone, 0, rv != "" && rv != "0"
}

// broken breaks the connection of every request that reads.
func broken(r *http.Request) (int, time.Duration, bool) { return 0, 0, r.Method == http.MethodGet }

// next reads one event.
func next(t *testing.T, w watch.Interface) watch.Event {
	t.Helper()
	select {
	case e, ok := <-w.ResultChan():
		if !ok {
			t.Fatal("the watch has ended")
		}
		return e
	case <-time.After(time.Hour):
		t.Fatal("no event within an hour")
	}
	return watch.Event{}
}

func TestWatchShowsWhatItsSelectorSees(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		must(t, b.AddNode("other", nil))
		w, err := b.core.Nodes().Watch(t.Context(), metav1.ListOptions{LabelSelector: "rack=r1"})
		must(t, err)
		defer w.Stop()
		label := func(node, value string) {
			must(t, Change(b.Server, "", node, func(n *corev1.Node) { n.Labels = with(n.Labels, "rack", value) }))
		}
		for _, step := range []struct {
			do   func()
			want watch.EventType
			node string
		}{
			{func() {}, watch.Added, "n1"},
			{func() { label("other", "r1") }, watch.Added, "other"},
			{func() { label("n1", "r2") }, watch.Deleted, "n1"},
			{func() { label("n1", "r1") }, watch.Added, "n1"},
			{func() { must(t, b.Delete(Get[*corev1.Node](b.Server, "", "other"))) }, watch.Deleted, "other"},
		} {
			step.do()
			e := next(t, w)
			if n := e.Object.(*corev1.Node); e.Type != step.want || n.Name != step.node {
				t.Errorf("got %s %s, want %s %s", e.Type, n.Name, step.want, step.node)
			}
		}
	})
}

func TestWatchFromAVersion(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		list, err := b.core.Nodes().List(t.Context(), metav1.ListOptions{})
		must(t, err)
		must(t, b.AddNode("n2", nil))
		w, err := b.core.Nodes().Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion, AllowWatchBookmarks: true})
		must(t, err)
		defer w.Stop()
		if e := next(t, w); e.Type != watch.Added || e.Object.(*corev1.Node).Name != "n2" {
			t.Errorf("got %s, want n2 added and nothing of n1", e.Type)
		}
		for e := next(t, w); e.Type != watch.Bookmark; e = next(t, w) {
			if e.Object.(*corev1.Node).Name != "n2" {
				t.Errorf("%s of %s", e.Type, e.Object.(*corev1.Node).Name)
			}
		}
		b.ExpireWatches()
		if e := next(t, w); e.Type != watch.Error || !apierrors.IsResourceExpired(apierrors.FromObject(e.Object)) {
			t.Errorf("an open watch got %s %v after a compaction, want 410", e.Type, e.Object)
		}
		_, err = b.core.Nodes().Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
		if !apierrors.IsResourceExpired(err) {
			t.Errorf("a watch from before the compaction: %v, want 410", err)
		}
	})
}

func TestWatchEndsAtItsTimeout(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		seconds := int64(90)
		began := time.Now()
		w, err := b.core.Nodes().Watch(t.Context(), metav1.ListOptions{TimeoutSeconds: &seconds})
		must(t, err)
		for range w.ResultChan() {
		}
		if took := time.Since(began); took != 90*time.Second {
			t.Errorf("the watch lasted %s, want 90s", took)
		}
	})
}

func TestLogForgetsTheOldest(t *testing.T) {
	table := newTable(nodes)
	for rv := uint64(1); rv <= 2*logSize+1; rv++ {
		table.append(change{rv: rv})
	}
	if _, ok := table.since(logSize - 1); ok {
		t.Error("a forgotten version is served")
	}
	changes, ok := table.since(logSize)
	if !ok || len(changes) != logSize+1 || changes[0].rv != logSize+1 {
		t.Errorf("since %d: %d changes from %d, %v", logSize, len(changes), changes[0].rv, ok)
	}
}

// tooBusyUntil answers 429 with Retry-After 5 s.
func tooBusyUntil(end time.Time) func(*http.Request) (int, time.Duration, bool) {
	return func(*http.Request) (int, time.Duration, bool) {
		return http.StatusTooManyRequests, 5 * time.Second, time.Now().Before(end)
	}
}
