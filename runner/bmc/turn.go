package bmc

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// poll is how often a state is asked for while it is waited for: a BMC is slow, and has few sessions to give.
const poll = 5 * time.Second

// Await waits until the machine is in the state, or ctx ends. A question that isn't answered is asked again: a BMC is
// away for a moment now and then. Where that goes on to the end, the error holds its last reason.
func Await(ctx context.Context, p Power, want State) error {
	var last error
	seen := State("unknown")
	for {
		s, err := p.State(ctx)
		switch {
		case err == nil && s == want:
			return nil
		case err == nil:
			seen, last = s, nil
		case ctx.Err() == nil:
			last = err
		}
		if ended := pause(ctx, poll); ended != nil {
			return errors.Join(fmt.Errorf("bmc: the machine isn't %s, but %s: %w", want, seen, ended), last)
		}
	}
}

// TurnOff turns the machine off and returns once it is: the operating system is asked first, and after grace the power
// is taken away. It is an error if the machine still isn't off after grace again. say is told what is waited for, and why the power
// is taken away where it is.
func TurnOff(ctx context.Context, p Power, grace time.Duration, say func(string)) error {
	if s, err := p.State(ctx); err == nil && s == Off {
		return nil
	}
	asked := p.Off(ctx, false) // one that can't ask is switched off hard
	if asked == nil {
		say(fmt.Sprintf("asked to shut down; its power is taken away if it hasn't within %s", grace))
		if within(ctx, grace, func(ctx context.Context) error { return Await(ctx, p, Off) }) == nil {
			return nil
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if asked != nil {
		say(fmt.Sprintf("it can't be asked to shut down (%v): its power is taken away", asked))
	} else {
		say(fmt.Sprintf("it hasn't shut down within %s: its power is taken away", grace))
	}
	if err := p.Off(ctx, true); err != nil {
		return err
	}
	return within(ctx, max(grace, time.Minute), func(ctx context.Context) error { return Await(ctx, p, Off) })
}

func within(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f(ctx)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
