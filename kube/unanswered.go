package kube

import (
	"errors"
	"net/url"
)

// unanswered says that the API server doesn't answer, and why. Which request it was that found out, with a URL as long as a
// line, helps nobody and changes every second.
func unanswered(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	return "the API server, which doesn't answer: " + err.Error()
}
