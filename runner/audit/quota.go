package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// What a namespace may use. The patches fit each other: a quota leaves room for all that the other patches ask for.

// inUse are the namespaces that have workloads or pods of their own, and aren't the cluster's.
func (w *world) inUse(rule string, each func(u use) *hit) (hits []hit) {
	uses := w.uses()
	for i := range w.Namespaces {
		ns := &w.Namespaces[i]
		u, used := uses[ns.Name]
		if !used || system(ns.Name) || accepted(ns.Annotations, rule) {
			continue
		}
		if h := each(*u); h != nil {
			h.object = "namespace " + ns.Name
			hits = append(hits, *h)
		}
	}
	return hits
}

// use is what is in a namespace now, and what is in it once all patches are applied; peak is one pod of each more than that,
// which the largest of its rollouts makes first.
type use struct {
	namespace        string
	now, after, peak sums
}

// sums are pods, millicores of CPU and bytes of memory: what pods ask for, and what they are limited to.
type sums struct{ pods, cpu, memory, limit int64 }

func (s *sums) add(of corev1.PodSpec, times int) {
	n := int64(times)
	s.pods += n
	s.cpu += n * requested(of, corev1.ResourceCPU)
	s.memory += n * requested(of, corev1.ResourceMemory)
	s.limit += n * limitOf(of)
}

func (w *world) uses() map[string]*use {
	all := map[string]*use{}
	of := func(namespace string) *use {
		if all[namespace] == nil {
			all[namespace] = &use{namespace: namespace}
		}
		return all[namespace]
	}
	largest := map[string]sums{}
	for _, load := range w.workloads {
		u, spec := of(load.meta.Namespace), load.proposed()
		for _, p := range load.pods {
			u.now.add(p.Spec, 1)
		}
		u.after.add(spec, max(load.wanted(), len(load.pods)))
		one := sums{}
		one.add(spec, 1)
		most := largest[load.meta.Namespace]
		largest[load.meta.Namespace] = sums{1, max(most.cpu, one.cpu), max(most.memory, one.memory), max(most.limit, one.limit)}
	}
	for _, p := range w.orphans {
		u := of(p.Namespace)
		u.now.add(p.Spec, 1)
		u.after.add(proposed(p.Spec), 3) // its Deployment's two come before it goes
	}
	for namespace, u := range all {
		l := largest[namespace]
		u.peak = sums{u.after.pods + l.pods, u.after.cpu + l.cpu, u.after.memory + l.memory, u.after.limit + l.limit}
	}
	return all
}

// wanted is how many pods a workload has once it isn't alone.
func (w *workload) wanted() int {
	if !w.daemon() && w.replicas == 1 {
		return 2
	}
	return w.replicas
}

// proposed is the spec of a workload's pods with all that the patches give it, and what a LimitRange has given those that
// there are.
func (w *workload) proposed() corev1.PodSpec {
	s := *w.spec.DeepCopy()
	for i := range s.Containers {
		for name := range starts {
			if q := w.given(s.Containers[i], name); !q.IsZero() {
				fill(&s.Containers[i].Resources.Requests, corev1.ResourceList{name: q})
			}
		}
	}
	return proposed(s)
}

// proposed is a spec in which each container asks for something: for what its limit is, as the API takes it, or else for
// what the patches begin with; and is limited.
func proposed(s corev1.PodSpec) corev1.PodSpec {
	s = *s.DeepCopy()
	for _, containers := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range containers {
			r := &containers[i].Resources
			fill(&r.Requests, r.Limits)
			for name, start := range starts {
				fill(&r.Requests, corev1.ResourceList{name: resource.MustParse(start)})
			}
			fill(&r.Limits, corev1.ResourceList{corev1.ResourceMemory: *resource.NewQuantity(max(r.Requests.Memory().Value(), bytesOf(startLimit)), resource.BinarySI)})
		}
	}
	return s
}

// fill adds to a list what it lacks of another one.
func fill(list *corev1.ResourceList, more corev1.ResourceList) {
	for name, q := range more {
		if _, has := (*list)[name]; !has {
			if *list = maps.Clone(*list); *list == nil {
				*list = corev1.ResourceList{}
			}
			(*list)[name] = q
		}
	}
}

func unquoted(w *world) []hit {
	return w.inUse("quota", func(u use) *hit {
		if slices.ContainsFunc(w.Quotas, func(q corev1.ResourceQuota) bool { return q.Namespace == u.namespace }) {
			return nil
		}
		hard := object{"pods": fmt.Sprint(2*u.after.pods + 10)}
		if w.gives(u.namespace, corev1.ResourceCPU) {
			hard["requests.cpu"] = amount(corev1.ResourceCPU, 2*u.after.cpu+2000)
		}
		if w.gives(u.namespace, corev1.ResourceMemory) {
			hard["requests.memory"] = amount(corev1.ResourceMemory, 2*u.after.memory+mebi(4096))
		}
		return &hit{evidence: fmt.Sprintf("no ResourceQuota; its %d pods ask for %s CPUs and %s", u.now.pods, amount(corev1.ResourceCPU, u.now.cpu), amount(corev1.ResourceMemory, u.now.memory)),
			command: apply(manifest("v1", "ResourceQuota", u.namespace, "quota", object{"hard": hard}))}
	})
}

// gives reports whether a pod that asks for nothing gets a request from its namespace's LimitRange, the one that the rule
// limit-range proposes included: without it a quota of that would refuse the pod.
func (w *world) gives(namespace string, name corev1.ResourceName) bool {
	there := false
	for _, r := range w.LimitRanges {
		for _, item := range r.Spec.Limits {
			if r.Namespace != namespace || item.Type != corev1.LimitTypeContainer {
				continue
			}
			if _, gives := item.DefaultRequest[name]; gives {
				return true
			}
		}
		there = there || r.Namespace == namespace
	}
	return !there && !slices.ContainsFunc(w.Namespaces, func(n corev1.Namespace) bool {
		return n.Name == namespace && accepted(n.Annotations, "limit-range")
	})
}

// tightQuotas are those without room for one pod more than there are, with all that the other patches ask for.
func tightQuotas(w *world) (hits []hit) {
	uses := w.uses()
	for i := range w.Quotas {
		q := &w.Quotas[i]
		u := uses[q.Namespace]
		if u == nil || len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil || accepted(q.Annotations, "quota-tight") {
			continue
		}
		var evidence []string
		hard := object{}
		for _, name := range slices.Sorted(maps.Keys(q.Spec.Hard)) {
			need, text, counted := u.needs(name, q)
			if limit := q.Spec.Hard[name]; counted && need.Cmp(limit) > 0 {
				evidence = append(evidence, fmt.Sprintf("%s is %s, and %s %s needed", name, &limit, &need, text))
				hard[string(name)] = need.String()
			}
		}
		if len(evidence) > 0 {
			hits = append(hits, hit{object: "quota " + q.Namespace + "/" + q.Name, evidence: strings.Join(evidence, "; "),
				command: patch(q.ObjectMeta, "resourcequota", "merge", object{"spec": object{"hard": hard}})})
		}
	}
	return hits
}

// needs is how much of a resource a quota has to allow: what is used, pods of others (Jobs, say) too, with what patches add
// and one pod more.
func (u use) needs(name corev1.ResourceName, q *corev1.ResourceQuota) (need resource.Quantity, text string, counted bool) {
	var now, peak int64
	scale := resource.NewQuantity
	switch name {
	case corev1.ResourcePods:
		now, peak = u.now.pods, u.peak.pods
	case corev1.ResourceRequestsCPU, corev1.ResourceCPU:
		now, peak = u.now.cpu, u.peak.cpu
		scale = func(n int64, f resource.Format) *resource.Quantity { return resource.NewMilliQuantity(n, f) }
	case corev1.ResourceRequestsMemory, corev1.ResourceMemory:
		now, peak = u.now.memory, u.peak.memory
	case corev1.ResourceLimitsMemory:
		now, peak = u.now.limit, u.peak.limit
	default:
		return need, "", false
	}
	used, format := q.Status.Used[name], resource.DecimalSI
	if strings.HasSuffix(string(name), "memory") {
		format = resource.BinarySI
	}
	if used.Cmp(*scale(now, format)) < 0 {
		used = *scale(now, format)
	}
	need = *scale(peak-now, format)
	need.Add(used)
	text = "are"
	if name != corev1.ResourcePods {
		text = "is"
	}
	return need, text, true
}

func unranged(w *world) []hit {
	return w.inUse("limit-range", func(u use) *hit {
		if slices.ContainsFunc(w.LimitRanges, func(r corev1.LimitRange) bool { return r.Namespace == u.namespace }) {
			return nil
		}
		defaults := object{"type": "Container", "defaultRequest": object{"cpu": startCPU, "memory": startMemory}}
		return &hit{evidence: "no LimitRange", command: apply(manifest("v1", "LimitRange", u.namespace, "defaults", object{"limits": []object{defaults}}))}
	})
}
