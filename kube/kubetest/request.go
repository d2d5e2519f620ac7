package kubetest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Request is one line of the server's log, in the words of RBAC: Resource includes the subresource, as in
// pods/eviction, and Verb is get, list, watch, create, update, patch or delete.
type Request struct {
	Time                                  time.Time
	User, Verb, Group, Resource, NS, Name string
	DryRun                                bool
	// Code is the HTTP status that was answered; 0 while the request is under way.
	Code int
}

// call is a request under way.
type call struct {
	*http.Request
	w     *recorder
	kind  *kind
	sub   string
	rest  string // what follows a proxy subresource
	query url.Values
	log   Request
	line  *Request // of the server's log
}

// dry reports whether dryRun=All was asked.
func (c *call) dry() bool { return slices.Contains(c.query["dryRun"], "All") }

func (c *call) key() key { return key{c.log.NS, c.log.Name} }

// parse understands /api/v1/… and /apis/GROUP/VERSION/…; nil for other paths and unknown resources.
func parse(w http.ResponseWriter, r *http.Request) *call {
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	group := ""
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[1:]
	case len(parts) > 3 && parts[0] == "apis":
		group, parts = parts[1], parts[2:]
	default:
		return nil
	}
	c := &call{Request: r, w: &recorder{ResponseWriter: w}, query: r.URL.Query()}
	version, parts := parts[0], parts[1:]
	if len(parts) >= 3 && parts[0] == "namespaces" && parts[2] != "status" && parts[2] != "finalize" {
		c.log.NS, parts = unescape(parts[1]), parts[2:]
	}
	at := func(i int) string {
		if i < len(parts) {
			return unescape(parts[i])
		}
		return ""
	}
	c.kind = findKind(group, version, at(0))
	if c.kind == nil {
		c.kind = findReview(group, version, at(0))
	}
	if c.kind == nil {
		return nil
	}
	c.log.Name, c.sub = at(1), at(2)
	if len(parts) > 3 {
		c.rest = "/" + strings.Join(parts[3:], "/")
	}
	if c.kind == namespaces {
		c.log.NS = ""
	}
	c.log.Group, c.log.Resource, c.log.Verb = group, c.kind.resource, verb(c)
	if c.sub != "" {
		c.log.Resource += "/" + c.sub
	}
	c.log.DryRun = c.dry()
	return c
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

func verb(c *call) string {
	switch c.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		if c.log.Name == "" {
			return "deletecollection"
		}
		return "delete"
	}
	watching := c.query.Get("watch") == "true" || c.query.Get("watch") == "1"
	switch {
	case c.log.Name != "":
		return "get"
	case watching:
		return "watch"
	}
	return "list"
}

func (c *call) notFound() error { return apierrors.NewNotFound(c.kind.gr(), c.log.Name) }

func (c *call) noMethod() error {
	return apierrors.NewMethodNotSupported(schema.GroupResource{Group: c.kind.group, Resource: c.log.Resource}, c.log.Verb)
}

// recorder remembers the status for the log.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
