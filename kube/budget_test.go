package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// budgetOf has what its controller would write.
func budgetOf(name string, allowed, healthy, desired, expected int32, edits ...func(budget)) budget {
	b := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	b.Status = policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed, CurrentHealthy: healthy, DesiredHealthy: desired, ExpectedPods: expected}
	for _, edit := range edits {
		edit(b)
	}
	return b
}

func TestSelects(t *testing.T) {
	pod := map[string]string{"app": "web"}
	in := func(values ...string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: values}}}
	}
	tests := []struct {
		name     string
		selector *metav1.LabelSelector
		want     bool
	}{
		{"none: no pod", nil, false},
		{"empty: every pod (policy/v1)", &metav1.LabelSelector{}, true},
		{"label", &metav1.LabelSelector{MatchLabels: pod}, true},
		{"another label", &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}, false},
		{"expression", in("db", "web"), true},
		{"invalid: no pod", in(), false},
	}
	for _, test := range tests {
		if got := selects(test.selector, pod); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestBlockers(t *testing.T) {
	always := func(b budget) {
		policy := policyv1.AlwaysAllow
		b.Spec.UnhealthyPodEvictionPolicy = &policy
	}
	tests := []struct {
		name    string
		pod     pod
		budgets []budget
		want    string
	}{
		{"no budget", podOf("ReplicaSet", ready), nil, ""},
		{"allows one", podOf("ReplicaSet", ready), []budget{budgetOf("web", 1, 4, 3, 4)}, ""},
		{"spent", podOf("ReplicaSet", ready), []budget{budgetOf("web", 0, 3, 3, 4)}, "budget shop/web needs 3 healthy pods and has 3"},
		{"never", podOf("ReplicaSet", ready), []budget{budgetOf("web", 0, 4, 4, 4)},
			"budget shop/web needs 4 healthy pods and has 4: it never allows a disruption, as there are 4 in all"},
		{"two", podOf("ReplicaSet", ready), []budget{budgetOf("a", 1, 4, 3, 4), budgetOf("b", 1, 4, 3, 4)}, "pod shop/p has more than one budget (a, b)"},
		{"two, but the pod is pending", podOf("ReplicaSet", phase(corev1.PodPending)), []budget{budgetOf("a", 0, 0, 1, 1), budgetOf("b", 0, 0, 1, 1)}, ""},
		{"two, but it is finished", podOf("Job", phase(corev1.PodFailed)), []budget{budgetOf("a", 0, 0, 1, 1), budgetOf("b", 0, 0, 1, 1)}, ""},
		{"being deleted", podOf("ReplicaSet", ready, deleting), []budget{budgetOf("web", 0, 3, 3, 4)}, ""},
		{"unready while enough are healthy", podOf("ReplicaSet", unready), []budget{budgetOf("web", 0, 3, 3, 4)}, ""},
		{"unready while too few are", podOf("ReplicaSet", unready), []budget{budgetOf("web", 0, 2, 3, 4)}, "budget shop/web needs 3 healthy pods and has 2"},
		{"unready, AlwaysAllow", podOf("ReplicaSet", unready), []budget{budgetOf("web", 0, 2, 3, 4, always)}, ""},
		{"ready, AlwaysAllow is for the ill", podOf("ReplicaSet", ready), []budget{budgetOf("web", 0, 3, 3, 4, always)}, "budget shop/web needs 3 healthy pods and has 3"},
		{"not yet counted", podOf("ReplicaSet", ready), []budget{budgetOf("web", 0, 0, 0, 0, func(b budget) { b.Generation = 2 })},
			"budget shop/web is still being processed by the server"},
		{"sync failed", podOf("ReplicaSet", ready), []budget{budgetOf("web", 0, 0, 0, 0, func(b budget) {
			b.Status.Conditions = []metav1.Condition{{Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionFalse, Reason: policyv1.SyncFailedReason, Message: "no scale"}}
		})}, "budget shop/web failed to sync: no scale"},
	}
	for _, test := range tests {
		got := strings.Join(blockers(test.pod, test.budgets), "; ")
		if !strings.HasPrefix(got, test.want) || test.want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestMayPass(t *testing.T) {
	a, b := budgetOf("a", 0, 0, 0, 0), budgetOf("b", 0, 0, 0, 0)
	o := DrainOptions{PastBudget: []string{"shop/a", "other/b"}}
	for _, test := range []struct {
		guards []budget
		want   bool
	}{{nil, false}, {[]budget{a}, true}, {[]budget{b}, false}, {[]budget{a, b}, false}} {
		if got := mayPass(test.guards, o); got != test.want {
			t.Errorf("%v: %v", test.guards, got)
		}
	}
}

func TestWhyNotReady(t *testing.T) {
	waiting := func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "ok", Ready: true}, {Name: "c",
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
	}
	unplaced := func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes"}}
	}
	for want, p := range map[string]pod{
		"is in CrashLoopBackOff":        podOf("Job", waiting),
		"can't be scheduled: 0/3 nodes": podOf("Job", unplaced, phase(corev1.PodPending)),
		"is Pending":                    podOf("Job", phase(corev1.PodPending)),
		"isn't ready":                   podOf("Job", unready),
	} {
		trimPod(p)
		if got := whyNotReady(p); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := shorten([]string{"a", "b", "c"}, 2); got != "a, b and 1 more" {
		t.Error(got)
	}
}
