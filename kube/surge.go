package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// AnnotationRestarted stands on a Deployment that was restarted to make another pod before one goes: for which run,
	// and which pod. It is how a process that comes after a crash knows not to do so twice.
	AnnotationRestarted = "fleetup.io/restarted"
	// annotationRestartedAt is what `kubectl rollout restart` writes into the pod template (kubectl, objectrestarter.go).
	annotationRestartedAt = "kubectl.kubernetes.io/restartedAt"
)

func restartMark(run string, p pod) string { return run + "." + string(p.UID) }

// restart starts the rollout of a pod's Deployment anew, as `kubectl rollout restart` does, once for a run and pod. tell
// hears of it before, and nothing is done where that fails. The patch names the version it was decided upon: where
// somebody else changed the Deployment meanwhile it is a conflict, and decided anew.
func (c *Cluster) restart(ctx context.Context, p pod, o DrainOptions) error {
	d, ok := c.deploymentFor(p)
	if !ok || d.Annotations[AnnotationRestarted] == restartMark(o.Run, p) {
		return nil
	}
	if err := c.guard.check(); err != nil {
		return err
	}
	if o.Tell != nil {
		if err := o.Tell(fmt.Sprintf("restarts Deployment %s, so that its new pod is ready before %s goes", keyOf(d), p.Name)); err != nil {
			return &untoldError{err}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	written, err := c.apps.Deployments(d.Namespace).Patch(ctx, d.Name, types.StrategicMergePatchType,
		restartPatch(d, restartMark(o.Run, p), c.ServerTime()), metav1.PatchOptions{FieldManager: "fleetup"})
	if err == nil {
		c.deployments.trim(written)
		c.deployments.put(written)
	}
	return err
}

// untoldError is that nobody could be told of an effect, which therefore didn't happen.
type untoldError struct{ err error }

func (e *untoldError) Error() string { return e.err.Error() }
func (e *untoldError) Unwrap() error { return e.err }

func restartPatch(d deployment, mark string, at time.Time) []byte {
	patch := map[string]any{
		"metadata": map[string]any{"resourceVersion": d.ResourceVersion, "annotations": map[string]string{AnnotationRestarted: mark}},
		"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
			"annotations": map[string]string{annotationRestartedAt: at.UTC().Format(time.RFC3339)},
		}}},
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return nil // strings always marshal
	}
	return text
}
