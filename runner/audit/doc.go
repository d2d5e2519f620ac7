// Package audit finds what will hurt in the next maintenance while there is still time to mend it: a budget that never
// lets a pod go, replicas that share a node, a kubelet that keeps nothing for itself, a certificate about to expire.
//
//	facts, err := audit.Read(ctx, cluster)        // the API, once, page by page
//	facts.Machines = …                            // what the machines told over SSH (ParseMachine)
//	list := audit.Find(facts)                     // pure: nothing is asked any more
//
// Every check is a row of one table (checks.go): its name, how bad it is, why it matters, what to do, and a pure function
// from the facts to the places where it is so. Each place comes with a patch or a command that mends just that; applying
// all that Find printed and asking again finds nothing. A check that needs what couldn't be read says nothing; what that
// was stands in Facts.Gaps.
//
// Who has reasons to keep a thing as it is says so on the object itself, by rule, and isn't told again:
//
//	kubectl -n shop annotate deployment web fleetup.io/accept=single-replica,local-volume
package audit

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// Accept is the annotation by which somebody accepts findings about an object: rules, comma between.
const Accept = "fleetup.io/accept"

// Facts are all that the checks look at.
type Facts struct {
	Now          time.Time
	Nodes        []corev1.Node
	Pods         []corev1.Pod
	Namespaces   []corev1.Namespace
	Services     []corev1.Service
	Quotas       []corev1.ResourceQuota
	LimitRanges  []corev1.LimitRange
	Volumes      []corev1.PersistentVolume
	Budgets      []policyv1.PodDisruptionBudget
	Deployments  []appsv1.Deployment
	StatefulSets []appsv1.StatefulSet
	DaemonSets   []appsv1.DaemonSet
	ReplicaSets  []appsv1.ReplicaSet
	// Kubelets are their live configurations by node; a node that isn't there wasn't asked or didn't tell.
	Kubelets map[string]Kubelet
	// Hosts are the inventory's, all of them whatever is selected; nil: there is no inventory to compare with.
	Hosts []Host
	// Machines are what the selected hosts told, by node.
	Machines map[string]Machine
	// Skew says, by node, why its kubelet must not run beside the API servers there are; Behind why it won't beside the next.
	Skew, Behind map[string]string
	API          string // the oldest API server's version, as v1.37.2
	// Gaps are what couldn't be read, and why.
	Gaps []string
}

// Host is a machine of the inventory.
type Host struct {
	Node   string
	Groups []string
	Labels map[string]string
	Spare  bool
}
