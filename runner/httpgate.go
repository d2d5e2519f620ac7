package runner

import (
	"context"
	"errors"
	"time"
)

// HTTPGate makes a gate of the application's own URLs: a soak in which they fail is no good one.
func HTTPGate(h *HTTPWatch) Gate { return httpGate{h} }

type httpGate struct{ watch *HTTPWatch }

const (
	// httpPatience is how long the targets may fail in a row: they are asked once a second, and one answer is none.
	httpPatience = 10 * time.Second
	httpGood     = "all as wanted"
)

func (g httpGate) Name() string            { return "verify.http" }
func (g httpGate) Deadline() time.Duration { return time.Minute }

// Measure returns httpGood, or what a target has answered all the while that it was given.
func (g httpGate) Measure(ctx context.Context, _, _ []string) (string, error) {
	patience, cancel := context.WithTimeout(ctx, httpPatience)
	defer cancel()
	failing := ""
	err := g.watch.AwaitGood(patience, func(what string) { failing = what })
	switch {
	case err == nil:
		return httpGood, nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	}
	return failing, nil
}

// Judge refuses all but httpGood.
func (g httpGate) Judge(reading, _ string) error {
	if reading != httpGood {
		return errors.New(reading)
	}
	return nil
}
