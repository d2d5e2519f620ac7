package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// A run that somebody wrote onto a node or the Lease by hand is told with the command that takes it off, before anything is
// touched; then there is a run as ever.
func TestRunWrittenByHand(t *testing.T) {
	inYard(t, 2, lostUpgrade, func(s *yard) {
		write := func(run string) {
			s.must(kubetest.Change(s.API, "", "n1", func(n *corev1.Node) { annotated(&n.Annotations, run) }))
		}
		for _, run := range []string{"foo", "../../etc/passwd", "20261123-190102-7F3A"} {
			write(run)
			for _, command := range []string{"run", "abort", "rollback"} {
				s.says(1, "kubectl annotate node n1 fleetup.io/run-", command, s.inventory)
			}
			s.says(0, "claimed by "+run, "status", s.inventory)
		}
		write("")
		s.says(0, "2 nodes done", "run", s.inventory)

		s.must(kubetest.Change(s.API, "kube-system", "fleetup", func(l *coordinationv1.Lease) { annotated(&l.Annotations, "foo") }))
		s.says(1, "kubectl annotate -n kube-system lease fleetup fleetup.io/run-", "run", s.inventory)
		s.must(kubetest.Change(s.API, "kube-system", "fleetup", func(l *coordinationv1.Lease) { annotated(&l.Annotations, "") }))
		s.says(0, "nothing to do", "run", s.inventory)
	})
}

func annotated(annotations *map[string]string, run string) {
	if run == "" {
		delete(*annotations, "fleetup.io/run")
		return
	}
	if *annotations == nil {
		*annotations = map[string]string{}
	}
	(*annotations)["fleetup.io/run"] = run
}

// Where no journal can be kept, a run ends before anything is touched, with what to do.
func TestFault03NoPlaceForTheJournal(t *testing.T) {
	inYard(t, 2, lostUpgrade, func(s *yard) {
		file := filepath.Join(s.Dir, "file")
		s.must(os.WriteFile(file, nil, 0o600))
		for _, state := range []string{"/proc/fleetup", file} {
			p := s.process(state)
			if code := p.fleetup("run", s.inventory); code != exitFailed {
				t.Errorf("%s: exit %d", state, code)
			}
			if said := p.err.String(); !strings.Contains(said, "make it writable, or name another folder with --state-dir") {
				t.Errorf("%s: %s", state, said)
			}
		}
		if run := s.node("n1").Annotations["fleetup.io/run"]; run != "" {
			t.Errorf("claimed by %s", run)
		}
		s.says(0, "2 nodes done", "run", s.inventory)
	})
}

// An epoch on a machine that lies ahead of the lease's, as a clock that was wrong leaves it, is told with the way out, and
// isn't called another run's lease where it is ours.
func TestFault06EpochOfTheFuture(t *testing.T) {
	inYard(t, 2, lostUpgrade, func(s *yard) {
		s.must(s.Machines["n1"].WriteFile("/var/lib/fleetup/epoch", []byte("99999999999\n")))
		s.says(1, "remove /var/lib/fleetup/epoch on the machine", "run", s.inventory)
		s.must(s.Machines["n1"].WriteFile("/var/lib/fleetup/epoch", []byte("99999999999999999999999\n")))
		s.says(1, "/var/lib/fleetup/epoch holds no epoch", "run", s.inventory)
		s.must(s.Machines["n1"].WriteFile("/var/lib/fleetup/epoch", []byte("1\n")))
		s.says(0, "2 nodes done", "run", s.inventory)
	})
}
