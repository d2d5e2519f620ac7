package lab_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"al.essio.dev/pkg/shellescape"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fleetup/fleetup/runner/finding"
	"github.com/fleetup/fleetup/testdata/lab"
)

// badPractices is what there is to find in the cluster of testdata/audit, beside its kubelets: kubemark's have no /configz (TestKubeletConfig has real ones).
var badPractices = []string{
	"budget-double deployment shop/double", "budget-missing deployment shop/unguarded", "budget-policy pdb shop/policy", "budget-tight pdb shop/tight",
	"cordon node n4", "grace deployment shop/hasty", "limit-range namespace bare", "limits deployment shop/leaky", "local-volume deployment shop/local",
	"max-unavailable deployment shop/all-at-once", "no-controller pod shop/alone", "no-surge deployment shop/no-surge", "one-node deployment shop/pinned",
	"overcommit deployment shop/greedy", "quota namespace free", "quota-tight quota snug/quota", "readiness deployment shop/unready", "recreate deployment shop/recreate",
	"requests deployment bare/modest", "room deployment shop/big", "same-node deployment shop/crowd", "same-rack deployment shop/rack",
	"single-replica deployment shop/single", "taint node n3", "tolerates-all deployment shop/tolerant",
}

// TestBadPractices: in a real cluster with each bad practice once, audit finds each exactly once. Its own script of patches,
// run by a real shell with a real kubectl, mends them all: nothing is found then.
func TestBadPractices(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 4})
	inventory := l.WriteInventory(l.Hosts("root"))
	l.Kubectl("label", "node", "n1", "n2", "rack=r1")
	l.Kubectl("label", "node", "n3", "n4", "rack=r2")
	l.Kubectl("cordon", "n2", "n3", "n4")
	applyFile(t, l, "namespaces.yaml", "")
	applyFile(t, l, "on-one-node.yaml", "")
	placed(l, "shop/crowd")
	l.Kubectl("uncordon", "n2")
	applyFile(t, l, "in-one-rack.yaml", "")
	placed(l, "shop/rack")
	l.Kubectl("uncordon", "n3", "n4")
	applyFile(t, l, "workloads.yaml", fourFifths(t, l))
	for _, name := range strings.Fields(l.Kubectl("get", "deployment", "-A", "-o", "jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {end}")) {
		if name != "shop/single" { // its probe asks where nobody answers
			placed(l, name)
		}
	}
	l.Kubectl("cordon", "n4")
	l.Kubectl("taint", "node", "n3", "example.com/old=yes:NoSchedule")

	if found := audited(t, l, inventory); !slices.Equal(found, badPractices) {
		t.Fatalf("found\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(badPractices, "\n"))
	}
	patches, stderr, exit := l.Fleetup("audit", inventory, "--api-only", "--patches")
	if exit != 0 {
		t.Fatalf("audit --patches: exit %d\n%s", exit, stderr)
	}
	runPatches(t, l, strings.ReplaceAll(patches, "\n#! ", "\n")) // here all of them are right
	var left []string
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(2 * time.Second) {
		if left = audited(t, l, inventory); len(left) == 0 {
			return
		}
	}
	t.Errorf("two minutes after the repair there is:\n%s", strings.Join(left, "\n"))
}

func applyFile(t *testing.T, l *lab.Lab, name, room string) {
	t.Helper()
	text, err := os.ReadFile("../audit/" + name)
	if err != nil {
		t.Fatal(err)
	}
	l.Apply(strings.ReplaceAll(string(text), "ROOM_CPU", room))
}

// placed waits until a Deployment's pods run.
func placed(l *lab.Lab, name string) {
	namespace, name, _ := strings.Cut(name, "/")
	l.Kubectl("wait", "-n", namespace, "--for=create", "deployment/"+name, "--timeout=60s")
	l.Kubectl("rollout", "status", "-n", namespace, "deployment/"+name, "--timeout=90s")
}

// fourFifths of the CPUs that a node has for pods.
func fourFifths(t *testing.T, l *lab.Lab) string {
	t.Helper()
	q, err := resource.ParseQuantity(l.Kubectl("get", "node", "n1", "-o", "jsonpath={.status.allocatable.cpu}"))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%dm", q.MilliValue()*4/5)
}

// audited are the rules and objects that audit finds by the API, sorted.
func audited(t *testing.T, l *lab.Lab, inventory string) (names []string) {
	t.Helper()
	out, stderr, exit := l.Fleetup("audit", inventory, "--api-only", "--output", "json")
	var told struct{ Findings []finding.Finding }
	if err := json.Unmarshal([]byte(out), &told); err != nil || exit != 0 {
		t.Fatalf("audit: exit %d, %v\n%s%s", exit, err, out, stderr)
	}
	for _, f := range told.Findings {
		names = append(names, f.Rule+" "+f.Object)
	}
	slices.Sort(names)
	return names
}

// runPatches runs a script in which kubectl is the lab's.
func runPatches(t *testing.T, l *lab.Lab, script string) {
	t.Helper()
	kubectl := l.KubectlCommand(t.Context())
	words := make([]string, len(kubectl.Args))
	for i, w := range kubectl.Args {
		words[i] = shellescape.Quote(w)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "kubectl() { "+strings.Join(words, " ")+` "$@"; }`+"\n"+script)
	cmd.Env = kubectl.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the patches: %v\n%s", err, out)
	}
}
