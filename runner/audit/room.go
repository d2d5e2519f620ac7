package audit

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	helpers "k8s.io/component-helpers/resource"
)

// What the patches ask for where nobody has said anything: a beginning, for people to change.
const (
	startCPU    = "100m"
	startMemory = "128Mi"
	startLimit  = "256Mi"
)

var starts = map[corev1.ResourceName]string{corev1.ResourceCPU: startCPU, corev1.ResourceMemory: startMemory}

// lacks reports whether a container of the template lacks something, and no LimitRange gave it to the pods that there are.
func (w *workload) lacks(c corev1.Container, of func(corev1.ResourceRequirements) bool) bool {
	if of(c.Resources) {
		return false
	}
	for _, p := range w.pods {
		for _, running := range p.Spec.Containers {
			if running.Name == c.Name && of(running.Resources) {
				return false
			}
		}
	}
	return true
}

// asks reports whether something is asked for; a limit alone is a request too, by the API's default.
func asks(name corev1.ResourceName) func(corev1.ResourceRequirements) bool {
	return func(r corev1.ResourceRequirements) bool {
		_, request := r.Requests[name]
		_, limit := r.Limits[name]
		return request || limit
	}
}

func unrequested(w *world) (hits []hit) {
	return w.containers("requests", func(load *workload, c corev1.Container) (evidence string, change object) {
		requests, missing := object{}, []string{}
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if load.lacks(c, asks(name)) {
				requests[string(name)] = starts[name]
				missing = append(missing, string(name))
			}
		}
		if len(missing) == 0 {
			return "", nil
		}
		return fmt.Sprintf("container %s asks for no %s", c.Name, strings.Join(missing, " and no ")), object{"requests": requests}
	})
}

func unlimited(w *world) (hits []hit) {
	return w.containers("limits", func(load *workload, c corev1.Container) (evidence string, change object) {
		has := func(r corev1.ResourceRequirements) bool { _, ok := r.Limits[corev1.ResourceMemory]; return ok }
		if !load.lacks(c, has) {
			return "", nil
		}
		change = object{"limits": object{"memory": startLimit}}
		if request := c.Resources.Requests.Memory(); !request.IsZero() {
			change["limits"] = object{"memory": request.String()}
		} else if given := load.given(c, corev1.ResourceMemory); !given.IsZero() { // else the limit would count as its request
			change = object{"limits": object{"memory": size(max(given.Value(), bytesOf(startLimit)))}, "requests": object{"memory": given.String()}}
		}
		return fmt.Sprintf("container %s has no memory limit", c.Name), change
	})
}

// given is what the pods that there are ask for, as of a LimitRange; zero: nothing.
func (w *workload) given(c corev1.Container, name corev1.ResourceName) (most resource.Quantity) {
	for _, p := range w.pods {
		for _, running := range p.Spec.Containers {
			if q := running.Resources.Requests[name]; running.Name == c.Name && q.Cmp(most) > 0 {
				most = q
			}
		}
	}
	return most
}

// containers asks a question about each container of each workload; one finding a workload.
func (w *world) containers(rule string, ask func(load *workload, c corev1.Container) (evidence string, resources object)) (hits []hit) {
	for _, load := range w.workloads {
		if system(load.meta.Namespace) || accepted(load.meta.Annotations, rule) {
			continue
		}
		var evidence []string
		var changes []object
		for _, c := range load.spec.Containers {
			if text, resources := ask(load, c); text != "" {
				evidence = append(evidence, text)
				changes = append(changes, container(c.Name, object{"resources": resources}))
			}
		}
		if len(changes) > 0 {
			hits = append(hits, hit{object: load.object(), evidence: strings.Join(evidence, "; "), command: load.podSpec(object{"containers": changes})})
		}
	}
	return hits
}

// requested is what the scheduler counts for a pod: its containers and sidecars together, or what its init containers take on
// the way there, or what it says of the pod as a whole.
func requested(s corev1.PodSpec, name corev1.ResourceName) int64 {
	return milli(helpers.PodRequests(&corev1.Pod{Spec: s}, helpers.PodResourcesOptions{}), name)
}

// milli is a quantity in thousandths for CPU and in bytes for all else.
func milli(list corev1.ResourceList, name corev1.ResourceName) int64 {
	q := list[name]
	if name == corev1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}

// mostCommitted is how far memory limits may go above what a node has, in percent, before it counts.
const mostCommitted = 200

// overcommitted are the workloads whose memory limits are most above their requests on nodes that have promised too much.
func overcommitted(w *world) (hits []hit) {
	nodes := map[*workload][]string{}
	var order []*workload
	for i := range w.Nodes {
		n := &w.Nodes[i]
		var limits int64
		beyond := map[*workload]int64{}
		var worst *workload
		for _, p := range w.onNode[n.Name] {
			load := w.maker[p]
			limit := limitOf(p.Spec)
			limits += limit
			if load == nil || system(p.Namespace) {
				continue
			}
			beyond[load] += limit - requested(p.Spec, corev1.ResourceMemory)
			if worst == nil || beyond[load] > beyond[worst] {
				worst = load
			}
		}
		has := n.Status.Allocatable.Memory().Value()
		if worst == nil || has == 0 || limits*100 <= has*mostCommitted || accepted(worst.meta.Annotations, "overcommit") {
			continue
		}
		if nodes[worst] == nil {
			order = append(order, worst)
		}
		nodes[worst] = append(nodes[worst], fmt.Sprintf("%s (%d %%)", n.Name, limits*100/has))
	}
	for _, load := range order {
		hits = append(hits, hit{object: load.object(), command: load.nearer(),
			evidence: "the largest part of the memory limits on " + strings.Join(nodes[load], ", ")})
	}
	return hits
}

func limitOf(s corev1.PodSpec) (bytes int64) {
	return milli(helpers.PodLimits(&corev1.Pod{Spec: s}, helpers.PodResourcesOptions{}), corev1.ResourceMemory)
}

// nearer limits each container's memory at twice its request, where it is above that.
func (w *workload) nearer() string {
	var changes []object
	for _, c := range w.spec.Containers {
		request, limit := c.Resources.Requests.Memory().Value(), c.Resources.Limits.Memory().Value()
		if request == 0 {
			request = mebi(128)
		}
		if limit > 2*request {
			changes = append(changes, container(c.Name, object{"resources": object{
				"requests": object{"memory": size(request)}, "limits": object{"memory": size(2 * request)}}}))
		}
	}
	return w.podSpec(object{"containers": changes})
}

func mebi(n int64) int64 { return n << 20 }

// size writes bytes as a quantity.
func size(bytes int64) string { return resource.NewQuantity(bytes, resource.BinarySI).String() }

// crowded says whether all pods would fit with the largest node away, by sums: `fleetup check` says it pod by pod. The
// answer is the workload that asks for most, and by how much less it would have to.
func crowded(w *world) (hits []hit) {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		var has, largest, wanted int64
		by := map[*workload]int64{}
		var most *workload
		usable := 0
		for i := range w.Nodes {
			n := &w.Nodes[i]
			if !ready(*n) || n.Spec.Unschedulable || dedicated(n) {
				continue
			}
			usable++
			free := milli(n.Status.Allocatable, name)
			for _, p := range w.onNode[n.Name] {
				need := requested(p.Spec, name)
				load := w.maker[p]
				if load != nil && load.daemon() || p.Spec.PriorityClassName == "system-node-critical" {
					free -= need // it is on every node, and goes nowhere
					continue
				}
				wanted += need
				if load != nil && !system(p.Namespace) && slices.Contains(w.workloads, load) {
					by[load] += need
					if most == nil || by[load] > by[most] {
						most = load
					}
				}
			}
			has += free
			largest = max(largest, free)
		}
		if usable < 2 || wanted <= has-largest || most == nil || accepted(most.meta.Annotations, "room") {
			continue
		}
		hits = append(hits, hit{object: most.object(), command: most.smaller(name, by[most], wanted-(has-largest)),
			evidence: fmt.Sprintf("asks for the most %s; all pods together ask for %s, and with one node away there are %s",
				name, amount(name, wanted), amount(name, has-largest))})
	}
	return hits
}

// dedicated reports whether ordinary pods are kept off a node.
func dedicated(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule })
}

// smaller is a patch by which a workload that asks for has asks for less less. "" where that leaves it with hardly anything.
func (w *workload) smaller(name corev1.ResourceName, has, less int64) string {
	if less*10 > has*9 {
		return ""
	}
	var changes []object
	for _, c := range w.spec.Containers {
		if request := milli(c.Resources.Requests, name); request > 0 {
			changes = append(changes, container(c.Name, object{"resources": object{"requests": object{
				string(name): amount(name, request*(has-less)/has)}}}))
		}
	}
	return w.podSpec(object{"containers": changes})
}

// amount writes an amount as a quantity: CPU in thousandths, memory in whole MiB, rounded down.
func amount(name corev1.ResourceName, n int64) string {
	if name == corev1.ResourceCPU {
		return resource.NewMilliQuantity(n, resource.DecimalSI).String()
	}
	return fmt.Sprintf("%dMi", n>>20)
}
