package audit

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestRequested: what a pod is counted for, as the scheduler counts it.
// Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
func TestRequested(t *testing.T) {
	of := func(mib string) corev1.Container {
		list := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(mib)}
		return corev1.Container{Resources: corev1.ResourceRequirements{Requests: list, Limits: list}}
	}
	sidecar := func(mib string) corev1.Container {
		c := of(mib)
		c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		return c
	}
	whole := of("900Mi").Resources
	list := func(c ...corev1.Container) []corev1.Container { return c }
	for name, c := range map[string]struct {
		spec corev1.PodSpec
		mib  int64
	}{
		"containers together":                     {corev1.PodSpec{Containers: list(of("100Mi"), of("50Mi"))}, 150},
		"the largest init container":              {corev1.PodSpec{Containers: list(of("100Mi")), InitContainers: list(of("300Mi"), of("200Mi"))}, 300},
		"a sidecar runs beside them":              {corev1.PodSpec{Containers: list(of("100Mi")), InitContainers: list(sidecar("30Mi"))}, 130},
		"and beside what is initialised after it": {corev1.PodSpec{Containers: list(of("100Mi")), InitContainers: list(sidecar("30Mi"), of("300Mi"))}, 330},
		"but not beside what was before it":       {corev1.PodSpec{Containers: list(of("100Mi")), InitContainers: list(of("300Mi"), sidecar("30Mi"))}, 300},
		"what the pod as a whole asks for":        {corev1.PodSpec{Containers: list(of("100Mi")), Resources: &whole}, 900},
		"what its runtime takes beside them":      {corev1.PodSpec{Containers: list(of("100Mi")), Overhead: of("20Mi").Resources.Requests}, 120},
		"nothing, where nobody has said anything": {corev1.PodSpec{Containers: list(corev1.Container{})}, 0},
	} {
		if got := requested(c.spec, corev1.ResourceMemory); got != mebi(c.mib) {
			t.Errorf("%s: %d MiB", name, got>>20)
		}
		if got := limitOf(c.spec); got != mebi(c.mib) {
			t.Errorf("%s: limited to %d MiB", name, got>>20)
		}
	}
}
