package kubetest

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// use is what pods ask of a node: how many they are, CPU in thousandths, memory in bytes.
type use struct{ pods, cpu, memory int64 }

func (u *use) add(p *corev1.Pod, sign int64) {
	if finished(p) {
		return
	}
	asked := requests(p)
	u.pods += sign
	u.cpu += sign * asked.cpu
	u.memory += sign * asked.memory
}

// requests sums up the containers'; init containers that ask for more count instead.
func requests(p *corev1.Pod) use {
	u := use{pods: 1}
	for _, c := range p.Spec.Containers {
		u.cpu += c.Resources.Requests.Cpu().MilliValue()
		u.memory += c.Resources.Requests.Memory().Value()
	}
	for _, c := range p.Spec.InitContainers {
		u.cpu = max(u.cpu, c.Resources.Requests.Cpu().MilliValue())
		u.memory = max(u.memory, c.Resources.Requests.Memory().Value())
	}
	return u
}

// room returns "" or what the node hasn't enough of. What a node doesn't name it has without end.
func (s *Server) room(p *corev1.Pod, n *corev1.Node) string {
	asked, has := requests(p), n.Status.Allocatable
	used := use{}
	if u := s.pods.used[n.Name]; u != nil {
		used = *u
	}
	if q, ok := has[corev1.ResourcePods]; ok && used.pods+1 > q.Value() {
		return "Too many pods"
	}
	if q, ok := has[corev1.ResourceCPU]; ok && asked.cpu > 0 && used.cpu+asked.cpu > q.MilliValue() {
		return "Insufficient cpu"
	}
	if q, ok := has[corev1.ResourceMemory]; ok && asked.memory > 0 && used.memory+asked.memory > q.Value() {
		return "Insufficient memory"
	}
	return s.extendedRoom(p, n)
}

// extendedRoom is the same for resources such as nvidia.com/gpu: what a node doesn't name it has none of.
func (s *Server) extendedRoom(p *corev1.Pod, n *corev1.Node) string {
	for _, c := range p.Spec.Containers {
		for name, asked := range c.Resources.Requests {
			if !strings.Contains(string(name), "/") {
				continue
			}
			left := n.Status.Allocatable[name].DeepCopy()
			for _, other := range s.pods.on(n.Name) {
				for _, oc := range other.Spec.Containers {
					left.Sub(oc.Resources.Requests[name])
				}
			}
			if left.Cmp(asked) < 0 {
				return "Insufficient " + string(name)
			}
		}
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
