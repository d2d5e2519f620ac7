package kube

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestObjects reads objects of the core group and of another, in a namespace, in all, and one by its name.
func TestObjects(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddDeployment("shop", "web", 2, map[string]string{"app": "web"}))
		w.must(w.AddDeployment("blog", "web", 1, map[string]string{"app": "web"}))
	}, func(w *world) {
		for _, tc := range []struct {
			resource, namespace, name string
			want                      []string // namespace/name, or the error's begin
		}{
			{"nodes", "", "", []string{"/n1", "/n2", "/n3"}},
			{"nodes", "", "n2", []string{"/n2"}},
			{"deployments.apps", "", "", []string{"blog/web", "shop/web"}},
			{"deployments.apps", "shop", "", []string{"shop/web"}},
			{"deployments.apps", "shop", "web", []string{"shop/web"}},
			{"deployments.apps", "none", "", nil},
			{"deployments.apps", "shop", "db", []string{"read deployments.apps db: "}},
			{"deployments.apps", "", "web", []string{`deployments.apps live in namespaces: say in which one "web" is`}},
			{"nodes", "shop", "", []string{"nodes don't live in namespaces: leave namespace out"}},
			{"cephclusters.ceph.rook.io", "", "", []string{"the cluster knows no ceph.rook.io: is its CustomResourceDefinition installed?"}},
			{"deployment.apps", "", "", []string{"the cluster knows no deployment.apps: is its CustomResourceDefinition installed?"}},
		} {
			objects, err := w.c.Objects(w.ctx, tc.resource, tc.namespace, tc.name)
			if err != nil {
				if len(tc.want) != 1 || !strings.HasPrefix(err.Error(), tc.want[0]) {
					t.Errorf("%s %s %s: %v, want %q", tc.resource, tc.namespace, tc.name, err, tc.want)
				}
				continue
			}
			var got []string
			for _, o := range objects {
				meta, _ := o["metadata"].(map[string]any)
				namespace, _ := meta["namespace"].(string)
				got = append(got, fmt.Sprintf("%s/%v", namespace, meta["name"]))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s %s %s (-want +got):\n%s", tc.resource, tc.namespace, tc.name, diff)
			}
		}
	})
}

func TestObjectRule(t *testing.T) {
	for _, tc := range []struct{ resource, namespace, name, want string }{
		{"nodes", "", "", "- apiGroups: [\"\"]\n  resources: [\"nodes\"]\n  verbs: [\"list\"]"},
		{"cephclusters.ceph.rook.io", "rook-ceph", "a", "- apiGroups: [\"ceph.rook.io\"]\n  resources: [\"cephclusters\"]\n  verbs: [\"get\"]\n  resourceNames: [\"a\"]"},
	} {
		if got := ObjectRule(tc.resource, tc.namespace, tc.name); got.YAML() != tc.want || got.Namespace != tc.namespace {
			t.Errorf("%v\n%s", got, got.YAML())
		}
	}
}
