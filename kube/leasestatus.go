package kube

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LeaseStatus is the lease as anybody may read it.
type LeaseStatus struct {
	Holder       Holder        // Identity is "" where nobody holds it; Run and User are the last run's
	Left         time.Duration // until it runs out unless renewed; 0 or less: it has
	Epoch        int64
	Halt, Paused string // why, or ""

	object *coordinationv1.Lease
}

// Of is what the lease says of one inventory's run: also while it is another's that holds it, or did last. Halt and Paused
// are of that run then, and nobody is its holder.
func (s LeaseStatus) Of(inventory string) LeaseStatus {
	if s.object == nil || s.Holder.Inventory == inventory {
		return s
	}
	said := saidOf(s.object.Annotations, inventory)
	of := LeaseStatus{Epoch: s.Epoch, Halt: said["halt"], Paused: said["paused"], object: s.object}
	if of.Holder.Run = said["run"]; of.Holder.Run != "" {
		of.Holder.Inventory = inventory
	}
	return of
}

// leaseName is the Lease, for people.
func (c *Cluster) leaseName() string { return "lease " + c.namespace + "/" + LeaseName }

// Lease reads the lease without taking it; the zero value where there never was one.
func (c *Cluster) Lease(ctx context.Context) (LeaseStatus, error) {
	l, err := c.coordination.Leases(c.namespace).Get(ctx, LeaseName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return LeaseStatus{}, nil
	}
	if err != nil {
		return LeaseStatus{}, fmt.Errorf("%s: %w", c.leaseName(), explain("", err))
	}
	return LeaseStatus{
		Holder: holderOf(l), Left: leftOf(l, c.ServerTime()), Epoch: epochOf(l),
		Halt: l.Annotations[AnnotationHalt], Paused: l.Annotations[AnnotationPaused], object: l,
	}, nil
}

// Pause asks whoever carries out a run of the inventory, from any machine, to start nothing new, and says why; "" lets it go on.
// The holder sees it within five seconds. Safe to repeat.
func (c *Cluster) Pause(ctx context.Context, inventory, why string) error {
	return c.markLease(ctx, inventory, AnnotationPaused, why)
}

// Unhalt takes the halt of the inventory's run off a Lease that nobody need hold: resume and abort do.
func (c *Cluster) Unhalt(ctx context.Context, inventory string) error {
	return c.markLease(ctx, inventory, AnnotationHalt, "")
}

func (c *Cluster) markLease(ctx context.Context, inventory, key, value string) error {
	leases := c.coordination.Leases(c.namespace)
	err := c.persist(ctx, c.leaseName(), func(ctx context.Context) error {
		found, err := leases.Get(ctx, LeaseName, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err) && value == "":
			return nil
		case apierrors.IsNotFound(err):
			return c.createMarked(ctx, inventory, key, value)
		case err != nil:
			return err
		}
		marked := found.DeepCopy()
		if markOf(marked, inventory, key, value); equality.Semantic.DeepEqual(found.Annotations, marked.Annotations) {
			return nil
		}
		_, err = leases.Update(ctx, marked, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", c.leaseName(), explain("", err))
	}
	return nil
}

func (c *Cluster) createMarked(ctx context.Context, inventory, key, value string) error {
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: LeaseName, Namespace: c.namespace}}
	markOf(l, inventory, key, value)
	_, err := c.coordination.Leases(c.namespace).Create(ctx, l, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return apierrors.NewConflict(coordinationv1.Resource("leases"), LeaseName, err)
	}
	return err
}
