package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/remote/remotetest"
)

// TestFault40SwapLessThanBefore: a machine that comes back with less memory, a disk that isn't seen and a slower link stays
// held, each difference is named, and nothing runs on it until somebody has said that it is right.
func TestFault40SwapLessThanBefore(t *testing.T) { fault(t, "40-less-than-before") }

// TestFault27SwapFinish: the end of hardware work accepts a new host key, after it has shown both fingerprints.
func TestFault27SwapFinish(t *testing.T) { fault(t, "27-swap-finish") }

// mortalPower is a machine's switch whose runner dies around an order.
type mortalPower struct {
	runner.Power
	m mortal
}

func (p mortalPower) On(ctx context.Context) error {
	return p.m.around("power on", func() error { return p.Power.On(ctx) })
}

func (p mortalPower) Off(ctx context.Context, hard bool) error {
	return p.m.around("power off", func() error { return p.Power.Off(ctx, hard) })
}

// swapKilled does hardware work on n2, a disk more, from begin to finish. It kills the process at a point, lets the next
// one give the same command again at that very instant, and returns how the yard stands at the end.
func swapKilled(t *testing.T, at int, lost bool) (standing map[string]string, points []string) {
	inYardWith(t, box.Options{Nodes: box.Workers(3), Cluster: kubetest.Config{Seed: 1}, BMC: true}, "", func(s *yard) {
		k := s.killer(s.process(s.path("state")), at)
		state := s.path("state")
		do := func(args ...string) {
			args = append([]string{"swap", args[0], s.inventory, "n2", "--yes"}, args[1:]...)
			p, over, alive := s.process(state), make(chan int, 1), k.alive()
			if alive {
				p.wrap, k.p = k.wrap, p
			}
			go func() { over <- p.fleetup(args...) }()
			select {
			case code := <-over:
				if k.struck() == alive {
					break
				}
				if code != 0 && !strings.Contains(p.err.String(), "isn't held for hardware work") {
					s.Errorf("%v: exit %d\n%s%s", args, code, p.out, p.err)
				}
				return
			case <-k.killedIf(alive):
				defer func() { <-over }()
			}
			if state = k.kept; lost {
				state = s.path("lost")
			}
			s.statusAfterKill(s.process(state))
			next := s.process(state)
			if code := next.fleetup(args...); code != 0 && !strings.Contains(next.err.String(), "isn't held for hardware work") {
				s.Errorf("the second process, %v: exit %d\n%s%s", args, code, next.out, next.err)
			}
		}
		do("begin", "--reason", "a disk more")
		off := !s.Machines["n2"].Powered()
		s.Machines["n2"].SetHardware(func(h *remotetest.Hardware) {
			h.Disks = append(h.Disks, remotetest.Disk{Name: "sdc", Serial: "S-NEW", GiB: 3840})
		})
		do("finish", "--expect", "disk +1")
		standing, points = s.standing(), k.points
		standing["was off"], standing["is on"] = fmt.Sprint(off), fmt.Sprint(s.Machines["n2"].Powered())
		_, standing["lease"], _ = strings.Cut(s.leaseStands(), ", ") // whoever was killed last doesn't give it back: it runs out
	})
	return standing, points
}

// killedIf is the moment of the kill; never for a process that begins after it.
func (k *killer) killedIf(alive bool) <-chan struct{} {
	if !alive {
		return nil
	}
	return k.killed
}

// statusAfterKill: whoever comes next is told the truth: a node that is claimed is held, by whom and why.
func (s *yard) statusAfterKill(p *process) {
	claimed := s.node("n2").Annotations["fleetup.io/run"] != ""
	if code := p.fleetup("status", s.inventory); code != 0 {
		s.Errorf("status: exit %d\n%s", code, p.err)
	}
	if said := strings.Contains(p.out.String(), "held for hardware work by "); said != claimed {
		s.Errorf("claimed is %v, and status says\n%s", claimed, p.out)
	}
}

// TestFault01KillSwap kills fleetup at points of hardware work, with its journal kept and lost: every end is that of work
// that nothing disturbed. `make faults` takes every point both ways; a plain `go test` one in nine, by turns.
func TestFault01KillSwap(t *testing.T) {
	undisturbed, points := swapKilled(t, 0, false)
	if undisturbed["was off"] != "true" || undisturbed["is on"] != "true" || len(points) < 20 {
		t.Fatal(undisturbed, points)
	}
	step, ways := 9, 1
	if os.Getenv("FLEETUP_FAULTS") == "all" {
		step, ways = 1, 2
	}
	t.Run("points", func(t *testing.T) {
		for i := 0; i < len(points); i += step {
			for way := range ways {
				at, lost := i+1, (i/step+way)%2 == 1
				t.Run(fmt.Sprintf("%03d lost=%v", at, lost), func(t *testing.T) {
					t.Parallel()
					got, reached := swapKilled(t, at, lost)
					if d := cmp.Diff(undisturbed, got); d != "" {
						t.Errorf("killed at %q: %s", reached[min(at, len(reached))-1], d)
					}
				})
			}
		}
	})
}
