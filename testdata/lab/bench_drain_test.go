package lab_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/testdata/lab"
)

const crowd = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: crowd}
spec:
  replicas: 0
  selector: {matchLabels: {app: crowd}}
  template:
    metadata: {labels: {app: crowd}}
    spec: {containers: [{name: c, image: crowd}]}
`

const crowdSize = 30

// gather puts thirty pods onto n1, and leaves n2 open for them to go to.
func gather(l *lab.Lab) {
	l.Kubectl("scale", "deployment/crowd", "--replicas=0")
	l.Kubectl("wait", "--for=delete", "pod", "-l", "app=crowd", "--timeout=60s")
	l.Kubectl("uncordon", "n1")
	l.Kubectl("cordon", "n2")
	l.Kubectl("scale", "deployment/crowd", fmt.Sprintf("--replicas=%d", crowdSize))
	l.Kubectl("rollout", "status", "deployment/crowd", "--timeout=60s")
	l.Kubectl("uncordon", "n2")
}

// lastEnd is when the kubelet told the API that the last of the pods has ended.
func lastEnd(t *testing.T, sent lab.Requests) time.Time {
	t.Helper()
	var last time.Time
	ended := 0
	for _, r := range sent {
		if r.Verb == "delete" && r.Resource == "pods" && r.User == "system:node:n1" {
			ended++
			last = r.Received
		}
	}
	if ended < crowdSize {
		t.Errorf("the kubelet ended %d pods, want %d", ended, crowdSize)
	}
	return last
}

func TestBenchDrain(t *testing.T) {
	benchOnly(t)
	l := lab.Start(t, lab.Options{Machines: 2})
	l.Apply(crowd)
	c := openCluster(t, l)
	options := kube.DrainOptions{IgnoreDaemonSets: true, DeleteEmptyDirData: true, GracePeriod: -1}
	var after []time.Duration
	gets := 0
	took := alternate(t,
		contender{"fleetup", func() time.Duration {
			gather(l)
			begin := time.Now()
			must(t, c.TryDrain(t.Context(), "n1", options, func(string) {}))
			_, err := c.Claim(t.Context(), "n1", "bench", nil)
			must(t, err)
			must(t, c.Drain(t.Context(), "n1", options, func(string) {}))
			end := time.Now()
			must(t, c.Release(t.Context(), "n1", "bench", nil))
			sent := l.Audit().Since(begin)
			after = append(after, end.Sub(lastEnd(t, sent)))
			ours := sent.Of("fleetup")
			equal(t, "evictions, dry and real", ours.Count("create", "pods/eviction"), 2*crowdSize)
			equal(t, "GETs of a pod", ours.Count("get", "pods"), 0)
			others := len(ours) - 2*crowdSize - ours.Count("", "nodes")
			equal(t, "requests that are neither evictions nor the node's own", others, 0)
			return end.Sub(begin)
		}},
		contender{"kubectl drain", func() time.Duration {
			gather(l)
			begin := time.Now()
			l.Kubectl("drain", "n1", "--ignore-daemonsets", "--delete-emptydir-data")
			end := time.Now()
			gets = l.Audit().Since(begin).Of("kubectl").Count("get", "pods")
			return end.Sub(begin)
		}})
	kubectl := fmt.Sprintf("kubectl drain %s with %d GETs of pods", seconds(took["kubectl drain"]), gets)
	atMost(t, "a drain's end after its last pod's", median(after), 500*time.Millisecond)
	atMost(t, "a drain of 30 pods, dry and real", took["fleetup"], took["kubectl drain"], kubectl)
	figure(t, "requests for it: 30 dry, 30 evictions, no GET of a pod", "60", "60", false, kubectl)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
