package main

import (
	"strings"
	"testing"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/runner"
)

// A node that was given back while a second `swap finish` still asked is left alone by that one.
func TestSwapFinishedMeanwhile(t *testing.T) {
	for _, order := range []string{runner.OrderSwapFinish, runner.OrderSwapCancel} {
		inYardWith(t, box.Options{Nodes: box.Workers(3), Cluster: kubetest.Config{Seed: 1}, BMC: true}, "", func(s *yard) {
			s.says(0, "is off and held", "swap", "begin", s.inventory, "n2", "--yes")
			p := s.process(s.path("state"))
			w, err := p.openSwap(p.ctx, s.inventory, "n2", swapOptions{})
			s.must(err)
			s.says(0, "n2 is back, as it should be", "swap", "finish", s.inventory, "n2", "--yes")
			err = w.carry(p.ctx, order)
			w.close()
			p.cancel()
			p.wire.closeIdle()
			p.ending.Wait()
			if err == nil || exitCode(err) != exitFailed {
				t.Errorf("%s: %v", order, err)
			}
			if n := s.node("n2"); n.Spec.Unschedulable || n.Annotations["fleetup.io/run"] != "" || len(n.Spec.Taints) != 0 {
				t.Errorf("%s: %v\nn2 is left cordoned %v, %v, %v", order, err, n.Spec.Unschedulable, n.Spec.Taints, n.Annotations)
			}
			s.says(0, "no run is known", "status", s.inventory)
		})
	}
}

// A machine that is off for hardware work needn't answer: diagnose says whose work it is and how it ends, and calls nothing a trouble, nor that its neighbours miss it; audit doesn't complain.
// What kept it from being given back is said whole by status.
func TestSwapDiagnosed(t *testing.T) {
	inYardWith(t, box.Options{Nodes: box.Workers(3), Cluster: kubetest.Config{Seed: 1}, BMC: true}, "", func(s *yard) {
		s.says(0, "is off and held", "swap", "begin", s.inventory, "n2", "--yes", "--reason", "new DIMM", "--expect", "dimm +1")
		p := s.process(s.path("state"))
		if code := p.fleetup("diagnose", s.inventory); code != 0 {
			t.Errorf("exit %d", code)
		}
		out := p.out.String()
		for _, want := range []string{
			"2 of 3 machines looked at: ", " to know; 2 well\n", "info      unreachable  n2\n", "off, and held for hardware work by ", ": new DIMM\n", "fleetup swap finish ",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("not told: %q\n%s", want, out)
			}
		}
		if strings.Contains(out, "CRITICAL") || strings.Contains(out, "warning") {
			t.Errorf("something is called a trouble:\n%s", out)
		}
		p = s.process(s.path("state"))
		if code := p.fleetup("audit", s.inventory); code != 0 {
			t.Errorf("audit: exit %d", code)
		}
		if out := p.out.String(); strings.Contains(out, "unreachable") || !strings.Contains(out, "node n2: off, and held for hardware work by ") {
			t.Errorf("audit says of a machine that is off for hardware work:\n%s", out)
		}
		s.says(1, "NODE` gives it back as it is", "swap", "finish", s.inventory, "n2", "--yes")
		s.says(0, `not given back, as compare: not as expected: expected "dimm +1", and 0 of 1 new ones are seen`, "status", s.inventory)
	})
}
