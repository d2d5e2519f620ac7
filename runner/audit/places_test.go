package audit

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestFitting: which nodes a pod may be on by its selector and required affinity, in all the ways that these are written.
// Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
func TestFitting(t *testing.T) {
	nodes := []corev1.Node{
		node("n1", func(n *corev1.Node) { n.Labels = map[string]string{"disk": "ssd", "gpus": "4"} }),
		node("n2", func(n *corev1.Node) { n.Labels = map[string]string{"disk": "hdd", "gpus": "8"} }),
		node("n3"),
	}
	terms := func(terms ...corev1.NodeSelectorTerm) corev1.PodSpec {
		return corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms}}}}
	}
	label := func(key string, operator corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: operator, Values: values}}}
	}
	named := func(operator corev1.NodeSelectorOperator, name string) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: operator, Values: []string{name}}}}
	}
	both := func(a, b corev1.NodeSelectorTerm) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchExpressions: append(a.MatchExpressions, b.MatchExpressions...), MatchFields: append(a.MatchFields, b.MatchFields...)}
	}
	for _, tc := range []struct {
		name string
		spec corev1.PodSpec
		want string
	}{
		{"any", corev1.PodSpec{}, "n1 n2 n3"},
		{"a name", corev1.PodSpec{NodeName: "n2"}, "n2"},
		{"a selector", corev1.PodSpec{NodeSelector: map[string]string{"disk": "ssd"}}, "n1"},
		{"in", terms(label("disk", corev1.NodeSelectorOpIn, "ssd", "hdd")), "n1 n2"},
		{"not in, or without the label", terms(label("disk", corev1.NodeSelectorOpNotIn, "ssd")), "n2 n3"},
		{"exists", terms(label("gpus", corev1.NodeSelectorOpExists)), "n1 n2"},
		{"doesn't", terms(label("gpus", corev1.NodeSelectorOpDoesNotExist)), "n3"},
		{"more than", terms(label("gpus", corev1.NodeSelectorOpGt, "4")), "n2"},
		{"fewer than", terms(label("gpus", corev1.NodeSelectorOpLt, "8")), "n1"},
		{"by name", terms(named(corev1.NodeSelectorOpIn, "n3")), "n3"},
		{"but one", terms(named(corev1.NodeSelectorOpNotIn, "n3")), "n1 n2"},
		{"either of two", terms(label("disk", corev1.NodeSelectorOpIn, "ssd"), named(corev1.NodeSelectorOpIn, "n3")), "n1 n3"},
		{"both of two", terms(both(label("gpus", corev1.NodeSelectorOpExists), named(corev1.NodeSelectorOpNotIn, "n1"))), "n2"},
		{"a term that says nothing, which is met by none", terms(corev1.NodeSelectorTerm{}), ""},
	} {
		var fit []string
		fits := fitting(&tc.spec)
		for i := range nodes {
			if fits(&nodes[i]) {
				fit = append(fit, nodes[i].Name)
			}
		}
		if got := strings.Join(fit, " "); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestAlreadyApart: a workload that asks for its pods to be apart, in whichever way, is left alone; one whose rule is about others isn't.
func TestAlreadyApart(t *testing.T) {
	ours, others := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}
	term := func(key string, of *metav1.LabelSelector) corev1.PodAffinityTerm {
		return corev1.PodAffinityTerm{TopologyKey: key, LabelSelector: of}
	}
	anti := func(a corev1.PodAntiAffinity) corev1.PodSpec {
		return corev1.PodSpec{Affinity: &corev1.Affinity{PodAntiAffinity: &a}}
	}
	wished := func(t corev1.PodAffinityTerm) corev1.PodSpec {
		return anti(corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{Weight: 1, PodAffinityTerm: t}}})
	}
	wanted := func(t corev1.PodAffinityTerm) corev1.PodSpec {
		return anti(corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{t}})
	}
	spread := func(key string, of *metav1.LabelSelector) corev1.PodSpec {
		return corev1.PodSpec{TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{TopologyKey: key, LabelSelector: of}}}
	}
	for _, tc := range []struct {
		name  string
		spec  corev1.PodSpec
		apart bool
	}{
		{"nothing", corev1.PodSpec{}, false},
		{"required", wanted(term(corev1.LabelHostname, ours)), true},
		{"preferred", wished(term(corev1.LabelHostname, ours)), true},
		{"spread", spread(corev1.LabelHostname, ours), true},
		{"over zones", wished(term(corev1.LabelTopologyZone, ours)), false},
		{"from others", wanted(term(corev1.LabelHostname, others)), false},
		{"others spread", spread(corev1.LabelHostname, others), false},
		{"together", corev1.PodSpec{Affinity: &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term(corev1.LabelHostname, ours)}}}}, false},
	} {
		load := &workload{spec: &tc.spec, labels: map[string]string{"app": "web", "version": "2"}}
		if got := load.spread(corev1.LabelHostname); got != tc.apart {
			t.Errorf("%s: apart %v", tc.name, got)
		}
	}
}

// TestLabelValue: an inventory may name a rack as no label can be named.
func TestLabelValue(t *testing.T) {
	for text, want := range map[string]string{"r1": "r1", "Hall 2 / Row B": "Hall-2-Row-B", "-_.r1.-_": "r1", "Köln": "K-ln", "§": "", strings.Repeat("a", 62) + "-b": strings.Repeat("a", 62)} {
		if got := labelValue(text); got != want {
			t.Errorf("%q is labelled %q, want %q", text, got, want)
		}
	}
}
