package kube

// AheadRules is what `fleetup check` reads beside what a run needs, for its forecast; without them it says what isn't foreseen.
func AheadRules() []Rule {
	const why = "foresee what quotas and volumes allow"
	return []Rule{{Resource: "resourcequotas", Verbs: []string{"list"}, Why: why}, {Group: "storage.k8s.io", Resource: "csinodes", Verbs: []string{"list"}, Why: why},
		{Group: "autoscaling", Resource: "horizontalpodautoscalers", Verbs: []string{"list"}, Why: why}}
}

// LookRules is what `fleetup check`, `audit` and `diagnose` ask the API, by their names, where they are to look alone: nothing to
// change, and for audit and diagnose all of it to list. A kubelet's configuration is not among it, though audit asks for it:
// nodes/proxy is as good as root on every node, and the machines tell the same over SSH. Nor is an eviction, which RBAC can't
// grant for dry runs alone: a check plays drains ahead by itself.
func LookRules(command string) []Rule {
	list := func(group, why string, resources ...string) (rules []Rule) {
		for _, r := range resources {
			rules = append(rules, Rule{Group: group, Resource: r, Verbs: []string{"list"}, Why: why})
		}
		return rules
	}
	switch command {
	case "check":
		return append(followed(), AheadRules()...)
	case "diagnose":
		rules := list("", "listen to what the cluster says", "nodes", "pods", "events")
		return append(rules, list("metrics.k8s.io", "what metrics-server saw of machines that are away", "nodes")...)
	}
	const why = "find what will hurt"
	rules := list("", why, "nodes", "pods", "namespaces", "services", "resourcequotas", "limitranges", "persistentvolumes")
	rules = append(rules, list("policy", why, "poddisruptionbudgets")...)
	return append(rules, list("apps", why, "deployments", "statefulsets", "daemonsets", "replicasets")...)
}
