package kube

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// away says that the API server didn't decide: it was refused, slow, overloaded or broken. Such an error says nothing
// about what was asked for, which may even have been done. A lease in doubt for want of an answer is the same; a lost one isn't.
func away(err error) bool {
	var network net.Error
	var request *url.Error
	switch {
	case err == nil, errors.Is(err, ErrLost):
		return false
	case errors.Is(err, errGuarded):
		return true
	case errors.Is(err, context.DeadlineExceeded), utilnet.IsConnectionRefused(err), utilnet.IsConnectionReset(err), utilnet.IsProbableEOF(err):
		return true
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsServiceUnavailable(err), apierrors.IsUnexpectedServerError(err):
		return true
	case apierrors.IsTooManyRequests(err), apierrors.IsInternalError(err):
		return true
	}
	return errors.As(err, &network) || errors.As(err, &request)
}

// backoff are growing pauses, with some chance in them so that many callers don't come back together.
type backoff struct{ next time.Duration }

const (
	firstPause   = 500 * time.Millisecond
	longestPause = 10 * time.Second
)

// pause is how long to wait after err: at least what the server asked for.
func (b *backoff) pause(err error) time.Duration {
	if b.next == 0 {
		b.next = firstPause
	}
	pause := b.next + rand.N(b.next/4+1)
	b.next = min(2*b.next, longestPause)
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		pause = max(pause, time.Duration(seconds)*time.Second)
	}
	return pause
}

// sleep waits, or ends with ctx and its cause.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// explain adds the way out to errors that users can do something about.
func explain(operation string, err error) error {
	if operation != "" {
		err = fmt.Errorf("%s: %w", operation, err)
	}
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w (`fleetup check INVENTORY` names the rules to add)", err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the API server refused the credentials: %w", err)
	}
	return err
}
