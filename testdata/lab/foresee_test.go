package lab_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/kube/simulate"
	"github.com/fleetup/fleetup/kube/simulate/simulatetest"
	"github.com/fleetup/fleetup/testdata/lab"
)

const (
	lanes      = 3                // worlds that are tried at once, each on nodes of its own
	laneNodes  = 4                //
	worlds     = 30               //
	asPatient  = 25 * time.Second // as these drains are
	soonSettle = 45 * time.Second // what moved is well again by then, if it ever is
)

// TestForeseenIsWhatHappens makes thirty clusters by chance and holds what is foreseen of draining all their nodes against
// what the real API server, scheduler and controllers then let happen.
func TestForeseenIsWhatHappens(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Options{Machines: lanes * laneNodes})
	numbers := make(chan int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	right, seen := 0, map[int]int{}
	for lane := range lanes {
		c := openCluster(t, l)
		var nodes []string
		for _, m := range l.Machines[lane*laneNodes:][:laneNodes] {
			nodes = append(nodes, m.Name)
		}
		run := fmt.Sprint("lane-", lane)
		wg.Go(func() {
			for number := range numbers {
				w := simulatetest.Make(number, nodes)
				asForeseen, failed := tryWorld(t, l, c, w, run)
				mu.Lock()
				if asForeseen {
					right++
				}
				for _, n := range failed {
					seen[n]++
				}
				mu.Unlock()
			}
		})
	}
	for number := range worlds {
		numbers <- number
	}
	close(numbers)
	wg.Wait()
	t.Logf("%d of %d as foreseen; groups by how many of their nodes failed: %v", right, worlds, seen)
	if right != worlds || seen[0] == 0 || seen[1] == 0 {
		t.Errorf("%d of %d as foreseen, groups by how many of their nodes failed: %v", right, worlds, seen)
	}
}

// tryWorld makes a world, foresees its drains, carries them out, and removes it. Any goroutine may call it.
func tryWorld(t *testing.T, l *lab.Lab, c *kube.Cluster, w simulatetest.World, run string) (asForeseen bool, failed []int) {
	if err := makeWorld(l, w); err != nil {
		t.Errorf("%s: %v", w.Name, err)
		return false, nil
	}
	defer removeWorld(t, l, w)
	if left := settledWorld(l, w, w.Pods); left != "" {
		t.Errorf("%s (%s) doesn't come up: %s", w.Name, strings.Join(w.Kinds, ", "), left)
		return false, nil
	}
	o := kube.DrainOptions{IgnoreDaemonSets: true, Force: true, GracePeriod: -1, Timeout: asPatient, LastEndpoint: w.Last, Run: run}
	foreseen := simulate.Run(c.World(func(string) kube.DrainOptions { return o }), w.Turns())
	want := simulatetest.Failed(w, foreseen)
	failed = make([]int, len(w.Groups))
	var whys []error
	for i, group := range w.Groups {
		why := drainGroup(t, l, c, w, group, o)
		failed[i], whys = len(why), append(whys, why...)
	}
	if asForeseen = slices.Equal(want, failed); !asForeseen {
		t.Errorf("%s (%s, last endpoint %q, groups %v): foreseen to fail %v, did %v\n%+v\n%v", w.Name, strings.Join(w.Kinds, ", "), w.Last, w.Groups, want, failed, foreseen, errors.Join(whys...))
	} else {
		t.Logf("%s (%s, last endpoint %q): of groups %v fail %v, as foreseen", w.Name, strings.Join(w.Kinds, ", "), w.Last, w.Groups, failed)
	}
	return asForeseen, failed
}

// makeWorld gives the nodes their labels and slots, and makes what runs there.
func makeWorld(l *lab.Lab, w simulatetest.World) error {
	for i, node := range w.Nodes {
		slots := fmt.Sprintf(`{"status":{"capacity":{"%s":"%d"},"allocatable":{"%[1]s":"%[2]d"}}}`, simulatetest.Slots, w.Slots)
		for _, arguments := range [][]string{
			{"label", "--overwrite", "node", node, simulatetest.LabelCell + "=" + w.Name, simulatetest.LabelZone + "=" + string(rune('a'+i%2))},
			{"patch", "node", node, "--subresource=status", "-p", slots},
		} {
			if _, err := l.TryKubectl(arguments...); err != nil {
				return err
			}
		}
	}
	if _, err := l.TryKubectl("create", "namespace", w.Name); err != nil {
		return err
	}
	var manifests []string
	for _, o := range w.Objects {
		text, err := json.Marshal(o)
		if err != nil {
			return err
		}
		manifests = append(manifests, string(text))
	}
	file := filepath.Join(l.Dir, w.Name+".yaml")
	if err := os.WriteFile(file, []byte(strings.Join(manifests, "\n---\n")), 0o600); err != nil {
		return err
	}
	_, err := l.TryKubectl("apply", "-f", file)
	return err
}

func removeWorld(t *testing.T, l *lab.Lab, w simulatetest.World) {
	if _, err := l.TryKubectl("delete", "namespace", w.Name, "--timeout=120s"); err != nil {
		t.Errorf("%s isn't gone: %v", w.Name, err)
	}
}

// settledWorld waits until so many pods are there and as well as they get, and their budgets are counted. It returns what is
// missing in the end; a pod that finds no node is left out of the wait where fewer are wanted than there are.
func settledWorld(l *lab.Lab, w simulatetest.World, pods int) string {
	left := ""
	for end := time.Now().Add(soonSettle); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if left = unsettled(l, w, pods); left == "" {
			return ""
		}
	}
	return left
}

func unsettled(l *lab.Lab, w simulatetest.World, pods int) string {
	text, err := l.TryKubectl("get", "pods", "-n", w.Name, "-o", "json")
	if err != nil {
		return err.Error()
	}
	var list corev1.PodList
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return err.Error()
	}
	if len(list.Items) < pods {
		return fmt.Sprintf("%d pods of %d", len(list.Items), pods)
	}
	for _, p := range list.Items {
		ready := p.Labels["app"] == "sick" // it never is
		for _, condition := range p.Status.Conditions {
			ready = ready || condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
		}
		if p.DeletionTimestamp != nil || p.Spec.NodeName == "" || p.Status.Phase != corev1.PodRunning || !ready {
			return fmt.Sprintf("pod %s is %s on %q", p.Name, p.Status.Phase, p.Spec.NodeName)
		}
	}
	budgets, err := l.TryKubectl("get", "pdb", "-n", w.Name, "-o", `jsonpath={range .items[*]}{.metadata.generation}={.status.observedGeneration} {.status.expectedPods};{end}`)
	if err != nil {
		return err.Error()
	}
	for b := range strings.SplitSeq(strings.TrimSuffix(budgets, ";"), ";") {
		var generation, observed, expected int
		if n, _ := fmt.Sscanf(b, "%d=%d %d", &generation, &observed, &expected); b != "" && (n != 3 || generation != observed || expected == 0) {
			return "a budget isn't counted: " + b
		}
	}
	return ""
}

// drainGroup drains a group's nodes at once, as a run does, gives them back, and returns why those were left as they were that were.
func drainGroup(t *testing.T, l *lab.Lab, c *kube.Cluster, w simulatetest.World, group []string, o kube.DrainOptions) (failed []error) {
	_ = settledWorld(l, w, 0) // what can be placed is; what can't holds the run
	if stranded := c.Stranded(); len(stranded) > 0 {
		return slices.Repeat([]error{fmt.Errorf("held by %v", stranded)}, len(group))
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, node := range group {
		wg.Go(func() {
			err := drainNode(t, c, node, o)
			var blocked *kube.BlockedError
			var refused *kube.RefusedError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.As(err, &blocked) || errors.As(err, &refused):
				failed = append(failed, err)
			case err != nil:
				t.Errorf("%s: %s: %v", w.Name, node, err)
			}
		})
	}
	wg.Wait()
	for _, node := range group {
		if n, _ := c.Node(node); n.Run == o.Run {
			if err := c.Release(t.Context(), node, o.Run, nil); err != nil {
				t.Errorf("%s: %s isn't given back: %v", w.Name, node, err)
			}
		}
	}
	return failed
}

func drainNode(t *testing.T, c *kube.Cluster, node string, o kube.DrainOptions) error {
	if err := c.TryDrain(t.Context(), node, o, nil); err != nil {
		return err
	}
	if _, err := c.Claim(t.Context(), node, o.Run, nil); err != nil {
		return err
	}
	return c.Drain(t.Context(), node, o, nil)
}

// TestForeseenTime: how long the run will take, said before it, is within a quarter of what it takes. Where the machine that the
// lab runs on has other work meanwhile, a run is not like the one before: three tries.
func TestForeseenTime(t *testing.T) {
	l := lab.Start(t, lab.Options{Machines: 4})
	l.Apply(web)
	settled(l)
	inventory := l.WriteInventory(l.Hosts("root") + kubeletRebooted)
	fleetup(t, l, 0, "run", "--yes", inventory)
	var off float64
	for try := range 3 {
		goBack(t, l, l.Machines...)
		says(t, fleetup(t, l, 0, "check", inventory), "can be drained", "as the last run took")
		fleetup(t, l, 0, "run", "--yes", inventory)
		foreseen, took := foreseenAndTook(t, l, inventory)
		t.Logf("try %d: foreseen %.1f s, took %.1f s", try+1, foreseen, took)
		if off = math.Abs(foreseen/took - 1); off <= 0.25 {
			return
		}
	}
	t.Errorf("the last run was foreseen %.0f %% off", 100*off)
}

// foreseenAndTook are what was foreseen of the last run and what it took, in seconds, by its report.
func foreseenAndTook(t *testing.T, l *lab.Lab, inventory string) (foreseen, took float64) {
	t.Helper()
	stdout, _, exit := l.Fleetup("report", inventory, "--output", "json")
	var told struct {
		Began, Ended time.Time
		Foreseen     struct {
			Seconds float64
			Known   bool
		}
	}
	if err := json.Unmarshal([]byte(stdout), &told); err != nil || exit != 0 || !told.Foreseen.Known {
		t.Fatalf("report: exit %d, %v: %s", exit, err, stdout)
	}
	return told.Foreseen.Seconds, told.Ended.Sub(told.Began).Seconds()
}
