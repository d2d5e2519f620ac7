package kube

import (
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/simulate"
)

// SelfNode is the node that this process's own pod runs on: $NODE_NAME where the manifest sets it, else looked up by
// pod name; "" outside a cluster. Valid after Start.
func (c *Cluster) SelfNode() string {
	if node := os.Getenv("NODE_NAME"); node != "" && os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return node
	}
	if p, ok := c.pods.get(selfPod()); ok {
		return p.Spec.NodeName
	}
	return ""
}

// selfPod is this process's own pod, "namespace/name": $POD_NAMESPACE and $POD_NAME where the manifest sets them, else the
// namespace of its account and the host name; "" outside a cluster.
func selfPod() string {
	namespace, name := os.Getenv("POD_NAMESPACE"), os.Getenv("POD_NAME")
	if namespace != "" && name != "" && os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return namespace + "/" + name
	}
	text, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if err != nil {
		return ""
	}
	if name, err = os.Hostname(); err != nil {
		return ""
	}
	return strings.TrimSpace(string(text)) + "/" + name
}

// HandOver returns nil where a pod in place of this process's own, which runs on the node, could start elsewhere now: the node
// may be closed, and that pod goes on. Else a *BlockedError says why not: a volume that is on this node alone, what the pod asks
// of a node, no room on any other that is open. nil too where the pod isn't to be found, as outside of a cluster. It asks nothing
// of the API.
func (c *Cluster) HandOver(node string) error {
	self := selfPod()
	if why := c.staysHere(self, c.World(func(string) DrainOptions { return DrainOptions{} })); why != "" {
		return &BlockedError{Node: node, Operation: "hand over", By: []string{"fleetup's own pod " + self + " " + why}}
	}
	return nil
}

// staysHere says why nothing would go on elsewhere if this process's own pod ended; "" where something would.
func (c *Cluster) staysHere(self string, w simulate.World) string {
	p, ok := c.pods.get(self)
	if !ok {
		return ""
	}
	if metav1.GetControllerOf(p) == nil {
		return "has nothing that would make another one elsewhere"
	}
	if why := simulate.Elsewhere(w, self); why != "" {
		return "could start on no other node: " + why
	}
	return ""
}
