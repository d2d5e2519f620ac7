package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// fakeGate answers with a reading, or an error; it is good below its limit.
type fakeGate struct {
	name    string
	measure func(ctx context.Context, upgraded, others []string) (string, error)
}

func (g fakeGate) Name() string            { return g.name }
func (g fakeGate) Deadline() time.Duration { return time.Minute }

func (g fakeGate) Measure(ctx context.Context, upgraded, others []string) (string, error) {
	return g.measure(ctx, upgraded, others)
}

func (g fakeGate) Judge(reading, baseline string) error {
	if reading > baseline {
		return fmt.Errorf("%s is more than %s", reading, baseline)
	}
	return nil
}

// TestMeasure: whatever isn't a reading can't be judged; the first reading is the baseline.
func TestMeasure(t *testing.T) {
	always := func(reading string, err error) func(context.Context, []string, []string) (string, error) {
		return func(context.Context, []string, []string) (string, error) { return reading, err }
	}
	hangs := func(ctx context.Context, _, _ []string) (string, error) {
		<-ctx.Done()
		return "5", ctx.Err()
	}
	before := GateProgress{Taken: true, Baseline: "3"}
	for name, tt := range map[string]struct {
		measure  func(context.Context, []string, []string) (string, error)
		before   GateProgress
		verdict  string
		baseline bool
		why      string
	}{
		"the first reading":         {always("5", nil), GateProgress{}, GateGood, true, ""},
		"no worse":                  {always("3", nil), before, GateGood, false, ""},
		"worse":                     {always("5", nil), before, GateBad, false, "5 is more than 3"},
		"an error":                  {always("", errors.New("connection refused")), before, GateUnknown, false, "connection refused"},
		"an error at first":         {always("", errors.New("connection refused")), GateProgress{}, GateUnknown, false, "connection refused"},
		"an error beside a reading": {always("1", errors.New("half an answer")), before, GateUnknown, false, "half an answer"},
		"nothing":                   {always("", nil), before, GateUnknown, false, "an empty answer"},
		"no answer at all":          {hangs, before, GateUnknown, false, "took longer than 1m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := measure(t.Context(), fakeGate{"g", tt.measure}, Question{}, tt.before)
				if v.verdict != tt.verdict || v.baseline != tt.baseline || !strings.Contains(v.why, tt.why) {
					t.Errorf("%+v", v)
				}
			})
		})
	}
}

// TestRunAsksGates: a run with gates and a soak, in virtual time: each question knows what is new, the answers are in the
// journal, and the baseline is the reading before the run.
func TestRunAsksGates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1", "n2")
		f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2")), w.work("n2", w.kubeletStep("n2", "2")))
		var asked []string
		gate := fakeGate{"errors", func(_ context.Context, upgraded, others []string) (string, error) {
			asked = append(asked, strings.Join(upgraded, ",")+" against "+strings.Join(others, ","))
			return "1", pause(t.Context(), time.Second)
		}}
		f.plan.Gates = PlanGates([]Gate{gate})
		stop := make(chan struct{})
		f.change = func(r *Runner) { r.Gates, r.Stop = []Gate{gate}, stop }
		f.plan.Stages = []Stage{
			{Name: "wave 1 of 2", Order: OrderUpgrade, Nodes: []string{"n1"}, Soak: time.Minute, Wave: true},
			{Name: "wave 2 of 2", Order: OrderUpgrade, Nodes: []string{"n2"}, Wave: true},
		}
		end, p := f.process(nil)
		if end.Exit != 0 || !end.Finished {
			t.Fatalf("%+v", end)
		}
		if asked[0] != "n1,n2 against n1,n2" || asked[1] != "n1 against n2" || asked[len(asked)-1] != "n1,n2 against n1,n2" {
			t.Errorf("asked %q", asked)
		}
		if n := len(asked); n < 5 || n > 8 {
			t.Errorf("asked %d times in a soak of a minute", n)
		}
		if g := p.Gates["errors"]; !g.Taken || g.Baseline != "1" || g.Verdict != GateGood {
			t.Errorf("%+v", g)
		}
		if len(p.Soaked) != 1 || p.Soaked[0] != "wave 1 of 2" {
			t.Errorf("soaked %q", p.Soaked)
		}
	})
}

// TestRunEndsWhileAGateIsAsked: the end of a run doesn't wait for a slow gate.
func TestRunEndsWhileAGateIsAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFakeWorld("n1")
		f := newFleet(t, w, w.work("n1", w.kubeletStep("n1", "2")))
		gate := fakeGate{"slow", func(ctx context.Context, _, _ []string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}}
		f.plan.Gates = PlanGates([]Gate{gate})
		stop := make(chan struct{})
		f.change = func(r *Runner) { r.Gates, r.Stop = []Gate{gate}, stop }
		begun := time.Now()
		time.AfterFunc(10*time.Second, func() { close(stop) })
		end, _ := f.process(nil)
		if end.Exit != 130 || time.Since(begun) > 15*time.Second {
			t.Errorf("%+v after %v", end, time.Since(begun))
		}
		if len(w.of("n1")) > 0 {
			t.Errorf("touched before the gate answered: %v", w.of("n1"))
		}
	})
}

// TestHTTPGate: one bad answer is none; ten seconds of them are bad.
func TestHTTPGate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var status atomic.Int64
		status.Store(200)
		watch := NewHTTPWatch([]Target{{Name: "shop", Want: 200, Ask: func(context.Context) (int, error) { return int(status.Load()), nil }}})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan struct{})
		go func() { watch.Run(ctx); close(done) }()
		gate := HTTPGate(watch)
		read := func() error {
			reading, err := gate.Measure(t.Context(), nil, nil)
			if err != nil {
				return fmt.Errorf("can't be judged: %w", err)
			}
			return gate.Judge(reading, "")
		}
		if err := read(); err != nil {
			t.Errorf("well: %v", err)
		}
		turn := func(code int64) {
			status.Store(code)
			_ = pause(t.Context(), 2*time.Second) // until it was asked again
		}
		turn(500)
		time.AfterFunc(3*time.Second, func() { status.Store(200) })
		if err := read(); err != nil {
			t.Errorf("three bad seconds: %v", err)
		}
		turn(500)
		if err := read(); err == nil || !strings.Contains(err.Error(), "status 500") {
			t.Errorf("unwell: %v", err)
		}
		cancel()
		<-done
	})
}
