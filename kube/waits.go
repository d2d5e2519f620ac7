package kube

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// await looks until reasons returns none, again at each change of a node, a pod or what more is given, and once a second
// at least. It ends with ctx, naming what it waited for last.
func (c *Cluster) await(ctx context.Context, node, operation string, waiting func(string), reasons func() []string) error {
	say := newSpeaker(waiting)
	for {
		nodes, pods, endpoints := c.nodes.changes.wait(), c.pods.changes.wait(), c.slices.changes.wait()
		left := reasons()
		if len(left) == 0 {
			return nil
		}
		if _, trouble := c.trouble.now(); trouble != nil {
			left = append([]string{unanswered(trouble)}, left...)
		}
		say.about(left, false)
		timer := time.NewTimer(time.Second)
		select {
		case <-nodes:
		case <-pods:
		case <-endpoints:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if sleep(ctx, changesTogether) != nil {
			return fmt.Errorf("node %s: %s: %w: waited for %s", node, operation, context.Cause(ctx), shorten(left, 4))
		}
	}
}

// AwaitReady waits until the node is Ready by the word of a kubelet that lives: one that has posted since. A Ready from
// before the stop stays in the API for 40 seconds, so it proves nothing. Proof is a heartbeat, transition or boot id that
// is new since then by our clock or later than it by the node's, or a renewed node lease (a kubelet that was started
// before this runner posts its status every five minutes only). version, unless "", is what the kubelet must say it is.
func (c *Cluster) AwaitReady(ctx context.Context, node, version string, since time.Time, waiting func(string)) error {
	alive := c.newLiveness(node, since)
	return c.await(ctx, node, "wait for Ready", waiting, func() []string {
		n, ok := c.nodes.get(node)
		if !ok {
			return []string{"node " + node + " to appear in the cluster"}
		}
		ready := readyCondition(n)
		switch has := n.Status.NodeInfo.KubeletVersion; {
		case ready.Status != corev1.ConditionTrue:
			return []string{"Ready: " + reasonOf(ready)}
		case !alive.proven(ctx, n):
			return []string{"a sign of life from the kubelet: its Ready is from before the stop"}
		case version != "" && has != version:
			return []string{fmt.Sprintf("kubelet %s: it says it is %s", version, has)}
		}
		return nil
	})
}

// liveness looks for proof that a kubelet has posted since a moment.
type liveness struct {
	c         *Cluster
	node      string
	since     time.Time
	first     *heartbeat // the first that we saw; another one is proof
	proof     bool
	nextLease time.Time
	renewed   time.Time // the node lease's renewal when we first looked
}

func (c *Cluster) newLiveness(node string, since time.Time) *liveness {
	l := &liveness{c: c, node: node, since: since, nextLease: time.Now().Add(leasePatience)}
	if n, ok := c.nodes.get(node); ok {
		beat := heartbeatOf(n)
		l.first = &beat
	}
	return l
}

const (
	leasePatience = 2 * time.Second // a kubelet posts its status at once when it starts; only then look at its lease
	leaseEvery    = 5 * time.Second // it renews every 10
)

func (l *liveness) proven(ctx context.Context, n *corev1.Node) bool {
	beat := heartbeatOf(n)
	if l.first == nil {
		l.first = &beat
	}
	if beat != *l.first || beat.beat.After(l.since) || beat.transition.After(l.since) || l.sameSecond(beat) {
		l.proof = true
	}
	if !l.proof && time.Now().After(l.nextLease) {
		l.nextLease = time.Now().Add(leaseEvery)
		l.proof = l.leaseRenewed(ctx)
	}
	return l.proof
}

// sameSecond takes a heartbeat from the very second of the stop, which the API keeps no finer, where it isn't the one that
// was there before the stop: a kubelet that is back in less than a second would else be noticed with its next lease only.
func (l *liveness) sameSecond(beat heartbeat) bool {
	before, ok := l.c.proof.lastBeat(l.node)
	return ok && beat.beat != before.beat && !beat.beat.Before(l.since.Truncate(time.Second))
}

// leaseRenewed compares two readings of the kubelet's lease, or one with since.
func (l *liveness) leaseRenewed(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	lease, err := l.c.coordination.Leases(corev1.NamespaceNodeLease).Get(ctx, l.node, metav1.GetOptions{})
	if err != nil || lease.Spec.RenewTime == nil {
		return false
	}
	renewed := lease.Spec.RenewTime.Time
	if l.renewed.IsZero() {
		l.renewed = renewed
	}
	return renewed.After(l.since) || renewed.After(l.renewed)
}

// AwaitWhole waits until the node is what it was: its node-critical pods (static ones, DaemonSets', those of priority
// system-node-critical) run and are ready, every DaemonSet that belongs there has its pod, and no allocatable resource is
// less than before (memory: by more than 1 %). Pods that weren't ready when we claimed the node aren't waited for. After a
// reboot a pod's Ready from before it doesn't count.
func (c *Cluster) AwaitWhole(ctx context.Context, node string, before map[string]string, waiting func(string)) error {
	began := time.Now()
	return c.await(ctx, node, "wait for node-critical pods", waiting, func() []string {
		n, ok := c.nodes.get(node)
		if !ok {
			return []string{"node " + node + " to appear in the cluster"}
		}
		return append(c.notYetReady(n, before, time.Since(began)), c.notWhole(n, before)...)
	})
}

// AwaitServed waits until the pods that were placed on the node since then run and are ready, and every Service has as
// many ready endpoints as at the start, or none that is merely not ready yet.
func (c *Cluster) AwaitServed(ctx context.Context, node string, since time.Time, waiting func(string)) error {
	return c.await(ctx, node, "wait for its pods", waiting, func() []string {
		return append(notServing(c.podsOn(node), since), c.proof.notWhole()...)
	})
}

// AwaitControlPlane waits until every control-plane member but one is healthy: its node Ready and its static pods
// (kube-apiserver, etcd, …) ready. Without others there is nothing to wait for.
func (c *Cluster) AwaitControlPlane(ctx context.Context, except string, waiting func(string)) error {
	return c.await(ctx, except, "wait for the other control-plane members", waiting, func() []string {
		return c.UnhealthyControlPlane(except)
	})
}

// UnhealthyControlPlane lists what is wrong with the control-plane members but those that are named.
func (c *Cluster) UnhealthyControlPlane(except ...string) []string {
	var ill []string
	for _, n := range c.nodes.all() {
		if isControlPlane(n) && !slices.Contains(except, n.Name) {
			ill = append(ill, memberIll(n, c.podsOn(n.Name))...)
		}
	}
	return ill
}
