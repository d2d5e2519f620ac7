package audit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/kube/kubetest"
)

// deploy adds a Deployment whose pods stand on these nodes and with which nothing is wrong but what change does.
func (f *Facts) deploy(namespace, name, nodes string, change ...func(*appsv1.Deployment)) *appsv1.Deployment {
	app := map[string]string{"app": name}
	replicas := int32(len(strings.Fields(nodes)))
	d := appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	d.Spec.Replicas, d.Spec.Selector, d.Spec.Template.Labels = &replicas, &metav1.LabelSelector{MatchLabels: app}, app
	c := corev1.Container{Name: "main"}
	c.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")}
	c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")}
	d.Spec.Template.Spec.Containers = []corev1.Container{c}
	for _, edit := range change {
		edit(&d)
	}
	yes := true
	for i, node := range strings.Fields(nodes) {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s-7d4f-%d", name, i), Labels: d.Spec.Template.Labels}, Spec: *d.Spec.Template.Spec.DeepCopy()}
		p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: name + "-7d4f", Controller: &yes}}
		p.Spec.NodeName = node
		f.Pods = append(f.Pods, p)
	}
	f.Deployments = append(f.Deployments, d)
	return &f.Deployments[len(f.Deployments)-1]
}

func (f *Facts) guard(namespace, name string, labels map[string]string) {
	b := policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	always := policyv1.AlwaysAllow
	b.Spec.Selector, b.Spec.UnhealthyPodEvictionPolicy = &metav1.LabelSelector{MatchLabels: labels}, &always
	f.Budgets = append(f.Budgets, b)
}

// rules are what is found of some rules, with evidence.
func rulesFound(f *Facts, rules ...string) string {
	var lines []string
	for _, x := range Find(f) {
		if strings.Contains(" "+strings.Join(rules, " ")+" ", " "+x.Rule+" ") {
			lines = append(lines, fmt.Sprintf("%s %s %s: %s", x.Severity, x.Rule, x.Object, x.Evidence))
		}
	}
	return strings.Join(lines, "\n")
}

// TestKubeSystem: the cluster's DNS is looked at as what moves in a drain; its static pods and DaemonSets aren't, nor what it
// asks for.
func TestKubeSystem(t *testing.T) {
	f := facts(node("n1"), node("n2"))
	f.deploy("kube-system", "coredns", "n1 n2", func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Resources = corev1.ResourceRequirements{}
	})
	f.deploy("kube-system", "metrics-server", "n1", func(d *appsv1.Deployment) { d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType })
	f.DaemonSets = []appsv1.DaemonSet{{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-proxy"},
		Spec: appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "proxy"}}}}}}}
	f.Pods = append(f.Pods, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-apiserver-n1", Annotations: map[string]string{corev1.MirrorPodAnnotationKey: "x"}},
		Spec: corev1.PodSpec{NodeName: "n1"}})
	f.Namespaces = []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}}}
	compare(t, "kube-system", f, []string{
		"warning budget-missing deployment kube-system/coredns: 2 replicas and no PodDisruptionBudget",
		"warning recreate deployment kube-system/metrics-server: strategy Recreate",
		"info single-replica deployment kube-system/metrics-server: one replica",
	})
}

// TestMostOnOneNode: more than half of the pods on one node are told where they needn't be there.
func TestMostOnOneNode(t *testing.T) {
	racks := func(names ...string) (nodes []corev1.Node) {
		for i, rack := range names {
			nodes = append(nodes, node(fmt.Sprintf("n%d", i+1), func(n *corev1.Node) { n.Labels = map[string]string{"rack": rack} }))
		}
		return nodes
	}
	dedicated := func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}
	}
	for name, tc := range map[string]struct {
		nodes []corev1.Node
		pods  string
		want  string
	}{
		"all of two":                       {racks("", "", ""), "n1 n1", "warning same-node deployment shop/web: all 2 pods on node n1, no anti-affinity or spread"},
		"two of three, of three nodes":     {racks("", "", ""), "n1 n2 n1", "info same-node deployment shop/web: 2 of 3 pods on node n1, no anti-affinity or spread"},
		"two of three, of two nodes":       {racks("", ""), "n1 n2 n1", ""},
		"two of three, the third not ours": {[]corev1.Node{node("n1"), node("n2"), node("n3", dedicated)}, "n1 n2 n1", ""},
		"two of four":                      {racks("", "", "", ""), "n1 n1 n2 n3", ""},
		"one rack, two nodes":              {racks("r1", "r1", "r2"), "n1 n2", "warning same-rack deployment shop/web: all 2 pods in rack r1, no anti-affinity or spread"},
		"most in one rack":                 {racks("r1", "r1", "r1", "r2", "r3"), "n1 n2 n3 n4", "info same-rack deployment shop/web: 3 of 4 pods in rack r1, no anti-affinity or spread"},
		"as even as racks allow":           {racks("r1", "r1", "r2"), "n1 n2 n3", ""},
	} {
		f := facts(tc.nodes...)
		f.deploy("shop", "web", tc.pods)
		if got := rulesFound(f, "same-node", "same-rack"); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestProbeOfUDP: nobody can try a connection to a port that isn't TCP.
func TestProbeOfUDP(t *testing.T) {
	for ports, want := range map[string]string{"UDP": "", "SCTP UDP": "", "UDP TCP": `"port":5301`, "TCP": `"port":5300`, "": ""} {
		f := facts(node("n1"), node("n2"))
		f.deploy("shop", "dns", "n1 n2")
		s := corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "dns"}}
		s.Spec.Selector = map[string]string{"app": "dns"}
		for i, protocol := range strings.Fields(ports) {
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Protocol: corev1.Protocol(protocol), Port: int32(5300 + i)})
		}
		f.Services = []corev1.Service{s}
		found := 0
		for _, x := range Find(f) {
			if x.Rule != "readiness" {
				continue
			}
			found++
			if (x.Command == "") != (want == "") || !strings.Contains(x.Command, want) || want == "" && !strings.Contains(x.Evidence, "exec probe") {
				t.Errorf("%s: %q, %q", ports, x.Command, x.Evidence)
			}
		}
		if found != 1 {
			t.Errorf("%s: found %d times", ports, found)
		}
	}
}

// TestDoubleBudgetLeavesOneToEach: no pod that has a budget has none once the patches are applied, and none has two.
func TestDoubleBudgetLeavesOneToEach(t *testing.T) {
	two := func(team string) func(*appsv1.Deployment) {
		return func(d *appsv1.Deployment) {
			d.Spec.Template.Labels = map[string]string{"app": d.Name, "team": team, "tier": "front"}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f := facts(node("n1"), node("n2"))
		f.deploy("shop", "a", "n1 n2", two("red"))
		f.deploy("shop", "b", "n1 n2", two("blue"))
		f.deploy("shop", "c", "n1 n2", two("blue"))
		f.deploy("shop", "d", "n1 n2", two("green"))
		f.guard("shop", "reds", map[string]string{"team": "red"})   // a alone
		f.guard("shop", "blues", map[string]string{"team": "blue"}) // b, c
		f.guard("shop", "b", map[string]string{"app": "b"})         // b alone
		f.guard("shop", "front", map[string]string{"tier": "front"})
		f.Deployments[3].Spec.Template.Labels["tier"] = "back"
		f.guard("shop", "greens", map[string]string{"team": "green"})
		k := stored(t, f)
		for _, x := range Find(f) {
			if x.Rule == "budget-double" {
				k.run(x.Command)
			}
		}
		f.Budgets = nil
		if err := list(context.Background(), k.cluster(), "/apis/policy/v1/poddisruptionbudgets", &f.Budgets)(); err != nil {
			t.Fatal(err)
		}
		for _, load := range newWorld(f).workloads {
			if len(load.budgets) != 1 {
				t.Errorf("%s has %d budgets", load.object(), len(load.budgets))
			}
		}
	})

	f := facts(node("n1"), node("n2"))
	f.deploy("shop", "a", "n1 n2", two("red"))
	f.deploy("shop", "b", "n1 n2", two("red"))
	f.deploy("shop", "c", "n1 n2", two("blue"))
	f.guard("shop", "reds", map[string]string{"team": "red"})
	f.guard("shop", "odd", map[string]string{"tier": "front"})
	f.Deployments[1].Spec.Template.Labels = map[string]string{"team": "red"} // b: reds alone
	for _, x := range Find(f) {
		if x.Rule == "budget-double" && strings.Contains(x.Command, "delete") {
			t.Errorf("c or b would have none: %s", x.Command)
		}
	}
}

// stored puts the workloads and budgets of facts onto a simulated API server.
func stored(t *testing.T, f *Facts) ctl {
	t.Helper()
	s := kubetest.New(context.Background(), kubetest.Config{Seed: 1})
	t.Cleanup(s.Close)
	for i := range f.Deployments {
		if err := s.Add(f.Deployments[i].DeepCopy()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range f.Budgets {
		if err := s.Add(f.Budgets[i].DeepCopy()); err != nil {
			t.Fatal(err)
		}
	}
	return ctl{t, s}
}

// cluster reads what is on the server.
func (k ctl) cluster() *kube.Cluster {
	k.t.Helper()
	file := filepath.Join(k.t.TempDir(), "kubeconfig")
	err := os.WriteFile(file, k.s.Kubeconfig(), 0o600)
	if err != nil {
		k.t.Fatal(err)
	}
	c, err := kube.Open(kube.Config{Kubeconfig: file, Dial: k.s.Dial})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(c.Close)
	return c
}

// TestRackOfTheInventory: its name may be anything, and is one argument and a label's value.
func TestRackOfTheInventory(t *testing.T) {
	f := facts(node("n1"), node("n2"), node("n3"))
	for i, rack := range []string{"row 1; touch $(echo x)", "row 1; touch $(echo x)", "r2"} {
		f.Hosts[i].Labels = map[string]string{"rack": rack}
	}
	command := newWorld(f).labelRacks("rack")
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "kubectl() { printf '<%s>' \"$@\"; }\n"+command).Output()
	if want := "<label><node><n1><n2><rack=row-1-touch-echo-x><label><node><n3><rack=r2>"; err != nil || string(out) != want {
		t.Errorf("%v: %s, want %s", err, out, want)
	}
	for what, want := range map[string]string{"package a;b'c": `a;b'c`, "sysctl x.$(id)": "x.$(id)"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "fleetup() { printf '%s\\n' \"$4\" | sed -e 's/dpkg-query -W/printf %s/' -e 's/^sysctl/printf %s/' | sh; }\n"+compareCommand(what)).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v: %s", what, err, out)
		}
	}
}

// TestEnvironmentIsNotPrinted: what a pod's environment is set to is in no finding, and in its Deployment all the same.
func TestEnvironmentIsNotPrinted(t *testing.T) {
	pod := func(env ...corev1.EnvVar) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "alone"}}
		p.Spec.RestartPolicy = corev1.RestartPolicyAlways
		p.Spec.Containers = []corev1.Container{{Name: "main", Env: env}, {Name: "side", Env: env}}
		return p
	}
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(context.Background(), kubetest.Config{Seed: 1})
		defer s.Close()
		k, p := ctl{t, s}, pod(corev1.EnvVar{Name: "DB", Value: "postgres://u:hunter2@db/x?a=b"}, corev1.EnvVar{Name: "EMPTY"}, corev1.EnvVar{Name: "PASSWORD", Value: " hunter3"})
		if err := s.Add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, p.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		command, note := newWorld(&Facts{}).deploymentOf(p)
		if strings.Contains(command+note, "hunter") || !strings.Contains(note, "Secret alone-env") {
			t.Errorf("%s\n%s", note, command)
		}
		k.run(command)
		secret, err := k.get("/api/v1/namespaces/shop/secrets/alone-env")
		if got := fmt.Sprint(secret["stringData"]); err != nil || got != "map[DB:postgres://u:hunter2@db/x?a=b PASSWORD: hunter3]" {
			t.Errorf("the Secret holds %s, %v", got, err)
		}
		d, err := k.get("/apis/apps/v1/namespaces/shop/deployments/alone")
		if text := fmt.Sprint(d); err != nil || !strings.Contains(text, "key:PASSWORD name:alone-env") || strings.Contains(text, "hunter") {
			t.Errorf("%v: %s", err, text)
		}
	})
	for what, p := range map[string]*corev1.Pod{
		"lines": pod(corev1.EnvVar{Name: "KEY", Value: "-----BEGIN\nhunter2"}), "a reference": pod(corev1.EnvVar{Name: "URL", Value: "$(USER):hunter2"}),
		"an argument": func() *corev1.Pod { p := pod(); p.Spec.Containers[1].Args = []string{"--password=hunter2"}; return p }(),
	} {
		if command, note := newWorld(&Facts{}).deploymentOf(p); command != "" || note == "" || strings.Contains(note, "hunter") {
			t.Errorf("%s: %q, %q", what, command, note)
		}
	}
}

// TestPatchesFitEachOther: pods that ask for nothing in a namespace without limits, single replicas and a quota that is full:
// the patches, applied in the order in which they are printed on a server that enforces quotas, leave every pod running and
// nothing to be found.
func TestPatchesFitEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(context.Background(), kubetest.Config{Seed: 1})
		defer s.Close()
		k := ctl{t, s}
		for _, name := range []string{"n1", "n2", "n3"} {
			if err := s.AddNode(name, nil); err != nil {
				t.Fatal(err)
			}
		}
		k.applyFile(manifests + "fit.yaml")
		time.Sleep(time.Minute)
		c := k.cluster()
		found := auditedNow(t, c)
		for _, want := range []string{"quota namespace free", "limit-range namespace free", "requests deployment free/hungry", "quota-tight quota full/quota", "single-replica deployment full/one"} {
			if !strings.Contains(strings.Join(told(Find(found)), "\n"), want) {
				t.Errorf("not found: %s", want)
			}
		}
		for _, x := range Find(found) {
			if strings.HasPrefix(x.Command, "kubectl ") {
				k.run(x.Command)
			}
		}
		time.Sleep(10 * time.Minute)
		after := auditedNow(t, c)
		for _, x := range Find(after) {
			if !strings.HasPrefix(x.Command, "kubectl ") { // of kubelets
				continue
			}
			t.Errorf("after the repair: %s %s: %s\n%s", x.Rule, x.Object, x.Evidence, x.Command)
		}
		for _, d := range after.Deployments {
			if d.Status.UpdatedReplicas != *d.Spec.Replicas || d.Status.ReadyReplicas != *d.Spec.Replicas {
				t.Errorf("deployment %s/%s: %d of %d pods are new, %d ready", d.Namespace, d.Name, d.Status.UpdatedReplicas, *d.Spec.Replicas, d.Status.ReadyReplicas)
			}
		}
	})
}

func auditedNow(t *testing.T, c *kube.Cluster) *Facts {
	t.Helper()
	f, err := Read(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
