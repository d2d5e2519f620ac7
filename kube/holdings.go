package kube

import (
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// holdings are what this process claimed and hasn't given back. The annotations are what another process goes by, but
// a hand, or a tool that knows nothing of them, may take them off a node in the middle of its work, and a kubelet may
// register its Node anew. Without a record nobody would know whose cordon it is, and giving back would give nothing back.
type holdings struct {
	mu     sync.Mutex
	states map[holding]map[string]string
}

type holding struct{ node, run string }

func (h *holdings) keep(node, run string, state map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.states == nil {
		h.states = map[holding]map[string]string{}
	}
	h.states[holding{node, run}] = maps.Clone(state)
}

func (h *holdings) forget(node, run string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.states, holding{node, run})
}

// putBack writes the claim of run on a node again where it isn't any more, as it was recorded. Another run's stays.
func (h *holdings) putBack(n *corev1.Node, run string) {
	h.mu.Lock()
	state, ours := h.states[holding{n.Name, run}]
	h.mu.Unlock()
	holder := n.Annotations[AnnotationRun]
	if !ours || holder != "" && holder != run || holder == run && flatMap(n.Annotations[AnnotationState]) != nil {
		return
	}
	setAnnotation(n, AnnotationRun, run)
	setAnnotation(n, AnnotationState, flatText(state))
}
