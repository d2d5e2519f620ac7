package kube

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// fieldManager is whom the API server knows as the owner of what Apply sets.
const fieldManager = "fleetup"

// Applied is an object as Apply takes it: its JSON, and where it lives.
type Applied struct {
	Resource  string // plural.group: "cronjobs.batch"
	Namespace string // "" cluster-wide
	Name      string
	JSON      []byte
}

// Apply makes the objects, or changes them, by server-side apply: what others set on them stays theirs. dryRun lets the
// server judge them and keep nothing. It ends at the first error; to repeat it is safe.
func (c *Cluster) Apply(ctx context.Context, objects []Applied, dryRun bool) error {
	for _, o := range objects {
		path, err := c.pathOf(ctx, o.Resource, o.Namespace, o.Name)
		if err != nil {
			return err
		}
		request := c.core.RESTClient().Patch(types.ApplyYAMLPatchType).AbsPath(path).Body(o.JSON).
			SetHeader("Accept", "application/json").Param("fieldManager", fieldManager).Param("force", "true")
		if dryRun {
			request = request.Param("dryRun", metav1.DryRunAll)
		}
		body, err := request.Do(ctx).Raw()
		if err != nil {
			return explain(fmt.Sprintf("apply %s %s", o.Resource, o.Name), err)
		}
		var written struct{ Metadata metav1.ObjectMeta }
		if err := json.Unmarshal(body, &written); err != nil || written.Metadata.Name != o.Name {
			return fmt.Errorf("apply %s %s: the server's answer can't be read: %w", o.Resource, o.Name, err)
		}
	}
	return nil
}
