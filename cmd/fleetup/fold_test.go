package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/fleetup/fleetup/runner"
)

func TestFold(t *testing.T) {
	for _, c := range []struct{ names, want string }{
		{"", ""},
		{"n1", "n1"},
		{"n1 n2", "n[1-2]"},
		{"n1 n2 n3 gpu7", "n[1-3],gpu7"},
		{"n1 n3 n4", "n1,n[3-4]"},
		{"n8 n9 n10 n11", "n[8-11]"},
		{"n08 n09 n10", "n[08-10]"},
		{"n099 n100 n101", "n[099-101]"},
		{"n9 n010", "n9,n010"}, // another padding is another name
		{"a1 b2", "a1,b2"},
		{"web db", "web,db"},
		{"r1-n1 r1-n2 r2-n1", "r1-n[1-2],r2-n1"},
		{"1 2", "[1-2]"},
		{"n1 n4 n2 n5 n3 n6", "n[1-6]"},
		{"n1 n10 n11 n2 n9 gpu7", "n[1-2],n[9-11],gpu7"},
		{"gpu7 n2 gpu8 n1", "gpu[7-8],n[1-2]"},
		{"n010 n9 n09", "n9,n09,n010"},
	} {
		if got := fold(strings.Fields(c.names)); got != c.want {
			t.Errorf("fold(%s) = %s, want %s", c.names, got, c.want)
		}
	}
}

func TestSuccessor(t *testing.T) {
	for digits, want := range map[string]string{"1": "2", "9": "10", "009": "010", "099": "100", "999": "1000", "0": "1"} {
		if got := successor(digits); got != want {
			t.Errorf("successor(%s) = %s, want %s", digits, got, want)
		}
	}
}

// Answers that most hosts gave come first; equal ones in the order of their first host.
func TestOutputs(t *testing.T) {
	var o outputs
	for _, a := range []struct{ host, text string }{{"n1", "x"}, {"n2", "y"}, {"n3", "z"}, {"n4", "z"}} {
		o.add(a.host, a.text)
	}
	if got := o.sorted(); !slices.Equal(got, []string{"z", "x", "y"}) {
		t.Error(got)
	}
	if got := o.hosts["z"]; !slices.Equal(got, []string{"n3", "n4"}) {
		t.Error(got)
	}
}

func TestAnswerText(t *testing.T) {
	for _, c := range []struct {
		answer answer
		want   string
	}{
		{answer{}, ""},
		{answer{Stdout: "a\n"}, "a\n"},
		{answer{Stdout: "a"}, "a\n"},
		{answer{Stdout: "a", Stderr: "b"}, "a\nb\n"},
		{answer{Stdout: "a\n", Exit: 3}, "a\nexit 3\n"},
		{answer{Host: "n1", Exit: -1, Error: "host n1: connect: refused"}, "connect: refused\n"},
	} {
		if got := c.answer.text(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.answer, got, c.want)
		}
	}
}

func TestTogether(t *testing.T) {
	all := []runner.Finding{
		{Node: "n1", What: "machine", Why: "a"}, {Node: "n1", What: "machine", Why: "b"}, {What: "rights", Why: "c", Refuse: true},
		{Node: "n2", What: "machine", Why: "a"}, {Node: "n3", What: "machine", Why: "a", Refuse: true}, {Node: "n3", What: "machine", Why: "a"},
	}
	want := []runner.Finding{
		{Node: "n[1-3]", What: "machine", Why: "a"}, {Node: "n1", What: "machine", Why: "b"}, {What: "rights", Why: "c", Refuse: true},
		{Node: "n3", What: "machine", Why: "a", Refuse: true},
	}
	if got := together(all); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
