package kube

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// unanswered says that the API server doesn't answer, and why. Which request it was that found out, with a URL as long as a
// line, helps nobody and changes every second.
func unanswered(err error) string {
	return "the API server, which doesn't answer: " + inShort(err)
}

// inShort is an error of a request without what is another at each try: the request, and our own port.
func inShort(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	var network *net.OpError
	if errors.As(err, &network) && network.Source != nil {
		return fmt.Sprintf("%s %s: %v", network.Op, network.Addr, network.Err)
	}
	return err.Error()
}

// notRenewed says why a lease is in doubt, and what to do about it. err is how the last renewal failed, nil where none was sent.
func notRenewed(err error) string {
	switch {
	case err == nil:
		return "this process stood still, and asks for it anew"
	case away(err):
		return unanswered(err) + "; it goes on by itself once it does"
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return explain("", err).Error() + "; it goes on by itself once it may"
	}
	return inShort(err)
}
