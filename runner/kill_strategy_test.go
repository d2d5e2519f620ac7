package runner

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// strategyKill is a run by a strategy on four nodes, for being killed at each of its journal writes.
type strategyKill struct {
	name      string
	blueGreen bool
	onFailure string
	failures  int      // max_failures
	bad       string   // when the gate is bad: "", "upgraded" or "opened": once a node runs, or serves with, the new version
	crashes   string   // the node whose new kubelet never starts
	exit      int      // of an undisturbed run
	want      []string // how its nodes stand
}

// TestKillAtEachWriteOfAStrategy: whatever a strategy has begun, there or back, a process that dies at any write of its
// journal leaves a run that the next process takes to the same end.
func TestKillAtEachWriteOfAStrategy(t *testing.T) {
	open1, open2, closed2 := "v1 open", "v2 open", "v2 closed"
	for _, k := range []strategyKill{
		{name: "canary", onFailure: "stop", exit: 0, want: []string{open2, open2, open2, open2}},
		{name: "canary, bad gate", onFailure: "stop", bad: "upgraded", exit: 3, want: []string{open2, open1, open1, open1}},
		{name: "canary, bad gate, rollback", onFailure: "rollback", failures: 1, bad: "upgraded", exit: 3, want: []string{open1, open1, open1, open1}},
		{name: "canary, failed node goes back", onFailure: "rollback", failures: 1, crashes: "n2", exit: 1, want: []string{open2, open1, open2, open2}},
		{name: "canary, failed node takes its wave back", onFailure: "rollback", crashes: "n2", exit: 3, want: []string{open1, open1, open1, open1}},
		{name: "blue-green", blueGreen: true, onFailure: "stop", exit: 0, want: []string{open2, open2, open2, open2}},
		{name: "blue-green, bad gate", blueGreen: true, onFailure: "stop", bad: "opened", exit: 3, want: []string{open1, open1, closed2, closed2}},
		{name: "blue-green, failed node goes back", blueGreen: true, onFailure: "rollback", failures: 1, crashes: "n4", exit: 3, want: []string{open1, open1, closed2, open1}},
	} {
		t.Run(k.name, func(t *testing.T) {
			end, stands, writes := k.play(t, 0)
			if end.Exit != k.exit {
				t.Fatalf("undisturbed: %+v", end)
			}
			if d := cmp.Diff(k.want, stands); d != "" {
				t.Fatalf("undisturbed: %s", d)
			}
			for at := 1; at <= writes && !t.Failed(); at++ {
				end, stands, _ := k.play(t, at)
				if d := cmp.Diff(k.want, stands); d != "" || end.Exit != k.exit {
					t.Errorf("killed at write %d: end %+v\n%s", at, end, d)
				}
			}
			t.Logf("shown: killed at each of %d writes", writes)
		})
	}
}

// play runs it, killed at a write and picked up by another process; at 0 nothing disturbs it.
func (k strategyKill) play(t *testing.T, at int) (end End, stands []string, writes int) {
	synctest.Test(t, func(t *testing.T) {
		s := k.schedule()
		s.sabotage = func(r *Runner) {
			r.Gates = []Gate{s.gate}
			c, show := r.Cluster.(chaosCluster).c, r.Show
			r.Show = func(e Event) {
				if show(e); at > 0 {
					if writes++; writes == at {
						c.die()
					}
				} else {
					writes++
				}
			}
		}
		end, _ = s.process(t, 0)
		if at > 0 {
			at = -1
			end, _ = s.process(t, 0)
		}
		for _, b := range s.broken {
			t.Error(b)
		}
		stands = s.stands()
		if t.Failed() {
			t.Log(string(s.disk.data))
		}
	})
	return end, stands, writes
}

// schedule is the run as the random schedules have it, with nothing random.
func (k strategyKill) schedule() *schedule {
	s := newSchedule(1)
	s.keeps = true
	names := []string{"n1", "n2", "n3", "n4"}
	s.world = newFakeWorld(names...)
	s.human, s.work, s.limit = map[string]bool{}, map[string]Work{}, 1
	s.plan = Plan{OnFailure: k.onFailure, MaxFailures: k.failures, Requeues: 2, Cordoned: "skip", Limits: []Limit{{Why: "max_unavailable", AtMost: 1}}}
	for _, n := range names {
		s.work[n] = s.world.work(n, s.world.kubeletStep(n, "2"))
		s.plan.Nodes = append(s.plan.Nodes, PlanNode{Name: n, Host: n, OnBlocked: onBlockedRequeue})
	}
	if k.blueGreen {
		s.pools(names[:2], names[2:])
	} else {
		s.waves(names[:2], names[2:])
	}
	s.world.after = func(node, effect string) {
		s.check(node, effect)
		if node == k.crashes && strings.HasPrefix(effect, "install") {
			s.world.nodes[node].crashes = effect == "install 2"
		}
	}
	s.gate = fakeGate{"errors", func(context.Context, []string, []string) (string, error) { return s.reading(k.bad), nil }}
	s.plan.Gates = PlanGates([]Gate{s.gate})
	return s
}

// reading is what the gate reads.
func (s *schedule) reading(bad string) string {
	for _, name := range s.world.names() {
		if n := s.world.see(name); bad != "" && n.version == "2" && (bad == "upgraded" || !n.cordoned) {
			return "9"
		}
	}
	return "1"
}

// stands is how each node stands.
func (s *schedule) stands() (all []string) {
	for _, name := range s.world.names() {
		n := s.world.see(name)
		text := "v" + n.version + " open"
		if n.cordoned {
			text = "v" + n.version + " closed"
		}
		if !n.ready || !n.kubelet || n.tainted || n.failed != "" || n.cordoned != (n.run != "") {
			text += fmt.Sprintf(" %+v", n)
		}
		all = append(all, text)
	}
	return all
}
