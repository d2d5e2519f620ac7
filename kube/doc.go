// Package kube is everything fleetup does through the Kubernetes API: it claims a node, drains it, waits for it to be
// well again, gives it back, keeps the fleet's lease, and measures what the Services had all the while.
//
//	c, err := kube.Open(kube.Config{Context: "prod"})
//	err = c.Start(ctx)                            // one watch a kind, for the whole run; ends with ctx
//	lease, err := c.Acquire(ctx, me, nil)         // nobody else runs now
//	c.Guard(lease.Held)                           // and nothing is claimed or evicted once that is in doubt
//
//	err = c.Pend(ctx, run, []string{"n1", "n2"})  // evicted pods had better go elsewhere; nil takes that off
//	plan := c.PlanDrain("n1", options)            // who goes, who stays, who stands in the way: no request
//	err = c.TryDrain(ctx, "n1", options, say)     // each eviction asked for with dryRun=All: waits uncordoned
//	state, err := c.Claim(ctx, "n1", run, facts)  // cordon, taint, label and annotations, in one update
//	err = c.Drain(ctx, "n1", options, say)        // evictions by UID, until pods and volumes are gone
//	…                                             // somebody upgrades and reboots the machine
//	err = c.AwaitReady(ctx, "n1", "v1.37.2", since, say)
//	err = c.Untaint(ctx, "n1", run)               // DaemonSet pods don't tolerate the taint
//	err = c.AwaitWhole(ctx, "n1", before, say)
//	err = c.Probe(ctx, "n1", run, probe, say)     // a pod tries the node out while it is still closed
//	err = c.Release(ctx, "n1", run, last)         // uncordons if we cordoned; the object is as it was before
//	err = c.AwaitServed(ctx, "n1", since, say)
//
// # What it promises
//
// Every write of a Node is one patch that names the resourceVersion it was decided upon, so two writers never mix, and
// fields this version of client-go doesn't know are left alone. Every write is safe to repeat. What we found (a human's
// cordon, kubeadm's label) stands in the annotation fleetup.io/state from the claim to the release, and nowhere else:
// a run whose journal is lost finds it there.
//
// A pod is evicted by UID: the StatefulSet pod that comes back under the same name is another pod. Finalizers are never
// touched. Nothing passes a PodDisruptionBudget unless DrainOptions.PastBudget names it. With DrainOptions.LastEndpoint
// a Service's last ready endpoint leaves only when another is ready, over all drains of a process: a Deployment is restarted so
// that its maxSurge makes the new pod first, and what nothing can help stays until DrainOptions.AcceptDowntime names it.
//
// A wait ends when what it waits for is seen in a watch, never by asking again and again; it calls its waiting function
// within two seconds with what it waits for, and again when that changes. An API server that is refused, slow or
// overloaded is waited for with growing pauses: it fails nothing, and the time counts towards no timeout.
//
// # How it is made
//
// Each kind has one cache.Reflector that fills one table (watch.go) of trimmed objects (trim.go). Decisions are pure
// functions over such objects: filters.go (kubectl's rules and words), budget.go, naming.go, whole.go, leave.go. pace.go
// knows what is on its way out, evict.go and surge.go send, drain.go is the loop that brings it all together.
package kube
