package lab_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// The pods of the table, each called as its label "case" says. Those with an owner that isn't an API of this cluster are
// managed as far as a drain is concerned, and no controller interferes; the ordinary controllers' are there too.
const (
	managed  = `ownerReferences: [{apiVersion: apps.example.com/v1, kind: CloneSet, name: set, uid: set-1, controller: true}]`
	unowned  = `annotations: {}`
	gone     = `ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: gone, uid: gone-1, controller: true}]`
	listed   = `ownerReferences: [{apiVersion: apps.example.com/v1, kind: CloneSet, name: set, uid: set-1}]`
	held     = `finalizers: [example.com/hold]`
	emptyDir = `volumes: [{name: v, emptyDir: {}}]`
	hostPath = `volumes: [{name: v, hostPath: {path: /srv}}]`
	gated    = `readinessGates: [{conditionType: example.com/never}]`
	unbound  = `schedulerName: nobody` // until finish binds it
)

var tablePods = []struct{ name, namespace, metadata, spec string }{
	{"bare", "default", unowned, ``},
	{"bare-kube-system", "kube-system", unowned, ``},
	{"bare-emptydir", "default", unowned, emptyDir},
	{"bare-hostpath", "default", unowned, hostPath},
	{"listed-owner", "default", listed, ``},
	{"custom-owner", "default", managed, ``},
	{"daemonset-gone", "default", gone, ``},
	{"emptydir", "default", managed, emptyDir},
	{"emptydir-memory", "default", managed, `volumes: [{name: v, emptyDir: {medium: Memory}}]`},
	{"hostpath", "default", managed, hostPath},
	{"local-volume", "default", managed, `volumes: [{name: v, persistentVolumeClaim: {claimName: local}}]`},
	{"succeeded", "default", unowned, unbound + ", " + emptyDir},
	{"failed", "default", unowned, unbound + ", " + emptyDir},
	{"succeeded-two-budgets", "default", unowned, unbound},
	{"ending", "default", managed + ", " + held, ``},
	{"ending-bare", "default", held, ``},
	{"ending-budget", "default", managed + ", " + held, ``},
	{"tolerant", "default", managed, `tolerations: [{operator: Exists}]`},
	{"critical", "kube-system", managed, `priorityClassName: system-node-critical`},
	{"long-grace", "default", managed, `terminationGracePeriodSeconds: 3600`},
	{"budget-allows", "default", managed, ``},
	{"budget-blocks", "default", managed, ``},
	{"budget-of-all", "whole", managed, ``},
	{"two-budgets", "default", managed, ``},
	{"unready-always-allow", "default", managed, gated},
	{"unready-if-healthy", "default", managed, gated},
}

const tableControllers = `
{apiVersion: v1, kind: Namespace, metadata: {name: whole}}
---
{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: rs}, spec: {replicas: 1, selector: {matchLabels: {case: replicaset}}, template: TEMPLATE(replicaset)}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: ss}, spec: {serviceName: ss, selector: {matchLabels: {case: statefulset}}, template: TEMPLATE(statefulset)}}
---
{apiVersion: v1, kind: ReplicationController, metadata: {name: rc}, spec: {replicas: 1, selector: {case: replicationcontroller}, template: TEMPLATE(replicationcontroller)}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: job}, spec: {template: {metadata: {labels: {case: job}}, spec: {restartPolicy: Never, containers: [{name: c, image: c}]}}}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: ds}, spec: {selector: {matchLabels: {case: daemonset}}, template: TEMPLATE(daemonset)}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: data}, spec: {selector: {matchLabels: {case: daemonset-emptydir}},
  template: {metadata: {labels: {case: daemonset-emptydir}}, spec: {containers: [{name: c, image: c}], volumes: [{name: v, emptyDir: {}}]}}}}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: local}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: local, local: {path: /srv},
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n1]}]}]}}}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: local}, spec: {accessModes: [ReadWriteOnce], storageClassName: local, volumeName: local, resources: {requests: {storage: 1Gi}}}}
`

// tableBudgets select by the label "case"; minAvailable is 1 unless said otherwise.
var tableBudgets = []struct{ name, namespace, selector, spec string }{
	{"allows", "default", "{matchLabels: {case: budget-allows}}", "minAvailable: 0"},
	{"blocks", "default", "{matchExpressions: [{key: case, operator: In, values: [budget-blocks, ending-budget]}]}", "minAvailable: 2"},
	{"everything", "whole", "{}", "minAvailable: 1"},
	{"first", "default", "{matchExpressions: [{key: case, operator: In, values: [two-budgets, succeeded-two-budgets]}]}", "minAvailable: 0"},
	{"second", "default", "{matchExpressions: [{key: case, operator: In, values: [two-budgets, succeeded-two-budgets]}]}", "minAvailable: 0"},
	{"always", "default", "{matchLabels: {case: unready-always-allow}}", "minAvailable: 1, unhealthyPodEvictionPolicy: AlwaysAllow"},
	{"if-healthy", "default", "{matchLabels: {case: unready-if-healthy}}", "minAvailable: 1"},
}

// keepOwnerless keeps the garbage collector from deleting the pod whose DaemonSet isn't there. Evictions are another request.
const keepOwnerless = `
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: keep}, spec: {
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [DELETE], resources: [pods]}]},
  validations: [{expression: "oldObject.metadata.name != 'daemonset-gone'", message: kept by the test}]}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: keep}, spec: {policyName: keep, validationActions: [Deny]}}
`

// staticPod is put where the kubelet looks for static pods; the API then shows its mirror.
// The kubelet takes what begins with a brace for JSON.
const staticPod = `apiVersion: v1
kind: Pod
metadata: {name: static, namespace: kube-system, labels: {case: static}}
spec: {containers: [{name: c, image: c}]}`

func tableManifests() string {
	var b strings.Builder
	b.WriteString(regexp.MustCompile(`TEMPLATE\((.*?)\)`).ReplaceAllString(tableControllers,
		`{metadata: {labels: {case: $1}}, spec: {containers: [{name: c, image: c}]}}`))
	for _, p := range tablePods {
		spec := p.spec
		if spec != "" {
			spec += ", "
		}
		fmt.Fprintf(&b, "---\n{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s, labels: {case: %s}, %s}, spec: {%scontainers: [{name: c, image: c}]}}\n",
			p.name, p.namespace, p.name, p.metadata, spec)
	}
	for _, d := range tableBudgets {
		fmt.Fprintf(&b, "---\n{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: %s, namespace: %s}, spec: {selector: %s, %s}}\n",
			d.name, d.namespace, d.selector, d.spec)
	}
	return b.String()
}

// settle brings the pods to the states that the table is about.
func settle(t *testing.T, l *lab.Lab) {
	t.Helper()
	l.Machines[0].Must("cd /tmp/hollow-kubelet.*/static-pods* && echo '" + staticPod + "' >/tmp/static.yaml && mv /tmp/static.yaml .")
	l.Apply(keepOwnerless)
	l.Apply(`{apiVersion: v1, kind: Pod, metadata: {name: daemonset-gone, namespace: kube-public}, spec: {schedulerName: nobody, containers: [{name: c, image: c}]}}`)
	within(t, time.Minute, "the policy that keeps a pod", func() string {
		if _, err := l.TryKubectl("delete", "-n", "kube-public", "pod", "daemonset-gone", "--dry-run=server"); err == nil || !strings.Contains(err.Error(), "kept by the test") {
			return fmt.Sprint(err)
		}
		return ""
	})
	l.Apply(tableManifests())
	finish(t, l, "succeeded", "Succeeded")
	finish(t, l, "failed", "Failed")
	finish(t, l, "succeeded-two-budgets", "Succeeded")
	within(t, time.Minute, "pods to run", func() string {
		return l.Kubectl("get", "pods", "-A", "--field-selector=status.phase=Pending,metadata.namespace!=kube-public", "-o", "name")
	})
	l.Kubectl("delete", "pod", "ending", "ending-bare", "ending-budget", "--wait=false")
	within(t, time.Minute, "what ends to have ended, or kubectl and fleetup would see it one before and one after", func() string {
		return l.Kubectl("get", "pods", "ending", "ending-bare", "ending-budget", "-o", `jsonpath={range .items[?(@.status.phase=="Running")]}{.metadata.name} {end}`)
	})
	within(t, time.Minute, "budgets to be counted, and the static pod's mirror", func() string {
		left := l.Kubectl("get", "pdb", "-A", "-o", `jsonpath={range .items[?(@.status.observedGeneration!=1)]}{.metadata.name} {end}`)
		for budget, want := range map[string]string{"blocks": "1", "allows": "1"} {
			if healthy := l.Kubectl("get", "pdb", budget, "-o", "jsonpath={.status.currentHealthy}"); healthy != want {
				left += fmt.Sprintf(" budget %s: %s healthy", budget, healthy)
			}
		}
		if l.Kubectl("get", "pods", "-A", "-l", "case=static", "-o", "name") == "" {
			left += " mirror"
		}
		return left
	})
}

// finish makes a pod one that has come to its end, and only then the node's: the kubelet would say that it runs.
func finish(t *testing.T, l *lab.Lab, name, phase string) {
	t.Helper()
	l.Kubectl("patch", "pod", name, "--subresource=status", "--type=merge", "-p", `{"status":{"phase":"`+phase+`"}}`)
	bind := l.KubectlCommand(t.Context(), "create", "--raw", "/api/v1/namespaces/default/pods/"+name+"/binding", "-f", "-")
	bind.Stdin = strings.NewReader(`{"apiVersion":"v1","kind":"Binding","metadata":{"name":"` + name + `"},"target":{"kind":"Node","name":"n1"}}`)
	if out, err := bind.CombinedOutput(); err != nil {
		t.Fatalf("bind %s: %v: %s", name, err, out)
	}
}

// within asks until left answers "".
func within(t *testing.T, limit time.Duration, what string, left func() string) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for text := left(); text != ""; text = left() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s: %s", limit, what, text)
		}
		<-tick.C
	}
}
