package main

import (
	"bytes"
	"testing"

	"github.com/fleetup/fleetup/kube"
)

func TestMovesInWords(t *testing.T) {
	once := kube.Move{Pod: "shop/a", Nodes: []string{"n1"}}
	twice := kube.Move{Pod: "shop/b", Nodes: []string{"n1", "n2"}}
	thrice := kube.Move{Pod: "shop/c", Nodes: []string{"n1", "n2", "n3"}}
	for _, c := range []struct {
		list []kube.Move
		want string
	}{
		{nil, ""},
		{[]kube.Move{once}, "1 pod moved once"},
		{[]kube.Move{once, once}, "2 pods moved, each once"},
		{[]kube.Move{once, twice}, "2 pods moved, 1 of them twice"},
		{[]kube.Move{once, twice, twice, thrice}, "4 pods moved, 2 of them twice, 1 3 times over"},
	} {
		if got := movesOf(c.list).String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// A process that picked the run up knows of its own moves alone, and says so.
func TestMovesOfPart(t *testing.T) {
	m := movesOf([]kube.Move{{Pod: "shop/a", Nodes: []string{"n1"}}})
	m.Part = true
	if got := m.String(); got != "1 pod moved once, since the run was picked up" {
		t.Error(got)
	}
}

func TestShowMoves(t *testing.T) {
	list := movesOf([]kube.Move{{Pod: "shop/b", Nodes: []string{"n1", "n2"}}})
	for verbose, want := range map[bool]string{
		false: "1 pod moved, 1 of them twice\n", true: "1 pod moved, 1 of them twice\n  shop/b had to leave n1, then n2\n",
	} {
		var out bytes.Buffer
		a := &app{out: &out}
		a.flags.verbose = verbose
		a.showMoves(list)
		a.showMoves(nil)
		if out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	}
}
