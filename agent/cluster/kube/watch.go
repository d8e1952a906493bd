package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// watchable is what of a typed client a watch needs.
type watchable[L runtime.Object] interface {
	List(ctx context.Context, opts metav1.ListOptions) (L, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

// Follow keeps store equal to what of source the selectors select, until ctx
// ends. The reflector streams, resumes closed watches, lists again when a
// resource version is too old and backs off when the server fails; where the
// role allows a list but no watch, as those written for buildx do, its retries
// amount to a list every few seconds. failed hears of every attempt, "list" or
// "watch", that the server refused or did not answer.
func Follow[L runtime.Object](ctx context.Context, source watchable[L], selectors metav1.ListOptions, example runtime.Object, store cache.ReflectorStore, failed func(verb string, err error)) {
	choose := func(o *metav1.ListOptions) {
		o.LabelSelector, o.FieldSelector = selectors.LabelSelector, selectors.FieldSelector
	}
	tell := func(verb string, err error) {
		if err != nil && ctx.Err() == nil {
			failed(verb, err)
		}
	}
	quietLogger := klog.New(nil)
	cache.NewReflectorWithOptions(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			choose(&o)
			list, err := source.List(ctx, o)
			tell("list", err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			choose(&o)
			w, err := source.Watch(ctx, o)
			tell("watch", err)
			return w, err
		},
	}, example, store, cache.ReflectorOptions{
		Logger: &quietLogger,
		Name:   "slipway",
		// The default begins at 0.8 s, which is long beside a cold start.
		Backoff: &wait.Backoff{Duration: 200 * time.Millisecond, Cap: 2 * time.Second, Steps: 8, Factor: 2, Jitter: 0.5},
	}).RunWithContext(ctx)
}

// Mirror is the store of one follow. It implements cache.ReflectorStore.
type Mirror[T metav1.Object] struct {
	changed func()

	mu     sync.Mutex
	synced bool
	lost   bool
	items  map[types.UID]T
}

// NewMirror makes an empty mirror; changed is called after each change of it.
func NewMirror[T metav1.Object](changed func()) *Mirror[T] {
	return &Mirror[T]{changed: changed, items: map[types.UID]T{}}
}

// Snapshot returns the items, in no order.
func (m *Mirror[T]) Snapshot() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.items))
}

// IsSynced is true once the server's first full answer has been taken in.
func (m *Mirror[T]) IsSynced() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.synced
}

// HasLost is true once an item that had been seen is no more. An item that
// never was in the mirror may just be too new for the server's cache.
func (m *Mirror[T]) HasLost() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lost
}

// Add implements cache.ReflectorStore.
func (m *Mirror[T]) Add(obj any) error {
	item, err := as[T](obj)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.items[item.GetUID()] = item
	m.mu.Unlock()
	m.changed()
	return nil
}

// Update implements cache.ReflectorStore.
func (m *Mirror[T]) Update(obj any) error { return m.Add(obj) }

// Delete implements cache.ReflectorStore.
func (m *Mirror[T]) Delete(obj any) error {
	item, err := as[T](obj)
	if err != nil {
		return err
	}
	m.mu.Lock()
	delete(m.items, item.GetUID())
	m.lost = true
	m.mu.Unlock()
	m.changed()
	return nil
}

// Replace implements cache.ReflectorStore.
func (m *Mirror[T]) Replace(list []any, _ string) error {
	items := make(map[types.UID]T, len(list))
	for _, obj := range list {
		item, err := as[T](obj)
		if err != nil {
			return err
		}
		items[item.GetUID()] = item
	}
	m.mu.Lock()
	for uid := range m.items {
		if _, ok := items[uid]; !ok {
			m.lost = true
		}
	}
	m.items, m.synced = items, true
	m.mu.Unlock()
	m.changed()
	return nil
}

// Resync implements cache.ReflectorStore; nothing is derived from the items.
func (m *Mirror[T]) Resync() error { return nil }

func as[T metav1.Object](obj any) (T, error) {
	item, ok := obj.(T)
	if !ok {
		return item, fmt.Errorf("the API server sent a %T where a %T was asked for", obj, item)
	}
	return item, nil
}
