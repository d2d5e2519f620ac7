package lab_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// Runs inside the cluster: the real API server takes the manifests, and the job's ServiceAccount, by its own token, suffices
// for the main job and for no more. The runner hands over rather than drain its own node.
func TestJob(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 4})
	l.Apply(web)
	settled(l)
	hosts := l.Hosts("root")
	inventory := l.WriteInventory(hosts + kubeletRebooted + "[[gate]]\nname = \"nodes\"\nresource = \"nodes\"\njsonpath = \"{.metadata.name}\"\nequals = [\"n1\", \"n2\", \"n3\", \"n4\"]\n")
	job := []string{"job", inventory, "--image", "registry.example.com/fleetup:1", "--schedule", "0 1 * * Sat", "--timezone", "Europe/Berlin"}

	t.Run("dry run", func(t *testing.T) {
		said := fleetup(t, l, 0, append(job, "--apply", "--dry-run")...)
		says(t, said, "clusterroles/fleetup-lab accepted by the server, and not kept", "kube-system/cronjobs/fleetup-lab accepted")
		equal(t, "cron jobs", l.Kubectl("get", "cronjobs", "-A", "-o", "name"), "")
		printed, _, _ := l.Fleetup(job...)
		file := filepath.Join(t.TempDir(), "job.yaml")
		if err := os.WriteFile(file, []byte(printed), 0o600); err != nil {
			t.Fatal(err)
		}
		l.Kubectl("apply", "--dry-run=server", "-f", file)
	})
	t.Run("apply", func(t *testing.T) {
		says(t, fleetup(t, l, 0, append(job, "--apply")...), "kube-system/cronjobs/fleetup-lab applied")
		fleetup(t, l, 0, append(job, "--apply")...) // again: nothing is in its way
		equal(t, "schedule", l.Kubectl("get", "cronjob", "-n", "kube-system", "fleetup-lab", "-o", "jsonpath={.spec.schedule} {.spec.timeZone}"), "0 1 * * 6 Europe/Berlin")
	})
	token := l.Kubectl("create", "token", "-n", "kube-system", "fleetup-lab", "--duration=1h")
	own := l.WriteInventory(strings.Replace(readFile(t, inventory), l.Kubeconfig, withToken(t, l, token), 1))

	t.Run("rights", func(t *testing.T) {
		saysNot(t, fleetup(t, l, 0, "check", own), "may not")
		for _, tc := range []struct{ verb, resource, want string }{
			{"get", "secrets", "no"}, {"delete", "pods", "no"}, {"create", "pods", "no"}, {"patch", "nodes", "yes"}, {"delete", "nodes", "no"}, {"update", "leases", "no"},
		} {
			answer, _ := l.TryKubectl("auth", "can-i", tc.verb, tc.resource, "-n", "default", "--as=system:serviceaccount:kube-system:fleetup-lab")
			if strings.TrimSpace(answer) != tc.want && !strings.HasPrefix(answer, tc.want) {
				t.Errorf("%s %s: %q, want %s", tc.verb, tc.resource, answer, tc.want)
			}
		}
	})
	t.Run("a check's account may look alone", func(t *testing.T) {
		fleetup(t, l, 0, "job", inventory, "--image", "registry.example.com/fleetup:1", "--command", "check", "--schedule", "0 6 * * *", "--apply")
		const account = "fleetup-lab-check"
		token := l.Kubectl("create", "token", "-n", "kube-system", account, "--duration=1h")
		looking := l.WriteInventory(strings.Replace(readFile(t, inventory), l.Kubeconfig, withToken(t, l, token), 1))
		said := fleetup(t, l, 0, "check", "--look-only", looking)
		saysNot(t, said, "may not")
		saysNot(t, said, "forbidden")
		for _, verb := range []string{"create", "update", "patch", "delete"} {
			for _, resource := range []string{"nodes", "pods", "pods/eviction", "leases", "secrets", "deployments"} {
				if answer, _ := l.TryKubectl("auth", "can-i", verb, resource, "-n", "kube-system", "--as=system:serviceaccount:kube-system:"+account); !strings.HasPrefix(answer, "no") {
					t.Errorf("%s %s: %q", verb, resource, answer)
				}
			}
		}
	})
	t.Run("leaves its node where no pod could go on elsewhere", func(t *testing.T) {
		l.Apply(onlyHere)
		l.Kubectl("wait", "-n", "kube-system", "job/runner", "--for=jsonpath={.status.ready}=1", "--timeout=60s")
		pod := l.Kubectl("get", "pods", "-n", "kube-system", "-l", "job-name=runner", "-o", "jsonpath={.items[0].metadata.name}")
		l.Env = append(l.Env, "POD_NAMESPACE=kube-system", "POD_NAME="+pod)
		defer func() { l.Env = l.Env[:len(l.Env)-2] }()
		const why = "fleetup's own pod kube-system/runner-"
		said := podOn(t, l, 1, "n4", "run", "--unattended", "--limit", "n4", "--set", "drain.timeout=5s", own)
		says(t, said, why, "could start on no other node: 0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector")
		last := getNode(t, l, "n4")
		isReady(t, last, "v1.36.4")
		equal(t, "n4 cordoned", last.Spec.Unschedulable, false)
		says(t, podOn(t, l, 1, "n4", "check", own), "n4", "fleetup's own pod", "could start on no other node")
		l.Kubectl("delete", "job", "-n", "kube-system", "runner", "--cascade=foreground")
	})
	t.Run("hands over", func(t *testing.T) {
		said := podOn(t, l, 130, "n4", "run", "--unattended", own)
		says(t, said, "n4", "cordon", "this run's own pod is on the node that comes next")
		last := getNode(t, l, "n4")
		isReady(t, last, "v1.36.4")
		equal(t, "n4 cordoned", last.Spec.Unschedulable, true)
		for _, name := range []string{"n1", "n2", "n3"} {
			isReady(t, getNode(t, l, name), "v1.37.2")
		}
	})
	t.Run("goes on elsewhere", func(t *testing.T) {
		says(t, podOn(t, l, 0, "n1", "run", "--unattended", own), "zero downtime: yes")
		isReady(t, getNode(t, l, "n4"), "v1.37.2")
		equal(t, "n4 cordoned", getNode(t, l, "n4").Spec.Unschedulable, false)
	})
	t.Run("the whole main job", func(t *testing.T) {
		goBack(t, l, l.Machines...)
		upgradeAll(t, l, own, "2")
	})
}

// onlyHere is a Job whose pod can run on n4 alone.
const onlyHere = `
apiVersion: batch/v1
kind: Job
metadata: { name: runner, namespace: kube-system }
spec:
  template:
    spec:
      restartPolicy: Never
      nodeSelector: { kubernetes.io/hostname: n4 }
      containers: [{ name: fleetup, image: "registry.example.com/fleetup:1" }]
`

// podOn runs fleetup as a pod on the node would.
func podOn(t *testing.T, l *lab.Lab, exit int, node string, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := l.FleetupCommand(ctx, arguments...)
	cmd.Env = append(cmd.Env, "NODE_NAME="+node, "KUBERNETES_SERVICE_HOST=10.213.0.1")
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != exit {
		t.Errorf("fleetup %s: exit %d, want %d\n%s", strings.Join(arguments, " "), got, exit, out)
	}
	return string(out)
}

// withToken is a kubeconfig like the lab's, with the token alone for credentials.
func withToken(t *testing.T, l *lab.Lab, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(readFile(t, l.Kubeconfig)), 0o600); err != nil {
		t.Fatal(err)
	}
	l.Kubectl("--kubeconfig="+file, "config", "set-credentials", "job", "--token="+token)
	l.Kubectl("--kubeconfig="+file, "config", "set-context", "--current", "--user=job")
	return file
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
