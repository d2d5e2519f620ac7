package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestWhyStill(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	ends := func(in time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now.Add(in)} }
	}
	finalizer := func(p *corev1.Pod) {
		p.Finalizers = []string{"example.com/backup"}
		p.ManagedFields = []metav1.ManagedFieldsEntry{
			{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(`{"f:status":{}}`)},
			{Manager: "broken", FieldsV1: metav1.NewFieldsV1(`{`)},
			{Manager: "backup-operator", FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:finalizers":{".":{},"v:\"example.com/backup\"":{}}}}`)},
		}
	}
	tests := []struct {
		pod  pod
		want string
	}{
		{podOf("Job"), "pod shop/p is evicted and hasn't begun to end"},
		{podOf("Job", ends(29*time.Second)), "pod shop/p ends (20s of grace left)"},
		{podOf("Job", ends(5*time.Second)), "pod shop/p ends (under 10s of grace left)"},
		{podOf("Job", ends(150*time.Second)), "pod shop/p ends (2m of grace left)"},
		{podOf("Job", ends(-50*time.Second)), "pod shop/p should have ended 50s ago: its kubelet hasn't confirmed it (a process that doesn't die, or a volume that hangs)"},
		{podOf("StatefulSet", ends(-time.Minute), finalizer), "pod shop/p: finalizer example.com/backup (set by backup-operator) of a pod of StatefulSet owner must let it go"},
		{podOf("", ends(25*time.Second), finalizer), "pod shop/p (20s of grace left): finalizer example.com/backup (set by backup-operator) must let it go"},
	}
	for _, test := range tests {
		trimPod(test.pod)
		if got := whyStill(test.pod, now); got != test.want {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
}

func TestClassify(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	status := func(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Code: code, Reason: reason, Message: message,
			Details: &metav1.StatusDetails{Causes: causes}}}
	}
	budgetCause := metav1.StatusCause{Type: policyv1.DisruptionBudgetCause, Message: "The disruption budget a needs 4 healthy pods and has 4 currently"}
	tests := []struct {
		name string
		err  error
		want answer
	}{
		{"accepted", nil, accepted},
		{"not found", apierrors.NewNotFound(pods, "p"), gone},
		{"another pod under its name", apierrors.NewConflict(pods, "p", errors.New("the UID in the precondition (a) does not match the UID in record (b)")), gone},
		{"another conflict", apierrors.NewConflict(pods, "p", errors.New("the object has been modified")), silent},
		{"budget spent", status(429, metav1.StatusReasonTooManyRequests, "Cannot evict pod", budgetCause), refused},
		{"budget forbids", status(403, metav1.StatusReasonForbidden, "negative", budgetCause), refused},
		{"two budgets", status(500, "", "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."), refused},
		{"namespace ends", status(403, metav1.StatusReasonForbidden, "x", metav1.StatusCause{Type: corev1.NamespaceTerminatingCause}), refused},
		{"webhook", status(403, metav1.StatusReasonForbidden, `admission webhook "guard" denied the request: no`), refused},
		{"overloaded", apierrors.NewTooManyRequests("slow down", 3), silent},
		{"server error", status(500, metav1.StatusReasonInternalError, "etcdserver: leader changed"), silent},
		{"refused connection", fmt.Errorf("dial: %w", syscall.ECONNREFUSED), silent},
		{"no answer", context.DeadlineExceeded, silent},
		{"lease in doubt", fmt.Errorf("%w: %w", errGuarded, ErrDoubt), silent},
		{"lease lost", fmt.Errorf("%w: %w", errGuarded, ErrLost), broken},
		{"no right", status(403, metav1.StatusReasonForbidden, `pods "p" is forbidden: User "x" cannot create resource "pods/eviction"`), broken},
		{"bad request", apierrors.NewBadRequest("x"), broken},
	}
	for _, test := range tests {
		if got := classify(test.err); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
	if got := causeOf(fmt.Errorf("wrapped: %w", tests[4].err)); got != budgetCause.Message {
		t.Error(got)
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	sum := time.Duration(0)
	for i := range 20 {
		pause := b.pause(nil)
		sum += pause
		if pause < firstPause || pause > longestPause*5/4 || i > 6 && pause < longestPause {
			t.Errorf("pause %d is %s", i, pause)
		}
	}
	if pause := b.pause(apierrors.NewTooManyRequests("later", 60)); pause < time.Minute {
		t.Errorf("Retry-After not honoured: %s", pause)
	}
}

func TestRefusedError(t *testing.T) {
	err := &RefusedError{Node: "n1", Pods: []PodVerdict{
		{"shop", "a", "1", localStorageFatal}, {"shop", "b", "2", unmanagedFatal}, {"shop", "c", "3", localStorageFatal},
	}}
	want := "node n1: drain: cannot delete Pods with local storage (use --delete-emptydir-data to override): shop/a, shop/c; " +
		"cannot delete Pods that declare no controller (use --force to override): shop/b"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestInNode(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "n1", errors.New("no"))
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("node n1: claim: x"), "node n1: claim: x"},
		{errors.New("x"), "node n1: claim: x"},
		{forbidden, "`fleetup check INVENTORY` names the rules to add"},
		{apierrors.NewUnauthorized("x"), "the API server refused the credentials"},
	} {
		if got := inNode("n1", "claim", test.err).Error(); !strings.Contains(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
