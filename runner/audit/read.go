package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// API is what Read needs of a cluster.
type API interface {
	// Pages calls each with the JSON list of every page at a path of the API.
	Pages(ctx context.Context, path string, each func(items json.RawMessage) error) error
	// Ask answers a GET of a path.
	Ask(ctx context.Context, path string) ([]byte, error)
}

// askedAtOnce is how many kubelets are asked at the same time, through the API server's proxy.
const askedAtOnce = 32

// Read reads the cluster once. What can't be read is an error, but for the kubelets' configurations, which need a right of
// their own (get nodes/proxy; the API server asks for no finer one): without it they are a gap.
func Read(ctx context.Context, api API) (*Facts, error) {
	f := &Facts{Now: time.Now()}
	lists := []func() error{
		list(ctx, api, "/api/v1/nodes", &f.Nodes),
		list(ctx, api, "/api/v1/pods", &f.Pods),
		list(ctx, api, "/api/v1/namespaces", &f.Namespaces),
		list(ctx, api, "/api/v1/services", &f.Services),
		list(ctx, api, "/api/v1/resourcequotas", &f.Quotas),
		list(ctx, api, "/api/v1/limitranges", &f.LimitRanges),
		list(ctx, api, "/api/v1/persistentvolumes", &f.Volumes),
		list(ctx, api, "/apis/policy/v1/poddisruptionbudgets", &f.Budgets),
		list(ctx, api, "/apis/apps/v1/deployments", &f.Deployments),
		list(ctx, api, "/apis/apps/v1/statefulsets", &f.StatefulSets),
		list(ctx, api, "/apis/apps/v1/daemonsets", &f.DaemonSets),
		list(ctx, api, "/apis/apps/v1/replicasets", &f.ReplicaSets),
	}
	errs := make([]error, len(lists))
	var wg sync.WaitGroup
	for i, read := range lists {
		wg.Go(func() { errs[i] = read() })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f.readKubelets(ctx, api)
	return f, nil
}

func list[T any](ctx context.Context, api API, path string, all *[]T) func() error {
	return func() error {
		return api.Pages(ctx, path, func(items json.RawMessage) error {
			var page []T
			if err := json.Unmarshal(items, &page); err != nil {
				return fmt.Errorf("list %s: not understood: %w", path, err)
			}
			*all = append(*all, page...)
			return nil
		})
	}
}

// readKubelets asks the kubelets of nodes that are Ready for their live configuration.
func (f *Facts) readKubelets(ctx context.Context, api API) {
	f.Kubelets = map[string]Kubelet{}
	gaps := make([]string, len(f.Nodes))
	var mu sync.Mutex
	room := make(chan struct{}, askedAtOnce)
	var wg sync.WaitGroup
	for i, n := range f.Nodes {
		if !ready(n) {
			continue
		}
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			body, err := api.Ask(ctx, "/api/v1/nodes/"+n.Name+"/proxy/configz")
			var k Kubelet
			if err == nil {
				k, err = ParseConfigz(body)
			}
			if err != nil {
				gaps[i] = fmt.Sprintf("node %s: the kubelet's configuration: %v", n.Name, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			f.Kubelets[n.Name] = k
		})
	}
	wg.Wait()
	f.addGaps(slices.DeleteFunc(gaps, func(s string) bool { return s == "" }))
}

// manyGaps is where gaps of the same kind are counted rather than listed.
const manyGaps = 3

func (f *Facts) addGaps(gaps []string) {
	if len(gaps) > manyGaps {
		gaps = []string{fmt.Sprintf("%s, and so of %d nodes in all", gaps[0], len(gaps))}
	}
	f.Gaps = append(f.Gaps, gaps...)
}
