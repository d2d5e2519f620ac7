package lab

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Request is one request that the API server answered.
type Request struct {
	Verb      string // get, list, watch, create, update, patch, delete, …
	Resource  string // "pods", "pods/eviction", …; "" for a path that is no resource
	Namespace string
	Name      string
	Query     string // what follows the ? of its URI: dryRun=All, …
	User      string
	UserAgent string
	Code      int
	Received  time.Time
}

// Requests are requests in the order in which they were answered.
type Requests []Request

func (l *Lab) auditLog() string { return filepath.Join(l.Dir, "audit.jsonl") }

// Audit is every request since the lab's start. A watch is there once it has ended.
func (l *Lab) Audit() Requests {
	f, err := os.Open(l.auditLog())
	if err != nil {
		l.fail("lab: audit log: %v", err)
	}
	defer f.Close()
	var all Requests
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all // what follows the last newline is being written
		}
		if err != nil {
			l.fail("lab: audit log: %v", err)
		}
		request, err := parseAudit(line)
		if err != nil {
			l.fail("lab: audit log: %v: %s", err, line)
		}
		all = append(all, request)
	}
}

func parseAudit(line []byte) (Request, error) {
	var event struct {
		Verb, RequestURI, UserAgent string
		User                        struct{ Username string }
		ObjectRef                   struct{ Resource, Subresource, Namespace, Name string }
		ResponseStatus              struct{ Code int }
		RequestReceivedTimestamp    time.Time
	}
	if err := json.Unmarshal(line, &event); err != nil {
		return Request{}, err
	}
	resource := event.ObjectRef.Resource
	if sub := event.ObjectRef.Subresource; sub != "" {
		resource += "/" + sub
	}
	_, query, _ := strings.Cut(event.RequestURI, "?")
	return Request{
		Verb: event.Verb, Resource: resource, Namespace: event.ObjectRef.Namespace, Name: event.ObjectRef.Name, Query: query,
		User: event.User.Username, UserAgent: event.UserAgent, Code: event.ResponseStatus.Code, Received: event.RequestReceivedTimestamp,
	}, nil
}

// Since leaves out what was received before a time.
func (r Requests) Since(start time.Time) Requests {
	return r.filter(func(q Request) bool { return !q.Received.Before(start) })
}

// Of keeps what an agent sent: the User-Agent begins with it, as in "kubectl" or "fleetup".
func (r Requests) Of(agent string) Requests {
	return r.filter(func(q Request) bool { return strings.HasPrefix(q.UserAgent, agent) })
}

// Count is how many have the verb and the resource; "" is any.
func (r Requests) Count(verb, resource string) int {
	return len(r.filter(func(q Request) bool {
		return (verb == "" || q.Verb == verb) && (resource == "" || q.Resource == resource)
	}))
}

func (r Requests) filter(keep func(Request) bool) Requests {
	var kept Requests
	for _, request := range r {
		if keep(request) {
			kept = append(kept, request)
		}
	}
	return kept
}
