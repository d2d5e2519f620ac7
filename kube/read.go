package kube

import (
	"context"
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// listPage is how many objects are asked for at once.
const listPage = "500"

// Pages reads every object at a path of the API, as /apis/apps/v1/deployments: each is called with one page, a JSON
// list, in order. It ends with each's first error. Nothing is cached and nothing is tried twice; Start isn't needed.
func (c *Cluster) Pages(ctx context.Context, path string, each func(items json.RawMessage) error) error {
	for next := ""; ; {
		request := c.core.RESTClient().Get().AbsPath(path).SetHeader("Accept", "application/json").MaxRetries(0).Param("limit", listPage)
		if next != "" {
			request = request.Param("continue", next)
		}
		body, err := raw(ctx, request)
		if err != nil {
			return explain("list "+path[strings.LastIndex(path, "/")+1:], err)
		}
		var list struct {
			Metadata metav1.ListMeta `json:"metadata"`
			Items    json.RawMessage `json:"items"`
		}
		if err := json.Unmarshal(body, &list); err != nil {
			return explain("list "+path, err)
		}
		if len(list.Items) > 0 && string(list.Items) != "null" {
			if err := each(list.Items); err != nil {
				return err
			}
		}
		if next = list.Metadata.Continue; next == "" {
			return nil
		}
	}
}

// listAll reads every object at a path of the API, page by page. With an error come the pages before it.
func listAll[T any](ctx context.Context, c *Cluster, path string) (all []T, err error) {
	err = c.Pages(ctx, path, func(items json.RawMessage) error {
		var page []T
		err := json.Unmarshal(items, &page)
		all = append(all, page...)
		return err
	})
	return all, err
}

// Ask answers a GET of one path of the API that is no list, as /api/v1/nodes/n1/proxy/configz, with what came.
func (c *Cluster) Ask(ctx context.Context, path string) ([]byte, error) {
	body, err := raw(ctx, c.core.RESTClient().Get().AbsPath(path).SetHeader("Accept", "application/json").MaxRetries(0))
	if err != nil {
		return nil, explain("ask for "+path, err)
	}
	return body, nil
}

// raw is what was answered. Result.Raw alone calls every refusal unexpected: only Error reads the Status that says why.
func raw(ctx context.Context, request *rest.Request) ([]byte, error) {
	result := request.Do(ctx)
	body, err := result.Raw()
	if err == nil {
		return body, nil
	}
	if why := result.Error(); why != nil {
		err = why
	}
	return nil, err
}
