package main

import "testing"

// A line that begins with the node's name names node, operation and cause once.
func TestBrief(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"host n1: connect to 10.0.0.11:22: no route to host", "connect to 10.0.0.11:22: no route to host"},
		{"host n1: connect to 10.0.0.11:22: dial tcp 10.0.0.11:22: no route to host", "connect to 10.0.0.11:22: no route to host"},
		{"preflight: host n1: sudo as ops: wrong sudo password", "sudo as ops: wrong sudo password"},
		{"node n1: drain: host n10: other", "drain: host n10: other"},
		{`step "kubelet": kubelet: install: host n1: step "kubelet.0.install": exit status 1: E: broken`, `step "kubelet": exit status 1: E: broken`},
		{`step "kubelet": check: exit status 1`, `step "kubelet": check: exit status 1`},
		{"exit status 1: :: sources switched\nReading package lists...\nE: no", "exit status 1: Reading package lists...\nE: no"},
		{"the kubelet's start took longer than 2m0s: node n1: wait for Ready: context deadline exceeded: waited for Ready: NotReady", "the kubelet's start took longer than 2m0s: waited for Ready: NotReady"},
		{"pods took longer than 1m: context deadline exceeded", "pods took longer than 1m"},
	} {
		if got := brief("n1", c.text); got != c.want {
			t.Errorf("brief(%q)\n got %q\nwant %q", c.text, got, c.want)
		}
	}
}

func TestWithout(t *testing.T) {
	got := without("halted: node n1 failed: disk full\nno space; on_failure = stop", "", "disk full\nno space")
	if want := "halted: node n1 failed; on_failure = stop"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
