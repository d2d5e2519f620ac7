package kube

import (
	"context"
	"fmt"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Rule is one thing that a run does in the API.
type Rule struct {
	Namespace string // "": in all, or cluster-wide
	Group     string
	Resource  string // with its subresource, "pods/eviction"
	Name      string // "": any
	Verbs     []string
	Why       string
}

// YAML is the rule as it stands in a Role or ClusterRole.
func (r Rule) YAML() string {
	text := fmt.Sprintf("- apiGroups: [%q]\n  resources: [%q]\n  verbs: [%s]", r.Group, r.Resource, quoted(r.Verbs))
	if r.Name != "" {
		text += fmt.Sprintf("\n  resourceNames: [%q]", r.Name)
	}
	return text
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}

// Rules is all that a run does through this package with its Lease in namespace: what a ClusterRole and a Role must
// grant, and no more. What only some runs need is Extra.
func Rules(namespace string) []Rule {
	if namespace == "" {
		namespace = defaultNamespace
	}
	rules := followed()
	rules[0].Verbs, rules[0].Why = []string{"get", "list", "watch", "patch"}, "claim, cordon, uncordon"
	return append(rules, []Rule{
		{Resource: "pods/eviction", Verbs: []string{"create"}, Why: "drain"},
		{Resource: "namespaces", Name: metav1.NamespaceSystem, Verbs: []string{"get"}, Why: "know the cluster by the UID of kube-system"},
		{Namespace: namespace, Group: "coordination.k8s.io", Resource: "leases", Verbs: []string{"create"}, Why: "take the lease"},
		{Namespace: namespace, Group: "coordination.k8s.io", Resource: "leases", Name: LeaseName, Verbs: []string{"get", "update"}, Why: "hold the lease"},
		{Namespace: corev1.NamespaceNodeLease, Group: "coordination.k8s.io", Resource: "leases", Verbs: []string{"get"}, Why: "see that a kubelet lives"},
		{Namespace: metav1.NamespaceDefault, Resource: "events", Verbs: []string{"create"}, Why: "tell the story in `kubectl describe node`"},
	}...)
}

// followed is what Start follows, nodes first.
func followed() []Rule {
	follow := []string{"list", "watch"}
	return []Rule{
		{Resource: "nodes", Verbs: follow, Why: "know the nodes"},
		{Resource: "pods", Verbs: follow, Why: "drain"},
		{Group: "policy", Resource: "poddisruptionbudgets", Verbs: follow, Why: "name what blocks a drain"},
		{Group: "apps", Resource: "daemonsets", Verbs: follow, Why: "tell DaemonSet pods from others"},
		{Group: "apps", Resource: "deployments", Verbs: follow, Why: "know which can make a new pod before the old one goes"},
		{Group: "storage.k8s.io", Resource: "volumeattachments", Verbs: follow, Why: "wait for volumes to leave a node"},
		{Resource: "persistentvolumes", Verbs: follow, Why: "know whose volumes those are"},
		{Resource: "services", Verbs: follow, Why: "prove zero downtime"},
		{Group: "discovery.k8s.io", Resource: "endpointslices", Verbs: follow, Why: "prove zero downtime"},
	}
}

// Needs are what only some runs do.
type Needs struct {
	PastBudget bool // --past-budget
	Proxy      bool // verify.http with a service
	Surge      bool // last_endpoint = "surge"
	Configz    bool // the playbook kubelet-config
	// Probes are the namespaces in which verify.probe runs pods.
	Probes []string
	// Kured is kured's DaemonSet, "namespace/name", whose lock a run is to hold; "" there is none.
	Kured string
}

// Extra are the rights that these take.
func Extra(n Needs) []Rule {
	var rules []Rule
	if n.PastBudget {
		rules = append(rules, Rule{Resource: "pods", Verbs: []string{"delete"}, Why: "--past-budget"})
	}
	if n.Proxy {
		rules = append(rules, Rule{Resource: "services/proxy", Verbs: []string{"get"}, Why: "verify.http with a service"})
	}
	if n.Surge {
		rules = append(rules, Rule{Group: "apps", Resource: "deployments", Verbs: []string{"patch"}, Why: `last_endpoint = "surge"`})
	}
	if n.Configz {
		rules = append(rules, Rule{Resource: "nodes/proxy", Verbs: []string{"get"}, Why: "kubelet-config: ask the kubelet for its live configuration"})
	}
	if namespace, name, ok := strings.Cut(n.Kured, "/"); ok {
		rules = append(rules, kuredRule(kuredSet{namespace, name}))
	}
	for _, namespace := range n.Probes {
		rules = append(rules,
			Rule{Namespace: namespace, Resource: "pods", Verbs: []string{"create", "delete"}, Why: "verify.probe"},
			Rule{Namespace: namespace, Resource: "pods/log", Verbs: []string{"get"}, Why: "show what a probe pod said"})
	}
	return rules
}

// Missing asks the API server for each right that a run needs, or a look where that is all, extra ones too, and lists those that
// aren't there, each with the rule to add. nil: all are there.
func (c *Cluster) Missing(ctx context.Context, extra ...Rule) ([]string, error) {
	rules := Rules(c.namespace)
	if c.looks {
		rules = LookRules("check")
	}
	rules = append(rules, extra...)
	missing := make([][]string, len(rules))
	errs := make([]error, len(rules))
	var asked sync.WaitGroup
	for i, rule := range rules {
		asked.Go(func() {
			for _, verb := range rule.Verbs {
				allowed, err := c.allowed(ctx, rule, verb)
				if err != nil {
					errs[i] = err
				} else if !allowed {
					missing[i] = append(missing[i], verb)
				}
			}
		})
	}
	asked.Wait()
	var list []string
	for i, rule := range rules {
		if errs[i] != nil {
			return nil, explain("ask for rights", errs[i])
		}
		if len(missing[i]) > 0 {
			rule.Verbs = missing[i]
			list = append(list, rule.missing())
		}
	}
	return list, nil
}

func (r Rule) missing() string {
	object, where := "ClusterRole", ""
	if r.Namespace != "" {
		object, where = "Role in namespace "+r.Namespace, " in namespace "+r.Namespace
	}
	return fmt.Sprintf("may not %s %s%s (%s); add to a %s of this user:\n%s", strings.Join(r.Verbs, ", "), r.Resource, where, r.Why, object, r.YAML())
}

func (c *Cluster) allowed(ctx context.Context, r Rule, verb string) (bool, error) {
	resource, sub, _ := strings.Cut(r.Resource, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: r.Namespace, Verb: verb, Group: r.Group, Resource: resource, Subresource: sub, Name: r.Name,
		},
	}}
	answer, err := c.auth.SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return answer.Status.Allowed, nil
}
