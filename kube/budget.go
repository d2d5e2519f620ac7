package kube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

type budget = *policyv1.PodDisruptionBudget

// budgetsOf are the budgets that guard a pod, by name. The eviction API knows how to deal with one; with two it answers 500.
func (c *Cluster) budgetsOf(p pod) []budget {
	var guards []budget
	for _, b := range c.budgets.of(p.Namespace) {
		if selects(b.Spec.Selector, p.Labels) {
			guards = append(guards, b)
		}
	}
	slices.SortFunc(guards, func(a, b budget) int { return cmp.Compare(a.Name, b.Name) })
	return guards
}

// selects follows policy/v1: an empty selector means every pod, none means no pod, an invalid one no pod either.
// Most are of plain labels alone, which are compared as they are: of a large cluster's pods each is held against all budgets of its
// namespace.
func selects(s *metav1.LabelSelector, of map[string]string) bool {
	if s != nil && len(s.MatchExpressions) == 0 {
		return hasLabels(of, s.MatchLabels)
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(of))
}

// hasLabels says that all of some labels are there, as the selector of a Service wants them.
func hasLabels(all, some map[string]string) bool {
	for key, value := range some {
		if got, there := all[key]; !there || got != value {
			return false
		}
	}
	return true
}

// passesBudget says that the eviction API lets a pod go whatever its budgets have left (registry/core/pod/storage/eviction.go).
func passesBudget(p pod, b budget) bool {
	if finished(p) || ending(p) || p.Status.Phase == corev1.PodPending {
		return true
	}
	if podReady(p) {
		return false
	}
	if policy := b.Spec.UnhealthyPodEvictionPolicy; policy != nil && *policy == policyv1.AlwaysAllow {
		return true
	}
	return b.Status.CurrentHealthy >= b.Status.DesiredHealthy && b.Status.DesiredHealthy > 0
}

func podReady(p pod) bool { return readiness(p).Status == corev1.ConditionTrue }

// readiness is a pod's Ready condition; zero where it has none yet.
func readiness(p pod) corev1.PodCondition {
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition
		}
	}
	return corev1.PodCondition{}
}

// blockers says what stands in the way of evicting a pod now, as far as the watches know; nil when nothing does.
func blockers(p pod, guards []budget) []string {
	if finished(p) || ending(p) || p.Status.Phase == corev1.PodPending {
		return nil
	}
	if len(guards) > 1 {
		return []string{twoBudgets(p, guards)}
	}
	for _, b := range guards {
		if b.Status.DisruptionsAllowed <= 0 && !passesBudget(p, b) {
			return []string{arithmetic(b)}
		}
	}
	return nil
}

func twoBudgets(p pod, guards []budget) string {
	names := make([]string, len(guards))
	for i, b := range guards {
		names[i] = b.Name
	}
	return fmt.Sprintf("pod %s has more than one budget (%s), which the eviction API refuses: change their selectors, or pass them with --past-budget",
		keyOf(p), strings.Join(names, ", "))
}

// arithmetic says what a budget needs and has, and names it where it can never allow anything.
func arithmetic(b budget) string {
	s, name := b.Status, "budget "+keyOf(b)
	failed := meta.FindStatusCondition(b.Status.Conditions, policyv1.DisruptionAllowedCondition)
	switch {
	case b.Status.ObservedGeneration < b.Generation:
		return name + " is still being processed by the server"
	case failed != nil && failed.Reason == policyv1.SyncFailedReason:
		return fmt.Sprintf("%s failed to sync: %s", name, failed.Message)
	case s.DesiredHealthy >= s.ExpectedPods && s.ExpectedPods > 0:
		return fmt.Sprintf("%s needs %d healthy pods and has %d: it never allows a disruption, as there are %d in all",
			name, s.DesiredHealthy, s.CurrentHealthy, s.ExpectedPods)
	}
	return fmt.Sprintf("%s needs %d healthy pods and has %d", name, s.DesiredHealthy, s.CurrentHealthy)
}

// held names a budget's arithmetic and the pods whose illness makes it what it is (kubernetes#72320).
func (c *Cluster) held(b budget) string {
	text := arithmetic(b)
	var ill []string
	for _, p := range c.pods.of(inNamespace(b.Namespace)) {
		if selects(b.Spec.Selector, p.Labels) && !podReady(p) && !finished(p) && !ending(p) {
			ill = append(ill, p.Name+" "+whyNotReady(p))
		}
	}
	if len(ill) == 0 {
		return text
	}
	slices.Sort(ill)
	return text + " (" + shorten(ill, 3) + ")"
}

// whyNotReady is the shortest true answer.
func whyNotReady(p pod) string {
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.State.Waiting != nil && s.State.Waiting.Reason != "" {
			return "is in " + s.State.Waiting.Reason
		}
	}
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return "can't be scheduled: " + condition.Message
		}
	}
	if p.Status.Phase != corev1.PodRunning && p.Status.Phase != "" {
		return "is " + string(p.Status.Phase)
	}
	return "isn't ready"
}

// shorten joins the first of a list and counts the rest.
func shorten(list []string, most int) string {
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}
