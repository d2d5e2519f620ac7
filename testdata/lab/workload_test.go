package lab_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 3, selector: {matchLabels: {app: web}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: c, image: agent}]}
`

func TestWorkload(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 2})
	l.Apply(web)
	l.Kubectl("rollout", "status", "deployment/web", "daemonset/agent", "--timeout=60s")
	const want = "true true true true"
	ready := ""
	for end := time.Now().Add(30 * time.Second); ready != want && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		// the slices follow the rollout's end a moment later
		ready = l.Kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o", "jsonpath={.items[*].endpoints[*].conditions.ready}")
	}
	equal(t, "endpoints", ready, want)

	// Pods all have one address; a server there answers for them through the API server's proxy.
	listener, err := l.Listen("192.168.192.168:8080")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("here")) })}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	equal(t, "proxy", l.Kubectl("get", "--raw", "/api/v1/namespaces/default/services/web:http/proxy/"), "here")

	begin := time.Now()
	l.Kubectl("drain", "n1", "--ignore-daemonsets", "--timeout=60s")
	equal(t, "pods of web on n1", l.Kubectl("get", "pods", "-l", "app=web", "--field-selector=spec.nodeName=n1", "-o", "name"), "")
	sent := l.Audit().Since(begin).Of("kubectl")
	if evictions := sent.Count("create", "pods/eviction"); evictions == 0 {
		t.Errorf("no eviction among %d requests of kubectl", len(sent))
	}
	equal(t, "delete calls", sent.Count("delete", "pods"), 0)
	if nodes, err := l.Nodes(t.Context()); err != nil || !nodes["n1"].Unschedulable {
		t.Errorf("n1 isn't cordoned (%v)", err)
	}
	l.Kubectl("uncordon", "n1")
}

// What the API answers to evictions that it refuses, which the simulated one has to answer as well.
func TestRefusedEvictions(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 1})
	l.Apply(web)
	l.Kubectl("rollout", "status", "deployment/web", "--timeout=60s")
	l.Kubectl("patch", "pdb", "web", "-p", `{"spec":{"minAvailable":4}}`)
	refused := func(want string) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second) // until the disruption controller has seen the change
		for {
			out, err := l.TryKubectl("drain", "n1", "--ignore-daemonsets", "--timeout=1s")
			if err != nil && strings.Contains(err.Error(), want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("drain: want %q, got %q, %v", want, out, err)
			}
		}
	}
	refused("Cannot evict pod as it would violate the pod's disruption budget")
	l.Apply(strings.ReplaceAll(`{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: two},
		spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}`, "\t", ""))
	refused("more than one PodDisruptionBudget")
}
