package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/runner/audit"
	"github.com/fleetup/fleetup/runner/finding"
)

// TestAuditOfAThousandNodes: whatever is found on a thousand nodes is told in forty lines, none wider than the terminal;
// --verbose tells all.
func TestAuditOfAThousandNodes(t *testing.T) {
	facts := &audit.Facts{Kubelets: map[string]audit.Kubelet{}, Machines: map[string]audit.Machine{}, Skew: map[string]string{}}
	for i := range 1000 {
		var n corev1.Node
		n.Name = fmt.Sprintf("node%04d", i)
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		n.Spec.Unschedulable = i%50 == 0
		n.Spec.Taints = []corev1.Taint{{Key: "old", Effect: corev1.TaintEffectNoSchedule}}
		facts.Nodes = append(facts.Nodes, n)
		facts.Hosts = append(facts.Hosts, audit.Host{Node: n.Name, Groups: []string{"workers"}})
		facts.Kubelets[n.Name] = audit.Kubelet{MaxPods: 110}
		facts.Skew[n.Name] = "kubelet 1.30.1 is too old"
		facts.Machines[n.Name] = audit.Machine{Uptime: 1e18, Patches: []string{fmt.Sprintf("%d packages", i%7)}, Kernel: []string{"6.1.0-51 → 6.1.0-56"}, RebootRequired: []string{"libc6"},
			Failing: []string{fmt.Sprintf("disk sd%c is failing", 'a'+i%20)}, Ageing: []string{"memory: 3 errors corrected since the boot"}, Alike: map[string]string{"kernel": fmt.Sprint(i % 3)}}
	}
	list := audit.Find(facts)
	for _, width := range []int{0, 40, 80, 200} {
		var out bytes.Buffer
		a := &app{out: &out, getenv: func(string) string { return "" }}
		a.auditOn(screen{app: a, width: width, tight: true}, "prod.toml", facts, slices.Clone(list))
		lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
		if len(lines) > 40 {
			t.Errorf("width %d: %d lines:\n%s", width, len(lines), out.String())
		}
		for _, line := range lines {
			if width > 0 && utf8.RuneCountInString(line) > width {
				t.Errorf("width %d: %q", width, line)
			}
		}
		if !strings.Contains(out.String(), "skew  1000: node[0000-0999]") && width != 40 {
			t.Errorf("width %d: like nodes aren't folded:\n%s", width, out.String())
		}
	}
	var out bytes.Buffer
	a := &app{out: &out, getenv: func(string) string { return "" }}
	a.flags.verbose = true
	a.auditOn(screen{app: a, tight: true}, "prod.toml", facts, list)
	for _, f := range list {
		if !strings.Contains(out.String(), f.Rule) {
			t.Fatalf("--verbose doesn't tell of %s", f.Rule)
		}
	}
}

// TestPatchesAreAScript: what machines and manifests say can't leave the comment that it stands in.
func TestPatchesAreAScript(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out}
	a.showPatches("prod.toml", []finding.Finding{
		{Severity: finding.Warning, Rule: "local-volume", Object: "deployment shop/web", Evidence: "hostPath /srv\nrm -rf /", Action: "Copy it.", Command: "kubectl -n shop get pod"},
		{Severity: finding.Info, Rule: "single-replica", Object: "deployment shop/x", Evidence: "1", Action: "Run two.", Command: "kubectl -n shop scale x\n  more", Care: "it may"},
		{Severity: finding.Info, Rule: "patches", Object: "node n1", Evidence: "12 packages", Action: "Install them.", Command: "[upgrade]\nos-patches = {}"},
		{Severity: finding.Info, Rule: "patches", Object: "node n2", Evidence: "12 packages", Action: "Install them.", Command: "[upgrade]\nos-patches = {}"},
	})
	if !strings.Contains(out.String(), "# careful: it may\n#! kubectl -n shop scale x\n#!   more\n") {
		t.Errorf("what needs care runs by itself:\n%s", out.String())
	}
	for line := range strings.Lines(out.String()) {
		if text := strings.TrimSpace(line); text != "" && text[0] != '#' && text != "set -eux" && text != "kubectl -n shop get pod" {
			t.Errorf("a line that would run: %q", text)
		}
	}
	if !strings.Contains(out.String(), "# info patches, n[1-2]: 12 packages\n") {
		t.Errorf("what is alike isn't told together:\n%s", out.String())
	}
}
