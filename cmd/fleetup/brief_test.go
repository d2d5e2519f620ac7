package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fleetup/fleetup/inventory"
)

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

// Hosts that fail alike are told together, whatever their addresses are.
func TestUnaddressed(t *testing.T) {
	for text, want := range map[string]string{
		"connect to 10.0.0.1:22: connect: connection refused": "connect: connection refused",
		"connect to [fd00::1]:22: i/o timeout":                "connect: i/o timeout",
		"exit 3":                                              "exit 3",
		"connect to 10.0.0.1:22: ssh: handshake failed: read tcp 10.0.0.9:37546->10.0.0.1:22: read: connection reset by peer": "connect: ssh: handshake failed: connection reset by peer",
	} {
		if got := unaddressed(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestFoldAnswers(t *testing.T) {
	var out bytes.Buffer
	(&app{out: &out}).foldAnswers([]answer{
		{Host: "n1", Exit: -1, Error: "host n1: connect to 10.0.0.1:22: connect: connection refused"},
		{Host: "n2", Exit: -1, Error: "host n2: connect to 10.0.0.2:22: connect: connection refused"},
		{Host: "n3", Exit: -1, Error: "host n3: connect to 10.0.0.3:22: i/o timeout"},
		{Host: "n4", Stdout: "connect to here: up\n"},
	})
	want := "--- n[1-2] (2)\nconnect: connection refused\n" +
		"--- n3 (1)\nconnect to 10.0.0.3:22: i/o timeout\n" +
		"--- n4 (1)\nconnect to here: up\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// A file that is no inventory at all doesn't fill the screen.
func TestFewer(t *testing.T) {
	few := make(inventory.Problems, mostProblems)
	if err := fewer(few); strings.Contains(err.Error(), "more like these") || exitCode(err) != exitInventory {
		t.Error(err)
	}
	err := fewer(make(inventory.Problems, mostProblems+7))
	if !strings.HasSuffix(err.Error(), "\nand 7 more like these") || exitCode(err) != exitInventory {
		t.Error(err)
	}
}
