package lab_test

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fleetup/fleetup/testdata/lab"
)

// fleetup runs fleetup to its end and for ninety seconds at most, and returns what it said on both streams. Another exit code fails the test.
func fleetup(t *testing.T, l *lab.Lab, exit int, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	begin := time.Now()
	cmd := l.FleetupCommand(ctx, arguments...)
	out, _ := cmd.CombinedOutput()
	said, got := string(out), cmd.ProcessState.ExitCode()
	if got != exit {
		t.Errorf("fleetup %s: exit %d, want %d\n%s", strings.Join(arguments, " "), got, exit, said)
	}
	t.Logf("fleetup %s: exit %d after %v", arguments[0], got, time.Since(begin).Round(10*time.Millisecond))
	return said
}

// says wants each of words in a text, in their order.
func says(t *testing.T, text string, words ...string) {
	t.Helper()
	rest := text
	for _, word := range words {
		_, after, ok := strings.Cut(rest, word)
		if !ok {
			t.Errorf("%q isn't said (after what was wanted before it):\n%s", word, text)
			return
		}
		rest = after
	}
}

func saysNot(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(text, word) {
			t.Errorf("%q is said:\n%s", word, text)
		}
	}
}

// getNode is the whole Node object.
func getNode(t *testing.T, l *lab.Lab, name string) corev1.Node {
	t.Helper()
	var n corev1.Node
	if err := json.Unmarshal([]byte(l.Kubectl("get", "node", name, "-o", "json")), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// getNodes are those of all nodes of the lab, by name.
func getNodes(t *testing.T, l *lab.Lab) map[string]corev1.Node {
	t.Helper()
	var list corev1.NodeList
	if err := json.Unmarshal([]byte(l.Kubectl("get", "nodes", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	nodes := map[string]corev1.Node{}
	for _, n := range list.Items {
		nodes[n.Name] = n
	}
	return nodes
}

// asBefore wants of a Node that fleetup left nothing on it but fleetup.io/last, and took nothing away.
func asBefore(t *testing.T, before, after corev1.Node) {
	t.Helper()
	annotations := maps.Clone(after.Annotations)
	if _, upgraded := before.Annotations["fleetup.io/last"]; !upgraded {
		delete(annotations, "fleetup.io/last")
	} else {
		annotations["fleetup.io/last"] = before.Annotations["fleetup.io/last"]
	}
	for _, part := range []struct {
		name     string
		old, new any
	}{
		{"annotations", before.Annotations, annotations},
		{"labels", before.Labels, after.Labels},
		{"taints", taints(before), taints(after)},
		{"unschedulable", before.Spec.Unschedulable, after.Spec.Unschedulable},
	} {
		if !reflect.DeepEqual(part.old, part.new) {
			t.Errorf("%s: %s were %v and are %v", after.Name, part.name, part.old, part.new)
		}
	}
}

// taints are a Node's but for Kubernetes' own, which come and go with its conditions.
func taints(n corev1.Node) (keys []string) {
	for _, taint := range n.Spec.Taints {
		if !strings.HasPrefix(taint.Key, "node.kubernetes.io/") {
			keys = append(keys, taint.Key)
		}
	}
	return keys
}

// isReady wants the node Ready at a version.
func isReady(t *testing.T, n corev1.Node, version string) {
	t.Helper()
	equal(t, n.Name+" version", n.Status.NodeInfo.KubeletVersion, version)
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			t.Errorf("%s isn't Ready: %s", n.Name, c.Message)
		}
	}
}

// untouched wants a machine and its node as they were: same boot, old kubelet, no cordon, nothing of ours.
func untouched(t *testing.T, l *lab.Lab, m *lab.Machine, before corev1.Node, boot string) {
	t.Helper()
	after := getNode(t, l, m.Name)
	isReady(t, after, before.Status.NodeInfo.KubeletVersion)
	asBefore(t, before, after)
	equal(t, m.Name+" last", after.Annotations["fleetup.io/last"], before.Annotations["fleetup.io/last"])
	equal(t, m.Name+" boot id", m.BootID(), boot)
}

// boots are the boot ids of all machines, by name.
func boots(l *lab.Lab) map[string]string {
	ids := map[string]string{}
	for _, m := range l.Machines {
		ids[m.Name] = m.BootID()
	}
	return ids
}

const allHeld = "containerd kubeadm kubectl kubelet"

func stillHeld(t *testing.T, m *lab.Machine) {
	t.Helper()
	equal(t, m.Name+" held", m.Must("apt-mark showhold | xargs"), allHeld)
}

// goBack puts apt machines back to the versions that the lab starts with, all at once.
func goBack(t *testing.T, l *lab.Lab, machines ...*lab.Machine) {
	t.Helper()
	var group sync.WaitGroup
	for _, m := range machines {
		group.Go(func() {
			if _, err := m.Exec(`set -e
				dpkg --configure -a
				sed -i s/v1.37/v1.36/ /etc/apt/sources.list.d/kubernetes.list
				apt-get -q update >/dev/null
				DEBIAN_FRONTEND=noninteractive apt-get -q -y --allow-downgrades --allow-change-held-packages install \
					kubelet=1.36.4-1.1 kubectl=1.36.4-1.1 kubeadm=1.36.4-1.1 containerd=2.1.3-1 labpatch=1.0-1 labextra=1.0-1
				apt-mark hold kubelet kubectl kubeadm containerd
				systemctl restart containerd kubelet
				rm -f /run/reboot-required* /var/log/runtime.log`); err != nil {
				t.Errorf("%s: go back: %v", m.Name, err)
			}
		})
	}
	group.Wait()
	for _, m := range machines {
		l.WaitReady(m, "v1.36.4")
	}
	l.Kubectl("delete", "pods", "-l", "app in (web,agent)") // a restarted kubelet of the lab has lost its containers
	settled(l)
}

// settled waits for the workload of [web] to be whole.
func settled(l *lab.Lab) {
	l.Kubectl("wait", "--for=create", "deployment/web", "daemonset/agent")
	l.Kubectl("rollout", "status", "deployment/web", "--timeout=60s")
	l.Kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")
}

// leastReady watches a Service's endpoints by a watch of its own. What it returns ends the watch and is the least number
// that were ready meanwhile.
func leastReady(t *testing.T, l *lab.Lab, service string) (least func() int) {
	t.Helper()
	return watched(t, l, func(ctx context.Context, c kubernetes.Interface) (watch.Interface, error) {
		return c.DiscoveryV1().EndpointSlices("default").Watch(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service})
	}, countReady)
}

// closed watches a node by a watch of its own. What it returns ends the watch and is how often the node was seen closed.
func closed(t *testing.T, l *lab.Lab, node string) (times func() int) {
	t.Helper()
	return watched(t, l, func(ctx context.Context, c kubernetes.Interface) (watch.Interface, error) {
		return c.CoreV1().Nodes().Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + node})
	}, func(w watch.Interface) (times int) {
		for event := range w.ResultChan() {
			if n, ok := event.Object.(*corev1.Node); ok && n.Spec.Unschedulable {
				times++
			}
		}
		return times
	})
}

// watched opens a watch as a client of its own. What it returns ends it and is what count made of its events.
func watched(t *testing.T, l *lab.Lab, open func(context.Context, kubernetes.Interface) (watch.Interface, error), count func(watch.Interface) int) func() int {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", l.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.Dial = l.DialContext
	config.UserAgent = "lab-test"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w, err := open(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan int, 1)
	go func() { result <- count(w) }()
	return func() int {
		cancel()
		w.Stop()
		return <-result
	}
}

func countReady(w watch.Interface) int {
	least, ready := -1, map[string]int{}
	for event := range w.ResultChan() {
		slice, ok := event.Object.(*discoveryv1.EndpointSlice)
		if !ok {
			continue
		}
		ready[slice.Name] = 0
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && *e.Conditions.Ready && event.Type != watch.Deleted {
				ready[slice.Name]++
			}
		}
		sum := 0
		for _, n := range ready {
			sum += n
		}
		if least < 0 || sum < least {
			least = sum
		}
	}
	return least
}
