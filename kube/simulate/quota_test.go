package simulate_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/simulate"
)

func scope(names ...corev1.ResourceQuotaScope) func(*corev1.ResourceQuota) {
	return func(q *corev1.ResourceQuota) { q.Spec.Scopes = names }
}

// class is a quota's selector of priority classes.
func class(operator corev1.ScopeSelectorOperator, names ...string) func(*corev1.ResourceQuota) {
	return func(q *corev1.ResourceQuota) {
		q.Spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{
			{ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: operator, Values: names}}}
	}
}

func ofClass(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.PriorityClassName = name }
}

func ending(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = new(int64) }

// guaranteed is a pod of which the API server alone knows that it isn't best effort: what it asks for was dropped on the way.
func guaranteed(p *corev1.Pod) { p.Status.QOSClass = corev1.PodQOSGuaranteed }

func beside(p *corev1.Pod) {
	apart(corev1.LabelHostname)(p)
	p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].NamespaceSelector = &metav1.LabelSelector{}
}

func plain(*corev1.Pod) {}

// A quota with scopes refuses those pods alone that are in all of them: here none may be made of what it takes.
func TestScopedQuotas(t *testing.T) {
	for _, c := range []struct {
		name  string
		pod   func(*corev1.Pod)
		cpu   string
		quota func(*corev1.ResourceQuota)
		takes bool
	}{
		{"BestEffort", plain, "0", scope(corev1.ResourceQuotaScopeBestEffort), true},
		{"BestEffort, of one that asks", plain, "100m", scope(corev1.ResourceQuotaScopeBestEffort), false},
		{"BestEffort, as the server has it", guaranteed, "0", scope(corev1.ResourceQuotaScopeBestEffort), false},
		{"NotBestEffort", plain, "100m", scope(corev1.ResourceQuotaScopeNotBestEffort), true},
		{"NotBestEffort, of one that asks for nothing", plain, "0", scope(corev1.ResourceQuotaScopeNotBestEffort), false},
		{"Terminating", ending, "100m", scope(corev1.ResourceQuotaScopeTerminating), true},
		{"Terminating, of one without a deadline", plain, "100m", scope(corev1.ResourceQuotaScopeTerminating), false},
		{"NotTerminating", plain, "100m", scope(corev1.ResourceQuotaScopeNotTerminating), true},
		{"NotTerminating, of one with a deadline", ending, "100m", scope(corev1.ResourceQuotaScopeNotTerminating), false},
		{"both", ending, "100m", scope(corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotBestEffort), true},
		{"one of two", ending, "0", scope(corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotBestEffort), false},
		{"a class", ofClass("high"), "100m", class(corev1.ScopeSelectorOpIn, "high", "higher"), true},
		{"a class, of another", ofClass("low"), "100m", class(corev1.ScopeSelectorOpIn, "high", "higher"), false},
		{"a class, of none", plain, "100m", class(corev1.ScopeSelectorOpIn, "high"), false},
		{"all but a class", ofClass("low"), "100m", class(corev1.ScopeSelectorOpNotIn, "high"), true},
		{"all but a class, of it", ofClass("high"), "100m", class(corev1.ScopeSelectorOpNotIn, "high"), false},
		{"all but a class, of none", plain, "100m", class(corev1.ScopeSelectorOpNotIn, "high"), true},
		{"any class", ofClass("low"), "100m", class(corev1.ScopeSelectorOpExists), true},
		{"any class, of none", plain, "100m", scope(corev1.ResourceQuotaScopePriorityClass), false},
		{"no class", plain, "100m", class(corev1.ScopeSelectorOpDoesNotExist), true},
		{"no class, of one", ofClass("low"), "100m", class(corev1.ScopeSelectorOpDoesNotExist), false},
		{"affinity across namespaces", beside, "100m", scope(corev1.ResourceQuotaScopeCrossNamespacePodAffinity), true},
		{"affinity within one", apart(corev1.LabelHostname), "100m", scope(corev1.ResourceQuotaScopeCrossNamespacePodAffinity), false},
		{"claims", plain, "100m", scope("VolumeAttributesClass"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			world := nodes(2).pods("web", c.cpu, "n1", c.pod).quota("pods", "0", c.quota)
			refused := strings.Contains(told(simulate.Run(world.World, oneByOne("n1"))), "quota shop/quota refuses it: it allows 0 pods")
			if refused != c.takes {
				t.Errorf("refused: %t, want %t", refused, c.takes)
			}
		})
	}
}
