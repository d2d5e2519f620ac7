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
		{"Action":"output","Package":"x/kube","Test":"TestFault05TwoHolders","Output":"    lease_test.go:7: shown: 3 holders\n"}
		{"Action":"output","Package":"x/kube","Test":"TestFault05TwoHolders","Output":"    lease_test.go:8: not this\n"}
		{"Action":"pass","Package":"x/kube","Test":"TestFault05TwoHolders","Elapsed":1.5}
		{"Action":"pass","Package":"x/runner","Test":"TestFault05Other/sub","Elapsed":9}
		{"Action":"pass","Package":"x/testdata/lab","Test":"TestFault05Two","Elapsed":2}
		{"Action":"pass","Package":"x/testdata/lab/vm","Test":"TestFault25Two","Elapsed":2}
		{"Action":"pass","Package":"x/cmd/fleetup","Test":"TestFault28NeverReturns","Elapsed":2}
		{"Action":"pass","Package":"x/cmd/fleetup","Test":"TestFault40SwapComparesMemory","Elapsed":2}
		{"Action":"fail","Package":"x/runner","Test":"TestFault30Kubelet","Elapsed":0.1}
		{"Action":"pass","Package":"x/runner","Test":"TestFault30Other","Elapsed":0.1}
		{"Action":"output","Package":"x/runner","Test":"TestFault31Other","Output":"    a_test.go:7: shown: nothing\n"}
		{"Action":"skip","Package":"x/runner","Test":"TestFault31Other","Elapsed":0}
		{"Action":"fail","Package":"x/runner"}`))
	var text strings.Builder
	if passed := show(&text, seen, broken); passed != 4 {
		t.Errorf("%d passed", passed)
	}
	for _, want := range []string{"5   box+lab  pass ", "3.5s", "  3 holders\n", "25  vm ", "never returns (not shown yet: asking its BMC)", "comes back with less\n",
		"FAILED TestFault30Kubelet", "31           missing", "failed: x/runner\n", "\n4 of 40, 1 of them in part\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	if strings.Contains(text.String(), "not this") {
		t.Error(text.String())
	}
}
