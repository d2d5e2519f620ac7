package kubetest

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Machine is one of cluster-api's, as far as its metadata: the one kind here that Kubernetes doesn't bring along.
type Machine struct {
	metav1.PartialObjectMetadata `json:",inline"`
}

// DeepCopyObject implements runtime.Object.
func (m *Machine) DeepCopyObject() runtime.Object {
	return &Machine{*m.PartialObjectMetadata.DeepCopy()}
}

// apiGroup describes one group, by the path /apis/GROUP.
func apiGroup(path string) *metav1.APIGroup {
	for _, g := range groupList().Groups {
		if path == "/apis/"+g.Name {
			return &g
		}
	}
	return nil
}
