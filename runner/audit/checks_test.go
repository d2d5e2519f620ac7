package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/runner/finding"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func node(name string, change ...func(*corev1.Node)) corev1.Node {
	n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	n.Status.Capacity = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("512Gi")}
	n.Status.Allocatable = n.Status.Capacity
	for _, c := range change {
		c(&n)
	}
	return n
}

// facts are those of a fleet of nodes with nothing wrong in it.
func facts(nodes ...corev1.Node) *Facts {
	f := &Facts{Now: now, API: "v1.37.2", Nodes: nodes, Machines: map[string]Machine{}}
	for _, n := range nodes {
		f.Hosts = append(f.Hosts, Host{Node: n.Name, Groups: []string{"workers"}})
		f.Machines[n.Name] = Machine{Alike: map[string]string{"kernel": "6.1.0-56"}, Model: "X1", Firmware: map[string]string{"BIOS": "1.2"}}
	}
	return f
}

func (f *Facts) machine(name string, change func(*Machine)) *Facts {
	m := f.Machines[name]
	m.Alike, m.Firmware = map[string]string{"kernel": "6.1.0-56"}, map[string]string{"BIOS": "1.2"}
	change(&m)
	f.Machines[name] = m
	return f
}

// TestMachines holds what is found on machines against what they told: severity, rule, object and evidence.
func TestMachines(t *testing.T) {
	three := func() *Facts { return facts(node("n1"), node("n2"), node("n3")) }
	for name, tc := range map[string]struct {
		facts *Facts
		want  []string
	}{
		"nothing": {three(), nil},
		"certificates": {three().machine("n1", func(m *Machine) {
			m.Certificates = []Certificate{{"/etc/kubernetes/pki/apiserver.crt", now.AddDate(0, 0, 20)}, {"/etc/kubernetes/pki/etcd/server.crt", now.AddDate(1, 0, 0)},
				{"/var/lib/kubelet/pki/kubelet-client-current.pem", now.AddDate(0, 0, 3)}, {"/etc/kubernetes/pki/sa.crt", now.Add(-50 * time.Hour)}}
		}), []string{"critical certificate node n1: /etc/kubernetes/pki/sa.crt expired 2 days ago",
			"critical certificate node n1: /var/lib/kubelet/pki/kubelet-client-current.pem expires in 3 days",
			"warning certificate node n1: /etc/kubernetes/pki/apiserver.crt expires in 20 days"}},
		"pending": {three().machine("n2", func(m *Machine) {
			m.Patches, m.Kernel, m.RebootRequired, m.Uptime = []string{"12 packages", "a", "b", "c"}, []string{"6.1.0-51 → 6.1.0-56"}, []string{"libc6"}, 400*24*time.Hour
		}), []string{"warning reboot-required node n2: libc6", "info new-kernel node n2: 6.1.0-51 → 6.1.0-56",
			"info patches node n2: 12 packages; a and 2 more", "info uptime node n2: up for 400 days"}},
		"hardware": {three().machine("n2", func(m *Machine) {
			m.Failing, m.Ageing = []string{"disk sda: SMART says it is failing"}, []string{"disk sdb: 90 % of its life is used"}
		}),
			[]string{"critical hardware node n2: disk sda: SMART says it is failing", "warning hardware node n2: disk sdb: 90 % of its life is used"}},
		"unreachable": {three().machine("n3", func(m *Machine) { *m = Machine{Error: "dial tcp: connection refused"} }),
			[]string{"warning unreachable node n3: dial tcp: connection refused"}},
		"drift": {three().machine("n2", func(m *Machine) { m.Alike["kernel"] = "6.1.0-51"; m.Alike["sysctl vm.swappiness"] = "10" }).machine("n3", func(m *Machine) { m.Firmware["BIOS"] = "1.1" }),
			[]string{"info drift node n2: kernel: 6.1.0-51, and 6.1.0-56 on 2 of 3", "info drift node n2: sysctl vm.swappiness: 10, and none on 2 of 3",
				"info drift node n3: BIOS: 1.1, and 1.2 on 2 of 3"}},
		"drift without a majority": {facts(node("n1"), node("n2")).machine("n2", func(m *Machine) { m.Alike["kernel"] = "6.1.0-51" }),
			[]string{"info drift nodes n1 and its like: kernel: 6.1.0-51 on 1, 6.1.0-56 on 1"}},
		"another model has other firmware": {three().machine("n2", func(m *Machine) { m.Model, m.Firmware["BIOS"] = "X2", "9" }), nil},
	} {
		compare(t, name, tc.facts, tc.want)
	}
}

// TestNodes: where the API and the inventory don't agree, and what is left on nodes.
func TestNodes(t *testing.T) {
	cordoned := func(n *corev1.Node) {
		n.Spec.Unschedulable = true
		at := metav1.NewTime(now.AddDate(0, 0, -40))
		n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule, TimeAdded: &at}}
	}
	ours := func(n *corev1.Node) { n.Annotations = map[string]string{claimed: "20260301"} }
	tainted := func(key string) func(*corev1.Node) {
		return func(n *corev1.Node) {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
			at := metav1.NewTime(now.Add(-3 * time.Hour))
			n.ManagedFields = []metav1.ManagedFieldsEntry{{Time: &at, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:taints":{}}}`)}}
		}
	}
	tolerated := facts(node("n1", tainted("gpu")))
	tolerated.Pods = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Annotations: map[string]string{corev1.MirrorPodAnnotationKey: "x"}}, Spec: corev1.PodSpec{NodeName: "n1", Tolerations: []corev1.Toleration{{Key: "gpu"}}}}}
	foreign := facts(node("n1"), node("n2"))
	foreign.Hosts = []Host{{Node: "n1"}, {Node: "n9"}}
	skewed := facts(node("n1"), node("n2"))
	skewed.Skew, skewed.Behind = map[string]string{"n1": "kubelet 1.33.1 is too old"}, map[string]string{"n2": "kubelet 1.34.0 is as old as may be"}
	for name, tc := range map[string]struct {
		facts *Facts
		want  []string
	}{
		"cordoned long ago":    {facts(node("n1", cordoned)), []string{"warning cordon node n1: cordoned for 40 days"}},
		"accepted":             {facts(node("n1", cordoned, func(n *corev1.Node) { n.Annotations = map[string]string{Accept: "taint, cordon"} })), nil},
		"cordoned by a run":    {facts(node("n1", cordoned, ours, tainted("fleetup.io/maintenance"))), nil},
		"a run's taint alone":  {facts(node("n1", tainted("fleetup.io/maintenance"))), []string{"warning taint node n1: taint fleetup.io/maintenance:NoSchedule, tolerated by no pod there, for 3 h"}},
		"a tolerated taint":    {tolerated, nil},
		"Kubernetes' own":      {facts(node("n1", tainted("node-role.kubernetes.io/control-plane"), tainted("node.kubernetes.io/disk-pressure"))), nil},
		"cluster or inventory": {foreign, []string{"warning only-in-cluster node n2: no host of the inventory", "warning only-in-inventory node n9: no such Node in the cluster"}},
		"skew":                 {skewed, []string{"critical skew node n1: kubelet 1.33.1 is too old", "warning skew-next node n2: kubelet 1.34.0 is as old as may be"}},
	} {
		compare(t, name, tc.facts, tc.want)
	}
}

// TestKubelets: what a kubelet's configuration is held against the size of its node.
func TestKubelets(t *testing.T) {
	good := Kubelet{MaxPods: 110, KubeReserved: map[string]string{"cpu": "200m", "memory": "1465Mi"}, SystemReserved: map[string]string{"memory": "1Gi"},
		EvictionHard: map[string]string{"memory.available": "1000Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%"}, EvictionSoft: map[string]string{"memory.available": "2000Mi"}}
	with := func(change func(*Kubelet)) *Facts {
		f, k := facts(node("n1")), good
		change(&k)
		f.Kubelets = map[string]Kubelet{"n1": k}
		return f
	}
	for name, tc := range map[string]struct {
		facts *Facts
		want  []string
	}{
		"good":   {with(func(*Kubelet) {}), nil},
		"little": {with(func(k *Kubelet) { k.KubeReserved = map[string]string{"cpu": "1", "memory": "300Mi"} }), []string{"info kube-reserved node n1: kubeReserved sets 300 MiB of memory; for 110 pods rather 1465"}},
		"no cpu": {with(func(k *Kubelet) { k.KubeReserved = map[string]string{"memory": "2Gi"} }), []string{"info kube-reserved node n1: kubeReserved sets no cpu"}},
		"default on 512 GiB": {with(func(k *Kubelet) {
			k.EvictionHard = map[string]string{"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%"}
		}),
			[]string{"info eviction-hard node n1: memory.available<100Mi is little for 512 GiB: memory is filled faster than the kubelet looks (10 s)"}},
		"zero": {with(func(k *Kubelet) {
			k.EvictionHard = map[string]string{"memory.available": "1Gi", "nodefs.available": "0%", "nodefs.inodesFree": "5%"}
		}), []string{"warning eviction-hard node n1: no hard threshold for nodefs.available"}},
		"soft too late": {with(func(k *Kubelet) { k.EvictionSoft = map[string]string{"memory.available": "500Mi"} }), []string{"warning eviction-soft node n1: soft memory.available<500Mi isn't above the hard 1000Mi: it never comes first"}},
	} {
		compare(t, name, tc.facts, tc.want)
	}
	files, err := ParseKubeletFiles([]byte("kind: KubeletConfiguration\nmaxPods: 50\nevictionSoft: {memory.available: 1Gi}\nkubeReserved: {cpu: 100m, memory: 1Gi}\n"),
		[]byte(`{"kubeReserved":{"memory":"2Gi"}}`))
	if got := fmt.Sprintf("%v %d %s, %v", files.KubeReserved, files.MaxPods, files.EvictionHard["memory.available"], err); got != "map[cpu:100m memory:2Gi] 50 100Mi, <nil>" {
		t.Errorf("files: %s", got)
	}
	files, err = ParseKubeletFiles([]byte("kind: KubeletConfiguration\n"), []byte("evictionHard: {memory.available: 1Gi}\n"))
	if got := fmt.Sprintf("%s %s, %v", files.EvictionHard["memory.available"], files.EvictionHard["nodefs.available"], err); got != "1Gi 10%, <nil>" {
		t.Errorf("a drop-in over the defaults: %s", got)
	}
	if _, err := ParseConfigz([]byte("Forbidden")); err == nil {
		t.Error("what is no configz was read")
	}
}

func compare(t *testing.T, name string, f *Facts, want []string) {
	t.Helper()
	var got []string
	for _, x := range Find(f) {
		got = append(got, fmt.Sprintf("%s %s %s: %s", x.Severity, x.Rule, x.Object, x.Evidence))
		if x.Command == "" {
			t.Errorf("%s: %s: no command", name, x.Rule)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestTable: a rule is named once, and says all that a finding has to.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range checks {
		if seen[c.rule] || !regexp.MustCompile(`^[a-z-]+$`).MatchString(c.rule) {
			t.Errorf("rule %q: twice, or no name", c.rule)
		}
		seen[c.rule] = true
		if c.severity == finding.None || c.meaning == "" || c.action == "" || c.find == nil {
			t.Errorf("%s: not all is said", c.rule)
		}
	}
}

// TestHookSeconds reads what a preStop hook says of its time.
func TestHookSeconds(t *testing.T) {
	for command, want := range map[string]int64{"sleep 15": 15, "sh -c nginx -s quit; sleep 20": 20, "/bin/sleep 5s": 5, "sh -c 'sleep 5 && sleep 6'": 11, "true": 0, "sleep": 0, "sleep $X": 0} {
		l := &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: strings.Fields(command)}}}
		if got := hookSeconds(l); got != want {
			t.Errorf("%s: %d s, want %d", command, got, want)
		}
	}
}
