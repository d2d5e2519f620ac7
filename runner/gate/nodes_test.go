package gate

import (
	"regexp"
	"strings"
	"testing"
)

// TestPattern: each node by each of its names, anchored as Prometheus anchors it, and nothing else; none matches nothing.
func TestPattern(t *testing.T) {
	w := World{Names: func(node string) []string {
		return map[string][]string{"n1": {"10.0.1.1", "n1"}, "n2.example": {"fd00::1", "[fd00::1]"}}[node]
	}}
	for _, tc := range []struct {
		nodes    []string
		yes, not string
	}{
		{[]string{"n1"}, "n1 10.0.1.1", "n11 xn1 10x0.1.1 10.0.1.11 n2.example -none-x"},
		{[]string{"n2.example", "n1"}, "n1 n2.example [fd00::1] fd00::1 10.0.1.1", "n2xexample n2 .*"},
		{nil, "", "n1 n2.example 10.0.1.1 .*"},
		{[]string{}, "", "n1"},
		{[]string{`a\b`}, "", `a\b ab n1`},
	} {
		re, err := regexp.Compile("^(?:" + w.pattern(tc.nodes) + ")$")
		if err != nil {
			t.Fatal(err)
		}
		for yes := range strings.FieldsSeq(tc.yes) {
			if !re.MatchString(yes) {
				t.Errorf("%s doesn't match %s", re, yes)
			}
		}
		for not := range strings.FieldsSeq(tc.not) {
			if re.MatchString(not) {
				t.Errorf("%s matches %s", re, not)
			}
		}
		if re.MatchString("") {
			t.Errorf("%s matches what has no label", re)
		}
	}
}

func TestFilled(t *testing.T) {
	w := World{}
	got := w.filled(`a{i=~"{{.Upgraded}}(:[0-9]+)?"} / b{i=~'{{ .Others }}'}`, []string{"n.1", "n2"}, nil)
	if want := `a{i=~"(?:n2|n[.]1)(:[0-9]+)?"} / b{i=~'(?:-none-)'}`; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := w.filled(`up{a="{{.Node}}"}`, nil, nil); got != `up{a="{{.Node}}"}` {
		t.Error(got)
	}
}
