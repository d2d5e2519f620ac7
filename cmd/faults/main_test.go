package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	if len(faults) != 40 {
		t.Fatalf("%d faults", len(faults))
	}
	seen, broken := collect(strings.NewReader(`
		{"Action":"pass","Package":"x/kube","Test":"TestFault05TwoHolders","Elapsed":1.5}
		{"Action":"pass","Package":"x/runner","Test":"TestFault05Other/sub","Elapsed":9}
		{"Action":"pass","Package":"x/testdata/lab","Test":"TestFault05Two","Elapsed":2}
		{"Action":"fail","Package":"x/runner","Test":"TestFault30Kubelet","Elapsed":0.1}
		{"Action":"pass","Package":"x/runner","Test":"TestFault30Other","Elapsed":0.1}
		{"Action":"skip","Package":"x/runner","Test":"TestFault31Other","Elapsed":0}
		{"Action":"fail","Package":"x/runner"}`))
	var text strings.Builder
	if passed := show(&text, seen, broken); passed != 1 {
		t.Errorf("%d passed", passed)
	}
	for _, want := range []string{"5   box+lab  pass ", "3.5s", "FAILED TestFault30Kubelet", "31           missing", "failed: x/runner\n", "\n1 of 40\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
}
