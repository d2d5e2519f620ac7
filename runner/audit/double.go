package audit

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type budget = *policyv1.PodDisruptionBudget

// guarded is what budgets are for: a workload's pods, or one that nothing makes.
type guarded struct {
	namespace, name string
	labels          map[string]string
}

// untangling is what becomes of budgets, so that one is left to each pod: the findings are mended one after another, and
// none may take away what another one leaves.
type untangling struct {
	budgets   map[string][]budget // by namespace
	all       map[string][]guarded
	gone      map[budget]bool
	selectors map[budget]*metav1.LabelSelector // as far as they have been narrowed
}

func (w *world) untangling() untangling {
	u := untangling{map[string][]budget{}, map[string][]guarded{}, map[budget]bool{}, map[budget]*metav1.LabelSelector{}}
	for i := range w.Budgets {
		b := &w.Budgets[i]
		u.budgets[b.Namespace] = append(u.budgets[b.Namespace], b)
		u.selectors[b] = b.Spec.Selector
	}
	for _, load := range w.workloads {
		u.all[load.meta.Namespace] = append(u.all[load.meta.Namespace], load.guarded())
	}
	for _, p := range w.orphans {
		u.all[p.Namespace] = append(u.all[p.Namespace], guarded{p.Namespace, "pod " + p.Name, p.Labels})
	}
	return u
}

func (w *workload) guarded() guarded { return guarded{w.meta.Namespace, w.object(), w.labels} }

// guards says that a budget is still there for g.
func (u untangling) guards(b budget, g guarded) bool {
	return !u.gone[b] && selects(u.selectors[b], g.labels)
}

// alone are those, but for g, that would be without any budget if b were gone.
func (u untangling) alone(b budget, g guarded) (list []guarded) {
	for _, other := range u.all[b.Namespace] {
		if other.name != g.name && u.guards(b, other) && !slices.ContainsFunc(u.budgets[b.Namespace], func(o budget) bool { return o != b && u.guards(o, other) }) {
			list = append(list, other)
		}
	}
	return list
}

// doubleBudgets are workloads that more than one budget guards. Kept is the one that guards most. Of the others those go that
// nobody else needs; a budget that is somebody's only one is narrowed, so that it no longer guards this workload too.
func doubleBudgets(w *world) (hits []hit) {
	u := w.untangling()
	count := map[budget]int{}
	for _, load := range w.workloads {
		for _, b := range load.budgets {
			count[b]++
		}
	}
	for _, load := range w.workloads {
		if len(load.budgets) < 2 || accepted(load.meta.Annotations, "budget-double") {
			continue
		}
		list := slices.Clone(load.budgets)
		slices.SortStableFunc(list, func(a, b budget) int {
			return cmp.Or(by(u.gone[a], u.gone[b]), count[b]-count[a], cmp.Compare(a.Name, b.Name))
		})
		var names []string
		for _, b := range list {
			names = append(names, b.Name)
		}
		h := hit{object: load.object(), evidence: "guarded by the budgets " + strings.Join(names, " and ")}
		commands, stuck := u.leave(load, list)
		if h.command = strings.Join(commands, "\n"); stuck != "" {
			h.evidence += "; " + stuck
		}
		hits = append(hits, h)
	}
	return hits
}

// by sorts what isn't so before what is.
func by(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// leave are the commands that leave a workload the first of its budgets alone, or why there are none.
func (u untangling) leave(load *workload, list []budget) (commands []string, stuck string) {
	var deleted []string
	for _, b := range list[1:] {
		others := u.alone(b, load.guarded())
		if len(others) == 0 {
			u.gone[b] = true
			deleted = append(deleted, b.Name)
			continue
		}
		selector := without(u.selectors[b], load, others)
		if selector == nil {
			return nil, b.Name + " is all that " + others[0].name + " has, and no label tells them apart: write its selector anew"
		}
		u.selectors[b] = selector
		commands = append(commands, patch(b.ObjectMeta, "pdb", "merge", object{"spec": object{"selector": selector}}))
	}
	if len(deleted) > 0 {
		commands = append(commands, kubectl(load.meta.Namespace, "delete pdb %s --ignore-not-found=true", strings.Join(deleted, " ")))
	}
	return commands, ""
}

// without is a selector that no longer selects a workload's pods, and still those of the others; nil where no label of the
// workload's tells them apart.
func without(s *metav1.LabelSelector, load *workload, others []guarded) *metav1.LabelSelector {
	keys := slices.Sorted(maps.Keys(load.labels))
	slices.SortStableFunc(keys, func(a, b string) int { // by what its own selector names first
		return by(load.selector.MatchLabels[a] == "", load.selector.MatchLabels[b] == "")
	})
	for _, key := range keys {
		value := load.labels[key]
		if slices.ContainsFunc(others, func(g guarded) bool { return g.labels[key] == value }) {
			continue
		}
		s = s.DeepCopy()
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpNotIn, Values: []string{value}})
		return s
	}
	return nil
}
