package audit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/BurntSushi/toml"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/runner/finding"
)

const manifests = "../../testdata/audit/"

// goodKubelet is one with which audit is content.
func goodKubelet(change func(c map[string]any)) kubetest.KubeletStatus {
	signals := func(list ...string) map[string]any {
		m := map[string]any{}
		for _, s := range list {
			k, v, _ := strings.Cut(s, "=")
			m[k] = v
		}
		return m
	}
	c := map[string]any{
		"maxPods":        110,
		"kubeReserved":   signals("cpu=80m", "memory=1465Mi"),
		"systemReserved": signals("cpu=100m", "memory=512Mi"),
		"evictionHard":   signals("memory.available=300Mi", "nodefs.available=10%", "nodefs.inodesFree=5%", "imagefs.available=15%"),
		"evictionSoft":   signals("memory.available=600Mi"), "evictionSoftGracePeriod": signals("memory.available=90s"),
	}
	change(c)
	return kubetest.KubeletStatus{Config: c}
}

// inCluster runs a test on the cluster of testdata/audit with each bad practice in it once.
func inCluster(t *testing.T, test func(k ctl, c *kube.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(context.Background(), kubetest.Config{Seed: 1})
		defer s.Close()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		k := ctl{t, s}
		for i, node := range []string{"n1", "n2", "n3", "n4"} {
			must(s.AddNode(node, map[string]string{"rack": fmt.Sprintf("r%d", i/2+1)}))
		}
		closed := func(node string, is bool) {
			must(kubetest.Change(s, "", node, func(n *corev1.Node) { n.Spec.Unschedulable = is }))
		}
		closed("n2", true)
		closed("n3", true)
		closed("n4", true)
		k.applyFile(manifests + "namespaces.yaml")
		k.applyFile(manifests + "on-one-node.yaml")
		time.Sleep(10 * time.Second)
		closed("n2", false)
		k.applyFile(manifests + "in-one-rack.yaml")
		time.Sleep(10 * time.Second)
		closed("n3", false)
		closed("n4", false)
		k.applyFile(manifests+"workloads.yaml", "ROOM_CPU", "6400m")
		time.Sleep(10 * time.Second)

		closed("n4", true)
		must(kubetest.Change(s, "", "n3", func(n *corev1.Node) {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "example.com/old", Value: "yes", Effect: corev1.TaintEffectNoSchedule})
		}))
		must(kubetest.Change(s, "", "n1", func(n *corev1.Node) { n.Spec.PodCIDRs = []string{"10.244.1.0/26"} }))
		drop := func(key string) func(map[string]any) { return func(c map[string]any) { delete(c, key) } }
		s.Kubelet("n1", goodKubelet(drop("kubeReserved")))
		s.Kubelet("n2", goodKubelet(drop("systemReserved")))
		s.Kubelet("n3", goodKubelet(func(c map[string]any) { delete(c["evictionHard"].(map[string]any), "nodefs.inodesFree") }))
		s.Kubelet("n4", goodKubelet(drop("evictionSoft")))
		time.Sleep(10 * time.Second)

		file := filepath.Join(t.TempDir(), "kubeconfig")
		must(os.WriteFile(file, s.Kubeconfig(), 0o600))
		c, err := kube.Open(kube.Config{Kubeconfig: file, Dial: s.Dial})
		must(err)
		defer c.Close()
		test(k, c)
	})
}

// everyOnce is what there is to find in the cluster of testdata/audit.
var everyOnce = []string{
	"budget-double deployment shop/double", "budget-missing deployment shop/unguarded", "budget-policy pdb shop/policy", "budget-tight pdb shop/tight",
	"cordon node n4", "eviction-hard node n3", "eviction-soft node n4", "grace deployment shop/hasty", "kube-reserved node n1", "limit-range namespace bare",
	"limits deployment shop/leaky", "local-volume deployment shop/local", "max-pods node n1", "max-unavailable deployment shop/all-at-once",
	"no-controller pod shop/alone", "no-surge deployment shop/no-surge", "one-node deployment shop/pinned", "overcommit deployment shop/greedy",
	"quota namespace free", "quota-tight quota snug/quota", "readiness deployment shop/unready", "recreate deployment shop/recreate", "requests deployment bare/modest",
	"room deployment shop/big", "same-node deployment shop/crowd", "same-rack deployment shop/rack", "single-replica deployment shop/single",
	"system-reserved node n2", "taint node n3", "tolerates-all deployment shop/tolerant",
}

func told(list []finding.Finding) []string {
	var names []string
	for _, f := range list {
		names = append(names, f.Rule+" "+f.Object)
	}
	slices.Sort(names)
	return names
}

// TestEachOnceThenNone: in a cluster with each bad practice once each is found exactly once; and in the same cluster, once
// every patch that audit printed has been applied as it stands there, none is.
func TestEachOnceThenNone(t *testing.T) {
	inCluster(t, func(k ctl, c *kube.Cluster) {
		facts, err := Read(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		found := Find(facts)
		if diff := difference(everyOnce, told(found)); diff != "" {
			t.Errorf("not found as it is:\n%s", diff)
		}
		for _, f := range found {
			if f.Command == "" || f.Evidence == "" || f.Meaning == "" || f.Action == "" {
				t.Errorf("%s %s: not all is said: %+v", f.Rule, f.Object, f)
			}
			if strings.HasPrefix(f.Command, "[") {
				configure(t, k.s, strings.TrimPrefix(f.Object, "node "), f.Command)
				continue
			}
			k.run(f.Command)
		}
		time.Sleep(5 * time.Minute)
		if facts, err = Read(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		for _, f := range Find(facts) {
			t.Errorf("after the repair: %s %s: %s\n%s", f.Rule, f.Object, f.Evidence, f.Command)
		}
	})
}

// configure gives a kubelet what lines of the inventory say, as the playbook kubelet-config would.
func configure(t *testing.T, s *kubetest.Server, node, lines string) {
	t.Helper()
	var inventory struct {
		Upgrade map[string]map[string]any
	}
	if err := toml.Unmarshal([]byte(lines), &inventory); err != nil {
		t.Fatalf("%v in:\n%s", err, lines)
	}
	status := goodKubelet(func(map[string]any) {})
	for key, value := range inventory.Upgrade["kubelet-config"] {
		field := map[string]string{"kube_reserved": "kubeReserved", "system_reserved": "systemReserved", "eviction_hard": "evictionHard",
			"eviction_soft": "evictionSoft", "eviction_soft_grace_period": "evictionSoftGracePeriod", "max_pods": "maxPods"}[key]
		table := map[string]any{}
		text := fmt.Sprint(value)
		for pair := range strings.SplitSeq(text, ",") {
			if name, amount, ok := strings.Cut(strings.ReplaceAll(pair, "<", "="), "="); ok {
				table[name] = amount
			}
		}
		status.Config[field] = table
		if field == "maxPods" {
			var n int
			fmt.Sscan(text, &n)
			status.Config[field] = n
		}
	}
	s.Kubelet(node, status)
}

func difference(want, got []string) string {
	var lines []string
	count := map[string]int{}
	for _, w := range want {
		count[w]--
	}
	for _, g := range got {
		count[g]++
	}
	for name, n := range count {
		if n != 0 {
			lines = append(lines, fmt.Sprintf("%+d %s", n, name))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
