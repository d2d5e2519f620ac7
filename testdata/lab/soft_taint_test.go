package lab_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/testdata/lab"
)

// twelve are workloads of a pod each, and agents that fill the first two of four nodes.
func twelve() string {
	var b strings.Builder
	for i := range 12 {
		fmt.Fprintf(&b, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: w%[1]d, labels: {kind: twelve}}
spec:
  selector: {matchLabels: {app: w%[1]d}}
  template:
    metadata: {labels: {app: w%[1]d}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: w, resources: {requests: {cpu: 10m, memory: 20Mi}}}]}
---`, i)
	}
	return b.String() + `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      nodeSelector: {crowded: "yes"}
      containers: [{name: c, image: agent, resources: {requests: {cpu: 300m, memory: 600Mi}}}]
`
}

// TestSoftTaintSparesMoves drains four nodes one after the other, without the soft taint and with it, and counts how often
// pods had to move.
func TestSoftTaintSparesMoves(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 4})
	l.Kubectl("label", "node", "n1", "n2", "crowded=yes")
	l.Apply(twelve())
	ready := func() {
		l.Kubectl("wait", "--for=condition=Available", "deployment", "-l", "kind=twelve", "--timeout=90s")
	}
	ready()
	c := openCluster(t, l)
	nodes := []string{"n1", "n2", "n3", "n4"}
	o := kube.DrainOptions{IgnoreDaemonSets: true, GracePeriod: -1, LastEndpoint: kube.LastSurge}
	moves := map[bool]int{}
	for _, soft := range []bool{false, true} {
		l.Kubectl("rollout", "restart", "deployment", "-l", "kind=twelve") // spread anew, over open nodes
		for i := range 12 {
			l.Kubectl("rollout", "status", fmt.Sprint("deployment/w", i), "--timeout=90s")
		}
		begin := time.Now()
		for i, n := range nodes {
			if soft {
				must(t, c.Pend(t.Context(), "run-1", nodes[i:]))
			}
			_, err := c.Claim(t.Context(), n, "run-1", nil)
			must(t, err)
			must(t, c.Drain(t.Context(), n, o, nil))
			ready()
			must(t, c.Release(t.Context(), n, "run-1", nil))
		}
		must(t, c.Pend(t.Context(), "run-1", nil))
		moves[soft] = l.Audit().Since(begin).Of("fleetup").Count("create", "pods/eviction")
	}
	t.Logf("12 pods on four nodes: %d moves without the soft taint, %d with it", moves[false], moves[true])
	if moves[true] >= moves[false] {
		t.Errorf("%d moves without the soft taint, %d with it", moves[false], moves[true])
	}
	for _, n := range getNodes(t, l) {
		if keys := taints(n); len(keys) > 0 {
			t.Errorf("%s is left with %v", n.Name, keys)
		}
	}
}

// TestProbePod: on a node that is cordoned and tainted the real scheduler places the probe pod, the real controllers make and
// bind the volume of its class, and both are gone afterwards. The lab's containers never end, so it fails by its time.
func TestProbePod(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 2})
	l.Apply(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-1}
spec:
  capacity: {storage: 2Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: fast
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: /tmp}
`)
	c := openCluster(t, l)
	_, err := c.Claim(t.Context(), "n1", "run-1", nil)
	must(t, err)
	p := kube.Probe{Image: "tools", Command: []string{"true"}, Namespace: "default", Timeout: 20 * time.Second, StorageClasses: []string{"fast"}}
	must(t, c.TryProbe(t.Context(), "n1", "run-1", p))
	p.Namespace = "nowhere"
	if err := c.TryProbe(t.Context(), "n1", "run-1", p); err == nil || !strings.Contains(err.Error(), `namespaces "nowhere" not found`) {
		t.Errorf("a namespace that isn't there: %v", err)
	}
	p.Namespace = "default"
	seen := make(chan string, 1)
	go func() {
		time.Sleep(12 * time.Second)
		out, err := l.TryKubectl("get", "pods,pvc", "-o", `jsonpath={range .items[*]}{.kind} {.spec.nodeName} {.status.phase};{end}`)
		seen <- fmt.Sprint(out, err)
	}()
	err = c.Probe(t.Context(), "n1", "run-1", p, nil)
	if err == nil || !strings.Contains(err.Error(), "node n1: probe pod default/fleetup-probe-") || !strings.Contains(err.Error(), "not done after 20s: Running") {
		t.Errorf("got %v", err)
	}
	if was := <-seen; !strings.Contains(was, "Pod n1 Running;") || !strings.Contains(was, "PersistentVolumeClaim  Bound;") {
		t.Errorf("in the middle: %q", was)
	}
	must(t, c.SweepProbes(t.Context()))
	left := "?"
	for end := time.Now().Add(30 * time.Second); left != "" && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		left = l.Kubectl("get", "pods,pvc", "-o", "name")
	}
	equal(t, "left behind", left, "")
	must(t, c.Release(t.Context(), "n1", "run-1", nil))
}
