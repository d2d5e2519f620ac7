package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner/diagnose"
	"github.com/fleetup/fleetup/runner/finding"
)

// many are nodes that differ a little in their numbers; every tenth has a finding of one of ten kinds.
func many(n int) []diagnosed {
	all := make([]diagnosed, n)
	for i := range all {
		name := fmt.Sprintf("node%04d", i+1)
		l := diagnose.Look{Cores: 8, Busy: float64(i % 97), Memory: diagnose.Memory{Total: 100, Available: int64(i % 89)}, Load: [3]float64{1, float64(i%7) / 2, 1}}
		l.Gaps = []string{"smartctl isn't installed"}
		all[i] = diagnosed{Node: name, Numbers: &l}
		if i%10 == 0 {
			all[i].Findings = []finding.Finding{{Severity: finding.Warning, Rule: fmt.Sprintf("rule-%d", i/10%10), Object: "node " + name,
				Evidence: fmt.Sprintf("%d of something that takes some words to tell, and which goes on beyond eighty columns", i), Meaning: "it hurts", Action: "mend it"}}
		}
	}
	return all
}

// printed is what a diagnosis looks like on a terminal of a width; 0: in a pipe.
func printed(all []diagnosed, width int) []string {
	var out bytes.Buffer
	a := &app{out: &out, getenv: func(string) string { return "" }}
	s := screen{app: a, width: width, tight: len(all) > manyNodes}
	a.diagnosisOn(s, diagnosis{nodes: all})
	return strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
}

// A thousand nodes are told in forty lines, whatever the width, and no line is wider than the terminal.
func TestThousandNodesInFortyLines(t *testing.T) {
	for _, width := range []int{0, 40, 80, 200} {
		lines := printed(many(1000), width)
		if len(lines) > 40 {
			t.Errorf("width %d: %d lines:\n%s", width, len(lines), strings.Join(lines, "\n"))
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); width > 0 && n > width {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
	}
	if text := strings.Join(printed(many(1000), 80), "\n"); !strings.Contains(text, "and 3 kinds: rule-7 on 10") {
		t.Errorf("what there is no room for isn't named:\n%s", text)
	}
}

// Few nodes are told whole, each by itself, within the width.
func TestFewNodesAreToldWhole(t *testing.T) {
	for _, width := range []int{40, 80, 120} {
		lines := printed(many(20), width)
		text := strings.Join(lines, "\n")
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
		for _, want := range []string{"warning   rule-0  node0001", "it hurts", "do: mend it", "node0020", "not asked: smartctl isn't installed"} {
			if !strings.Contains(text, want) {
				t.Errorf("width %d: not told: %q\n%s", width, want, text)
			}
		}
	}
}

// What metrics-server saw of a machine that can't be asked is told with it.
func TestSeenByMetricsServer(t *testing.T) {
	usage := map[string]kube.Usage{"n1": {Cores: 3.25, Bytes: 2 << 30}}
	away := diagnosed{Node: "n1", Error: "no route", Findings: []finding.Finding{{Evidence: "no route"}}}
	away.seen(usage)
	if got := away.Findings[0].Evidence; got != "no route; metrics-server saw 3.2 cores and 2.0 GiB in use" {
		t.Error(got)
	}
	other := diagnosed{Node: "n2", Error: "no route", Findings: []finding.Finding{{Evidence: "no route"}}}
	other.seen(usage)
	if other.Usage != nil || other.Findings[0].Evidence != "no route" {
		t.Errorf("%+v", other)
	}
}

// On a small terminal the worst stays in sight: what there is no room for is left out below, also when events come.
func TestWatchKeepsTheWorstInSight(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out, getenv: func(string) string { return "" }}
	w := &watcher{app: a, live: true, rows: 24}
	if err := w.show(diagnosis{nodes: many(20)}); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		w.event(corev1.Event{Reason: "Killing", Message: fmt.Sprintf("of %d", i), InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "web"}})
	}
	screens := strings.Split(out.String(), "\033[H\033[2J")
	if len(screens) != 14 {
		t.Fatalf("%d screens", len(screens)-1)
	}
	for _, screen := range screens[1:] {
		if n := strings.Count(screen, "\n"); n > 23 || !strings.HasPrefix(screen, "20 machines looked at: 2 warnings; 18 well\nwarning   rule-0  node0001\n") || !strings.Contains(screen, " more in a taller window\n") {
			t.Errorf("%d lines:\n%s", n, screen)
		}
	}
	if last := screens[13]; !strings.Contains(last, "Killing  Pod web: of 11") || strings.Contains(last, "of 3\n") {
		t.Errorf("events:\n%s", last)
	}
}

// TestASpareThatIsOff: a closed spare that can't be asked is told and no trouble, for a run turns it on; one in service is.
func TestASpareThatIsOff(t *testing.T) {
	nodes := []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "s1"}, Spec: corev1.NodeSpec{Unschedulable: true}}, {ObjectMeta: metav1.ObjectMeta{Name: "s2"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Spec: corev1.NodeSpec{Unschedulable: true}}}
	held := holders(nodes, []inventory.Host{{Node: "s1", Spare: true}, {Node: "s2", Spare: true}, {Node: "n1"}})
	for node, want := range map[string]finding.Severity{"s1": finding.Info, "s2": finding.Critical, "n1": finding.Critical} {
		d := diagnosed{Node: node, Error: "no route to host"}
		if h, ok := held[node]; ok {
			d.holder = &h
		}
		d.judge(diagnose.Thresholds{})
		if got := d.Findings[0]; got.Severity != want || !strings.HasPrefix(got.Evidence, "no route to host") {
			t.Errorf("%s: %+v", node, got)
		}
		if away := (diagnosis{nodes: []diagnosed{d}}).unreachable(); away != (want == finding.Critical) {
			t.Errorf("%s: counts as unreachable: %v", node, away)
		}
	}
}
