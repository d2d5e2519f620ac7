package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// weather is the faults of one random schedule on the wire: connections cut at any byte, requests refused, broken or
// slow, machines that fall silent, processes killed.
type weather struct {
	*yard
	mu     sync.Mutex
	rng    *rand.Rand
	calm   bool
	human  string // a node that a human cordoned
	broken []string
}

func (w *weather) chance(of float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.calm && w.rng.Float64() < of
}

func (w *weather) upTo(d time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.rng.Int64N(int64(d)))
}

// request looks at the cluster before each request, and lets some of them fail.
func (w *weather) request(*http.Request) (status int, after time.Duration, ok bool) {
	w.look()
	if !w.chance(0.04) {
		return 0, 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	status = []int{0, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}[w.rng.IntN(4)]
	return status, time.Duration(w.rng.IntN(4)) * time.Second, true
}

// look is the invariants, as the API shows the world: one node down at most, three ready pods at least, a human's cordon
// where it was.
func (w *weather) look() {
	var down []string
	for _, n := range kubetest.List[*corev1.Node](w.API, "") {
		if n.Annotations["fleetup.io/run"] != "" || !isReady(n) {
			down = append(down, n.Name)
		}
		if n.Name == w.human && !n.Spec.Unschedulable {
			w.breaks("the cordon that a human put on %s is gone", n.Name)
		}
		if n.Annotations["fleetup.io/failed"] != "" && !n.Spec.Unschedulable {
			w.breaks("%s failed and is open", n.Name)
		}
	}
	if len(down) > 1 {
		w.breaks("%v are down at once", down)
	}
	ready := 0
	for _, p := range kubetest.List[*corev1.Pod](w.API, "shop") {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil {
				ready++
			}
		}
	}
	if ready < 3 {
		w.breaks("%d pods are ready, and the budget wants 3", ready)
	}
}

func (w *weather) breaks(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.broken) < 3 {
		w.broken = append(w.broken, fmt.Sprintf(format, args...))
	}
}

// storm is one process in bad weather: it is killed, or ends by itself.
func (w *weather) storm(state string) int {
	p := w.process(state)
	p.wire.fault = func() bool { return w.chance(0.002) }
	life := time.AfterFunc(10*time.Second+w.upTo(4*time.Minute), p.kill)
	defer life.Stop()
	silence := time.AfterFunc(w.upTo(time.Minute), func() {
		m := w.Machines[fmt.Sprintf("n%d", 1+w.upTo(3))]
		m.Freeze(w.upTo(time.Minute))
	})
	defer silence.Stop()
	return p.fleetup("run", w.inventory)
}

// wireSchedule plays one seed and returns what broke.
func wireSchedule(t *testing.T, seed uint64) (broken []string) {
	inYard(t, 3, sweepUpgrade+"[strategy]\ncordoned = \"upgrade\"\n", func(s *yard) {
		w := &weather{yard: s, rng: rand.New(rand.NewPCG(seed, 2))}
		if w.chance(0.3) {
			w.human = "n3"
			s.must(kubetest.Change(s.API, "", "n3", func(n *corev1.Node) { n.Spec.Unschedulable = true }))
			time.Sleep(time.Minute)
		}
		s.API.Fail(w.request)
		s.API.Delay(func(*http.Request) time.Duration {
			if !w.chance(0.02) {
				return 0
			}
			return w.upTo(15 * time.Second)
		})
		code := 1
		for i := 0; i < 4 && code != 0; i++ {
			code = w.storm(s.path("state"))
			time.Sleep(w.upTo(time.Minute))
		}
		time.Sleep(2 * time.Minute) // until no machine is silent any more
		w.mu.Lock()
		w.calm = true
		w.mu.Unlock()
		p := s.process(s.path("state"))
		if code = p.fleetup("run", s.inventory); code != 0 {
			w.breaks("a calm process ends with %d:\n%s%s", code, p.out, p.err)
		}
		w.look()
		for name, standing := range s.standing() {
			if d := cmp.Diff(w.wanted(name), standing); d != "" {
				w.breaks("%s: %s", name, d)
			}
		}
		if broken = w.broken; len(broken) > 0 {
			broken = append(broken, "what the processes said:\n"+s.said())
		}
	})
	return broken
}

// wanted is how a node stands in the end, whatever the weather.
func (w *weather) wanted(name string) string {
	text := "kubelet v1.37.2 up true held true installed 1 times, containerd 2.1.3-1, reboots 1; API: v1.37.2 cordoned false taints [] " +
		"labels map[kubernetes.io/arch:amd64 kubernetes.io/hostname:NAME kubernetes.io/os:linux rack:r1] annotations [fleetup.io/last] ready true"
	if name == w.human {
		text = strings.Replace(text, "cordoned false taints []", "cordoned true taints ["+taintsOf(w.node(name))+"]", 1)
	}
	return strings.Replace(text, "NAME", name, 1)
}

func taintsOf(n *corev1.Node) string {
	text := fmt.Sprint(n.Spec.Taints)
	return text[1 : len(text)-1]
}

// wireSchedules are how many each test run plays.
const wireSchedules = 50

// TestFault35RandomWeather: fifty random schedules through SSH and HTTP. Nothing breaks an invariant, and once it is calm
// the run ends as if nothing had been.
func TestFault35RandomWeather(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	first, err := strconv.ParseUint(os.Getenv("FLEETUP_SEED"), 10, 64) // one that failed, to play again
	if err != nil {
		first = uint64(time.Now().UnixNano())
	}
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+wireSchedules; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				for _, b := range wireSchedule(t, seed) {
					t.Errorf("seed %d: %s", seed, b)
				}
			})
		}
	})
	t.Logf("shown: %d random schedules from seed %d", wireSchedules, first)
}
