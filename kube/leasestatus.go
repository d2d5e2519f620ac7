package kube

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LeaseStatus is the lease as anybody may read it.
type LeaseStatus struct {
	Holder       Holder        // Identity is "" where nobody holds it; Run and User are the last run's
	Left         time.Duration // until it runs out unless renewed; 0 or less: it has
	Epoch        int64
	Halt, Paused string // why, or ""
}

// Lease reads the lease without taking it; the zero value where there never was one.
func (c *Cluster) Lease(ctx context.Context) (LeaseStatus, error) {
	l, err := c.coordination.Leases(c.namespace).Get(ctx, LeaseName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return LeaseStatus{}, nil
	}
	if err != nil {
		return LeaseStatus{}, fmt.Errorf("lease %s/%s: %w", c.namespace, LeaseName, explain("", err))
	}
	return LeaseStatus{
		Holder: holderOf(l), Left: leftOf(l, c.ServerTime()), Epoch: epochOf(l),
		Halt: l.Annotations[AnnotationHalt], Paused: l.Annotations[AnnotationPaused],
	}, nil
}

// Pause asks whoever runs, from any machine, to start nothing new, and says why; "" lets it go on. The holder sees it
// within five seconds. Safe to repeat.
func (c *Cluster) Pause(ctx context.Context, why string) error {
	return c.markLease(ctx, AnnotationPaused, why)
}

// Unhalt takes the halt off a Lease that nobody need hold: resume and abort do.
func (c *Cluster) Unhalt(ctx context.Context) error { return c.markLease(ctx, AnnotationHalt, "") }

func (c *Cluster) markLease(ctx context.Context, key, value string) error {
	leases := c.coordination.Leases(c.namespace)
	err := persist(ctx, func(ctx context.Context) error {
		l, err := leases.Get(ctx, LeaseName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) && value == "" {
			return nil
		}
		if apierrors.IsNotFound(err) {
			return c.createMarked(ctx, key, value)
		}
		if err != nil || l.Annotations[key] == value {
			return err
		}
		annotate(l, key, value)
		_, err = leases.Update(ctx, l, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("lease %s/%s: %w", c.namespace, LeaseName, explain("", err))
	}
	return nil
}

func (c *Cluster) createMarked(ctx context.Context, key, value string) error {
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: LeaseName, Namespace: c.namespace}}
	annotate(l, key, value)
	_, err := c.coordination.Leases(c.namespace).Create(ctx, l, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return apierrors.NewConflict(coordinationv1.Resource("leases"), LeaseName, err)
	}
	return err
}
