package bmctest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/runner/bmc"
)

// Subject is a BMC under test, with the machine that it switches.
type Subject struct {
	Config  bmc.Config
	Machine Machine
	Cuts    func() int    // how often the machine lost its power; nil where nobody counts
	Light   func() bool   // the locator light; nil where it can't be seen
	Deaf    func(on bool) // makes the machine ignore its power button; nil where it can't be
	Asks    bool          // the machine's operating system can be asked to shut down
	NoLog   bool          // this BMC keeps no event log, and says so
}

// Conform holds a type to what package bmc promises of it: orders do what they say and are safe to repeat, what a type
// says it can do it does.
func Conform(t *testing.T, s Subject) {
	b, err := bmc.Open(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := b.(bmc.Power)
	if !ok {
		t.Fatalf("%s can't switch", s.Config.Type)
	}
	t.Run("on and off", func(t *testing.T) { s.onAndOff(t, p) })
	t.Run("turn off", func(t *testing.T) { s.turnOff(t, p) })
	t.Run("cycle", func(t *testing.T) { s.cycle(t, p) })
	t.Run("light", func(t *testing.T) { s.light(t, b) })
	t.Run("boot once", func(t *testing.T) { bootOnce(t, b) })
	t.Run("reading", func(t *testing.T) { s.read(t, b) })
	t.Run("ended", func(t *testing.T) { ended(t, p) })
}

func (s Subject) want(t *testing.T, p bmc.Power, want bmc.State) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := bmc.Await(ctx, p, want); err != nil {
		t.Fatal(err)
	}
	if s.Machine.Powered() != (want == bmc.On) {
		t.Fatalf("it says %s, and the machine's power is %v", want, s.Machine.Powered())
	}
}

func (s Subject) onAndOff(t *testing.T, p bmc.Power) {
	s.Machine.SetPower(true)
	s.want(t, p, bmc.On)
	for range 2 { // an order is safe to repeat
		ok(t, p.Off(t.Context(), true))
		s.want(t, p, bmc.Off)
	}
	for range 2 {
		ok(t, p.On(t.Context()))
		s.want(t, p, bmc.On)
	}
	if !s.Asks {
		return
	}
	cuts := s.cuts()
	ok(t, p.Off(t.Context(), false))
	s.want(t, p, bmc.Off)
	if s.cuts() != cuts {
		t.Error("asked to shut down, it took the power away")
	}
}

func (s Subject) turnOff(t *testing.T, p bmc.Power) {
	if s.Deaf != nil {
		s.Deaf(true)
		defer s.Deaf(false)
	}
	s.Machine.SetPower(true)
	cuts := s.cuts()
	var said []string
	say := func(text string) { said = append(said, text) }
	ok(t, bmc.TurnOff(t.Context(), p, time.Second, say))
	s.want(t, p, bmc.Off)
	if s.Deaf != nil && s.cuts() != cuts+1 {
		t.Errorf("a machine that ignores its button lost its power %d times, not once", s.cuts()-cuts)
	}
	if s.Deaf != nil && (len(said) != 2 || !strings.HasPrefix(said[1], "it hasn't shut down within 1s: its power is taken away")) {
		t.Errorf("it said %q", said)
	}
	ok(t, bmc.TurnOff(t.Context(), p, time.Second, func(text string) { t.Errorf("of a machine that is off it said %q", text) }))
}

func (s Subject) cycle(t *testing.T, p bmc.Power) {
	s.Machine.SetPower(true)
	cuts := s.cuts()
	ok(t, p.Cycle(t.Context()))
	s.want(t, p, bmc.On)
	if s.Cuts != nil && s.cuts() != cuts+1 {
		t.Errorf("it lost its power %d times, not once", s.cuts()-cuts)
	}
	s.Machine.SetPower(false)
	ok(t, p.Cycle(t.Context()))
	s.want(t, p, bmc.On)
}

func (s Subject) cuts() int {
	if s.Cuts == nil {
		return 0
	}
	return s.Cuts()
}

func (s Subject) light(t *testing.T, b bmc.Starter) {
	l, can := b.(bmc.Locator)
	if !can {
		t.Skip("has no light")
	}
	for _, on := range []bool{true, true, false} {
		ok(t, l.Locate(t.Context(), on))
		if s.Light != nil && s.Light() != on {
			t.Errorf("told %v, the light is %v", on, s.Light())
		}
	}
}

func bootOnce(t *testing.T, b bmc.Starter) {
	boot, can := b.(bmc.Booter)
	if !can {
		t.Skip("can't choose what to boot from")
	}
	for _, d := range []bmc.Device{bmc.PXE, bmc.Disk, bmc.CD, bmc.Setup} {
		ok(t, boot.BootOnce(t.Context(), d))
	}
}

// read looks at what every type that can tell something has to tell: what a vendor's machine says exactly is its own test.
func (s Subject) read(t *testing.T, b bmc.Starter) {
	if l, can := b.(bmc.Log); can {
		entries, err := l.Log(t.Context(), 2)
		if s.NoLog {
			if err == nil || !strings.Contains(err.Error(), "doesn't know that command") {
				t.Errorf("a BMC without a log gave %v, %v", entries, err)
			}
		} else {
			ok(t, err)
		}
		if len(entries) > 2 {
			t.Errorf("asked for the last 2 entries, it gave %d", len(entries))
		}
		if !slices.IsSortedFunc(entries, func(a, b bmc.Entry) int { return a.Time.Compare(b.Time) }) {
			t.Errorf("not the oldest first: %v", entries)
		}
	}
	if sensors, can := b.(bmc.Sensors); can {
		found, err := sensors.Sensors(t.Context())
		ok(t, err)
		for _, s := range found {
			if s.Name == "" || s.Unit == "" {
				t.Errorf("a reading without name or unit: %+v", s)
			}
		}
	}
	if parts, can := b.(bmc.Parts); can {
		found, err := parts.Parts(t.Context())
		ok(t, err)
		if !slices.ContainsFunc(found, func(p bmc.Part) bool { return p.Kind == "bmc" && p.Firmware != "" }) {
			t.Errorf("it doesn't know its own firmware: %+v", found)
		}
	}
}

// ended: a call ends with its context, at once.
func ended(t *testing.T, p bmc.Power) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if _, err := p.State(ctx); err == nil {
		t.Error("a call whose context has ended worked")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to notice that its context has ended", took)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
