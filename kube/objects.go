package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ObjectRule is the right to read the objects that Objects is asked for.
func ObjectRule(resource, namespace, name string) Rule {
	plural, group, _ := strings.Cut(resource, ".")
	rule := Rule{Namespace: namespace, Group: group, Resource: plural, Name: name, Verbs: []string{"list"}, Why: "a gate asks for it"}
	if name != "" {
		rule.Verbs = []string{"get"}
	}
	return rule
}

// Objects reads objects of any kind, each as decoded JSON: resource is plural and group, "nodes" or
// "cephclusters.ceph.rook.io"; namespace "" is all; name "" is all. Nothing is cached. None of them is no error, unless a
// name was given.
func (c *Cluster) Objects(ctx context.Context, resource, namespace, name string) ([]map[string]any, error) {
	path, err := c.pathOf(ctx, resource, namespace, name)
	if err != nil {
		return nil, err
	}
	if name != "" {
		var object map[string]any
		if err := c.getJSON(ctx, path, &object); err != nil {
			return nil, explain("read "+resource+" "+name, err)
		}
		return []map[string]any{object}, nil
	}
	return listAll[map[string]any](ctx, c, path)
}

// pathOf asks the API server in which version it serves a resource, and whether in namespaces.
func (c *Cluster) pathOf(ctx context.Context, resource, namespace, name string) (string, error) {
	plural, group, _ := strings.Cut(resource, ".")
	root, err := c.rootOf(ctx, group)
	if err != nil {
		return "", err
	}
	var served metav1.APIResourceList
	if err := c.getJSON(ctx, root, &served); err != nil {
		return "", explain("ask for the resources of "+root, err)
	}
	for _, r := range served.APIResources {
		if r.Name != plural {
			continue
		}
		path := root
		switch {
		case namespace != "" && !r.Namespaced:
			return "", fmt.Errorf("%s don't live in namespaces: leave namespace out", resource)
		case namespace == "" && name != "" && r.Namespaced:
			return "", fmt.Errorf("%s live in namespaces: say in which one %q is", resource, name)
		case namespace != "":
			path += "/namespaces/" + namespace
		}
		path += "/" + plural
		if name != "" {
			path += "/" + name
		}
		return path, nil
	}
	return "", unknownResource(resource)
}

func (c *Cluster) rootOf(ctx context.Context, group string) (string, error) {
	if group == "" {
		return "/api/v1", nil
	}
	var groups metav1.APIGroupList
	if err := c.getJSON(ctx, "/apis", &groups); err != nil {
		return "", explain("ask for the API's groups", err)
	}
	for _, g := range groups.Groups {
		if g.Name == group {
			return "/apis/" + g.PreferredVersion.GroupVersion, nil
		}
	}
	return "", unknownResource("." + group)
}

func unknownResource(resource string) error {
	return errors.New("the cluster knows no " + strings.TrimPrefix(resource, ".") + ": is its CustomResourceDefinition installed? A resource is written as `kubectl api-resources` does: plural.group")
}

func (c *Cluster) getJSON(ctx context.Context, path string, into any) error {
	body, err := raw(ctx, c.core.RESTClient().Get().AbsPath(path).SetHeader("Accept", "application/json").MaxRetries(0))
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
