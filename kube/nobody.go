package kube

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// refusedTimeout is how long Start tries an address at which the network says that nobody is there: long enough for one
// of several API servers to be passed by, short enough for whoever has mistyped an address. Later, in mid-run, the watches
// never give up.
const refusedTimeout = 2 * time.Second

// nobody says what to look at where waiting won't help: the connection is refused, there is no way or no such name, or
// somebody else answers. "" for all that may pass: silence, an overloaded server, a name server that doesn't answer.
func nobody(err error) (hint string) {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return "is this the cluster that the kubeconfig's certificate authority belongs to?"
	case errors.As(err, &name) && name.IsNotFound:
		return "is the name right, and known here?"
	case utilnet.IsConnectionRefused(err), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "is the API server up, and is this its address?"
	}
	return ""
}

// caller is who waits for the first lists, and asks again itself before it gives up: the watches pause between attempts.
type caller struct {
	c           *Cluster
	began, asks time.Time
}

func (c *Cluster) newCaller() *caller {
	now := time.Now()
	return &caller{c: c, began: now, asks: now.Add(refusedTimeout)}
}

// unreachable is an error once the network has said for two seconds that no API server is there, and says so again. err
// is what a watch met.
func (a *caller) unreachable(ctx context.Context, err error) error {
	if nobody(err) == "" || time.Now().Before(a.asks) {
		return nil
	}
	a.asks = time.Now().Add(refusedTimeout)
	err = a.c.ask(ctx)
	hint := nobody(err)
	if hint == "" {
		return nil
	}
	return fmt.Errorf("cluster: no API server at %s (tried for %s): %w; %s", a.c.address, time.Since(a.began).Round(time.Second), err, hint)
}

// ask asks the API server for next to nothing, once.
func (c *Cluster) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refusedTimeout)
	defer cancel()
	return c.core.RESTClient().Get().AbsPath("/version").MaxRetries(0).Do(ctx).Error()
}

// askAgain is how often Answers asks an address at which nobody is.
const askAgain = 200 * time.Millisecond

// Answers is for who asks without watches: an error once the network has said for two seconds that no API server is there, as
// Start has it. All other trouble is left to the questions that follow.
func (c *Cluster) Answers(ctx context.Context) error {
	for caller := c.newCaller(); ; {
		err := c.ask(ctx)
		if nobody(err) == "" {
			return nil
		}
		if err := caller.unreachable(ctx, err); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askAgain):
		}
	}
}
