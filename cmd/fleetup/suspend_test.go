package main

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/kube/kubetest"
)

// sleeper is a process whose laptop lid is closed in mid-drain for ten minutes: CLOCK_BOOTTIME goes on, Go's own clock
// stands still, and for a while afterwards no network is there.
type sleeper struct {
	*process
	k     *killer
	leap  atomic.Int64
	while []string // what it did between the lid's opening and the network's return
}

const networkless = 20 * time.Second

// lidCloses is a moment at which nothing else happens: what is under way at the very instant may come before or after.
const lidCloses = 2503700 * time.Microsecond

func (s *yard) sleeper(asleep func()) *sleeper {
	p := &sleeper{process: s.process(s.path("state"))}
	p.identity = "laptop/1/2/3"
	p.boottime = func() time.Duration { return time.Since(s.began) + time.Duration(p.leap.Load()) }
	p.k = s.killer(p.process, 0)
	time.AfterFunc(lidCloses, func() {
		p.leap.Store(int64(10 * time.Minute))
		asleep()
		s.API.Refuse(true)
		before := p.k.count()
		time.Sleep(networkless)
		p.while = p.k.since(before)
		s.API.Refuse(false)
	})
	return p
}

func (k *killer) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.points)
}

func (k *killer) since(n int) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.points[n:])
}

// idle fails the test if anything but words came of these points.
func (p *sleeper) idle(t *testing.T, points []string) {
	t.Helper()
	for _, point := range points {
		if strings.HasSuffix(point, "/leases/fleetup") {
			continue // a renewal that is refused: that is how it hears of it
		}
		kind, journaled := strings.CutPrefix(point, "journal: ")
		kind, _, _ = strings.Cut(kind, " ")
		if !journaled || !slices.Contains([]string{"waiting", "phase", "said", "interrupted", "endpoints", "proof"}, kind) {
			t.Errorf("while the lease was in doubt: %s\nall of it: %q", point, points)
		}
	}
}

// Nobody took the lease meanwhile: nothing begins before it is surely ours again, then the run goes on to its end.
func TestSuspended(t *testing.T) {
	inYard(t, 2, sweepUpgrade, func(s *yard) {
		p := s.sleeper(func() {})
		code := p.fleetup("run", s.inventory)
		p.idle(t, p.while)
		if said := p.out.String() + p.err.String(); code != 0 || !strings.Contains(said, "2 nodes done") {
			t.Errorf("exit %d:\n%s", code, said)
		}
	})
}

// takenOver is another machine that takes the lease.
func (s *yard) takenOver() {
	s.must(kubetest.Change(s.API, "kube-system", "fleetup", func(l *coordinationv1.Lease) {
		holder, now, epoch := laptop, metav1.NewMicroTime(time.Now()), *l.Spec.LeaseTransitions+1
		l.Spec.HolderIdentity, l.Spec.RenewTime, l.Spec.LeaseTransitions = &holder, &now, &epoch
	}))
}

// Hardware work ends at once, and says so by its exit, too.
func TestFault06SwapLosesItsLease(t *testing.T) {
	inYardWith(t, box.Options{Nodes: box.Workers(3), Cluster: kubetest.Config{Seed: 1}, BMC: true}, "", func(s *yard) {
		time.AfterFunc(1500*time.Millisecond, s.takenOver)
		s.says(exitHeld, "node n2 stays as it is, and the same command goes on: lease lost", "swap", "begin", s.inventory, "n2", "--yes")
		if n := s.node("n2"); !n.Spec.Unschedulable || n.Annotations["fleetup.io/run"] == "" {
			s.Errorf("n2 is left with %v", n.Annotations)
		}
		if l := s.leaseStands(); !strings.Contains(l, laptop) {
			s.Errorf("the lease: %s", l)
		}
	})
}

// Another machine took it: nothing more is done, to the API or to a machine.
func TestSuspendedAndReplaced(t *testing.T) {
	inYard(t, 2, sweepUpgrade, func(s *yard) {
		p := s.sleeper(s.takenOver)
		asleep := make(chan int, 1)
		time.AfterFunc(lidCloses+time.Millisecond, func() { asleep <- p.k.count() })
		code := p.fleetup("run", s.inventory)
		if code != exitHeld || !strings.Contains(p.err.String()+p.out.String(), "lease was lost") {
			t.Errorf("exit %d:\n%s%s", code, p.out, p.err)
		}
		select {
		case before := <-asleep:
			p.idle(t, p.k.since(before))
		default:
			t.Fatal("it ended before it slept")
		}
		if l := s.leaseStands(); !strings.Contains(l, laptop) {
			t.Errorf("the lease: %s", l)
		}
		if n := s.node("n1"); n.Annotations["fleetup.io/run"] == "" {
			t.Error("n1 isn't claimed any more: nothing was in flight, so nothing was shown")
		}
	})
}

// The clocks of this machine and of the API server jump apart and back in the middle of a run: it goes on, and nobody takes
// its lease for old.
func TestClockJumps(t *testing.T) {
	inYard(t, 2, sweepUpgrade, func(s *yard) {
		for at, ahead := range map[time.Duration]time.Duration{3 * time.Second: time.Hour, 20 * time.Second: -time.Hour, 40 * time.Second: 0} {
			time.AfterFunc(at, func() { s.API.SetClock(ahead) })
			time.AfterFunc(at+7*time.Second, func() { // it renews every five seconds
				second := s.process(s.path("elsewhere"))
				second.identity = laptop
				if code := second.fleetup("run", s.inventory); code != exitHeld {
					s.Errorf("with the server's clock %s ahead a second run exits %d:\n%s", ahead, code, second.err)
				}
			})
		}
		p := s.process(s.path("state"))
		p.identity = "rack/1/2/3"
		if code := p.fleetup("run", s.inventory); code != 0 || !strings.Contains(p.out.String(), "2 nodes done") {
			s.Errorf("exit %d:\n%s%s", code, p.out, p.err)
		}
		if took := time.Since(s.began); took < 50*time.Second {
			s.Fatalf("it was over after %s, before the last jump", took)
		}
	})
}
