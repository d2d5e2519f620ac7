package kube

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// squall is one random schedule: a cluster of random workloads whose nodes are drained, two at a time, by processes that
// are killed, over an API that fails.
type squall struct {
	*world
	mu       sync.Mutex
	rng      *rand.Rand
	calm     bool
	accepted []string
	served   map[string]bool // Services that have had an endpoint
	broken   []string
	// without is how drains mind Services; "" makes them kubectl's, to see that it is noticed.
	mode string
}

func (s *squall) n(of int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(of)
}

// fill makes workloads: of one to three pods, with and without a budget, some that nothing can double.
func (s *squall) fill() {
	for i := range 3 + s.n(3) {
		name := fmt.Sprint("w", i)
		if s.n(3) == 0 {
			s.must(s.AddStatefulSet("shop", name, 1+s.n(2), nil))
			if s.n(2) == 0 {
				s.accepted = append(s.accepted, "shop/"+name)
			}
		} else {
			s.must(s.AddDeployment("shop", name, 1+s.n(3), nil))
		}
		s.must(s.AddService("shop", name, name))
		switch s.n(4) {
		case 0:
			s.must(s.AddPDB("shop", name, name, "1", ""))
		case 1:
			s.must(s.AddPDB("shop", name, name, "", "100%"))
		}
	}
}

// look is the invariant, as the API shows the world.
func (s *squall) look() {
	ready := map[string]int{}
	for _, slice := range kubetest.List[*discoveryv1.EndpointSlice](s.Server, "shop") {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				ready[serviceOf(slice)]++
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for service := range ready {
		s.served[service] = true
	}
	for service := range s.served {
		if ready[service] == 0 && !slices.Contains(s.accepted, service) && len(s.broken) < 3 {
			s.broken = append(s.broken, service+" has no endpoint")
		}
	}
}

func (s *squall) fault(r *http.Request) (status int, after time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calm || s.rng.IntN(20) > 0 || r.Method == http.MethodGet {
		return 0, 0, false
	}
	return []int{0, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusConflict}[s.rng.IntN(4)], time.Duration(s.rng.IntN(3)) * time.Second, true
}

// process drains some nodes at once, and is killed after a while unless it is calm.
func (s *squall) process(nodes []string) {
	ctx, kill := context.WithTimeout(s.ctx, time.Duration(2+s.n(20))*time.Second)
	if s.calm {
		ctx, kill = context.WithTimeout(s.ctx, 3*time.Minute)
	}
	defer kill()
	watched, end := context.WithCancel(s.ctx)
	c := s.open()
	defer c.Close()
	defer c.Wait()
	defer end()
	if c.Start(watched) != nil {
		return
	}
	var drains sync.WaitGroup
	for _, n := range nodes {
		drains.Go(func() {
			o, _ := careful(s.mode, s.accepted...)
			o.Timeout = time.Minute
			if c.TryDrain(ctx, n, o, nil) != nil {
				return
			}
			if _, err := c.Claim(ctx, n, "run-1", nil); err == nil {
				_ = c.Drain(ctx, n, o, nil)
			}
		})
	}
	drains.Wait()
	if s.n(3) == 0 {
		s.CutWatches()
	}
}

// play drains every node, by processes that are killed and then a calm one, gives it back, and watches all the while.
func (s *squall) play() {
	s.fill()
	time.Sleep(30 * time.Second)
	over := make(chan bool)
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
				s.look()
			}
		}
	})
	s.Fail(s.fault)
	for _, nodes := range [][]string{{"n1", "n2"}, {"n3"}, {"n1", "n3"}} {
		for range 2 {
			s.process(nodes)
		}
		s.mu.Lock()
		s.calm = true
		s.mu.Unlock()
		s.process(nodes)
		for _, n := range nodes {
			s.must(s.c.Release(s.ctx, n, "run-1", nil))
		}
		s.mu.Lock()
		s.calm = false
		s.mu.Unlock()
		time.Sleep(30 * time.Second)
	}
	close(over)
	watching.Wait()
}

func playSquall(t *testing.T, seed uint64, mode string) (broken []string) {
	synctest.Test(t, func(t *testing.T) {
		server := kubetest.New(context.Background(), kubetest.Config{Seed: seed})
		defer server.Close()
		s := &squall{world: &world{T: t, Server: server}, rng: rand.New(rand.NewPCG(seed, 3)), served: map[string]bool{}, mode: mode}
		for _, n := range []string{"n1", "n2", "n3", "n4"} {
			s.must(s.AddNode(n, nil))
		}
		ctx, cancel := context.WithCancel(context.Background())
		s.ctx, s.c = ctx, s.open()
		defer s.c.Close()
		defer s.c.Wait()
		defer cancel()
		s.must(s.c.Start(ctx))
		s.play()
		for _, n := range kubetest.List[*corev1.Node](server, "") {
			if n.Spec.Unschedulable {
				s.broken = append(s.broken, n.Name+" stayed closed")
			}
		}
		broken = s.broken
	})
	return broken
}

// squalls are how many random schedules each test run plays.
const squalls = 12

// TestLastEndpointUnderChaos: whatever fails and whoever is killed, no Service loses its last endpoint unless somebody
// accepted that.
func TestLastEndpointUnderChaos(t *testing.T) {
	first, err := strconv.ParseUint(os.Getenv("FLEETUP_SEED"), 10, 64) // one that failed, to play again
	if err != nil {
		first = uint64(time.Now().UnixNano())
	}
	for seed := first; seed < first+squalls; seed++ {
		if broken := playSquall(t, seed, LastSurge); len(broken) > 0 {
			t.Errorf("seed %d: %s", seed, strings.Join(broken, "; "))
		}
	}
	t.Logf("%d random schedules from seed %d", squalls, first)
}

// A drain that takes no notice of Services is caught by the same look.
func TestLastEndpointLostIsCaught(t *testing.T) {
	for seed := range uint64(10) {
		if broken := playSquall(t, seed, ""); strings.Contains(strings.Join(broken, ""), "has no endpoint") {
			return
		}
	}
	t.Error("not caught in 10 schedules")
}
