package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// httpChecks is [verify] http.
func (t *table) httpChecks(name string) []HTTPCheck {
	var checks []HTTPCheck
	for _, sub := range t.subs(name) {
		c := HTTPCheck{Status: 200}
		if n, ok := intIn(100, 599)(sub, "status"); ok {
			c.Status = n
		}
		sub.httpTarget(&c)
		sub.done()
		if slices.Contains(checks, c) {
			t.problem(sub.path, "the same target stands here twice")
		}
		checks = append(checks, c)
	}
	return checks
}

// httpTarget is a URL, or a Service with a path.
func (t *table) httpTarget(c *HTTPCheck) {
	_, isURL := t.m["url"]
	_, isService := t.m["service"]
	_, hasPath := t.m["path"]
	if isURL == isService {
		t.problem(t.path, `needs either url = "https://…" or service = "namespace/name:port"`)
	}
	if isURL && hasPath {
		t.bad("path", "goes with service; a URL holds its path itself")
	}
	if s, ok := t.string("url"); ok {
		c.URL = s
		if err := checkURL(s); err != nil {
			t.bad("url", "%v", err)
		}
	}
	c.Service, _ = t.safe("service", checkService)
	if isService && !hasPath {
		c.Path = "/"
	}
	if path, ok := t.string("path"); ok {
		c.Path = path
		if err := checkPath(path); err != nil {
			t.bad("path", "%v", err)
		}
	}
}

// checkService accepts namespace/name:port, the port a number or a name.
func checkService(s string) error {
	namespace, rest, found := strings.Cut(s, "/")
	name, port, hasPort := strings.Cut(rest, ":")
	if !found || !hasPort || !dnsLabel.MatchString(namespace) || !dnsLabel.MatchString(name) ||
		!portName.MatchString(port) {
		return fmt.Errorf(`%q is not "namespace/name:port", the port a name or a number`, s)
	}
	return nil
}

// checkPath accepts an absolute path, with a query or without.
func checkPath(s string) error {
	if !strings.HasPrefix(s, "/") || strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 127 }) >= 0 {
		return fmt.Errorf("%q is not a path such as /healthz", s)
	}
	return nil
}
