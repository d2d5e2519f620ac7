package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/kube/kubetest"
)

// boxDiagnosed is what `fleetup diagnose` prints, after something was done to it.
func boxDiagnosed(t *testing.T, put func(b *box.Box, fleetup func(args ...string) string), args ...string) (out string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, err := box.New(t.Context(), t.TempDir(), box.Options{Nodes: box.Workers(2)})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		file, err := b.Inventory("")
		if err != nil {
			t.Fatal(err)
		}
		fleetup := func(args ...string) string {
			var said, errs bytes.Buffer
			a := &app{out: &said, err: &errs, dial: b.Dial, getenv: func(string) string { return "" }, notify: func(chan<- os.Signal) func() { return func() {} }}
			args = append([]string{args[0], file}, args[1:]...)
			if code := a.main(t.Context(), args); code != 0 {
				t.Errorf("%q: exit %d: %s", args, code, errs.String())
			}
			return said.String()
		}
		put(b, fleetup)
		out = fleetup(append([]string{"diagnose"}, args...)...)
	})
	return out
}

// What a run stopped on a node that it holds is its own doing, and is said so.
func TestDiagnoseHeldNode(t *testing.T) {
	out := boxDiagnosed(t, func(b *box.Box, fleetup func(args ...string) string) {
		if err := kubetest.Change(b.API, "", "n2", func(n *corev1.Node) { n.Annotations = map[string]string{kube.AnnotationRun: "r-17"} }); err != nil {
			t.Fatal(err)
		}
		fleetup("exec", "--limit", "n2", "--", "sudo systemctl stop kubelet")
	})
	for _, want := range []string{"2 machines looked at: ", "info      unit-stopped  n2\n", "kubelet is stopped; run r-17 holds the node\n", "fleetup status "} {
		if !strings.Contains(out, want) {
			t.Errorf("not told: %q\n%s", want, out)
		}
	}
	if strings.Contains(out, "CRITICAL") {
		t.Errorf("it is called critical:\n%s", out)
	}
}

// The API tells which pods are node-critical by their class; their logs are read as those of kube-system are.
func TestDiagnoseNodeCriticalLogs(t *testing.T) {
	const line = "2026-01-01T10:00:00.5Z stderr F E0101 10:00:00.500000 1 driver.go:7] \"Can't stage\"\n"
	out := boxDiagnosed(t, func(b *box.Box, _ func(args ...string) string) {
		for _, name := range []string{"csi", "web"} {
			p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "storage", Name: name}, Spec: corev1.PodSpec{NodeName: "n1"}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}
			if name == "csi" {
				p.Spec.PriorityClassName = "system-node-critical"
			}
			err := errors.Join(b.API.Add(p), b.Machines["n1"].WriteFile("/var/log/pods/storage_"+name+"_1a2b3c4d-0000-0000-0000-000000000002/driver/0.log", []byte(line)))
			if err != nil {
				t.Fatal(err)
			}
		}
	}, "n1")
	if !strings.Contains(out, `1× pod storage/csi driver: E0101 10:00:00.500000 1 driver.go:7] "Can't stage"`) || strings.Contains(out, "storage/web") {
		t.Errorf("logs:\n%s", out)
	}
}
