package audit

import (
	"context"
	"maps"
	"strings"
	"testing"
	"testing/synctest"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestBudgetsMadeGuardEachOnce: a budget that audit prints is for one workload's pods, also where its selector is of another's too, or
// another one has its name: two budgets on a pod would let it be evicted never again.
func TestBudgetsMadeGuardEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := facts(node("n1"), node("n2"))
		labelled := func(labels ...string) func(*appsv1.Deployment) {
			return func(d *appsv1.Deployment) {
				d.Spec.Template.Labels = map[string]string{"app": "web"}
				for _, l := range labels {
					key, value, _ := strings.Cut(l, "=")
					d.Spec.Template.Labels[key] = value
				}
				d.Spec.Selector.MatchLabels = maps.Clone(d.Spec.Template.Labels)
			}
		}
		f.deploy("shop", "web", "n1 n2", labelled())
		f.deploy("shop", "canary", "n1 n2", labelled("track=canary"))
		f.deploy("shop", "db", "n1 n2")
		two := int32(2)
		set := appsv1.StatefulSet{ObjectMeta: f.Deployments[2].ObjectMeta}
		set.Spec.Replicas, set.Spec.Selector = &two, f.Deployments[2].Spec.Selector.DeepCopy()
		set.Spec.Selector.MatchLabels["app"] = "db-set"
		set.Spec.Template = *f.Deployments[2].Spec.Template.DeepCopy()
		set.Spec.Template.Labels = map[string]string{"app": "db-set"}
		f.StatefulSets = append(f.StatefulSets, set)
		k := stored(t, f)
		for _, x := range Find(f) {
			if x.Rule == "budget-missing" {
				k.run(x.Command)
			}
		}
		if err := list(context.Background(), k.cluster(), "/apis/policy/v1/poddisruptionbudgets", &f.Budgets)(); err != nil {
			t.Fatal(err)
		}
		for _, load := range newWorld(f).workloads {
			if len(load.budgets) != 1 {
				t.Errorf("%s has %d budgets", load.object(), len(load.budgets))
			}
		}
	})
}

// TestDeploymentOfAPodReplacesNone: a Deployment made of a pod that is called as another one doesn't take that one's place.
func TestDeploymentOfAPodReplacesNone(t *testing.T) {
	f := facts(node("n1"))
	f.deploy("shop", "web", "n1")
	p := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, Containers: []corev1.Container{{Name: "c"}}}}
	p.Namespace, p.Name = "shop", "web"
	command, _ := newWorld(f).deploymentOf(p)
	if strings.Contains(command, "name: web\n") || !strings.Contains(command, "name: web-pod\n") || !strings.Contains(command, "delete pod web ") {
		t.Error(command)
	}
}
