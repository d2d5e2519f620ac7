package kubetest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ServeHTTP answers as kube-apiserver does, in JSON whatever else the client would take.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	c := parse(w, r)
	if c == nil {
		s.serveOther(w, r)
		return
	}
	c.log.Time = time.Now()
	c.line = s.logged(c.log)
	defer func() { s.note(c.line, func(r *Request) { r.Code, r.User = c.w.code, c.log.User }) }()
	if s.interfere(c.w, r) {
		return
	}
	if err := s.authorized(c); err != nil {
		respond(c.w, err)
		return
	}
	if err := s.dispatch(c); err != nil {
		respond(c.w, err)
	}
}

// dispatch serves what the caller may do.
func (s *Server) dispatch(c *call) error {
	if c.kind.goType == nil {
		return s.review(c)
	}
	switch {
	case c.sub == "eviction" && c.kind == pods && c.log.Verb == "create":
		return s.serveEviction(c)
	case c.sub == "proxy" && c.kind == services:
		return s.serveProxy(c)
	case c.sub == "proxy" && c.kind == nodes:
		return s.serveNode(c)
	case c.sub == "log" && c.kind == pods && c.log.Verb == "get":
		return s.serveLog(c)
	case c.sub != "" && !(c.sub == "status" && c.kind.status):
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: 404, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource",
		}}
	}
	switch c.log.Verb {
	case "get":
		return s.serveGet(c)
	case "list":
		return s.serveList(c)
	case "watch":
		return s.serveWatch(c)
	case "create":
		return s.serveCreate(c)
	case "update":
		return s.serveUpdate(c)
	case "patch":
		return s.servePatch(c)
	case "delete":
		return s.serveDelete(c)
	}
	return c.noMethod()
}

// respond writes an error as a Status.
func respond(w http.ResponseWriter, err error) {
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	status := known.Status()
	status.Kind, status.APIVersion = "Status", "v1"
	if d := status.Details; d != nil && d.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(d.RetryAfterSeconds)))
	}
	writeJSON(w, int(status.Code), encode(status))
}

func writeJSON(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// decode reads the object that a client sent for this request, and holds it to the name and namespace of the path.
func (c *call) decode() (Object, error) {
	obj := c.kind.new()
	empty, err := c.read(obj)
	if err != nil {
		return nil, err
	}
	if empty {
		return nil, apierrors.NewBadRequest("the request has no body")
	}
	return obj, c.place(obj)
}

func (c *call) place(obj Object) error {
	if ns := obj.GetNamespace(); ns != "" && ns != c.log.NS {
		return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	obj.SetNamespace(c.log.NS)
	if c.log.Name != "" && obj.GetName() == "" {
		obj.SetName(c.log.Name)
	}
	if c.log.Name != "" && obj.GetName() != c.log.Name {
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", obj.GetName(), c.log.Name))
	}
	return nil
}

func unsupported(got, want string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType,
		Message: fmt.Sprintf("the body of the request was in an unknown format - accepted media types include: %s (got %s)", want, got),
	}}
}
