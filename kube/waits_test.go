package kube

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// within gives a wait a limit and says how long it took.
func (w *world) within(limit time.Duration, wait func(context.Context) error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	began := time.Now()
	err := wait(ctx)
	return time.Since(began), err
}

func TestAwaitReadyTakesNoStaleReady(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.StopKubelet("n1")
		since := time.Now()
		heard := listen()
		_, err := w.within(20*time.Second, func(ctx context.Context) error { return w.c.AwaitReady(ctx, "n1", "", since, heard.say) })
		if err == nil || !strings.Contains(err.Error(), "node n1: wait for Ready") || !w.c.Nodes()["n1"].Ready {
			w.Fatalf("a Ready from before the stop was believed: %v", err)
		}
		heard.heard(t, "a sign of life from the kubelet")
		heard = listen()
		later(50*time.Second, func() { w.Kubelet("n1", kubetest.KubeletStatus{Version: "v1.37.9", BootID: "b2"}) })
		took, err := w.within(5*time.Minute, func(ctx context.Context) error { return w.c.AwaitReady(ctx, "n1", "v1.37.9", since, heard.say) })
		w.must(err)
		if took < 50*time.Second || took > 52*time.Second {
			t.Errorf("took %s", took)
		}
		heard.heard(t, "Ready: NodeStatusUnknown")
	})
}

func TestAwaitReadyAfterAQuickRestart(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.StopKubelet("n1")
		since := time.Now()
		later(3*time.Second, func() { w.Kubelet("n1", kubetest.KubeletStatus{}) })
		took, err := w.within(time.Minute, func(ctx context.Context) error { return w.c.AwaitReady(ctx, "n1", "", since, nil) })
		w.must(err)
		if took < 3*time.Second || took > 5*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// A machine that stops and is back within one second: the API keeps heartbeats by the second.
func TestAwaitReadyWithinTheSecond(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		time.Sleep(30*time.Second + 500*time.Millisecond)
		since := time.Now()
		w.c.Proof().Down("n1", true)
		w.StopKubelet("n1")
		time.Sleep(100 * time.Millisecond)
		w.Kubelet("n1", kubetest.KubeletStatus{})
		time.Sleep(100 * time.Millisecond) // the watch has it before anybody waits
		took, err := w.within(time.Minute, func(ctx context.Context) error { return w.c.AwaitReady(ctx, "n1", "", since, nil) })
		w.must(err)
		if took > time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestAwaitReadyWantsTheVersion(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		since := time.Now()
		w.Kubelet("n1", kubetest.KubeletStatus{Version: "v1.36.4"})
		heard := listen()
		_, err := w.within(time.Minute, func(ctx context.Context) error { return w.c.AwaitReady(ctx, "n1", "v1.37.2", since, heard.say) })
		if err == nil || !strings.Contains(err.Error(), "kubelet v1.37.2: it says it is v1.36.4") {
			t.Errorf("got %v", err)
		}
	})
}

// A runner that was restarted finds a kubelet which posted its status long ago and posts the next in five minutes: its
// lease tells that it lives.
func TestAwaitReadyByTheNodeLease(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		since := time.Now().Add(time.Second)
		took, err := w.within(time.Minute, func(ctx context.Context) error { return w.c.AwaitReady(ctx, "n1", "", since, nil) })
		w.must(err)
		if took < 2*time.Second || took > 15*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestAwaitWhole(t *testing.T) {
	inWorld(t, func(w *world) {
		w.must(w.AddDaemonSet("kube-system", "cni", nil))
		w.must(w.AddDaemonSet("kube-system", "ill", nil))
	}, func(w *world) {
		var cni, ill string
		for _, p := range w.on("n1") {
			if strings.HasPrefix(p.Name, "cni") {
				cni = p.Name
			} else {
				ill = p.Name
			}
		}
		w.must(w.SetReady("kube-system", ill, false)) // it was so before us
		time.Sleep(time.Second)
		before := w.c.Nodes()["n1"].Allocatable
		state, err := w.c.Claim(w.ctx, "n1", "run-1", nil)
		w.must(err)
		if state[FactUnready] != "kube-system/ill" {
			t.Errorf("state %v", state)
		}
		w.must(w.SetReady("kube-system", cni, false))
		time.Sleep(time.Second)
		heard := listen()
		later(30*time.Second, func() { w.must(w.SetReady("kube-system", cni, true)) })
		took, err := w.within(time.Minute, func(ctx context.Context) error { return w.c.AwaitWhole(ctx, "n1", before, heard.say) })
		w.must(err)
		if took < 30*time.Second || took > 31*time.Second {
			t.Errorf("took %s", took)
		}
		heard.heard(t, "node-critical pod kube-system/"+cni+" isn't ready")
	})
}

func TestAwaitWholeWaitsForDaemonSetPods(t *testing.T) {
	inWorld(t, func(w *world) { w.must(w.AddDaemonSet("kube-system", "cni", nil)) }, func(w *world) {
		_, err := w.c.Claim(w.ctx, "n1", "run-1", nil)
		w.must(err)
		for _, p := range w.on("n1") {
			w.must(w.Delete(p))
		}
		time.Sleep(10 * time.Second) // it doesn't tolerate our taint, so it can't come back
		heard := listen()
		later(10*time.Second, func() { w.must(w.c.Untaint(w.ctx, "n1", "run-1")) })
		before := map[string]string{"memory": "32Gi", "cpu": "8", "example.com/gpu": "0", "odd": "?"}
		_, err = w.within(time.Minute, func(ctx context.Context) error {
			if n, _ := w.c.nodes.get("n1"); len(n.Spec.Taints) == 0 {
				t.Error("no taint")
			}
			w.must(sleep(ctx, 11*time.Second))
			return w.c.AwaitWhole(ctx, "n1", before, heard.say)
		})
		w.must(err)
		found := false
		for _, p := range w.on("n1") {
			found = found || strings.HasPrefix(p.Name, "cni") && podReady(p)
		}
		if !found {
			t.Error("no DaemonSet pod")
		}
	})
}

func TestLacking(t *testing.T) {
	list := func(pairs ...string) corev1.ResourceList {
		l := corev1.ResourceList{}
		for i := 0; i < len(pairs); i += 2 {
			l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
		}
		return l
	}
	tests := []struct {
		name   string
		before map[string]string
		now    corev1.ResourceList
		want   []string
	}{
		{"the same", map[string]string{"cpu": "8", "memory": "32Gi"}, list("cpu", "8", "memory", "32Gi"), nil},
		{"memory within 1 %", map[string]string{"memory": "1000Mi"}, list("memory", "990Mi"), nil},
		{"memory below", map[string]string{"memory": "1000Mi"}, list("memory", "989Mi"), []string{"allocatable memory is 989Mi and was 1000Mi"}},
		{"a CPU less", map[string]string{"cpu": "8"}, list("cpu", "7900m"), []string{"allocatable cpu is 7900m and was 8"}},
		{"more than before", map[string]string{"cpu": "8"}, list("cpu", "9"), nil},
		{"a device that is gone", map[string]string{"nvidia.com/gpu": "4"}, list("cpu", "8"), []string{"allocatable nvidia.com/gpu is 0 and was 4"}},
		{"a claim's other facts", map[string]string{"attempt": "1", "cpu": "8"}, list("cpu", "8"), nil},
		{"none before", map[string]string{"hugepages-1Gi": "0"}, nil, nil},
	}
	for _, test := range tests {
		if d := cmp.Diff(test.want, lacking(test.before, test.now)); d != "" {
			t.Errorf("%s: %s", test.name, d)
		}
	}
}

func TestBelongs(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"os": "linux", "cores": "8"}}}
	set := func(edit func(*corev1.PodSpec)) *appsv1.DaemonSet {
		d := &appsv1.DaemonSet{}
		edit(&d.Spec.Template.Spec)
		return d
	}
	affinity := func(terms ...corev1.NodeSelectorTerm) func(*corev1.PodSpec) {
		return func(s *corev1.PodSpec) {
			s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms}}}
		}
	}
	expr := func(key string, op corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: op, Values: values}}}
	}
	field := corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"n2"}}}}
	tests := []struct {
		name   string
		set    *appsv1.DaemonSet
		taints []corev1.Taint
		want   bool
	}{
		{"anywhere", set(func(*corev1.PodSpec) {}), nil, true},
		{"by label", set(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"os": "linux"} }), nil, true},
		{"by a label it hasn't", set(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"gpu": "yes"} }), nil, false},
		{"on another node", set(func(s *corev1.PodSpec) { s.NodeName = "n2" }), nil, false},
		{"one of two terms", set(affinity(expr("os", corev1.NodeSelectorOpIn, "windows"), expr("cores", corev1.NodeSelectorOpGt, "4"))), nil, true},
		{"no term", set(affinity(expr("os", corev1.NodeSelectorOpDoesNotExist))), nil, false},
		{"by field", set(affinity(field)), nil, false},
		{"taint not tolerated", set(func(*corev1.PodSpec) {}), []corev1.Taint{{Key: "gpu", Value: "a", Effect: corev1.TaintEffectNoSchedule}}, false},
		{"preference", set(func(*corev1.PodSpec) {}), []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectPreferNoSchedule}}, true},
		{"a cordon is no reason", set(func(*corev1.PodSpec) {}), []corev1.Taint{{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}}, true},
		{"not every taint of Kubernetes' own", set(func(*corev1.PodSpec) {}), []corev1.Taint{{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute}}, false},
		{"taint tolerated", set(func(s *corev1.PodSpec) { s.Tolerations = []corev1.Toleration{{Key: "gpu", Value: "a"}} }),
			[]corev1.Taint{{Key: "gpu", Value: "a", Effect: corev1.TaintEffectNoSchedule}}, true},
	}
	for _, test := range tests {
		n := node.DeepCopy()
		n.Spec.Taints = test.taints
		if got := belongs(test.set, n); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestAwaitServed(t *testing.T) {
	inWorld(t, shop, func(w *world) {
		since := time.Now()
		time.Sleep(2 * time.Second)
		for _, n := range []string{"n2", "n3"} {
			w.must(kubetest.Change(w.Server, "", n, func(n *corev1.Node) { n.Spec.Unschedulable = true }))
		}
		old := ""
		for _, p := range kubetest.List[*corev1.Pod](w.Server, "shop") {
			if p.Spec.NodeName != "n1" {
				w.must(w.Delete(p))
				break
			}
			old = p.Name
		}
		time.Sleep(1500 * time.Millisecond)
		heard := listen()
		took, err := w.within(time.Minute, func(ctx context.Context) error { return w.c.AwaitServed(ctx, "n1", since, heard.say) })
		w.must(err)
		if took < 500*time.Millisecond || took > 5*time.Second {
			t.Errorf("took %s", took)
		}
		w.must(w.SetReady("shop", old, false)) // placed before: not this node's upgrade, but its Service's loss
		time.Sleep(time.Second)
		if err := func() error {
			_, err := w.within(5*time.Second, func(ctx context.Context) error { return w.c.AwaitServed(ctx, "n1", since, nil) })
			return err
		}(); err == nil || !strings.Contains(err.Error(), "Service shop/web has 3 ready endpoints and had 4") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAwaitControlPlane(t *testing.T) {
	static := func(node, component string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: component + "-" + node, Labels: map[string]string{"component": component},
				Annotations: map[string]string{corev1.MirrorPodAnnotationKey: "x"}},
			Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "registry.k8s.io/" + component + ":v1.36.1"}}},
		}
	}
	inWorld(t, func(w *world) {
		for _, n := range []string{"cp1", "cp2"} {
			w.must(w.AddNode(n, map[string]string{"node-role.kubernetes.io/control-plane": ""}))
			w.must(w.Add(static(n, "kube-apiserver"), static(n, "etcd")))
		}
	}, func(w *world) {
		wait := func(ctx context.Context) error { return w.c.AwaitControlPlane(ctx, "cp1", nil) }
		_, err := w.within(time.Minute, wait)
		w.must(err)
		w.must(w.SetReady("kube-system", "etcd-cp1", false)) // the one that is being worked on
		time.Sleep(time.Second)
		_, err = w.within(time.Minute, wait)
		w.must(err)
		w.must(w.SetReady("kube-system", "etcd-cp2", false))
		time.Sleep(time.Second)
		if _, err = w.within(time.Minute, wait); err == nil || !strings.Contains(err.Error(), "control-plane pod kube-system/etcd-cp2 isn't ready") {
			t.Errorf("got %v", err)
		}
		w.must(w.SetReady("kube-system", "etcd-cp2", true))
		w.StopKubelet("cp2")
		time.Sleep(time.Minute)
		if _, err = w.within(time.Minute, wait); err == nil || !strings.Contains(err.Error(), "control-plane node cp2 isn't Ready") {
			t.Errorf("got %v", err)
		}
		oldest, newest, err := w.c.ServerVersion(w.ctx)
		if err != nil || oldest != "v1.36.1" || newest != "v1.37.2" {
			t.Errorf("versions %s to %s, %v", oldest, newest, err)
		}
	})
}
