package kubetest

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// endpointsOf counts a Service's endpoints: all, ready and terminating.
func endpointsOf(b *bench, ns string) (all, up, ending int) {
	for _, slice := range List[*discoveryv1.EndpointSlice](b.Server, ns) {
		for _, e := range slice.Endpoints {
			all++
			if *e.Conditions.Ready {
				up++
			}
			if *e.Conditions.Terminating {
				ending++
			}
		}
	}
	return all, up, ending
}

func TestNodeThatFallsSilent(t *testing.T) {
	in(t, 2, func(t *testing.T, b *bench) {
		must(t, b.AddDeployment("shop", "web", 2, nil))
		must(t, b.AddService("shop", "web", "web"))
		time.Sleep(5 * time.Second)
		b.StopKubelet("n1")
		time.Sleep(39 * time.Second)
		if n := Get[*corev1.Node](b.Server, "", "n1"); nodeReady(n) != corev1.ConditionTrue {
			t.Fatalf("after 39 s Ready is %s", nodeReady(n))
		}
		time.Sleep(2 * time.Second)
		if n := Get[*corev1.Node](b.Server, "", "n1"); nodeReady(n) != corev1.ConditionUnknown || len(n.Spec.Taints) != 2 {
			t.Errorf("after 41 s Ready is %s, taints %v", nodeReady(n), n.Spec.Taints)
		}
		if all, up, _ := endpointsOf(b, "shop"); all != 2 || up != 1 {
			t.Errorf("%d endpoints, %d ready; want 2, 1", all, up)
		}
		time.Sleep(6 * time.Minute)
		if all, up, ending := endpointsOf(b, "shop"); all != 3 || up != 2 || ending != 1 {
			t.Errorf("after the taint's 5 minutes: %d endpoints, %d ready, %d ending; want 3, 2, 1", all, up, ending)
		}
		b.Kubelet("n1", KubeletStatus{Version: "v1.38.0", BootID: "second"})
		time.Sleep(5 * time.Second)
		n := Get[*corev1.Node](b.Server, "", "n1")
		if nodeReady(n) != corev1.ConditionTrue || n.Spec.Taints != nil || n.Status.NodeInfo.BootID != "second" || n.Status.NodeInfo.KubeletVersion != "v1.38.0" {
			t.Errorf("back: Ready %s, taints %v, %+v", nodeReady(n), n.Spec.Taints, n.Status.NodeInfo)
		}
		if all, up, _ := endpointsOf(b, "shop"); all != 2 || up != 2 {
			t.Errorf("back: %d endpoints, %d ready; want 2, 2", all, up)
		}
	})
}

func TestRebootRestartsThePodsThatStayed(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		must(t, b.AddDaemonSet("kube-system", "cni", nil))
		time.Sleep(5 * time.Second)
		before := List[*corev1.Pod](b.Server, "kube-system")[0]
		b.StopKubelet("n1")
		time.Sleep(10 * time.Second)
		b.Kubelet("n1", KubeletStatus{BootID: "second"})
		time.Sleep(1500 * time.Millisecond)
		if p := List[*corev1.Pod](b.Server, "kube-system")[0]; ready(p) || p.UID != before.UID {
			t.Errorf("just after the boot: ready %v, UID %s", ready(p), p.UID)
		}
		time.Sleep(5 * time.Second)
		p := List[*corev1.Pod](b.Server, "kube-system")[0]
		if !ready(p) || p.UID != before.UID || p.Status.ContainerStatuses[0].RestartCount != 1 {
			t.Errorf("later: ready %v, UID %s, %v", ready(p), p.UID, p.Status.ContainerStatuses)
		}
	})
}

func TestDaemonSetAndTaints(t *testing.T) {
	in(t, 1, func(t *testing.T, b *bench) {
		must(t, b.AddDaemonSet("kube-system", "cni", nil))
		time.Sleep(5 * time.Second)
		taint := corev1.Taint{Key: "fleetup.io/maintenance", Value: "r1", Effect: corev1.TaintEffectNoSchedule}
		must(t, Change(b.Server, "", "n1", func(n *corev1.Node) { n.Spec.Unschedulable, n.Spec.Taints = true, []corev1.Taint{taint} }))
		time.Sleep(5 * time.Second)
		all := List[*corev1.Pod](b.Server, "kube-system")
		if len(all) != 1 {
			t.Fatalf("%d pods under a NoSchedule taint, want the old one", len(all))
		}
		must(t, b.Delete(all[0]))
		time.Sleep(time.Minute)
		if n := len(List[*corev1.Pod](b.Server, "kube-system")); n != 0 {
			t.Fatalf("%d pods came back past the taint", n)
		}
		must(t, Change(b.Server, "", "n1", func(n *corev1.Node) { n.Spec.Taints = nil }))
		time.Sleep(5 * time.Second)
		if n := b.readyPods("kube-system"); n != 1 {
			t.Errorf("%d pods Ready on the cordoned node, want 1", n)
		}
	})
}

func TestScheduler(t *testing.T) {
	apart := &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
		{TopologyKey: corev1.LabelHostname, LabelSelector: selectApp("web")},
	}}}
	for name, c := range map[string]struct {
		edit func(*corev1.PodSpec)
		runs int
		why  string
	}{
		"anti-affinity": {func(p *corev1.PodSpec) { p.Affinity = apart }, 2, "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules."},
		"selector":      {func(p *corev1.PodSpec) { p.NodeSelector = map[string]string{"gpu": "yes"} }, 0, "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."},
		"cpu": {func(p *corev1.PodSpec) {
			p.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("5")}
		}, 2, "0/2 nodes are available: 2 Insufficient cpu."},
		"anything": {func(*corev1.PodSpec) {}, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 2, func(t *testing.T, b *bench) {
				must(t, b.AddDeployment("shop", "web", 0, nil))
				must(t, Change(b.Server, "shop", "web", func(d *appsv1.Deployment) {
					c.edit(&d.Spec.Template.Spec)
					d.Spec.Replicas = count(3)
				}))
				time.Sleep(5 * time.Second)
				if n := b.readyPods("shop"); n != c.runs {
					t.Errorf("%d pods run, want %d", n, c.runs)
				}
				for _, p := range List[*corev1.Pod](b.Server, "shop") {
					if p.Spec.NodeName != "" {
						continue
					}
					if got := p.Status.Conditions[0]; p.Status.Phase != corev1.PodPending || got.Reason != "Unschedulable" || got.Message != c.why {
						t.Errorf("waits: %s %q, want %q", got.Reason, got.Message, c.why)
					}
				}
			})
		})
	}
}

func TestRolloutNeverGoesBelow(t *testing.T) {
	in(t, 3, func(t *testing.T, b *bench) {
		must(t, b.AddDeployment("shop", "web", 4, nil))
		time.Sleep(5 * time.Second)
		old := List[*corev1.Pod](b.Server, "shop")
		must(t, Change(b.Server, "shop", "web", func(d *appsv1.Deployment) {
			d.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "now"}
		}))
		least := 4
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			least = min(least, b.readyPods("shop"))
		}
		if least < 3 {
			t.Errorf("%d pods Ready at the least, want 3 of 4", least)
		}
		now := List[*corev1.Pod](b.Server, "shop")
		if len(now) != 4 || b.readyPods("shop") != 4 {
			t.Fatalf("%d pods, %d Ready after the rollout", len(now), b.readyPods("shop"))
		}
		for _, p := range now {
			for _, o := range old {
				if o.UID == p.UID {
					t.Errorf("%s is from before", p.Name)
				}
			}
		}
	})
}

// A fleet of a thousand nodes must not make tests slow.
func TestThousandNodes(t *testing.T) {
	began := time.Now()
	in(t, 1000, func(t *testing.T, b *bench) {
		for i := range 30 {
			app := fmt.Sprintf("web%d", i)
			must(t, b.AddDeployment("shop", app, 100, nil))
			must(t, b.AddPDB("shop", app, app, "", "10%"))
		}
		must(t, b.AddDaemonSet("kube-system", "cni", nil))
		time.Sleep(10 * time.Second)
		if n := b.readyPods("shop"); n != 3000 {
			t.Fatalf("%d pods Ready", n)
		}
		all := List[*corev1.Pod](b.Server, "shop")
		for i := range 100 {
			must(t, b.evict(all[i*30]))
		}
		time.Sleep(10 * time.Second)
		if n := b.readyPods("shop"); n != 3000 {
			t.Errorf("%d pods Ready after 100 evictions", n)
		}
		for _, p := range List[*policyv1.PodDisruptionBudget](b.Server, "shop") {
			if p.Status.DisruptionsAllowed != 10 {
				t.Errorf("budget %s allows %d, want 10", p.Name, p.Status.DisruptionsAllowed)
			}
		}
	})
	t.Logf("took %s", time.Since(began))
}
