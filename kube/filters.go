package kube

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The rules of `kubectl drain` (k8s.io/kubectl/pkg/drain/filters.go, v0.37), in its order and its words: a pod goes
// unless a rule says otherwise, and the first that does decides.

type verdict int

const (
	evict  verdict = iota // it goes
	skip                  // it stays, and the drain goes on
	refuse                // it stays, and nothing is drained before somebody decides
)

const (
	daemonSetFatal      = "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"
	daemonSetWarning    = "ignoring DaemonSet-managed Pods"
	localStorageFatal   = "Pods with local storage (use --delete-emptydir-data to override)"
	localStorageWarning = "deleting Pods with local storage"
	unmanagedFatal      = "Pods that declare no controller (use --force to override)"
	unmanagedWarning    = "deleting Pods that declare no controller"
	mirrorSkipped       = "static pod, the kubelet's own" // kubectl skips these without a word
)

// filter is one rule. why is empty where kubectl has nothing to say.
type filter func(p pod, o DrainOptions, has daemonSetLookup) (verdict, string)

// daemonSetLookup tells whether the DaemonSet "namespace/name" exists.
type daemonSetLookup func(key string) bool

var filters = []filter{daemonSetFilter, mirrorFilter, localStorageFilter, unmanagedFilter}

// judge asks all rules about a pod. The last reason given stays, as a pod may have several.
func judge(p pod, o DrainOptions, has daemonSetLookup) (verdict, string) {
	reason := ""
	for _, rule := range filters {
		v, why := rule(p, o, has)
		if v != evict {
			return v, why
		}
		if why != "" {
			reason = why
		}
	}
	return evict, reason
}

func daemonSetFilter(p pod, o DrainOptions, has daemonSetLookup) (verdict, string) {
	owner := metav1.GetControllerOf(p)
	switch {
	case owner == nil || !isDaemonSet(owner) || finished(p):
		return evict, ""
	case !has(p.Namespace + "/" + owner.Name):
		gone := fmt.Sprintf("daemonsets.apps %q not found", owner.Name)
		if o.Force {
			return evict, gone
		}
		return refuse, gone
	case !o.IgnoreDaemonSets:
		return refuse, daemonSetFatal
	}
	return skip, daemonSetWarning
}

func mirrorFilter(p pod, _ DrainOptions, _ daemonSetLookup) (verdict, string) {
	if isMirror(p) {
		return skip, mirrorSkipped
	}
	return evict, ""
}

func localStorageFilter(p pod, o DrainOptions, _ daemonSetLookup) (verdict, string) {
	switch {
	case !hasEmptyDir(p) || finished(p):
		return evict, ""
	case !o.DeleteEmptyDirData:
		return refuse, localStorageFatal
	}
	return evict, localStorageWarning
}

func unmanagedFilter(p pod, o DrainOptions, _ daemonSetLookup) (verdict, string) {
	switch {
	case metav1.GetControllerOf(p) != nil || finished(p):
		return evict, ""
	case !o.Force:
		return refuse, unmanagedFatal
	}
	return evict, unmanagedWarning
}

func isDaemonSet(o *metav1.OwnerReference) bool {
	return o.Kind == "DaemonSet" && o.APIVersion == "apps/v1"
}

func isMirror(p pod) bool {
	_, ok := p.Annotations[corev1.MirrorPodAnnotationKey]
	return ok
}

func finished(p pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func ending(p pod) bool { return !p.DeletionTimestamp.IsZero() }

func hasEmptyDir(p pod) bool {
	for _, v := range p.Spec.Volumes {
		if v.EmptyDir != nil {
			return true
		}
	}
	return false
}

// What kubectl doesn't say, and the operator would like to know beforehand.

// hostPaths are the pod's directories on the node itself, which it won't find on another.
func hostPaths(p pod) []string {
	var paths []string
	for _, v := range p.Spec.Volumes {
		if v.HostPath != nil {
			paths = append(paths, v.HostPath.Path)
		}
	}
	return paths
}

// claimsOf are the PersistentVolumeClaims of a pod, "namespace/name"; a generic ephemeral volume's is named after the pod.
func claimsOf(p pod) []string {
	var claims []string
	for _, v := range p.Spec.Volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			claims = append(claims, p.Namespace+"/"+v.PersistentVolumeClaim.ClaimName)
		case v.Ephemeral != nil:
			claims = append(claims, p.Namespace+"/"+p.Name+"-"+v.Name)
		}
	}
	return claims
}

// toleratesCordon says that the scheduler may put the pod onto the node although we closed it: it tolerates everything,
// or the very taint that a cordon is.
func toleratesCordon(p pod) bool {
	for _, t := range p.Spec.Tolerations {
		covers := t.Key == "" && t.Operator == corev1.TolerationOpExists || t.Key == corev1.TaintNodeUnschedulable
		if covers && (t.Effect == "" || t.Effect == corev1.TaintEffectNoSchedule) {
			return true
		}
	}
	return false
}

func graceOf(p pod, o DrainOptions) (seconds int64) {
	if o.GracePeriod >= 0 {
		return wholeGrace(o)
	}
	if g := p.Spec.TerminationGracePeriodSeconds; g != nil {
		return *g
	}
	return corev1.DefaultTerminationGracePeriodSeconds
}
