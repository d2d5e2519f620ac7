package kube

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// withMachines is a cluster that cluster-api made: n1's and n2's Machines are here, n3's in another one.
func withMachines(t *testing.T, test func(w *world)) {
	inWorld(t, func(w *world) {
		for _, n := range []string{"n1", "n2", "n3"} {
			w.must(kubetest.Change(w.Server, "", n, func(o *corev1.Node) {
				o.Annotations = map[string]string{annotationMachine: "machine-" + n, annotationMachines: "metal", "other": "kept"}
			}))
		}
		for name, annotations := range map[string]map[string]string{"machine-n1": nil, "machine-n2": {annotationSkip: "by hand"}} {
			w.must(w.Add(&kubetest.Machine{PartialObjectMetadata: metav1.PartialObjectMetadata{
				ObjectMeta: metav1.ObjectMeta{Namespace: "metal", Name: name, Annotations: annotations},
			}}))
		}
	}, test)
}

func (w *world) skips(machine string) string {
	v, ok := kubetest.Get[*kubetest.Machine](w.Server, "metal", machine).Annotations[annotationSkip]
	if !ok {
		return "no"
	}
	return v
}

// TestMachineHealthChecksAreKeptOff: by the annotation on the Machine, which is taken off again unless it is a person's.
func TestMachineHealthChecksAreKeptOff(t *testing.T) {
	withMachines(t, func(w *world) {
		for _, step := range []struct {
			skip   bool
			n1, n2 string
		}{{false, "no", "by hand"}, {true, "fleetup", "by hand"}, {true, "fleetup", "by hand"}, {false, "no", "by hand"}, {false, "no", "by hand"}} {
			for _, n := range []string{"n1", "n2", "n3"} {
				w.must(w.c.SkipRemediation(w.ctx, n, step.skip))
			}
			if n1, n2 := w.skips("machine-n1"), w.skips("machine-n2"); n1 != step.n1 || n2 != step.n2 {
				t.Errorf("skip %v: n1 %q, n2 %q", step.skip, n1, n2)
			}
		}
		w.must(w.c.SkipRemediation(w.ctx, "n9", true))
	})
}

// TestMachinesAreNamed: with what keeps MachineHealthChecks off them, or with what to do.
func TestMachinesAreNamed(t *testing.T) {
	withMachines(t, func(w *world) {
		says := func(words ...string) {
			t.Helper()
			text := strings.Join(w.c.OtherHands(w.ctx), "\n")
			for _, word := range words {
				if !strings.Contains(text, word) {
					t.Errorf("no %q in %s", word, text)
				}
			}
		}
		w.must(kubetest.Change(w.Server, "", "n3", func(o *corev1.Node) { o.Annotations = nil }))
		time.Sleep(time.Second)
		says("2 nodes (n1, …)", "kept from it by cluster.x-k8s.io/skip-remediation on their Machine")
		w.Authorize(func(_, verb, _, resource, _, _ string) bool { return verb != "patch" || resource != "machines" })
		w.must(w.c.SkipRemediation(w.ctx, "n1", true))
		if s := w.skips("machine-n1"); s != "no" {
			t.Errorf("without a right: %s", s)
		}
		says("kubectl annotate machine NAME", `apiGroups: ["cluster.x-k8s.io"]`)
	})
}
