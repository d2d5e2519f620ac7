package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/fleetup/fleetup/cmd/box"
	"github.com/fleetup/fleetup/kube/kubetest"
	"github.com/fleetup/fleetup/runner"
)

// killer counts the points at which a process can die with another outcome: after each journal write, before each write
// to the API, before and after each effect on a machine. At the point that it was told of it kills the process, and
// keeps its journal as it stood then.
type killer struct {
	s    *yard
	p    *process
	at   int // 1 is the first; 0: never
	kept string

	mu     sync.Mutex
	points []string
	killed chan struct{}
}

func (s *yard) killer(p *process, at int) *killer {
	k := &killer{s: s, p: p, at: at, kept: p.state + ".kept", killed: make(chan struct{})}
	p.wrap = k.wrap
	s.API.Fail(k.request)
	return k
}

// point is a moment; true if the process is dead from here on.
func (k *killer) point(format string, args ...any) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.alive() {
		return true
	}
	k.points = append(k.points, fmt.Sprintf(format, args...))
	if len(k.points) != k.at {
		return false
	}
	k.p.kill()
	if err := os.CopyFS(k.kept, os.DirFS(k.p.state)); err != nil && !os.IsNotExist(err) {
		k.s.Error(err)
	}
	close(k.killed)
	return true
}

// alive reports whether what comes to the API comes from the process that is to be killed.
func (k *killer) alive() bool {
	select {
	case <-k.killed:
		return false
	default:
		return true
	}
}

// struck reports whether the process was killed, however it ended: what the kill kept is whole then.
func (k *killer) struck() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.alive()
}

// wrap puts the killer between the run and its journal, and between the run and its machines.
func (k *killer) wrap(r *runner.Runner) {
	show := r.Show
	r.Show = func(e runner.Event) {
		k.point("journal: %s %s %s %s", e.Event, e.Node, e.Phase, e.Step)
		show(e)
	}
	for name, w := range r.Work {
		w.Machine = mortal{w.Machine, k, name}
		if w.Power != nil {
			w.Power = mortalPower{w.Power, mortal{w.Machine, k, name}}
		}
		r.Work[name] = w
	}
}

// request is the API's hook: called before a request is looked at.
func (k *killer) request(r *http.Request) (int, time.Duration, bool) {
	if r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/events") || strings.HasSuffix(r.URL.Path, "accessreviews") ||
		r.URL.Query().Has("dryRun") || k.s.renewal(r) {
		return 0, 0, false
	}
	return 0, 0, k.alive() && k.point("before %s %s", r.Method, r.URL.Path)
}

// renewal reports whether a request does no more than to renew the lease.
func (s *yard) renewal(r *http.Request) bool {
	if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/leases/fleetup") {
		return false
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var sent coordinationv1.Lease
	if json.Unmarshal(body, &sent) != nil {
		return false
	}
	has := kubetest.Get[*coordinationv1.Lease](s.API, "kube-system", "fleetup")
	return cmp.Equal(sent.Annotations, has.Annotations) && cmp.Equal(sent.Spec.HolderIdentity, has.Spec.HolderIdentity)
}

// mortal is a machine whose runner dies around an effect on it.
type mortal struct {
	runner.Machine
	k    *killer
	name string
}

func (m mortal) around(what string, effect func() error) error {
	if m.k.point("before %s on %s", what, m.name) {
		return errKilled
	}
	err := effect()
	if m.k.point("after %s on %s", what, m.name) {
		return errKilled
	}
	return err
}

func (m mortal) Run(ctx context.Context, script string) (out string, err error) {
	what, changes := effectOf(script)
	if !changes {
		return m.Machine.Run(ctx, script)
	}
	err = m.around(what, func() error {
		out, err = m.Machine.Run(ctx, script)
		return err
	})
	return out, err
}

// effectOf names a short script that changes the machine.
func effectOf(script string) (what string, changes bool) {
	for _, verb := range []string{"systemctl stop", "systemctl start", "systemctl poweroff", "systemctl enable"} {
		if strings.Contains(script, verb) {
			return verb, true
		}
	}
	return "", false
}

func (m mortal) Do(ctx context.Context, name, script string, line func(string)) (out string, err error) {
	err = m.around("step "+name, func() error {
		out, err = m.Machine.Do(ctx, name, script, line)
		return err
	})
	return out, err
}

func (m mortal) Upload(ctx context.Context, from, to string, mode fs.FileMode) error {
	return m.around("upload "+to, func() error { return m.Machine.Upload(ctx, from, to, mode) })
}

func (m mortal) Reboot(ctx context.Context, before string) error {
	return m.around("reboot", func() error { return m.Machine.Reboot(ctx, before) })
}

func (m mortal) Sweep(ctx context.Context, keep string) error {
	return m.around("sweep", func() error { return m.Machine.Sweep(ctx, keep) })
}

const sweepUpgrade = "[upgrade]\nkubelet = \"1.37.2\"\nreboot = \"always\"\n"

// job is a command that is killed: on so many nodes, after what went before it.
type job struct {
	nodes   int
	bmc     bool   // the machines have one
	upgrade string // more of the inventory's [upgrade]
	before  func(s *yard)
	args    []string
	look    func(s *yard, standing map[string]string) // adds to how the yard stands at the end; may be nil
}

var runJob = job{nodes: 3, args: []string{"run"}}

// killed carries a job out, kills the process at a point, lets another one go on at that very instant, and returns how the
// yard stands at the end, and the points that there were.
func (j job) killed(t *testing.T, at int, lost bool) (standing map[string]string, points []string) {
	inYardWith(t, box.Options{Nodes: box.Workers(j.nodes), Cluster: kubetest.Config{Seed: 1}, BMC: j.bmc}, sweepUpgrade+j.upgrade, func(s *yard) {
		if j.before != nil {
			j.before(s)
		}
		first := s.process(s.path("state"))
		k := s.killer(first, at)
		over := make(chan int, 1)
		args := append(slices.Clone(j.args), s.inventory)
		go func() { over <- first.fleetup(args...) }()
		code := 0
		select {
		case code = <-over:
			over <- code
		case <-k.killed:
		}
		if k.struck() {
			state := k.kept
			if lost {
				state = s.path("lost")
			}
			next := s.process(state)
			if code = next.fleetup(args...); code != 0 {
				s.Logf("the second process:\n%s%s", next.out, next.err)
			}
		}
		if first := <-over; first != 0 && k.alive() {
			s.Logf("the first process:\n%s%s", k.p.out, k.p.err)
		}
		standing, points = s.standing(), k.points
		standing["exit"] = fmt.Sprint(code)
		standing["lease"] = s.leaseStands()
		if j.look != nil {
			j.look(s, standing)
		}
	})
	return standing, points
}

// TestFault01KillSweep kills the process at points of a run of three nodes, with its journal kept and lost. `make faults`
// takes every point both ways; a plain `go test` one in eight, by turns, as the whole takes minutes.
func TestFault01KillSweep(t *testing.T) { runJob.sweep(t, 8) }

// backJob is the way back of two nodes, with the mirrors gone.
var backJob = job{nodes: 2, args: []string{"rollback", "--yes"}, before: func(s *yard) {
	if code := s.process(s.path("state")).fleetup("run", s.inventory); code != 0 {
		s.Fatal(s.said())
	}
	s.Repo.Remove("kubelet", "")
	s.Repo.Remove("kubectl", "")
}, look: func(s *yard, standing map[string]string) {
	for name, m := range s.Machines {
		source, _ := m.ReadFile("/etc/apt/sources.list.d/kubernetes.list")
		last := s.node(name).Annotations["fleetup.io/last"]
		standing[name+" back"] = fmt.Sprintf("%s, kubectl %s, last says so %v", source, m.Installed("kubectl"), strings.Contains(last, `"back":"`) && !strings.Contains(last, "before/"))
	}
}}

// TestFault01KillSweepOfARollback does the same to a rollback.
func TestFault01KillSweepOfARollback(t *testing.T) { backJob.sweep(t, 12) }

// holdJob is a run that upgrades three nodes, and turns one off at the end for hardware work that a playbook asks for.
var holdJob = job{nodes: 3, bmc: true, upgrade: "memory = {}\n", args: []string{"run", "--set", "strategy.max_unavailable=2"}, before: func(s *yard) {
	book := "[[steps]]\nname = \"more memory\"\npower = \"hold\"\ncheck = \"test -e /etc/more-memory\"\n"
	dir := filepath.Join(filepath.Dir(s.inventory), "playbooks")
	s.must(errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "memory.toml"), []byte(book), 0o600),
		s.Machines["n2"].WriteFile("/etc/more-memory", nil), s.Machines["n3"].WriteFile("/etc/more-memory", nil)))
}, look: func(s *yard, standing map[string]string) {
	n := s.node("n1")
	var h runner.Hold
	held := false
	if state := n.Annotations["fleetup.io/state"]; state != "" {
		facts := map[string]string{}
		s.must(json.Unmarshal([]byte(state), &facts))
		h, held = runner.HoldOf(n.Annotations["fleetup.io/run"], facts)
	}
	_, version := s.Machines["n1"].Kubelet()
	standing["n1"] = fmt.Sprintf("held %v, off %v, for %q, trouble %q; powered %v, kubelet %s installed %d times, cordoned %v", held, h.Off, h.Reason, h.Troubles,
		s.Machines["n1"].Powered(), version, s.Machines["n1"].Ran("--no-remove kubelet="), n.Spec.Unschedulable)
}}

// TestFault01KillSweepOfAHold does the same to a run that ends with a node held.
func TestFault01KillSweepOfAHold(t *testing.T) { holdJob.sweep(t, 20) }

// sweep kills the job at one of so many points, at all of them where all faults are asked for.
func (j job) sweep(t *testing.T, step int) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	undisturbed, points := j.killed(t, 0, false)
	if undisturbed["exit"] != "0" {
		t.Fatal(undisturbed)
	}
	ways := 1
	if os.Getenv("FLEETUP_FAULTS") == "all" {
		step, ways = 1, 2
	}
	ends := 0
	t.Run("points", func(t *testing.T) {
		for i := 0; i < len(points); i += step {
			for way := range ways {
				at, lost := i+1, (i/step+way)%2 == 1
				ends++
				t.Run(fmt.Sprintf("%03d lost=%v", at, lost), func(t *testing.T) {
					t.Parallel()
					got, reached := j.killed(t, at, lost)
					if d := cmp.Diff(undisturbed, got); d != "" {
						t.Errorf("killed at %q: %s", reached[len(reached)-1], d)
					}
				})
			}
		}
	})
	if !t.Failed() {
		t.Logf("shown: %d points, killed at %d of them, with the journal kept or lost: every end is that of an undisturbed run", len(points), ends)
	}
}
