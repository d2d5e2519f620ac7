package runner

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fleetup/fleetup/runner/hardware"
)

// holding reads what the claim recorded when the work began.
func (l *life) holding(ctx context.Context) error {
	if err := l.held(ctx); err != nil {
		return err
	}
	var err error
	if l.state, err = l.r.Cluster.Claim(ctx, l.w.Node, l.r.Run, nil); err != nil {
		return err
	}
	if _, held := HoldOf(l.r.Run, l.state); !held {
		return errors.New("it isn't held for hardware work")
	}
	return nil
}

// powerOn turns the machine on, by whatever means there is.
func (l *life) powerOn(ctx context.Context) error {
	if l.swap.Locate != nil {
		if err := l.swap.Locate(ctx, false); err != nil {
			l.say("the locator light could not be put out: " + err.Error())
		}
	}
	switch {
	case l.w.Power != nil:
		if err := l.w.Power.On(ctx); err != nil {
			return err
		}
		return l.awaitPower(ctx, PowerOn, powerSeen)
	case l.swap.Wake != nil:
		return l.swap.Wake(ctx)
	}
	l.waiting("somebody to turn the machine on: the inventory names no BMC for it")
	return nil
}

// login waits until the machine answers with a key that is trusted.
func (l *life) login(ctx context.Context) error {
	return within(ctx, l.w.RebootTimeout, "the machine's return", func(ctx context.Context) error {
		if err := l.swap.Trust(ctx); err != nil {
			return err
		}
		if err := l.w.Machine.Expect(); err != nil {
			return err
		}
		_, err := l.w.Machine.BootID(ctx)
		return err
	})
}

// linkTime is how long links may take to come up after a boot: switches look for loops first, half a minute at most.
const linkTime = time.Minute

// compare holds the hardware against what was recorded and what was announced. A link that isn't up yet is waited for.
func (l *life) compare(ctx context.Context) error {
	before, err := unpack(l.state[factSwapHardware])
	if err != nil {
		return err
	}
	expected, err := l.expected()
	if err != nil {
		return err
	}
	for begun := time.Now(); ; {
		after, err := l.swap.Hardware(ctx)
		if err != nil {
			return err
		}
		v := hardware.Judge(before, after, hardware.Compare(before, after), expected)
		if !v.Good() && slices.ContainsFunc(v.Unexpected, hardware.Difference.NoLink) && time.Since(begun) < linkTime {
			l.waiting("network links to come up")
			if err := pause(ctx, powerPoll); err != nil {
				return err
			}
			continue
		}
		return l.judged(v, before, after)
	}
}

// expected are the changes that were announced, at the beginning and now.
func (l *life) expected() ([]hardware.Expectation, error) {
	h, _ := HoldOf(l.r.Run, l.state)
	var all []hardware.Expectation
	for _, text := range append(h.Expect, l.swap.Expect...) {
		e, err := hardware.ParseExpect(text)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// judged tells what was found, and is an error where somebody has to look.
func (l *life) judged(v hardware.Verdict, before, after hardware.Document) error {
	for _, d := range v.Expected {
		l.say("as expected: " + d.String())
		l.changed = append(l.changed, d.String())
	}
	for _, d := range v.Harmless {
		l.say("for the better: " + d.String())
	}
	for _, text := range append(v.Unknown, hardware.Warnings(after)...) {
		l.say("note: " + text)
	}
	if len(v.Expected)+len(v.Unexpected) == 0 {
		l.say("the hardware is as it was")
	}
	var wrong []string
	for _, d := range v.Unexpected {
		wrong = append(wrong, d.String())
	}
	wrong = append(wrong, v.Unmet...)
	known := hardware.Problems(before)
	for _, p := range hardware.Problems(after) {
		_, why, _ := strings.Cut(p, "): ") // a disk that got worse since is named already
		told := why != "" && slices.ContainsFunc(wrong, func(w string) bool { return strings.HasSuffix(w, why) })
		if !slices.Contains(known, p) && !told {
			wrong = append(wrong, p)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &unlikeError{wrong}
}

// unlikeError says what of the hardware isn't as it should be.
type unlikeError struct{ what []string }

func (e *unlikeError) list() string { return "not as expected:\n" + strings.Join(e.what, "\n") }

func (e *unlikeError) Error() string {
	return e.list() + "\nmend it, or say with --expect what is right (`fleetup swap finish --help`); `fleetup swap cancel INVENTORY NODE` gives it back as it is"
}

// look only tells what is different: whoever cancels the work wants the machine back as it is.
func (l *life) compareOnly(ctx context.Context) error {
	err := l.compare(ctx)
	var unlike *unlikeError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return err
	case errors.As(err, &unlike):
		l.say(unlike.list())
	default:
		l.say(err.Error())
	}
	return nil
}

// enable undoes what was disabled, starts the runtime and the kubelet, and waits until the node is whole. Resources that
// an announced change touches can't be as before.
func (l *life) enable(ctx context.Context) error {
	if l.state[factOutOfService] != "" {
		if err := l.swap.Taint(ctx, false); err != nil {
			return err
		}
	}
	l.since = time.Now()
	units := strings.Fields(l.state[factSwapUnits])
	if len(units) > 0 {
		if err := l.run(ctx, "enable what was disabled", "systemctl enable --quiet "+strings.Join(services(units), " ")+"\n"); err != nil {
			return err
		}
	}
	was := l.state
	if len(l.changed) > 0 {
		l.state = maps.Clone(was)
		for _, k := range []string{"cpu", "memory", "ephemeral-storage"} {
			delete(l.state, k)
		}
	}
	err := l.start(ctx)
	l.state = was
	return err
}

// services are the units' full names; only names that we know ever stand in the state.
func services(units []string) []string {
	var names []string
	for _, u := range units {
		if slices.Contains([]string{"containerd", "docker", "cri-docker", "crio", "kubelet"}, u) {
			names = append(names, u+".service")
		}
	}
	return names
}

// returned gives the node back as it was found.
func (l *life) returned(ctx context.Context) error {
	var last map[string]string
	if beforeOf(l.state) != nil { // a run held it, and was through with it otherwise
		last = l.lastRun()
	}
	if err := l.r.Cluster.Release(ctx, l.w.Node, l.r.Run, last); err != nil {
		return err
	}
	l.r.Cluster.Draining(l.w.Node, false)
	l.r.Cluster.Event(ctx, l.w.Node, "FleetupReturned", "back from hardware work: "+l.summary(), false)
	return nil
}
