package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// AwaitConfigured asks the node's kubelet, through the API server's proxy, whether its live configuration has what is
// wanted: fields of kubelet.config.k8s.io/v1beta1; of a map, each entry that is named, and amounts by their value. An API or
// a kubelet that doesn't answer is waited for until ctx ends; one that answers something else is an error at once. Start
// isn't needed.
func (c *Cluster) AwaitConfigured(ctx context.Context, node string, want map[string]any, waiting func(string)) error {
	var body []byte
	var pauses backoff
	for {
		var err error
		if body, err = c.Ask(ctx, "/api/v1/nodes/"+node+"/proxy/configz"); err == nil {
			break
		}
		if !away(err) {
			return fmt.Errorf("node %s: the kubelet's live configuration: %w", node, err)
		}
		if waiting != nil {
			waiting("the kubelet to tell its configuration: " + err.Error())
		}
		if err := sleep(ctx, pauses.pause(err)); err != nil {
			return fmt.Errorf("node %s: the kubelet's live configuration: %w", node, err)
		}
	}
	var answer struct {
		Config map[string]any `json:"kubeletconfig"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Config == nil {
		return fmt.Errorf("node %s: the kubelet's live configuration is not understood: %.80q", node, body)
	}
	if differ := unlike(want, answer.Config); len(differ) > 0 {
		return fmt.Errorf("node %s: the kubelet runs with another configuration: %s; a flag or another file outranks what was set",
			node, strings.Join(differ, ", "))
	}
	return nil
}

// unlike names what a configuration has otherwise than wanted.
func unlike(want, has map[string]any) (list []string) {
	for field, w := range want {
		entries, isMap := w.(map[string]string)
		if !isMap {
			if fmt.Sprint(w) != fmt.Sprint(has[field]) {
				list = append(list, fmt.Sprintf("%s is %v, wanted %v", field, told(has[field]), w))
			}
			continue
		}
		had, _ := has[field].(map[string]any)
		for name, value := range entries {
			if !sameAmount(value, had[name]) {
				list = append(list, fmt.Sprintf("%s %s is %v, wanted %s", field, name, told(had[name]), value))
			}
		}
	}
	slices.Sort(list)
	return list
}

func told(v any) any {
	if v == nil {
		return "not set"
	}
	return v
}

// sameAmount compares quantities and durations by what they mean.
func sameAmount(want string, has any) bool {
	text, _ := has.(string)
	if text == want {
		return true
	}
	if a, errA := resource.ParseQuantity(want); errA == nil {
		if b, errB := resource.ParseQuantity(text); errB == nil {
			return a.Cmp(b) == 0
		}
	}
	a, errA := time.ParseDuration(want)
	b, errB := time.ParseDuration(text)
	return errA == nil && errB == nil && a == b
}
