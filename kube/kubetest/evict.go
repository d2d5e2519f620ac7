package kubetest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// The rules and words of this file are those of kubernetes/pkg/registry/core/pod/storage/eviction.go, v1.37.

func (s *Server) serveEviction(c *call) error {
	var e policyv1.Eviction
	if _, err := c.read(&e); err != nil {
		return err
	}
	if e.Name != c.log.Name {
		return apierrors.NewBadRequest("name in URL does not match name in Eviction object")
	}
	var options metav1.DeleteOptions
	if e.DeleteOptions != nil {
		options = *e.DeleteOptions
	}
	dry := c.dry() || slices.Contains(options.DryRun, metav1.DryRunAll)
	s.note(c.line, func(r *Request) { r.DryRun = dry })
	s.mu.Lock()
	err := s.evict(c.key(), options, dry)
	s.settle()
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusCreated, encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess, Code: http.StatusCreated,
	}))
	return nil
}

// evict deletes the pod if its budget, where it has one, lets it go.
func (s *Server) evict(at key, options metav1.DeleteOptions, dry bool) error {
	r := s.tables[pods].get(at)
	if r == nil {
		return apierrors.NewNotFound(pods.gr(), at.name)
	}
	p := r.obj.(*corev1.Pod)
	if p.Status.Phase != corev1.PodPending && !finished(p) && p.DeletionTimestamp == nil {
		if err := s.askBudget(p, dry); err != nil {
			return err
		}
	}
	if err := checkPreconditions(r, options.Preconditions); err != nil {
		return err
	}
	if dry {
		return nil
	}
	s.change(pods, at, func(o Object) {
		setPodCondition(o.(*corev1.Pod), corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue,
			Reason: "EvictionByEvictionAPI", Message: "Eviction API: evicting",
		})
	})
	options.Preconditions = nil // held above; the condition has changed the version
	_, _, err := s.delete(pods, at, options, false)
	return err
}

// askBudget takes one disruption from the pod's budget.
func (s *Server) askBudget(p *corev1.Pod, dry bool) error {
	budget, err := s.budgetOf(p)
	if budget == nil || err != nil {
		return err
	}
	if !ready(p) {
		policy := budget.Spec.UnhealthyPodEvictionPolicy
		if policy != nil && *policy == policyv1.AlwaysAllow {
			return nil
		}
		if budget.Status.CurrentHealthy >= budget.Status.DesiredHealthy && budget.Status.DesiredHealthy > 0 {
			return nil
		}
	}
	if err := allowed(budget); err != nil || dry {
		return err
	}
	s.change(budgets, keyOf(budget), func(o Object) {
		b := o.(*policyv1.PodDisruptionBudget)
		b.Status.DisruptionsAllowed--
		updateAllowedCondition(b)
		if b.Status.DisruptedPods == nil {
			b.Status.DisruptedPods = map[string]metav1.Time{}
		}
		b.Status.DisruptedPods[p.Name] = now()
	})
	return nil
}

func (s *Server) budgetOf(p *corev1.Pod) (*policyv1.PodDisruptionBudget, error) {
	var found []*policyv1.PodDisruptionBudget
	for _, r := range s.tables[budgets].spaces[p.Namespace] {
		if r.selector.Matches(labels.Set(p.Labels)) {
			found = append(found, r.obj.(*policyv1.PodDisruptionBudget))
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInternalServerError,
		Message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
	}}
}

const violates = "Cannot evict pod as it would violate the pod's disruption budget."

// allowed is the API server's checkAndDecrement without the decrement.
func allowed(b *policyv1.PodDisruptionBudget) error {
	switch {
	case b.Status.ObservedGeneration < b.Generation:
		return withCause(apierrors.NewTooManyRequests(violates, 10),
			fmt.Sprintf("The disruption budget %s is still being processed by the server.", b.Name))
	case b.Status.DisruptionsAllowed < 0:
		return withCause(apierrors.NewForbidden(budgets.gr(), b.Name, errors.New("pdb disruptions allowed is negative")),
			fmt.Sprintf("The disruption budget %s does not allow evicting pods currently: pdb disruptions allowed is negative", b.Name))
	case b.Status.DisruptionsAllowed > 0:
		return nil
	}
	return withCause(apierrors.NewTooManyRequests(violates, 0), refusal(b))
}

// refusal is the arithmetic of a spent budget, in the API server's words.
func refusal(b *policyv1.PodDisruptionBudget) string {
	c := meta.FindStatusCondition(b.Status.Conditions, policyv1.DisruptionAllowedCondition)
	told := c != nil && c.Status == metav1.ConditionFalse && c.Message != ""
	switch {
	case told && c.Reason == policyv1.SyncFailedReason:
		return fmt.Sprintf("The disruption budget %s does not allow evicting pods currently because it failed sync: %s", b.Name, c.Message)
	case b.Status.CurrentHealthy <= b.Status.DesiredHealthy:
		return fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently", b.Name, b.Status.DesiredHealthy, b.Status.CurrentHealthy)
	case told:
		return fmt.Sprintf("The disruption budget %s does not allow evicting pods currently (%s): %s", b.Name, c.Reason, c.Message)
	}
	return fmt.Sprintf("The disruption budget %s does not allow evicting pods currently", b.Name)
}

func withCause(err *apierrors.StatusError, message string) error {
	if err.ErrStatus.Details == nil {
		err.ErrStatus.Details = &metav1.StatusDetails{}
	}
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type: policyv1.DisruptionBudgetCause, Message: message,
	})
	return err
}

func updateAllowedCondition(b *policyv1.PodDisruptionBudget) {
	c := metav1.Condition{
		Type: policyv1.DisruptionAllowedCondition, ObservedGeneration: b.Status.ObservedGeneration,
		Status: metav1.ConditionFalse, Reason: policyv1.InsufficientPodsReason, LastTransitionTime: now(),
	}
	if b.Status.DisruptionsAllowed > 0 {
		c.Status, c.Reason = metav1.ConditionTrue, policyv1.SufficientPodsReason
	}
	meta.SetStatusCondition(&b.Status.Conditions, c)
}
