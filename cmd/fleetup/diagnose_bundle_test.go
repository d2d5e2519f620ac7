package main

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestBarePods: whatever a secret is called, a bundle has none from a pod's environment or its commands.
func TestBarePods(t *testing.T) {
	holds := corev1.Container{Name: "app", Image: "shop/app:1", Command: []string{"/bin/app", "-x", "hunter2"}, Args: []string{"hunter2"}, Env: []corev1.EnvVar{{Name: "X", Value: "hunter2"}}}
	p := corev1.Pod{Spec: corev1.PodSpec{
		Containers: []corev1.Container{holds}, InitContainers: []corev1.Container{holds},
		EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "shell", Command: holds.Command, Args: holds.Args, Env: holds.Env}}},
	}}
	p.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: `{"value":"hunter2"}`}
	text, err := json.Marshal(bare([]corev1.Pod{p}))
	if err != nil || strings.Contains(string(text), "hunter2") || strings.Count(string(text), "/bin/app") != 3 {
		t.Errorf("%v: %s", err, text)
	}
	if p.Spec.Containers[0].Args[0] != "hunter2" {
		t.Error("the pod itself was changed")
	}
}
