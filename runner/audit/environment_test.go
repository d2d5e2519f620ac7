package audit

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestSecretsBesideTheEnvironment: wherever a container's spec may hold a secret, it is in no patch, which is said; what only looks like
// one of these places is patched.
func TestSecretsBesideTheEnvironment(t *testing.T) {
	get := func(name, value string) *corev1.HTTPGetAction {
		return &corev1.HTTPGetAction{HTTPHeaders: []corev1.HTTPHeader{{Name: "Accept", Value: "text/plain"}, {Name: name, Value: value}}}
	}
	asked := func(h *corev1.HTTPGetAction) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: h}}
	}
	ran := func(words ...string) *corev1.ExecAction { return &corev1.ExecAction{Command: words} }
	for _, tc := range []struct {
		name   string
		put    func(c *corev1.Container)
		hidden bool
	}{
		{"nothing", func(*corev1.Container) {}, false},
		{"a command", func(c *corev1.Container) { c.Command = []string{"app", "--api-key", "hunter2"} }, true},
		{"an address with a password", func(c *corev1.Container) { c.Args = []string{"--db=postgres://app:hunter2@db:5432/shop"} }, true},
		{"a password with an @ in it", func(c *corev1.Container) { c.Args = []string{"redis://:hunter@2@cache"} }, true},
		{"an address with a port", func(c *corev1.Container) { c.Args = []string{"--url=http://db:5432/x@y"} }, false},
		{"a header of a probe", func(c *corev1.Container) { c.LivenessProbe = asked(get("Authorization", "Basic aHVudGVyMg==")) }, true},
		{"a value of one", func(c *corev1.Container) { c.ReadinessProbe = asked(get("X-Auth", "Bearer hunter2")) }, true},
		{"a plain header", func(c *corev1.Container) { c.StartupProbe = asked(get("Host", "shop")) }, false},
		{"a probe's command", func(c *corev1.Container) {
			c.StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: ran("redis-cli", "--pass", "hunter2", "--no-auth-warning", "-u", "redis://u:hunter2@h")}}
		}, true},
		{"a hook's command", func(c *corev1.Container) {
			c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: ran("sh", "-c", "curl -H 'X-Token: hunter2' http://lb")}}
		}, true},
		{"a hook's header", func(c *corev1.Container) {
			c.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{HTTPGet: get("X-Api-Key", "hunter2")}}
		}, true},
	} {
		for _, init := range []bool{false, true} {
			p := &corev1.Pod{}
			p.Namespace, p.Name, p.Spec.RestartPolicy, p.Spec.Containers = "shop", "alone", corev1.RestartPolicyAlways, []corev1.Container{{Name: "main", Image: "app"}}
			c := &p.Spec.Containers[0]
			if init {
				p.Spec.InitContainers = []corev1.Container{{Name: "first", Image: "app"}}
				c = &p.Spec.InitContainers[0]
			}
			tc.put(c)
			command, note := newWorld(&Facts{}).deploymentOf(p)
			if (command == "") != tc.hidden || tc.hidden && !strings.Contains(note, "there is no patch") || strings.Contains(note, "hunter") {
				t.Errorf("%s, in an init container %v: %q, %q", tc.name, init, command, note)
			}
		}
	}
}
