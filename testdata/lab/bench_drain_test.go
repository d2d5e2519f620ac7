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

// startCrowd puts thirty pods onto n1, and leaves n2 open for them to go to. Each drain moves them all to the other node.
func startCrowd(l *lab.Lab) {
	l.Apply(crowd)
	l.Kubectl("cordon", "n2")
	l.Kubectl("scale", "deployment/crowd", fmt.Sprintf("--replicas=%d", crowdSize))
	l.Kubectl("rollout", "status", "deployment/crowd", "--timeout=60s")
	l.Kubectl("uncordon", "n2")
}

// lastEnd is when the kubelet of a node told the API that the last of the pods has ended.
func lastEnd(t *testing.T, sent lab.Requests, node string) time.Time {
	t.Helper()
	var last time.Time
	ended := 0
	for _, r := range sent {
		if r.Verb == "delete" && r.Resource == "pods" && r.User == "system:node:"+node {
			ended++
			last = r.Received
		}
	}
	if ended < crowdSize {
		t.Errorf("the kubelet of %s ended %d pods, want %d", node, ended, crowdSize)
	}
	return last
}

func TestBenchDrain(t *testing.T) {
	benchOnly(t)
	l := lab.Start(t, lab.Options{Machines: 2})
	startCrowd(l)
	c := openCluster(t, l)
	from, to := "n1", "n2"
	move := func(drain func(node string)) (time.Duration, lab.Requests) {
		begin := time.Now()
		drain(from)
		took := time.Since(begin)
		sent := l.Audit().Since(begin)
		l.Kubectl("uncordon", from)
		l.Kubectl("rollout", "status", "deployment/crowd", "--timeout=60s")
		from, to = to, from
		return took, sent
	}
	var after []time.Duration
	alone := map[string][]time.Duration{} // without the pods' ending, which a kubelet reports every ten seconds at worst
	gets := 0
	took := alternate(t,
		contender{"fleetup", func() time.Duration {
			var end time.Time
			node := from
			took, sent := move(func(node string) { end = drainByFleetup(t, c, node) })
			last := lastEnd(t, sent, node)
			after = append(after, end.Sub(last))
			alone["fleetup"] = append(alone["fleetup"], took-last.Sub(lastEviction(sent)))
			ours := sent.Of("fleetup")
			equal(t, "evictions, dry and real", ours.Count("create", "pods/eviction"), 2*crowdSize)
			equal(t, "GETs of a pod", ours.Count("get", "pods"), 0)
			equal(t, "requests that are neither evictions nor the node's own", len(ours)-2*crowdSize-ours.Count("", "nodes"), 0)
			return took
		}},
		contender{"kubectl drain", func() time.Duration {
			node := from
			took, sent := move(func(node string) { l.Kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data") })
			alone["kubectl"] = append(alone["kubectl"], took-lastEnd(t, sent, node).Sub(lastEviction(sent)))
			gets = sent.Of("kubectl").Count("get", "pods")
			return took
		}})
	t.Logf("without the pods' ending: fleetup %v, kubectl %v", texts(alone["fleetup"]), texts(alone["kubectl"]))
	atMost(t, "a drain's end after its last pod's", median(after), 500*time.Millisecond)
	atMost(t, "a drain of 30 pods, dry and real, without the pods' ending", median(alone["fleetup"]), median(alone["kubectl"]),
		fmt.Sprintf("kubectl drain (with it: fleetup %s, kubectl %s)", seconds(took["fleetup"]), seconds(took["kubectl drain"])))
	figure(t, "GETs of a pod for it, beside 30 dry and 30 real evictions", "0", "0", t.Failed(), fmt.Sprintf("kubectl drain %d", gets))
}

// lastEviction is when the last eviction was asked for.
func lastEviction(sent lab.Requests) (last time.Time) {
	for _, r := range sent {
		if r.Resource == "pods/eviction" {
			last = r.Received
		}
	}
	return last
}

// drainByFleetup returns when the drain was over; the node is given back afterwards.
func drainByFleetup(t *testing.T, c *kube.Cluster, node string) time.Time {
	t.Helper()
	options := kube.DrainOptions{IgnoreDaemonSets: true, DeleteEmptyDirData: true, GracePeriod: -1}
	must(t, c.TryDrain(t.Context(), node, options, func(string) {}))
	_, err := c.Claim(t.Context(), node, "bench", nil)
	must(t, err)
	must(t, c.Drain(t.Context(), node, options, func(string) {}))
	end := time.Now()
	must(t, c.Release(t.Context(), node, "bench", nil))
	return end
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
