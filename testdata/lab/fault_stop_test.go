package lab_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// heldPod is one whose end on n1 waits until freePod, so that a drain of it lasts as long as a test wants.
const heldPod = `{apiVersion: v1, kind: Pod, metadata: {name: held, finalizers: [example.com/hold]}, spec: {nodeName: n1, containers: [{name: c, image: i}]}}`

const heldDrain = "[upgrade]\nkubelet = \"1.37.2\"\nreboot = \"always\"\n[drain]\nforce = true\n"

func holdPod(l *lab.Lab) {
	l.Apply(heldPod)
	l.Kubectl("wait", "--for=condition=Ready", "pod/held", "--timeout=30s")
}

func freePod(l *lab.Lab) {
	l.Kubectl("patch", "pod", "held", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
}

// TestFault06StoppedPastTheLease: a run is stopped for longer than its lease, another machine's takes over and ends the
// job, and the first, continued, does nothing more: neither in the API nor on a machine.
func TestFault06StoppedPastTheLease(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, until string }{{"in mid-drain", "example.com/hold"}, {"in mid-apt", "n1  waiting for the package lock"}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := lab.Start(t, lab.Options{Machines: 2})
			l.Apply(web)
			settled(l)
			var release func()
			if test.name == "in mid-drain" {
				holdPod(l)
				release = func() { freePod(l) }
			} else {
				release = l.Machines[0].HoldDpkgLock()
			}
			nodes := getNodes(t, l)
			inventory := l.WriteInventory(l.Hosts("ops") + heldDrain)
			first, heard := begin(t, l, test.until, "run", "--yes", inventory)
			signal(t, first.Process.Signal(syscall.SIGSTOP))
			stopped := time.Now()

			second, told := begin(t, l, "took the lease over", "--state-dir", filepath.Join(l.Dir, "elsewhere"), "run", "--yes", "--wait-lock", inventory)
			if waited := time.Since(stopped); waited < 20*time.Second {
				t.Errorf("the lease was taken after %v", waited)
			}
			release()
			says(t, exit(t, second, told, 0), "waiting: ", "n1  done", "2 nodes done")
			before := marks(t, l)

			continued := time.Now()
			signal(t, first.Process.Signal(syscall.SIGCONT))
			says(t, exit(t, first, heard, 4), "lease")
			time.Sleep(2 * time.Second) // what it had begun would show
			for _, q := range l.Audit().Since(continued).Of("fleetup") {
				if writes(q) && q.Code < 300 {
					t.Errorf("after its lease was lost: %s %s %s: %d", q.Verb, q.Resource, q.Name, q.Code)
				}
			}
			epoch := l.Kubectl("get", "lease", "-n", "kube-system", "fleetup", "-o", "jsonpath={.spec.leaseTransitions}")
			for i, m := range l.Machines {
				equal(t, m.Name+" afterwards", marks(t, l)[i], before[i])
				equal(t, m.Name+"'s epoch", m.Must("cat /var/lib/fleetup/epoch"), epoch)
				isReady(t, getNode(t, l, m.Name), "v1.37.2")
				asBefore(t, nodes[m.Name], getNode(t, l, m.Name))
				equal(t, m.Name+" installed", installs(m), "1")
			}
		})
	}
}

func signal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writes reports whether a request changes something.
func writes(q lab.Request) bool {
	return (q.Verb == "create" || q.Verb == "update" || q.Verb == "patch" || q.Verb == "delete") &&
		!strings.Contains(q.Query, "dryRun=") && !strings.Contains(q.Resource, "accessreviews")
}

// marks are all that a run could change on each machine.
func marks(t *testing.T, l *lab.Lab) (all []string) {
	t.Helper()
	for _, m := range l.Machines {
		all = append(all, fmt.Sprint(m.BootID(), "\n", m.Must(`find /var/lib/fleetup -type f -printf '%p %T@\n' | sort
			cksum /var/log/dpkg.log /var/log/runtime.log; ls /run/systemd/system; systemctl show kubelet -p ActiveState -p InvocationID`)))
	}
	return all
}

// installs is how often the machine's kubelet was upgraded.
func installs(m *lab.Machine) string {
	return m.Must("grep -c ' upgrade kubelet:[a-z0-9]* 1.36.4-1.1 1.37.2-1.1' /var/log/dpkg.log || true")
}

// TestFault09APIKilledInMidDrain: the API server is gone for a minute while a node is being drained. Nothing fails for it.
func TestFault09APIKilledInMidDrain(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 2})
	l.Apply(web)
	settled(l)
	holdPod(l)
	nodes := getNodes(t, l)
	inventory := l.WriteInventory(l.Hosts("ops") + heldDrain)
	cmd, heard := begin(t, l, "example.com/hold", "run", "--yes", inventory)
	restart := l.KillAPI()
	time.Sleep(time.Minute)
	restart()
	freePod(l)
	said := exit(t, cmd, heard, 0)
	t.Log(said)
	says(t, said, "n1  done", "n2  done", "2 nodes done")
	saysNot(t, said, "FAILED", "halted", "blocked")
	for _, m := range l.Machines {
		isReady(t, getNode(t, l, m.Name), "v1.37.2")
		asBefore(t, nodes[m.Name], getNode(t, l, m.Name))
		equal(t, m.Name+" installed", installs(m), "1")
		equal(t, m.Name+" booted", m.Boots(), 2)
	}
}

// TestFault19NetworkCutInMidStep: half a minute without a network to the machine while it installs. The step goes on by
// itself, is attached to again, and was done once.
func TestFault19NetworkCutInMidStep(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 1})
	n1 := l.Machines[0]
	before := getNode(t, l, "n1")
	inventory := l.WriteInventory(l.Hosts("ops") + "[upgrade]\nkubelet = \"1.37.2\"\n")
	release := n1.HoldDpkgLock()
	cmd, heard := begin(t, l, "n1  waiting for the package lock", "run", "--yes", inventory)
	heal, cut := n1.Cut(), time.Now()
	time.Sleep(15 * time.Second)
	release() // it installs while nobody can see it
	for end := time.Now().Add(time.Minute); installs(n1) == "0" && time.Now().Before(end); time.Sleep(time.Second) {
	}
	equal(t, "installed during the cut", installs(n1), "1")
	time.Sleep(time.Until(cut.Add(30 * time.Second)))
	heal()
	says(t, exit(t, cmd, heard, 0), "n1  done", "1 node done")
	isReady(t, getNode(t, l, "n1"), "v1.37.2")
	asBefore(t, before, getNode(t, l, "n1"))
	stillHeld(t, n1)
	equal(t, "installed", installs(n1), "1")
}

// TestFault18UncordonedByAnother: in mid-drain: closed and drained again before the reboot; while it is down: closed again.
// Neither halts the run.
func TestFault18UncordonedByAnother(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 2})
	l.Apply(web)
	settled(l)
	holdPod(l)
	nodes := getNodes(t, l)
	inventory := l.WriteInventory(l.Hosts("ops") + heldDrain)
	cmd, heard := begin(t, l, "example.com/hold", "run", "--yes", inventory)
	l.Kubectl("uncordon", "n1")
	equal(t, "n1 cordoned", getNode(t, l, "n1").Spec.Unschedulable, false)
	freePod(l)
	heard.until(t, "n1  rebooting")
	equal(t, "n1 cordoned", getNode(t, l, "n1").Spec.Unschedulable, true)
	equal(t, "pods of web on n1", l.Kubectl("get", "pods", "-l", "app=web", "--field-selector=spec.nodeName=n1", "-o", "name"), "")
	heard.until(t, "n2  rebooting")
	l.Kubectl("uncordon", "n2")
	said := exit(t, cmd, heard, 0)
	says(t, said, "n1  somebody uncordoned the node: cordoned and drained again", "n1  rebooting", "n1  done",
		"n2  rebooting", "n2  somebody uncordoned the node while it was down: cordoned again", "n2  done", "2 nodes done", "zero downtime: yes")
	for _, m := range l.Machines {
		isReady(t, getNode(t, l, m.Name), "v1.37.2")
		asBefore(t, nodes[m.Name], getNode(t, l, m.Name))
	}
}
