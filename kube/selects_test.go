package kube

import (
	"math/rand/v2"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// TestSelectsAsTheServerDoes: plain labels, which are compared without a selector, and all other selectors alike.
func TestSelectsAsTheServerDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	some := func() map[string]string {
		all := map[string]string{}
		for _, key := range []string{"app", "tier", "of"}[:r.IntN(4)] {
			all[key] = []string{"", "a", "b"}[r.IntN(3)]
		}
		return all
	}
	for range 2000 {
		of, s := some(), &metav1.LabelSelector{MatchLabels: some()}
		switch r.IntN(4) {
		case 0:
			s = nil
		case 1:
			s.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"a"}}}
		}
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := selects(s, of), selector.Matches(labels.Set(of)); got != want {
			t.Errorf("%v of %v: %v, the server: %v", s, of, got, want)
		}
	}
	if bad := (&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Like"}}}); selects(bad, nil) {
		t.Error("an invalid selector selects")
	}
}
