package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

func TestNoOtherHands(t *testing.T) {
	inWorld(t, shop, func(w *world) {
		if list := w.c.OtherHands(w.ctx); list != nil {
			t.Errorf("found %q", list)
		}
		w.claim("n1")
		if n := w.node("n1"); n.Labels[labelNoRemediation] != "" || n.Annotations[annotationNoScaleDown] != "" {
			t.Errorf("kept off nobody: %v %v", n.Labels, n.Annotations)
		}
	})
}

func TestOtherHandsAreNamedWithWhatToDo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddDaemonSet("kube-system", "kured", nil))
		for ns, name := range map[string]string{"system-upgrade": "system-upgrade-controller", "medik8s": "node-healthcheck-operator",
			"openshift-machine-api": "machine-healthcheck-controller", "autoscaler": "cluster-autoscaler", "karpenter": "karpenter", "shop": "web-kured"} {
			w.must(w.AddDeployment(ns, name, 1, nil))
		}
		w.must(kubetest.Change(w.Server, "", "n2", func(n *corev1.Node) { n.Annotations = map[string]string{annotationMachine: "worker-7"} }))
	}, func(w *world) {
		text := strings.Join(w.c.OtherHands(w.ctx), "\n")
		for _, want := range []string{
			"kured runs here (pod kube-system/kured-", "a run holds its lock, on daemonset kube-system/kured",
			"kubectl -n system-upgrade scale deployment system-upgrade-controller --replicas=0",
			"medik8s/node-healthcheck-operator-", "claimed nodes are kept from it by remediation.medik8s.io/exclude-from-remediation",
			"machinehealthcheck --all -n openshift-machine-api cluster.x-k8s.io/paused=",
			"kept from it by cluster-autoscaler.kubernetes.io/scale-down-disabled", "Karpenter", "1 nodes (n2, …)", "cluster.x-k8s.io/skip-remediation",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%q isn't in:\n%s", want, text)
			}
		}
		if strings.Contains(text, "shop/") {
			t.Errorf("an application with a name of its own:\n%s", text)
		}
	})
}

// TestOtherHandsAreKeptOffClaimedNodes: in the claim's one update, and taken away in the release's; a person's own stay.
func TestOtherHandsAreKeptOffClaimedNodes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddDeployment("medik8s", "node-healthcheck-operator", 1, nil))
		w.must(w.AddDeployment("medik8s", "self-node-remediation", 1, nil))
		w.must(w.AddDeployment("autoscaler", "cluster-autoscaler", 1, nil))
		w.must(kubetest.Change(w.Server, "", "n2", func(n *corev1.Node) { n.Labels[labelNoRemediation] = "by-hand" }))
	}, func(w *world) {
		before := len(w.Requests())
		for _, name := range []string{"n1", "n2"} {
			w.claim(name)
			w.claim(name) // a claim that is repeated remembers the same
			n := w.node(name)
			if n.Labels[labelNoRemediation] == "" || n.Annotations[annotationNoScaleDown] != "true" || !n.Spec.Unschedulable {
				t.Errorf("%s: %v %v", name, n.Labels, n.Annotations)
			}
		}
		writes := 0
		for _, r := range w.Requests()[before:] {
			if r.Resource == "nodes" && r.Verb == "patch" {
				writes++
			}
		}
		if writes > 4 {
			t.Errorf("%d updates for 4 claims", writes)
		}
		w.must(w.c.Fail(w.ctx, "n1", "run-1", "x"))
		if w.node("n1").Labels[labelNoRemediation] != "true" {
			t.Error("a failed node is nobody else's either")
		}
		for _, name := range []string{"n1", "n2"} {
			w.must(w.c.Release(w.ctx, name, "run-1", nil))
		}
		if n := w.node("n1"); n.Labels[labelNoRemediation] != "" || n.Annotations[annotationNoScaleDown] != "" {
			t.Errorf("left behind: %v %v", n.Labels, n.Annotations)
		}
		if n := w.node("n2"); n.Labels[labelNoRemediation] != "by-hand" || n.Annotations[annotationNoScaleDown] != "" {
			t.Errorf("a person's own: %v %v", n.Labels, n.Annotations)
		}
	})
}

func TestImageName(t *testing.T) {
	for image, want := range map[string]string{
		"kured": "kured", "ghcr.io/kubereboot/kured:1.21.0": "kured", "r.io:5000/x/kured@sha256:0": "kured", "r.io:5000/x/y:1@sha256:0": "y", "": "",
	} {
		if got := imageName(image); got != want {
			t.Errorf("%q: %q", image, got)
		}
	}
}
