package kubetest

import (
	"fmt"
	"net/http"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Proxy sets how Services answer through the API's proxy. The function is asked only while the Service has a ready
// endpoint; without one the answer is 503, as from the real API server. By default every Service answers 200 "ok".
func (s *Server) Proxy(answer func(ns, service, port, path string) (code int, body string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knobs.proxy = answer
}

// serveProxy takes NAME, NAME:PORT and SCHEME:NAME:PORT.
func (s *Server) serveProxy(c *call) error {
	parts := strings.Split(c.log.Name, ":")
	name, port := parts[0], ""
	switch len(parts) {
	case 2:
		port = parts[1]
	case 3:
		name, port = parts[1], parts[2]
	}
	s.mu.Lock()
	service := s.tables[services].get(key{c.log.NS, name})
	up, answer := s.served(c.log.NS, name), s.knobs.proxy
	s.mu.Unlock()
	if service == nil {
		return apierrors.NewNotFound(services.gr(), name)
	}
	if !up {
		return apierrors.NewServiceUnavailable(fmt.Sprintf("no endpoints available for service %q", c.log.Name))
	}
	code, body := http.StatusOK, "ok"
	if answer != nil {
		code, body = answer(c.log.NS, name, port, c.rest)
	}
	c.w.WriteHeader(code)
	_, _ = c.w.Write([]byte(body))
	return nil
}

// served reports whether a Service has a ready endpoint.
func (s *Server) served(ns, service string) bool {
	for _, r := range s.tables[endpointSlices].spaces[ns] {
		slice := r.obj.(*discoveryv1.EndpointSlice)
		if slice.Labels[discoveryv1.LabelServiceName] != service {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				return true
			}
		}
	}
	return false
}

// serveNode is the proxy to a node's kubelet, which answers /configz while it runs.
func (s *Server) serveNode(c *call) error {
	s.mu.Lock()
	k := s.kubelets[c.log.Name]
	running, config := k != nil && k.running, map[string]any(nil)
	if running {
		config = k.status.Config
	}
	s.mu.Unlock()
	switch {
	case k == nil:
		return apierrors.NewNotFound(nodes.gr(), c.log.Name)
	case !running:
		return apierrors.NewServiceUnavailable(fmt.Sprintf("error trying to reach service: dial tcp %s:10250: connect: connection refused", c.log.Name))
	case c.rest != "/configz":
		return apierrors.NewNotFound(nodes.gr(), c.rest)
	}
	writeJSON(c.w, http.StatusOK, encode(map[string]any{"kubeletconfig": config}))
	return nil
}
