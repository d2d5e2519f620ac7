package audit

import (
	"fmt"
	"slices"

	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// tightBudgets are those that never let a pod go, by their spec and the replicas that are wanted: nothing that passes by
// itself.
func tightBudgets(w *world) (hits []hit) {
	for i := range w.Budgets {
		b := &w.Budgets[i]
		expected := w.expected(b)
		if expected == 0 || accepted(b.Annotations, "budget-tight") {
			continue
		}
		if need, how := needs(b, expected); need >= expected {
			hits = append(hits, hit{object: budgetName(b), evidence: fmt.Sprintf("%s of %d pods: never lets one go", how, expected),
				command: patch(b.ObjectMeta, "pdb", "merge", object{"spec": object{"minAvailable": nil, "maxUnavailable": 1}})})
		}
	}
	return hits
}

func budgetName(b *policyv1.PodDisruptionBudget) string { return "pdb " + b.Namespace + "/" + b.Name }

// expected counts the pods that a budget's workloads should have.
func (w *world) expected(b *policyv1.PodDisruptionBudget) (n int) {
	for _, load := range w.workloads {
		if slices.Contains(load.budgets, b) && !load.daemon() {
			n += load.replicas
		}
	}
	return n
}

// needs is how many pods a budget wants healthy, and the field that says so. Percents are rounded up, both ways, as the
// disruption controller does.
func needs(b *policyv1.PodDisruptionBudget, expected int) (healthy int, how string) {
	scaled := func(v *intstr.IntOrString) int {
		n, err := intstr.GetScaledValueFromIntOrPercent(v, expected, true)
		if err != nil {
			return 0
		}
		return n
	}
	switch {
	case b.Spec.MaxUnavailable != nil:
		return expected - scaled(b.Spec.MaxUnavailable), "maxUnavailable " + b.Spec.MaxUnavailable.String()
	case b.Spec.MinAvailable != nil:
		return scaled(b.Spec.MinAvailable), "minAvailable " + b.Spec.MinAvailable.String()
	}
	return 1, "minAvailable 1" // the API's default
}

// looseBudgets say nothing of unhealthy pods.
func looseBudgets(w *world) (hits []hit) {
	for i := range w.Budgets {
		b := &w.Budgets[i]
		if b.Spec.UnhealthyPodEvictionPolicy == nil && !accepted(b.Annotations, "budget-policy") {
			hits = append(hits, hit{object: budgetName(b), evidence: "unhealthyPodEvictionPolicy is unset",
				command: patch(b.ObjectMeta, "pdb", "merge", object{"spec": object{"unhealthyPodEvictionPolicy": "AlwaysAllow"}})})
		}
	}
	return hits
}

func missingBudgets(w *world) (hits []hit) {
	for _, load := range w.workloads {
		if load.daemon() || load.replicas < 2 || len(load.budgets) > 0 || accepted(load.meta.Annotations, "budget-missing") {
			continue
		}
		hits = append(hits, hit{object: load.object(), evidence: fmt.Sprintf("%d replicas and no PodDisruptionBudget", load.replicas),
			command: apply(w.budgetFor(load))})
	}
	return hits
}

// singles are workloads of one. Where a Service leads to it, users see the gap.
func singles(w *world) (hits []hit) {
	for _, load := range w.workloads {
		if load.daemon() || load.replicas != 1 || accepted(load.meta.Annotations, "single-replica") {
			continue
		}
		h := hit{object: load.object(), evidence: "one replica", command: kubectl(load.meta.Namespace, "scale %s %s --replicas=2", load.kind, load.meta.Name)}
		if load.service != nil {
			h.evidence, h.severity = "one replica behind Service "+load.service.Name, warning
		}
		if len(load.budgets) == 0 {
			h.command += "\n" + apply(w.budgetFor(load))
		}
		hits = append(hits, h)
	}
	return hits
}

// probe is the label of the pods by which fleetup tries a node out.
const probe = "fleetup.io/probe"

func orphans(w *world) (hits []hit) {
	for _, p := range w.orphans {
		if !accepted(p.Annotations, "no-controller") && p.Labels[probe] == "" {
			command, note := w.deploymentOf(p)
			where := "no controller, on node " + p.Spec.NodeName
			if p.Spec.NodeName == "" {
				where = "no controller, on no node yet"
			}
			hits = append(hits, hit{object: "pod " + p.Namespace + "/" + p.Name, evidence: where + note, command: command})
		}
	}
	return hits
}
