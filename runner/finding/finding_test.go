package finding

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSortPutsTheWorstFirst(t *testing.T) {
	list := []Finding{
		{Severity: Warning, Rule: "load", Object: "node n2"},
		{Severity: Info, Rule: "age", Object: "node n1"},
		{Severity: Warning, Rule: "disk-space", Object: "node n9"},
		{Severity: Critical, Rule: "oom", Object: "node n3"},
		{Severity: Warning, Rule: "disk-space", Object: "node n1"},
	}
	Sort(list)
	var got []string
	for _, f := range list {
		got = append(got, f.Rule+" "+f.Object)
	}
	if want := "oom node n3, disk-space node n1, disk-space node n9, load node n2, age node n1"; strings.Join(got, ", ") != want {
		t.Errorf("sorted: %s\nwant    %s", strings.Join(got, ", "), want)
	}
	if w := Worst(list); w != Critical {
		t.Errorf("the worst is %v", w)
	}
	if w := Worst(nil); w != None {
		t.Errorf("the worst of nothing is %v", w)
	}
}

func TestSeverityAsText(t *testing.T) {
	for _, s := range []Severity{None, Info, Warning, Critical} {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Severity
		if err := json.Unmarshal(text, &back); err != nil || back != s {
			t.Errorf("%v became %s, and that %v (%v)", s, text, back, err)
		}
	}
	var s Severity
	if err := s.UnmarshalText([]byte("fatal")); err == nil || !strings.Contains(err.Error(), "none, info, warning, critical") {
		t.Errorf("fatal: %v", err)
	}
}
