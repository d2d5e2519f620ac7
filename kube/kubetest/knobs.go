package kubetest

import (
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// knobs are what tests turn.
type knobs struct {
	tokens       map[string]string
	authorize    Authorizer
	proxy        func(ns, service, port, path string) (int, string)
	runs         func(*corev1.Pod) Ran
	fail         func(*http.Request) (int, time.Duration, bool)
	delay        func(*http.Request) time.Duration
	cut, expired chan struct{}
	ahead        time.Duration // of the server's clock
	shownAfter   time.Duration // how long a pod that gets ready from shownSince on isn't shown by its Services
	shownSince   time.Time
}

// SetClock sets the server's clock, as its answers show it, ahead of everybody else's, or behind with less than zero.
func (s *Server) SetClock(ahead time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knobs.ahead = ahead
}

func (s *Server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.knobs.ahead)
}

// Token makes a bearer token a user's. An unknown token is answered with 401; no token is the administrator.
func (s *Server) Token(token, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knobs.tokens[token] = user
}

// Authorize sets who may do what: what it denies is answered with 403, and SelfSubjectAccessReviews say so. nil allows
// everything.
func (s *Server) Authorize(may Authorizer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knobs.authorize = may
}

// Fail injects faults: a request for which ok is true gets an error with this status, and with a Retry-After if
// retryAfter is at least a second. Status 0 breaks the connection instead. nil ends it.
func (s *Server) Fail(fault func(*http.Request) (status int, retryAfter time.Duration, ok bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knobs.fail = fault
}

// Delay makes requests wait before they are looked at. nil ends it.
func (s *Server) Delay(by func(*http.Request) time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knobs.delay = by
}

// CutWatches ends every open watch, as an API server that restarts does. Clients can go on from the version they saw.
func (s *Server) CutWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.knobs.cut)
	s.knobs.cut = make(chan struct{})
}

// ExpireWatches forgets all past changes and ends every open watch with 410 Gone, as after a compaction: what changes
// from here on until clients list again, they see by listing alone.
func (s *Server) ExpireWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rv++
	for _, t := range s.tables {
		t.log, t.floor = nil, s.rv
	}
	close(s.knobs.expired)
	s.knobs.expired = make(chan struct{})
}

// Requests returns the log so far: requests for resources, in the order in which they came.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Request, len(s.requests))
	for i, r := range s.requests {
		all[i] = *r
	}
	return all
}

// Count returns how many requests for a resource there were, such as Count("create", "pods/eviction"); "" counts every
// verb.
func (s *Server) Count(verb, resource string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests {
		if r.Resource == resource && (verb == "" || r.Verb == verb) {
			n++
		}
	}
	return n
}

// ForgetRequests empties the log.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// logged writes a request down, and returns its line for note.
func (s *Server) logged(r Request) *Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := &r
	s.requests = append(s.requests, line)
	return line
}

// note changes a line of the log.
func (s *Server) note(line *Request, edit func(*Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(line)
}

// interfere does what Delay and Fail ask for; true if the request is over.
func (s *Server) interfere(w *recorder, r *http.Request) bool {
	s.mu.Lock()
	delay, fail := s.knobs.delay, s.knobs.fail
	s.mu.Unlock()
	if delay != nil {
		if d := delay(r); d > 0 && !s.pause(r, d) {
			return true
		}
	}
	if fail == nil {
		return false
	}
	status, after, ok := fail(r)
	if !ok {
		return false
	}
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	respond(w, fault(status, after))
	return true
}

// pause is false if the client went or the server stopped meanwhile.
func (s *Server) pause(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	return false
}

// fault is the error that the real server would give with such a status.
func fault(status int, after time.Duration) error {
	seconds := int(after / time.Second)
	switch status {
	case http.StatusTooManyRequests:
		return apierrors.NewTooManyRequests("the server has received too many requests and has asked us to try again later", seconds)
	case http.StatusGone:
		return apierrors.NewResourceExpired("the provided resource version is too old")
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: int32(status), Reason: reasonFor(status),
		Message: "an error on the server (" + strconv.Quote(http.StatusText(status)) + ") has prevented the request from succeeding",
		Details: &metav1.StatusDetails{RetryAfterSeconds: int32(seconds)},
	}}
}

func reasonFor(status int) metav1.StatusReason {
	return map[int]metav1.StatusReason{
		http.StatusUnauthorized: metav1.StatusReasonUnauthorized, http.StatusForbidden: metav1.StatusReasonForbidden,
		http.StatusNotFound: metav1.StatusReasonNotFound, http.StatusConflict: metav1.StatusReasonConflict,
		http.StatusInternalServerError: metav1.StatusReasonInternalError, http.StatusServiceUnavailable: metav1.StatusReasonServiceUnavailable,
		http.StatusGatewayTimeout: metav1.StatusReasonTimeout,
	}[status]
}

// SetEndpointDelay is how long a pod that becomes ready from now on takes to be shown by its Services, as behind a busy
// controller manager. Default 0.
func (s *Server) SetEndpointDelay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knobs.shownAfter, s.knobs.shownSince = d, time.Now()
}
