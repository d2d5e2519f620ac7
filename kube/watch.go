package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// signal is a channel that is closed at the next change, and then replaced.
type signal struct {
	mu   sync.Mutex
	next chan struct{}
}

func (s *signal) init() { s.next = make(chan struct{}) }

func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

func (s *signal) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.next)
	s.next = make(chan struct{})
}

// table holds one kind's objects, trimmed, as the watch last told of them. It is the store that a Reflector fills.
// Objects in it are never changed, only replaced: readers share them.
type table[T metav1.Object] struct {
	trim    func(T)
	groupBy func(T) []string    // the groups under which of() finds an object; nil: its namespace
	hook    func(before, now T) // called under no lock, in the order of events; either may be nil
	relist  func(all map[string]T)
	changes signal

	mu     sync.RWMutex
	items  map[string]T
	groups map[string]map[string]T
	synced chan struct{}
	once   sync.Once
}

func newTable[T metav1.Object](trim func(T), groupBy func(T) []string) *table[T] {
	t := &table[T]{trim: trim, groupBy: groupBy, items: map[string]T{}, groups: map[string]map[string]T{}, synced: make(chan struct{})}
	if groupBy == nil {
		t.groupBy = func(o T) []string { return []string{o.GetNamespace()} }
	}
	t.changes.init()
	return t
}

// Transformer trims objects before anybody keeps them, also while a list is streamed.
func (t *table[T]) Transformer() cache.TransformFunc {
	return func(o any) (any, error) {
		if object, ok := o.(T); ok {
			t.trim(object)
		}
		return o, nil
	}
}

func keyOf(o metav1.Object) string {
	if o.GetNamespace() == "" {
		return o.GetName()
	}
	return o.GetNamespace() + "/" + o.GetName()
}

// Add and Update take in one event of the watch.
func (t *table[T]) Add(o any) error { return t.Update(o) }

func (t *table[T]) Update(o any) error {
	object, ok := o.(T)
	if !ok {
		return fmt.Errorf("unexpected object %T", o)
	}
	t.trim(object)
	t.put(object)
	return nil
}

// put keeps object unless a newer version of it is there: what our own write returned may be ahead of the watch.
func (t *table[T]) put(object T) {
	key := keyOf(object)
	t.mu.Lock()
	before := t.items[key]
	if older(object, before, t.has(key)) {
		t.mu.Unlock()
		return
	}
	t.set(key, object)
	t.mu.Unlock()
	t.changed(before, object)
}

func (t *table[T]) has(key string) bool { _, ok := t.items[key]; return ok }

// older compares resource versions, which count upwards for one resource (documented since Kubernetes 1.35, true before).
func older[T metav1.Object](now, before T, there bool) bool {
	if !there || now.GetUID() != before.GetUID() {
		return false
	}
	a, errA := strconv.ParseUint(now.GetResourceVersion(), 10, 64)
	b, errB := strconv.ParseUint(before.GetResourceVersion(), 10, 64)
	return errA == nil && errB == nil && a < b
}

func (t *table[T]) set(key string, object T) {
	t.drop(key)
	t.items[key] = object
	for _, group := range t.groupBy(object) {
		if t.groups[group] == nil {
			t.groups[group] = map[string]T{}
		}
		t.groups[group][key] = object
	}
}

func (t *table[T]) drop(key string) {
	before, ok := t.items[key]
	if !ok {
		return
	}
	delete(t.items, key)
	for _, group := range t.groupBy(before) {
		if delete(t.groups[group], key); len(t.groups[group]) == 0 {
			delete(t.groups, group)
		}
	}
}

func (t *table[T]) changed(before, now T) {
	if t.hook != nil {
		t.hook(before, now)
	}
	t.changes.fire()
}

// Delete takes in the end of an object.
func (t *table[T]) Delete(o any) error {
	object, ok := o.(T)
	if !ok {
		return fmt.Errorf("unexpected object %T", o)
	}
	key := keyOf(object)
	t.mu.Lock()
	before, there := t.items[key]
	t.drop(key)
	t.mu.Unlock()
	if there {
		var none T
		t.changed(before, none)
	}
	return nil
}

// Replace takes in a whole list: after the start, a 410 Gone or an outage. What isn't in it has gone meanwhile, which no
// event told.
func (t *table[T]) Replace(list []any, _ string) error {
	items := make(map[string]T, len(list))
	for _, o := range list {
		object, ok := o.(T)
		if !ok {
			return fmt.Errorf("unexpected object %T", o)
		}
		t.trim(object)
		items[keyOf(object)] = object
	}
	t.swap(items)
	t.once.Do(func() { close(t.synced) })
	return nil
}

func (t *table[T]) swap(items map[string]T) {
	t.mu.Lock()
	before := t.items
	t.items, t.groups = make(map[string]T, len(items)), map[string]map[string]T{}
	for key, object := range items {
		t.set(key, object)
	}
	t.mu.Unlock()
	if t.relist != nil {
		t.relist(items)
	} else if t.hook != nil {
		t.tellDifference(before, items)
	}
	t.changes.fire()
}

func (t *table[T]) tellDifference(before, now map[string]T) {
	var none T
	for key, object := range before {
		if _, ok := now[key]; !ok {
			t.hook(object, none)
		}
	}
	for key, object := range now {
		t.hook(before[key], object)
	}
}

// Resync is of no use here.
func (t *table[T]) Resync() error { return nil }

func (t *table[T]) get(key string) (T, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	object, ok := t.items[key]
	return object, ok
}

// of lists a group's objects; "" with the default grouping lists those without a namespace.
func (t *table[T]) of(group string) []T {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return values(t.groups[group])
}

func (t *table[T]) all() []T {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return values(t.items)
}

func values[T any](m map[string]T) []T {
	list := make([]T, 0, len(m))
	for _, v := range m {
		list = append(list, v)
	}
	return list
}

// lister is what a typed client has for each kind.
type lister[L runtime.Object] interface {
	List(ctx context.Context, o metav1.ListOptions) (L, error)
	Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error)
}

// follow keeps a table up to date until ctx ends. It never gives up: after an error it tries again with growing pauses.
func follow[L runtime.Object](ctx context.Context, name string, from lister[L], example runtime.Object, into cache.ReflectorStore, trouble *apiTrouble) {
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			if o.ResourceVersion == "0" {
				o.ResourceVersion = "" // "any" may be an answer of yesterday (kubernetes#83520)
			}
			list, err := from.List(ctx, o)
			trouble.note(name, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := from.Watch(ctx, o)
			trouble.note(name, err)
			return w, err
		},
	}
	reflector := cache.NewReflectorWithOptions(source, example, into, cache.ReflectorOptions{
		Name:    name,
		Logger:  new(logr.Discard()),
		Backoff: &wait.Backoff{Duration: 500 * time.Millisecond, Cap: 8 * time.Second, Steps: 6, Factor: 2, Jitter: 0.5},
	})
	run(klog.NewContext(ctx, logr.Discard()), reflector)
}

// run is Reflector.Run without its error handler, which sleeps on a clock of the whole process's.
func run(ctx context.Context, reflector *cache.Reflector) {
	var pauses backoff
	for ctx.Err() == nil {
		began := time.Now()
		err := reflector.ListAndWatchWithContext(ctx) // our own functions have noted what went wrong
		if time.Since(began) > time.Minute {
			pauses = backoff{}
		}
		if sleep(ctx, pauses.pause(err)) != nil {
			return
		}
	}
}

// apiTrouble remembers which watches stand still, why, and since when.
type apiTrouble struct {
	mu    sync.Mutex
	kinds map[string]error
	since time.Time
	lost  time.Duration // all the time that the API was away, but for an outage that still lasts
}

func (a *apiTrouble) note(kind string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil && !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		if a.kinds == nil {
			a.kinds = map[string]error{}
		}
		if len(a.kinds) == 0 {
			a.since = time.Now()
		}
		a.kinds[kind] = err
		return
	}
	if _, was := a.kinds[kind]; !was {
		return
	}
	if delete(a.kinds, kind); len(a.kinds) == 0 {
		a.lost += time.Since(a.since)
	}
}

// now is all the time lost so far to watches that can't go on, and the error of one that can't now, nil when all do.
func (a *apiTrouble) now() (lost time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	lost = a.lost
	if len(a.kinds) > 0 {
		kind := slices.Min(slices.Collect(maps.Keys(a.kinds))) // the same one each time: who waits says what changes
		err = fmt.Errorf("watch %s: %w", kind, a.kinds[kind])
		lost += time.Since(a.since)
	}
	return lost, err
}

// of is a kind's own error.
func (a *apiTrouble) of(kind string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kinds[kind]
}

// pod is short for what most of this package is about.
type pod = *corev1.Pod
