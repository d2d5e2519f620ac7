package kube

import (
	"context"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// answer is what the API server made of an eviction.
type answer int

const (
	accepted answer = iota // it goes; with a dry run: it would
	gone                   // it went before us, or another pod has its name now
	refused                // not now: a budget, two budgets, a webhook. Ask again when that changes
	silent                 // the server didn't decide: away, overloaded, or the lease is in doubt
	broken                 // it will never be accepted: a missing right, a bad request
)

// classify reads the answer (registry/core/pod/storage/eviction.go).
func classify(err error) answer {
	switch {
	case err == nil:
		return accepted
	case apierrors.IsNotFound(err):
		return gone
	case apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause), isTwoBudgets(err), isWebhook(err):
		return refused
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return refused // the namespace's end takes the pod; an eviction can't be made there
	case apierrors.IsConflict(err) && strings.Contains(err.Error(), "UID in the precondition"):
		return gone
	case apierrors.IsConflict(err), away(err):
		return silent
	}
	return broken
}

func isTwoBudgets(err error) bool {
	return strings.Contains(err.Error(), "more than one PodDisruptionBudget") // a 500 without a reason
}

func isWebhook(err error) bool { return strings.Contains(err.Error(), "admission webhook") }

// causeOf is the API server's own reason for a refusal.
func causeOf(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			if cause.Type == policyv1.DisruptionBudgetCause {
				return cause.Message
			}
		}
	}
	return err.Error()
}

// sendEviction asks for one eviction of the pod with this UID, once: client-go's own retries would hide a Retry-After.
// The server is given as long as we wait, so that a request that we gave up isn't carried out later.
func (c *Cluster) sendEviction(ctx context.Context, p pod, o DrainOptions, dry bool) error {
	return c.send(ctx, p, dry, func(ctx context.Context) error {
		return c.core.RESTClient().Post().Namespace(p.Namespace).Resource("pods").Name(p.Name).SubResource("eviction").
			MaxRetries(0).Timeout(requestTimeout).
			Body(&policyv1.Eviction{
				ObjectMeta:    metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name},
				DeleteOptions: deleteOptions(p, o, dry),
			}).Do(ctx).Error()
	})
}

// sendDelete goes past the budgets. Only for what DrainOptions.PastBudget names.
func (c *Cluster) sendDelete(ctx context.Context, p pod, o DrainOptions, dry bool) error {
	return c.send(ctx, p, dry, func(ctx context.Context) error {
		return c.core.RESTClient().Delete().Namespace(p.Namespace).Resource("pods").Name(p.Name).
			MaxRetries(0).Timeout(requestTimeout).Body(deleteOptions(p, o, dry)).Do(ctx).Error()
	})
}

// send waits for its turn, so that a thousand pods aren't a thousand requests at once, and asks the guard last.
func (c *Cluster) send(ctx context.Context, p pod, dry bool, request func(context.Context) error) error {
	select {
	case c.sending <- true:
		defer func() { <-c.sending }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := c.guard.check(); err != nil {
		return err
	}
	if !dry {
		c.stranded.evicting(p, c.pods.of(onNode("")))
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return request(ctx)
}

func deleteOptions(p pod, o DrainOptions, dry bool) *metav1.DeleteOptions {
	options := &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &p.UID}}
	if o.GracePeriod >= 0 {
		seconds := wholeGrace(o)
		options.GracePeriodSeconds = &seconds
	}
	if dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return options
}
