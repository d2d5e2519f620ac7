package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	someNodes = schema.GroupResource{Resource: "nodes"}
	conflict  = apierrors.NewConflict(someNodes, "n1", errors.New("the object has been modified"))
)

// TestAway: which answers decide nothing, so that the same may be asked again; what the server has decided is never asked again.
func TestAway(t *testing.T) {
	request := func(err error) error { return &url.Error{Op: "Get", URL: "https://10.0.0.1:6443/api", Err: err} }
	dialled := func(errno syscall.Errno) error {
		return request(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)})
	}
	for _, tc := range []struct {
		name string
		err  error
		away bool
	}{
		{"answered", nil, false},
		{"connection refused", dialled(syscall.ECONNREFUSED), true},
		{"no route", dialled(syscall.EHOSTUNREACH), true},
		{"connection reset", request(&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}), true},
		{"hung up", request(io.EOF), true},
		{"no such host", &net.DNSError{Err: "no such host", Name: "api"}, true},
		{"no answer in time", fmt.Errorf("evict: %w", context.DeadlineExceeded), true},
		{"a proxy before it", apierrors.NewGenericServerResponse(502, "get", someNodes, "", "bad gateway", 0, true), true},
		{"overloaded", apierrors.NewTooManyRequests("try again", 1), true},
		{"starting", apierrors.NewServiceUnavailable("etcd is away"), true},
		{"broken", apierrors.NewInternalError(errors.New("etcd: leader changed")), true},
		{"slow", apierrors.NewTimeoutError("request did not complete", 1), true},
		{"a lease in doubt", fmt.Errorf("%w: not renewed for 20s", errGuarded), true},
		{"a lease that is lost", fmt.Errorf("%w by ann", ErrLost), false},
		{"a lost lease that was in doubt before", errors.Join(errGuarded, ErrLost), false},
		{"no such node", apierrors.NewNotFound(someNodes, "n1"), false},
		{"forbidden", apierrors.NewForbidden(someNodes, "n1", errors.New("rbac")), false},
		{"the wrong credentials", apierrors.NewUnauthorized("no"), false},
		{"somebody was faster", conflict, false},
		{"asked for nonsense", apierrors.NewBadRequest("no"), false},
		{"our own end", context.Canceled, false},
	} {
		if got := away(tc.err); got != tc.away {
			t.Errorf("%s: away is %v (%v)", tc.name, got, tc.err)
		}
	}
}

// TestPersist: a conflict is tried again at once, an absent server with growing pauses and no sooner than it asks for; what is decided
// is returned at once, and the end of the wait says what was waited for.
func TestPersist(t *testing.T) {
	absent := apierrors.NewServiceUnavailable("etcd is away")
	slow := apierrors.NewTooManyRequests("later", 7)
	forbidden := apierrors.NewForbidden(someNodes, "n1", errors.New("rbac"))
	for _, tc := range []struct {
		name        string
		answers     []error // and then nil
		asked       int
		least, most time.Duration
		err         error
	}{
		{"at once", nil, 1, 0, 0, nil},
		{"after conflicts", []error{conflict, conflict, conflict}, 4, 0, 0, nil},
		{"after many", []error{conflict, conflict, conflict, conflict, conflict, conflict}, 7, 1500 * time.Millisecond, 2 * time.Second, nil},
		{"after a while", []error{absent, absent, absent}, 4, 3500 * time.Millisecond, 4500 * time.Millisecond, nil},
		{"when the server says", []error{slow}, 2, 7 * time.Second, 7 * time.Second, nil},
		{"refused", []error{forbidden}, 1, 0, 0, forbidden},
		{"refused after a conflict and an absence", []error{conflict, absent, forbidden}, 3, 500 * time.Millisecond, 700 * time.Millisecond, forbidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked, began := 0, time.Now()
				err := new(Cluster).persist(t.Context(), "a write", func(context.Context) error {
					if asked++; asked <= len(tc.answers) {
						return tc.answers[asked-1]
					}
					return nil
				})
				took := time.Since(began)
				if !errors.Is(err, tc.err) || asked != tc.asked || took < tc.least || took > tc.most {
					t.Errorf("%v, asked %d times in %s; want %v, %d times in %s to %s", err, asked, took, tc.err, tc.asked, tc.least, tc.most)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(errors.New("the run ends")) })
		asked := 0
		err := new(Cluster).persist(ctx, "a write", func(ctx context.Context) error {
			if asked++; asked > 2 { // one that hangs is given up for itself
				<-ctx.Done()
				return ctx.Err()
			}
			return absent
		})
		if err == nil || !strings.Contains(err.Error(), "the run ends") || asked < 4 {
			t.Errorf("%v, asked %d times", err, asked)
		}
	})
}

// TestExplain: what an operator can do something about says what.
func TestExplain(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{apierrors.NewForbidden(someNodes, "n1", errors.New("rbac")), "list nodes: nodes \"n1\" is forbidden: rbac (`fleetup check INVENTORY` names the rules to add)"},
		{apierrors.NewUnauthorized("expired"), "the API server refused the credentials: list nodes: expired"},
		{errors.New("etcd is away"), "list nodes: etcd is away"},
	} {
		if got := explain("list nodes", tc.err); got.Error() != tc.want || !errors.Is(got, tc.err) {
			t.Errorf("%s\nwant %s", got, tc.want)
		}
	}
}
