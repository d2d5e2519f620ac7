package kubetest

import (
	"fmt"
	"net/http"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// adminToken is what Kubeconfig holds; a request without a token is the administrator's too.
const (
	adminToken = "kubetest-admin"
	adminUser  = "kubernetes-admin"
)

// Authorizer decides about one request. resource includes the subresource, as in pods/eviction; ns and name are "" where
// the request has none.
type Authorizer func(user, verb, group, resource, ns, name string) bool

// reviews are answered and never stored.
var (
	accessReviews = &kind{group: "authorization.k8s.io", version: "v1", resource: "selfsubjectaccessreviews", name: "SelfSubjectAccessReview"}
	rulesReviews  = &kind{group: "authorization.k8s.io", version: "v1", resource: "selfsubjectrulesreviews", name: "SelfSubjectRulesReview"}
)

func findReview(group, version, resource string) *kind {
	for _, k := range []*kind{accessReviews, rulesReviews} {
		if k.group == group && k.version == version && k.resource == resource {
			return k
		}
	}
	return nil
}

// authorized finds out who asks, and whether they may.
func (s *Server) authorized(c *call) error {
	s.mu.Lock()
	user, known := adminUser, true
	if token, ok := strings.CutPrefix(c.Header.Get("Authorization"), "Bearer "); ok {
		user, known = s.knobs.tokens[token]
	}
	may := s.knobs.authorize
	s.mu.Unlock()
	if !known {
		return apierrors.NewUnauthorized("Unauthorized")
	}
	c.log.User = user
	if may == nil || c.kind.goType == nil || may(user, c.log.Verb, c.log.Group, c.log.Resource, c.log.NS, c.log.Name) {
		return nil
	}
	gr := c.kind.gr()
	return apierrors.NewForbidden(gr, c.log.Name, fmt.Errorf("%s", forbidden(c.log)))
}

func forbidden(r Request) string {
	scope := "at the cluster scope"
	if r.NS != "" {
		scope = fmt.Sprintf("in the namespace %q", r.NS)
	}
	return fmt.Sprintf("User %q cannot %s resource %q in API group %q %s", r.User, r.Verb, r.Resource, r.Group, scope)
}

// review answers a question about the asker's own rights.
func (s *Server) review(c *call) error {
	if c.log.Verb != "create" {
		return c.noMethod()
	}
	s.mu.Lock()
	may := s.knobs.authorize
	s.mu.Unlock()
	if may == nil {
		may = func(_, _, _, _, _, _ string) bool { return true }
	}
	if c.kind == rulesReviews {
		return s.reviewRules(c, may)
	}
	var r authorizationv1.SelfSubjectAccessReview
	if _, err := c.read(&r); err != nil {
		return err
	}
	r.APIVersion, r.Kind = c.kind.apiVersion(), c.kind.name
	if a := r.Spec.ResourceAttributes; a != nil {
		resource := a.Resource
		if a.Subresource != "" {
			resource += "/" + a.Subresource
		}
		r.Status.Allowed = may(c.log.User, a.Verb, a.Group, resource, a.Namespace, a.Name)
	} else {
		r.Status.Allowed = r.Spec.NonResourceAttributes != nil
	}
	writeJSON(c.w, http.StatusCreated, encode(r))
	return nil
}

var allVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete"}

// reviewRules tries every verb on every resource.
func (s *Server) reviewRules(c *call, may Authorizer) error {
	var r authorizationv1.SelfSubjectRulesReview
	if _, err := c.read(&r); err != nil {
		return err
	}
	r.APIVersion, r.Kind = c.kind.apiVersion(), c.kind.name
	ask := func(group, resource string, verbs []string) {
		rule := authorizationv1.ResourceRule{APIGroups: []string{group}, Resources: []string{resource}}
		for _, v := range verbs {
			if may(c.log.User, v, group, resource, r.Spec.Namespace, "") {
				rule.Verbs = append(rule.Verbs, v)
			}
		}
		if len(rule.Verbs) > 0 {
			r.Status.ResourceRules = append(r.Status.ResourceRules, rule)
		}
	}
	for _, k := range kinds {
		ask(k.group, k.resource, allVerbs)
	}
	ask("", "pods/eviction", []string{"create"})
	ask("", "services/proxy", []string{"get"})
	r.Status.NonResourceRules = []authorizationv1.NonResourceRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"*"}}}
	writeJSON(c.w, http.StatusCreated, encode(r))
	return nil
}
