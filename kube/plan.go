package kube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DrainOptions mean what the flags of `kubectl drain` mean, and are off when zero; but mind GracePeriod.
type DrainOptions struct {
	IgnoreDaemonSets   bool
	DeleteEmptyDirData bool
	Force              bool
	// GracePeriod replaces the pods' own; below zero: the pods' own. Whole seconds, at least one: zero is sent as one,
	// since 0 takes a pod from the API before it has ended on the node.
	GracePeriod time.Duration
	// Timeout counts from the first refusal, or from the first eviction where nothing is refused. 0: 15 minutes, or the
	// longest grace on the node and two minutes if that is more.
	Timeout time.Duration
	// PastBudget names the budgets, "namespace/name", that a pod may pass when they block it: it is deleted, by UID and
	// with its grace, instead of evicted.
	PastBudget []string
	// LastEndpoint is what becomes of a Service's last ready endpoint: LastSurge, LastBlock or LastAllow. With any of them
	// pods of a Service that no budget guards go one at a time, each once the Service has its endpoints back; "" takes no
	// notice of Services, as kubectl.
	LastEndpoint string
	// AcceptDowntime names the Services, or the workloads, "namespace/name", that may have no endpoint while a pod moves
	// that nothing else can spare.
	AcceptDowntime []string
	// Run is the run's id, by which a restart that was begun is known again.
	Run string
	// Tell hears of a restart before it happens; an error keeps it from happening and ends the drain. May be nil.
	Tell func(what string) error
}

// Drain is what a drain would do, as the watches know it.
type Drain struct {
	Evict, Skip, Refuse []PodVerdict
	// Warnings are what is lost or odd but stops nothing: emptyDir data, hostPath, local volumes, pods that come back.
	Warnings []string
	// Blockers are what the eviction API would say no to now, and Services that have to wait.
	Blockers []string
	// Downtime names the Services that would have no endpoint, each with why nothing can help and what can be done.
	Downtime []string
	// Grace is the longest that a pod to be evicted may take to end.
	Grace time.Duration
}

// PodVerdict is one pod and why it goes, stays or stands in the way; Why is empty where there is nothing to say.
type PodVerdict struct{ Namespace, Name, UID, Why string }

const beingDeleted = "being deleted already"

// PlanDrain says what a drain of node would do. It is pure: it asks the watches and sends nothing.
func (c *Cluster) PlanDrain(node string, o DrainOptions) Drain {
	var d Drain
	for _, p := range c.podsOn(node) {
		v, why := c.judge(p, o)
		if ending(p) && v == evict {
			why = beingDeleted
		}
		verdict := PodVerdict{p.Namespace, p.Name, string(p.UID), why}
		switch v {
		case evict:
			d.Evict = append(d.Evict, verdict)
			d.Grace = max(d.Grace, time.Duration(graceOf(p, o))*time.Second)
			d.Warnings = append(d.Warnings, c.warnings(p)...)
			c.planLeave(&d, p, o)
		case skip:
			d.Skip = append(d.Skip, verdict)
		case refuse:
			d.Refuse = append(d.Refuse, verdict)
		}
	}
	return d
}

// Grace is the longest that a pod which a drain of node would evict may take to end.
func (c *Cluster) Grace(node string, o DrainOptions) (longest time.Duration) {
	for _, p := range c.pods.of(onNode(node)) {
		if v, _ := c.judge(p, o); v == evict {
			longest = max(longest, time.Duration(graceOf(p, o))*time.Second)
		}
	}
	return longest
}

// planLeave says what would keep a pod, or what would be done so that it can go.
func (c *Cluster) planLeave(d *Drain, p pod, o DrainOptions) {
	how, why := c.leaves(p, o, true)
	switch {
	case how == surges:
		d.Warnings = append(d.Warnings, why)
		return // it leaves by its rollout, whatever its budget says
	case how == stays && o.LastEndpoint == LastSurge:
		d.Downtime = appendNew(d.Downtime, why)
	case how >= waits:
		d.Blockers = appendNew(d.Blockers, why)
	}
	d.Blockers = appendNew(d.Blockers, c.predicted(p, o)...)
}

// podsOn lists a node's pods by namespace and name.
func (c *Cluster) podsOn(node string) []pod {
	if node == "" {
		return nil
	}
	list := c.pods.of(onNode(node))
	slices.SortFunc(list, func(a, b pod) int { return cmp.Compare(keyOf(a), keyOf(b)) })
	return list
}

func (c *Cluster) judge(p pod, o DrainOptions) (verdict, string) {
	return judge(p, o, func(key string) bool { _, ok := c.daemonSets.get(key); return ok })
}

func (c *Cluster) predicted(p pod, o DrainOptions) []string {
	guards := c.budgetsOf(p)
	if mayPass(guards, o) {
		return nil
	}
	return blockers(p, guards)
}

// mayPass says that the user allowed to go past all the budgets of a pod.
func mayPass(guards []budget, o DrainOptions) bool {
	for _, b := range guards {
		if !slices.Contains(o.PastBudget, keyOf(b)) {
			return false
		}
	}
	return len(guards) > 0
}

// warnings are what kubectl doesn't say.
func (c *Cluster) warnings(p pod) []string {
	if finished(p) {
		return nil
	}
	var list []string
	say := func(format string, a ...any) { list = append(list, "pod "+keyOf(p)+" "+fmt.Sprintf(format, a...)) }
	if hasEmptyDir(p) {
		say("loses the data of its emptyDir volumes")
	}
	if paths := hostPaths(p); len(paths) > 0 {
		say("uses the node's own %s (hostPath)", strings.Join(paths, ", "))
	}
	for _, v := range c.localVolumes(p) {
		say("has the local volume %s: it can run on this node only", v)
	}
	if toleratesCordon(p) {
		say("tolerates a cordon: it may come back to this node at once")
	}
	return list
}

// localVolumes are those of a pod that no other node than its own can use: on a path of the node, or bound to it by whoever
// provides them, as LVM is. An ephemeral one isn't among them: the pod that takes this one's place gets another.
func (c *Cluster) localVolumes(p pod) []string {
	var claims []string
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			claims = append(claims, p.Namespace+"/"+v.PersistentVolumeClaim.ClaimName)
		}
	}
	if len(claims) == 0 {
		return nil
	}
	n, known := c.nodes.get(p.Spec.NodeName)
	var names []string
	for _, v := range c.volumesOf(claims) {
		if v.Spec.Local != nil || v.Spec.HostPath != nil || known && c.boundTo(v, n) {
			names = append(names, v.Name)
		}
	}
	slices.Sort(names)
	return names
}

// volumesOf are those that are bound to some claims.
func (c *Cluster) volumesOf(claims []string) (all []*corev1.PersistentVolume) {
	slices.Sort(claims)
	for _, claim := range slices.Compact(claims) {
		all = append(all, c.volumes.of(claim)...)
	}
	return all
}

// claimOf is the claim, "namespace/name", that a volume is bound to; "" for none.
func claimOf(v *corev1.PersistentVolume) string {
	if v.Spec.ClaimRef == nil {
		return ""
	}
	return v.Spec.ClaimRef.Namespace + "/" + v.Spec.ClaimRef.Name
}

func appendNew(list []string, more ...string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// wholeGrace is the grace to ask for in seconds.
func wholeGrace(o DrainOptions) int64 {
	return max(1, int64((o.GracePeriod+time.Second-1)/time.Second))
}

const defaultDrainTimeout = 15 * time.Minute

func (o DrainOptions) timeout(grace time.Duration) time.Duration {
	if o.Timeout > 0 {
		return o.Timeout
	}
	return max(defaultDrainTimeout, grace+2*time.Minute)
}

// ownerOf is a pod's controller in words, "ReplicaSet web-5d"; "" for none.
func ownerOf(p pod) string {
	if owner := metav1.GetControllerOf(p); owner != nil {
		return owner.Kind + " " + owner.Name
	}
	return ""
}
