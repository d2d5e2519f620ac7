package audit

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A pod that nobody makes has its whole spec in its patch, and a patch is printed, kept, and sent to others.

// secretive are words that stand beside secrets in command lines and headers, and addresses with a password in them.
var secretive = regexp.MustCompile(`(?i)passw|secret|token|credential|api-?key|private-?key|authorization|bearer|://[^\s/:@]*:[^\s/]+@`)

// keptEnvironment puts what a pod's containers have in their environment literally into a Secret, from the pod itself.
const keptEnvironment = `get pod %s -o 'jsonpath={range .spec.initContainers[*].env[?(@.value)]}{.name}={.value}{"\n"}{end}` +
	`{range .spec.containers[*].env[?(@.value)]}{.name}={.value}{"\n"}{end}' | sort -u | `

// hideEnvironment takes the literal values of the environment out of a spec: they come from a Secret then, which the command
// keep makes. It is false, with why, where a pod holds what no command can take over unseen.
func hideEnvironment(p *corev1.Pod, s *corev1.PodSpec) (keep, note string, ok bool) {
	name := p.Name + "-env"
	values := map[string]string{}
	for _, containers := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range containers {
			c := &containers[i]
			if secretive.MatchString(strings.Join(slices.Concat(c.Command, c.Args, headers(c)), " ")) {
				return "", "; there is no patch, for its arguments or probes may hold a secret: write its Deployment by hand", false
			}
			for k := range c.Env {
				e := &c.Env[k]
				if e.Value == "" {
					continue
				}
				if was, twice := values[e.Name]; twice && was != e.Value || strings.Contains(e.Value, "\n") || strings.Contains(e.Value, "$(") {
					return "", "; there is no patch, for its environment may hold secrets and is more than names and values: write its Deployment by hand", false
				}
				values[e.Name] = e.Value
				e.Value, e.ValueFrom = "", &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
					LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: e.Name}}
			}
		}
	}
	if len(values) == 0 {
		return "", "", true
	}
	keep = kubectl(p.Namespace, keptEnvironment, p.Name) + kubectl(p.Namespace, "create secret generic %s --from-env-file=/dev/stdin", name) + "\n"
	return keep, "; its environment isn't printed, the patch puts it into Secret " + name, true
}

// headers are those that a container's probes and hooks send.
func headers(c *corev1.Container) (list []string) {
	var asks []*corev1.HTTPGetAction
	for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if probe != nil {
			asks = append(asks, probe.HTTPGet)
			if probe.Exec != nil {
				list = append(list, probe.Exec.Command...)
			}
		}
	}
	if l := c.Lifecycle; l != nil {
		for _, h := range []*corev1.LifecycleHandler{l.PostStart, l.PreStop} {
			if h != nil {
				asks = append(asks, h.HTTPGet)
				if h.Exec != nil {
					list = append(list, h.Exec.Command...)
				}
			}
		}
	}
	for _, get := range asks {
		if get != nil {
			for _, h := range get.HTTPHeaders {
				list = append(list, h.Name, h.Value)
			}
		}
	}
	return list
}
