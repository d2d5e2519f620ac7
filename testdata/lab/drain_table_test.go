package lab_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/testdata/lab"
)

// decision is what becomes of one pod, and why in kubectl's words where it has any.
type decision struct{ does, why string }

const (
	evicted = "evicted"
	blocked = "blocked" // the API refuses the eviction for now
	skipped = "skipped"
	refused = "refused" // the tool does, and drains nothing
)

type table map[string]decision // by "namespace/name"

// kubectlDrain is what `kubectl drain` decides, in a dry run by the server. Where it refuses pods it looks no further, so it
// is asked again about the others.
func kubectlDrain(t *testing.T, l *lab.Lab, cases map[string]string, flags ...string) table {
	t.Helper()
	decided := table{}
	for pod := range cases {
		decided[pod] = decision{does: skipped}
	}
	before := len(cases)
	out := decided.read(kubectlOutput(t, l, flags...))
	var others []string
	for pod, d := range decided {
		if d.does == refused {
			others = append(others, cases[pod])
		}
	}
	if len(others) > 0 {
		out += decided.read(kubectlOutput(t, l, append(flags, "--pod-selector=case notin ("+strings.Join(others, ",")+")")...))
	}
	if len(decided) != before {
		t.Errorf("kubectl drain %v speaks of pods that aren't there: %v\n%s", flags, slices.Sorted(maps.Keys(decided)), out)
	}
	return decided
}

func kubectlOutput(t *testing.T, l *lab.Lab, flags ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := l.KubectlCommand(t.Context(), append([]string{"drain", "n1", "--dry-run=server", "--timeout=2s"}, flags...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // it ends with an error wherever a pod is refused or blocked
	if !strings.Contains(out.String(), "node/n1 cordoned (server dry run)") {
		t.Errorf("kubectl drain %v: %s", flags, out.String())
	}
	return out.String()
}

var (
	evictingLine = regexp.MustCompile(`(?m)^evicting pod (\S+)`)
	refusedLine  = regexp.MustCompile(`(?m)^cannot delete (.*): (\S+/.*)$`)
	warningLine  = regexp.MustCompile(`(?m)^Warning: (.*)$`)
	failedLine   = regexp.MustCompile(`(?m)error when evicting pods/"(.*?)" -n "(.*?)"(?: \(will retry after 5s\))?: (.*)$`)
)

// read adds what kubectl wrote.
func (decided table) read(out string) string {
	for _, m := range evictingLine.FindAllStringSubmatch(out, -1) {
		decided[m[1]] = decision{evicted, decided[m[1]].why}
	}
	for _, m := range refusedLine.FindAllStringSubmatch(out, -1) {
		for pod := range strings.SplitSeq(m[2], ", ") {
			decided[pod] = decision{refused, m[1]}
		}
	}
	for _, m := range warningLine.FindAllStringSubmatch(out, -1) {
		for warning := range strings.SplitSeq(m[1], "; ") {
			at := strings.LastIndex(warning, ": ")
			for pod := range strings.SplitSeq(warning[at+2:], ", ") {
				decided[pod] = decision{decided[pod].does, warning[:at]}
			}
		}
	}
	for _, m := range failedLine.FindAllStringSubmatch(out, -1) {
		pod := m[2] + "/" + m[1]
		decided[pod] = decision{blocked, decided[pod].why}
	}
	return out
}

// planned is what fleetup's plan decides; it doesn't ask the API, so nothing is blocked.
func planned(c *kube.Cluster, o kube.DrainOptions) table {
	decided := table{}
	plan := c.PlanDrain("n1", o)
	for does, list := range map[string][]kube.PodVerdict{evicted: plan.Evict, skipped: plan.Skip, refused: plan.Refuse} {
		for _, p := range list {
			decided[p.Namespace+"/"+p.Name] = decision{does, p.Why}
		}
	}
	return decided
}

var flagSets = []struct {
	flags   []string
	options kube.DrainOptions
}{
	{nil, kube.DrainOptions{}},
	{[]string{"--ignore-daemonsets"}, kube.DrainOptions{IgnoreDaemonSets: true}},
	{[]string{"--force"}, kube.DrainOptions{Force: true}},
	{[]string{"--ignore-daemonsets", "--force"}, kube.DrainOptions{IgnoreDaemonSets: true, Force: true}},
	{[]string{"--ignore-daemonsets", "--delete-emptydir-data"}, kube.DrainOptions{IgnoreDaemonSets: true, DeleteEmptyDirData: true}},
	{[]string{"--delete-emptydir-data", "--force"}, kube.DrainOptions{DeleteEmptyDirData: true, Force: true}},
	{
		[]string{"--ignore-daemonsets", "--delete-emptydir-data", "--force"},
		kube.DrainOptions{IgnoreDaemonSets: true, DeleteEmptyDirData: true, Force: true},
	},
}

// TestDrainTable asks kubectl and fleetup what a drain of the same node would do, for more than thirty kinds of pods.
func TestDrainTable(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 1})
	settle(t, l)
	cases := podCases(t, l)
	if len(cases) < 30 {
		t.Fatalf("%d pods on the node: %v", len(cases), cases)
	}
	c := openCluster(t, l)

	wants := make([]table, len(flagSets))
	var wg sync.WaitGroup
	for i, set := range flagSets { // a dry run changes nothing: at once, since each waits five seconds for the budgets
		wg.Go(func() { wants[i] = kubectlDrain(t, l, cases, set.flags...) })
	}
	wg.Wait()
	seen := map[string]int{}
	for i, set := range flagSets {
		set.options.GracePeriod, set.options.Timeout = -1, time.Second
		t.Run(strings.Join(append([]string{"flags"}, set.flags...), " "), func(t *testing.T) {
			compare(t, cases, wants[i], planned(c, set.options))
			compareDrain(t, l, c, set.options, wants[i])
		})
		for _, d := range wants[i] {
			seen[d.does]++
		}
	}
	for _, does := range []string{evicted, blocked, skipped, refused} {
		if seen[does] == 0 {
			t.Errorf("no pod of the table is %s by kubectl", does)
		}
	}
	last := len(flagSets) - 1
	for _, pod := range slices.Sorted(maps.Keys(cases)) {
		t.Logf("%-24s %s %s", cases[pod], wants[0][pod], wants[last][pod])
	}
}

func openCluster(t *testing.T, l *lab.Lab) *kube.Cluster {
	t.Helper()
	c, err := kube.Open(kube.Config{Kubeconfig: l.Kubeconfig, Dial: l.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil { // the test's context ends before its cleanup, which waits
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Wait(); c.Close() })
	return c
}

// podCases are the labels "case" of all pods on the node, by "namespace/name".
func podCases(t *testing.T, l *lab.Lab) map[string]string {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct {
				Namespace, Name string
				Labels          map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(l.Kubectl("get", "pods", "-A", "--field-selector=spec.nodeName=n1", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{}
	for _, item := range list.Items {
		cases[item.Metadata.Namespace+"/"+item.Metadata.Name] = item.Metadata.Labels["case"]
	}
	return cases
}

// compare wants the same done with each pod, in kubectl's words where it has some. Where several filters have something to
// say kubectl keeps the last one's word only, even if that is nothing (a TODO in its filters.go); fleetup keeps the last
// that there is.
func compare(t *testing.T, cases map[string]string, want, got table) {
	t.Helper()
	for pod, label := range cases {
		k, f := want[pod], got[pod]
		if k.does == blocked {
			k.does = evicted // a plan sends nothing
		}
		if k.does != f.does {
			t.Errorf("%s (%s): kubectl: %v, fleetup: %v", label, pod, k, f)
		}
		if k.why != "" && k.why != f.why && f.why != "being deleted already" {
			t.Errorf("%s (%s): kubectl says %q, fleetup %q", label, pod, k.why, f.why)
		}
		if k.does == refused && f.why == "" {
			t.Errorf("%s (%s) is refused without a reason", label, pod)
		}
	}
	if len(got) != len(cases) {
		t.Errorf("fleetup speaks of %d pods, there are %d", len(got), len(cases))
	}
}

// compareDrain lets fleetup drain in a dry run: where pods are refused it says so in kubectl's words and asks for no
// eviction; else it asks for each, and the API blocks those of kubectl.
func compareDrain(t *testing.T, l *lab.Lab, c *kube.Cluster, o kube.DrainOptions, want table) {
	t.Helper()
	begin := time.Now()
	err := c.TryDrain(t.Context(), "n1", o, func(string) {})
	sent := l.Audit().Since(begin).Of("fleetup")
	var refusal *kube.RefusedError
	if lines := want.refusals(); len(lines) > 0 {
		if !errors.As(err, &refusal) || !slices.Equal(sorted(refusal.Refused()), lines) {
			t.Errorf("fleetup refuses with %v, kubectl with %q", err, lines)
		}
		equal(t, "evictions asked for although pods are refused", sent.Count("", "pods/eviction"), 0)
		return
	}
	var stopped *kube.BlockedError
	if !errors.As(err, &stopped) {
		t.Fatalf("dry drain: %v, want it blocked", err)
	}
	for _, name := range []string{"default/blocks", "whole/everything", "default/if-healthy", "first, second"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error doesn't name %s: %v", name, err)
		}
	}
	asked := table{}
	for _, r := range sent {
		if r.Resource == "pods/eviction" {
			asked[r.Namespace+"/"+r.Name] = decision{does: map[bool]string{true: evicted, false: blocked}[r.Code < 300]}
		}
	}
	for pod, k := range want {
		if k.does == skipped {
			k.does = ""
		}
		if f := asked[pod]; f.does != k.does && !(f.does == "" && strings.Contains(pod, "ending") || strings.Contains(pod, "gone")) {
			t.Errorf("%s: kubectl's eviction is %q, fleetup's %q", pod, k.does, f.does)
		}
	}
}

// refusals are kubectl's lines, "cannot delete WHY: PODS".
func (decided table) refusals() []string {
	pods := map[string][]string{}
	for pod, d := range decided {
		if d.does == refused {
			pods[d.why] = append(pods[d.why], pod)
		}
	}
	var lines []string
	for why, list := range pods {
		lines = append(lines, "cannot delete "+why+": "+strings.Join(sorted(list), ", "))
	}
	return sorted(lines)
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
