package audit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// gently is the rollout that never has less than is wanted. A merge patch of null takes out what Recreate forbids.
var gently = object{"spec": object{"strategy": object{"type": "RollingUpdate", "rollingUpdate": object{"maxSurge": 1, "maxUnavailable": 0}}}}

// rollouts asks a question about each Deployment that has pods.
func (w *world) rollouts(rule string, ask func(d *appsv1.Deployment, surge, unavailable int) (evidence string)) (hits []hit) {
	for i := range w.Deployments {
		d := &w.Deployments[i]
		if count(d.Spec.Replicas) < 1 || accepted(d.Annotations, rule) {
			continue
		}
		surge, unavailable := rolling(d)
		if evidence := ask(d, surge, unavailable); evidence != "" {
			hits = append(hits, hit{object: "deployment " + d.Namespace + "/" + d.Name, evidence: evidence,
				command: patch(d.ObjectMeta, "deployment", "merge", gently)})
		}
	}
	return hits
}

// rolling are maxSurge, rounded up, and maxUnavailable, rounded down, in pods, with the API's default of 25 %.
func rolling(d *appsv1.Deployment) (surge, unavailable int) {
	quarter := intstr.FromString("25%")
	maxSurge, maxUnavailable := &quarter, &quarter
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		if r.MaxSurge != nil {
			maxSurge = r.MaxSurge
		}
		if r.MaxUnavailable != nil {
			maxUnavailable = r.MaxUnavailable
		}
	}
	surge, _ = intstr.GetScaledValueFromIntOrPercent(maxSurge, count(d.Spec.Replicas), true)
	unavailable, _ = intstr.GetScaledValueFromIntOrPercent(maxUnavailable, count(d.Spec.Replicas), false)
	return surge, unavailable
}

func recreating(d *appsv1.Deployment) bool {
	return d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
}

func recreates(w *world) []hit {
	return w.rollouts("recreate", func(d *appsv1.Deployment, _, _ int) string {
		if recreating(d) {
			return "strategy Recreate"
		}
		return ""
	})
}

func noSurges(w *world) []hit {
	return w.rollouts("no-surge", func(d *appsv1.Deployment, surge, _ int) string {
		if surge == 0 && !recreating(d) {
			return "maxSurge 0"
		}
		return ""
	})
}

func allUnavailable(w *world) []hit {
	return w.rollouts("max-unavailable", func(d *appsv1.Deployment, _, unavailable int) string {
		if replicas := count(d.Spec.Replicas); unavailable >= replicas && !recreating(d) {
			return fmt.Sprintf("maxUnavailable %s of %d", d.Spec.Strategy.RollingUpdate.MaxUnavailable, replicas)
		}
		return ""
	})
}

// unprobed are workloads that a Service leads to and whose containers have no readiness probe.
func unprobed(w *world) (hits []hit) {
	for _, load := range w.workloads {
		if load.service == nil || accepted(load.meta.Annotations, "readiness") ||
			slices.ContainsFunc(load.spec.Containers, func(c corev1.Container) bool { return c.ReadinessProbe != nil }) {
			continue
		}
		h := hit{object: load.object(), evidence: fmt.Sprintf("behind Service %s, no readiness probe", load.service.Name)}
		if c, port, ok := load.served(); ok {
			probe := object{"tcpSocket": object{"port": port}, "periodSeconds": 5}
			h.command = load.podSpec(object{"containers": []object{container(c, object{"readinessProbe": probe})}})
		} else {
			h.evidence += "; no port of the Service is TCP, so that only an exec probe that asks as its users do can tell"
		}
		hits = append(hits, h)
	}
	return hits
}

// served is the container that a workload's Service leads to by TCP, and its port's number or name; false: it leads to none.
func (w *workload) served() (name string, port any, ok bool) {
	ports := tcpPorts(w.service)
	if len(ports) == 0 {
		return "", nil, false
	}
	target := ports[0].TargetPort
	if port = target.IntValue(); port == 0 {
		port = int(ports[0].Port)
	}
	if target.Type == intstr.String && target.StrVal != "" {
		port = target.StrVal
	}
	for _, c := range w.spec.Containers {
		for _, p := range c.Ports {
			if p.Name == port || int(p.ContainerPort) == port && tcp(p.Protocol) {
				return c.Name, port, true
			}
		}
	}
	return w.spec.Containers[0].Name, port, true
}

func tcp(p corev1.Protocol) bool { return p == corev1.ProtocolTCP || p == "" }

// tcpPorts are those at which a connection can be tried: of UDP and SCTP nobody knows without asking.
func tcpPorts(s *corev1.Service) (ports []corev1.ServicePort) {
	for _, p := range s.Spec.Ports {
		if tcp(p.Protocol) {
			ports = append(ports, p)
		}
	}
	return ports
}

// usualGrace is what a pod has after its hook to end by itself, in seconds: the API's default grace.
const usualGrace = corev1.DefaultTerminationGracePeriodSeconds

func shortGraces(w *world) (hits []hit) {
	for _, load := range w.workloads {
		grace := int64(usualGrace)
		if g := load.spec.TerminationGracePeriodSeconds; g != nil {
			grace = *g
		}
		var longest int64
		for _, c := range load.spec.Containers {
			longest = max(longest, hookSeconds(c.Lifecycle))
		}
		if longest >= grace && longest > 0 && !accepted(load.meta.Annotations, "grace") {
			hits = append(hits, hit{object: load.object(), evidence: fmt.Sprintf("grace %d s, preStop takes %d s", grace, longest),
				command: load.podSpec(object{"terminationGracePeriodSeconds": longest + usualGrace})})
		}
	}
	return hits
}

// hookSeconds is how long a preStop hook takes at least, as far as it says: its sleep action, or a sleep in its command.
func hookSeconds(l *corev1.Lifecycle) (seconds int64) {
	switch {
	case l == nil || l.PreStop == nil:
	case l.PreStop.Sleep != nil:
		return l.PreStop.Sleep.Seconds
	case l.PreStop.Exec != nil:
		words := strings.FieldsFunc(strings.Join(l.PreStop.Exec.Command, " "), func(r rune) bool { return strings.ContainsRune(" ;&|()\t\n\"'", r) })
		for i, word := range words[:max(0, len(words)-1)] {
			if word == "sleep" || strings.HasSuffix(word, "/sleep") {
				n, err := strconv.ParseInt(strings.TrimSuffix(words[i+1], "s"), 10, 64)
				if err == nil {
					seconds += n
				}
			}
		}
	}
	return seconds
}
