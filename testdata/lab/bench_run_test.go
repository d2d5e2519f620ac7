package lab_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

const benchWorkload = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 8
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: web}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: c, image: agent}]}
`

// plainScript does to one node after the other what a run does, as somebody would write it down: no check, no journal, and
// it goes on as soon as the node says that it is Ready.
const plainScript = `set -euo pipefail
for target in $NODES; do
	node=${target%=*} ip=${target#*=}
	$K cordon $node
	$K drain $node --ignore-daemonsets --delete-emptydir-data
	$S root@$ip 'systemctl stop kubelet && systemctl mask --runtime kubelet &&
		sed -i s/v1.36/v1.37/ /etc/apt/sources.list.d/kubernetes.list && apt-get -q update &&
		DEBIAN_FRONTEND=noninteractive apt-get -q -y --allow-change-held-packages install kubelet=1.37.2-1.1 kubectl=1.37.2-1.1 && apt-mark hold kubelet kubectl'
	before=$($S root@$ip cat /proc/sys/kernel/random/boot_id)
	$S root@$ip systemctl reboot || true
	until id=$($S root@$ip cat /proc/sys/kernel/random/boot_id 2>/dev/null) && [ "$id" != "$before" ]; do sleep 0.2; done
	until [ "$($K get node $node -o jsonpath='{.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}')" = 'v1.37.2 True' ]; do sleep 0.2; done
	$K uncordon $node
done
`

// upgraded is a fresh lab of four machines with pods, on which do upgrades the kubelets.
func upgraded(t *testing.T, name string, do func(t *testing.T, l *lab.Lab) time.Duration) (took time.Duration) {
	t.Helper()
	ok := t.Run(name, func(t *testing.T) {
		l := lab.Start(t, lab.Options{Machines: 4})
		l.Apply(benchWorkload)
		l.Kubectl("rollout", "status", "deployment/web", "daemonset/agent", "--timeout=60s")
		took = do(t, l)
		nodes, err := l.Nodes(t.Context())
		must(t, err)
		for _, m := range l.Machines {
			equal(t, m.Name+"'s kubelet", nodes[m.Name].Version, "v1.37.2")
			equal(t, m.Name+" cordoned", nodes[m.Name].Unschedulable, false)
		}
	})
	if !ok {
		t.FailNow()
	}
	return took
}

func byScript(t *testing.T, l *lab.Lab) time.Duration {
	t.Helper()
	cmd := l.Command(t.Context(), "bash", "-c", plainScript)
	var nodes []string
	for _, m := range l.Machines {
		nodes = append(nodes, m.Name+"="+m.IP)
	}
	kubectl := l.KubectlCommand(t.Context())
	cmd.Env = append(kubectl.Env, "NODES="+strings.Join(nodes, " "), "K="+strings.Join(kubectl.Args[3:], " "),
		"S=ssh -F none -o BatchMode=yes -o ConnectTimeout=2 -o LogLevel=ERROR -i "+l.Key+" -o UserKnownHostsFile="+l.KnownHosts)
	return timed(t, cmd)
}

// TestBenchRun upgrades four machines one by one, by fleetup and by a shell script.
func TestBenchRun(t *testing.T) {
	benchOnly(t)
	var own []time.Duration
	var memory []int
	took := alternate(t,
		contender{"fleetup", func() time.Duration {
			return upgraded(t, "fleetup", func(t *testing.T, l *lab.Lab) time.Duration {
				cmd := l.FleetupCommand(t.Context(), "run", "--yes", l.WriteInventory(l.Hosts("root")+"[upgrade]\nkubelet = \"1.37.2\"\nreboot = \"always\"\n"))
				took := timed(t, cmd)
				memory = append(memory, int(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss))
				own = append(own, ownTime(t, l)...)
				return took
			})
		}},
		contender{"plain script", func() time.Duration { return upgraded(t, "script", byScript) }})
	atMost(t, "four machines one by one", took["fleetup"], took["plain script"]*105/100, "a plain script "+seconds(took["plain script"]))
	atMost(t, "fleetup's own time in a node's life", median(own), time.Second)
	megabytes := float64(median(memory)) * 1024 / 1e6
	figure(t, "memory of the run", fmt.Sprintf("%.1f MB", megabytes), "80 MB", megabytes > 80)
}

// theirs are the phases whose time is the machine's or the pods': to drain, to stop, to install, to boot, to become Ready, to
// see the pods run. What is left of a node's life is fleetup's own time, with what it asks the machine before and after.
var theirs = map[string]bool{"drain": true, "stop": true, "apply": true, "reboot": true, "start": true, "verify again": true}

// ownTime is each node's, from the journal's times of its phases.
func ownTime(t *testing.T, l *lab.Lab) []time.Duration {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(l.Dir, "state", "fleetup", "*", "*.jsonl"))
	if len(files) != 1 {
		t.Fatalf("journals: %v", files)
	}
	data, err := os.ReadFile(files[0])
	must(t, err)
	type event struct {
		Time               time.Time
		Event, Node, Phase string
	}
	last, own, phases := map[string]event{}, map[string]time.Duration{}, map[string]string{}
	for line := range bytes.Lines(data) {
		var e event
		if json.Unmarshal(line, &e) != nil || e.Node == "" || e.Event != "order" && e.Event != "phase" && e.Event != "done" {
			continue // what is reserved behind the last line is no event either
		}
		if before, ok := last[e.Node]; ok {
			took := e.Time.Sub(before.Time)
			phases[e.Node] += fmt.Sprintf(" %s %v", before.Phase, took.Round(time.Millisecond))
			if !theirs[before.Phase] {
				own[e.Node] += took
			}
		}
		last[e.Node] = e
	}
	var list []time.Duration
	for node, d := range own {
		t.Logf("%s: %s:%s", node, seconds(d), phases[node])
		list = append(list, d)
	}
	equal(t, "nodes in the journal", len(list), 4)
	return list
}
