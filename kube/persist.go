package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// tellAfter is how long a write may take before it is said what it waits for.
const tellAfter = 3 * time.Second

// persist repeats what is safe to repeat until the API server has decided, or ctx ends: conflicts at once, the first
// few times, an absent server with growing pauses. what is the write, for people who wait for it.
func (c *Cluster) persist(ctx context.Context, what string, try func(context.Context) error) error {
	var pauses backoff
	w := c.outage.begin(what)
	defer w.end()
	for conflicts := 0; ; {
		attempt, cancel := context.WithTimeout(ctx, requestTimeout)
		err := try(attempt)
		cancel()
		switch {
		case ctx.Err() != nil && err != nil:
			return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		case apierrors.IsConflict(err):
			if conflicts++; conflicts < 5 {
				continue
			}
		case !away(err):
			w.answered()
			return err
		}
		w.failed(err)
		if ended := sleep(ctx, pauses.pause(err)); ended != nil {
			return fmt.Errorf("%w (%w)", ended, err)
		}
	}
}

// outage tells what writes wait for: once for all that wait for the same, as an outage holds up every node at once.
type outage struct {
	mu   sync.Mutex
	tell func(string)
	said map[string]bool // since the server answered last
}

// OnWait has tell hear, a line each, what a write has waited for three seconds and longer: that of the Lease, of a Node. nil
// takes it off. Whoever waits for something else is told by the wait's own waiting.
func (c *Cluster) OnWait(tell func(string)) {
	c.outage.mu.Lock()
	defer c.outage.mu.Unlock()
	c.outage.tell = tell
}

func (o *outage) say(what, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tell == nil || o.said[why] {
		return
	}
	if o.said == nil {
		o.said = map[string]bool{}
	}
	o.said[why] = true
	o.tell(what + " waits for " + why)
}

// waiting is one write under way.
type waiting struct {
	of    *outage
	what  string
	timer *time.Timer

	mu   sync.Mutex
	late bool
	last error
}

func (o *outage) begin(what string) *waiting {
	one := &waiting{of: o, what: what}
	one.timer = time.AfterFunc(tellAfter, func() {
		one.mu.Lock()
		defer one.mu.Unlock()
		one.late = true
		o.say(what, waitsFor(one.last))
	})
	return one
}

func (w *waiting) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last = err; w.late {
		w.of.say(w.what, waitsFor(err))
	}
}

func (w *waiting) end() { w.timer.Stop() }

// answered lets the next outage be told anew.
func (w *waiting) answered() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	clear(w.of.said)
}

// waitsFor is what a write waits for after err; nil: no answer has come yet.
func waitsFor(err error) string {
	switch {
	case err == nil:
		return "an answer of the API server"
	case errors.Is(err, errGuarded):
		return "the lease: " + err.Error()
	case apierrors.IsConflict(err):
		return "others, who change the same object all the time: " + err.Error()
	}
	return unanswered(err)
}
