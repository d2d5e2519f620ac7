package lab_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/testdata/lab"
)

// alone are two workloads of one pod behind a Service each: one whose rollout can make another first, one that can't. The
// lab's kubelet calls a pod Ready a moment before it has an address, so the rollout is told to wait for longer than that.
const alone = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: one}
spec:
  replicas: 1
  minReadySeconds: 2
  selector: {matchLabels: {app: one}}
  template:
    metadata: {labels: {app: one}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: one, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {selector: {app: one}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 1
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: db, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}, ports: [{name: sql, port: 5432, targetPort: 8080}]}
`

// patiently is fleetup with five minutes' time.
func patiently(t *testing.T, l *lab.Lab, exit int, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := l.FleetupCommand(ctx, arguments...)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != exit {
		t.Errorf("fleetup %s: exit %d, want %d\n%s", strings.Join(arguments, " "), got, exit, out)
	}
	return string(out)
}

// TestLastEndpoint: a Deployment of one goes through a whole run with its endpoint never at zero. A StatefulSet of one is
// named by plan and check, refused by run with nothing touched, and done once that is accepted.
func TestLastEndpoint(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: 3})
	l.Apply(alone)
	l.Kubectl("rollout", "status", "deployment/one", "--timeout=60s")
	l.Kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
	awaitEndpoint(t, l, "one")
	awaitEndpoint(t, l, "db")
	inventory := l.WriteInventory(l.Hosts("ops") + "[upgrade]\nkubelet = \"1.37.2\"\nreboot = \"always\"\n")
	before := getNodes(t, l)

	const why = "Service default/db has no other endpoint, and has none while it moves: StatefulSet default/db ends a pod before it makes it anew; " +
		"keep another pod of it ready, or accept that with --accept-downtime default/db"
	says(t, patiently(t, l, 1, "check", inventory), "refused", why)
	says(t, patiently(t, l, 1, "plan", inventory), "Deployment default/one is restarted", why)
	says(t, patiently(t, l, 1, "run", "--yes", inventory), "refused before anything was touched", why)
	for name, n := range getNodes(t, l) {
		asBefore(t, before[name], n)
	}
	equal(t, "rollouts of one", len(strings.Fields(l.Kubectl("get", "replicasets", "-l", "app=one", "-o", "name"))), 1)

	one, db := leastReady(t, l, "one"), leastReady(t, l, "db")
	begin := time.Now()
	said := patiently(t, l, 0, "run", "--yes", "--verbose", "--accept-downtime", "default/db", inventory)
	says(t, said, "restarts Deployment default/one", "3 nodes done", "moved", "zero downtime: no", "default/db had no ready endpoint at", "which was accepted", "default/one had 1 of 1 endpoint ready at least")
	if n := one(); n != 1 {
		t.Errorf("the Deployment had %d ready endpoints at the least, by the test's own watch", n)
	}
	if n := db(); n != 0 {
		t.Errorf("the StatefulSet had %d ready endpoints at the least: what is asked for would not be needed", n)
	}
	sent := l.Audit().Since(begin).Of("fleetup")
	for _, r := range sent {
		if r.Resource == "pods/eviction" && strings.HasPrefix(r.Name, "one-") {
			t.Errorf("evicted: %s", r.Name)
		}
	}
	t.Logf("%d restarts of a Deployment, %d evictions", sent.Count("patch", "deployments"), sent.Count("create", "pods/eviction"))
	for name, n := range getNodes(t, l) {
		isReady(t, n, "v1.37.2")
		asBefore(t, before[name], n)
	}
}

func awaitEndpoint(t *testing.T, l *lab.Lab, service string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		ready := l.Kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name="+service, "-o", "jsonpath={.items[*].endpoints[*].conditions.ready}")
		if ready == "true" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: endpoints %q", service, ready)
		}
	}
}
