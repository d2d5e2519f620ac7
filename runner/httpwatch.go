package runner

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Target is one URL, or one Service through the API's proxy, that is asked all through a run.
type Target struct {
	Name string // as people know it: the URL, or namespace/service:port/path
	Want int    // status
	// Ask asks once and returns the status.
	Ask func(context.Context) (int, error)
}

// Asked counts what became of one target's requests.
type Asked struct {
	Name         string        `json:"name"`
	Sent, Failed int           `json:",omitempty"`
	Slowest      time.Duration `json:"slowest"`
	LastFailure  string        `json:"last_failure,omitempty"`
	good         bool          // the last answer
}

// HTTPWatch asks each of its targets once a second. A failure is an answer other than the wanted one, an error, or
// none within five seconds.
type HTTPWatch struct {
	targets []Target
	mu      sync.Mutex
	asked   []Asked
}

// NewHTTPWatch returns a watch over targets; Run begins to ask.
func NewHTTPWatch(targets []Target) *HTTPWatch {
	h := &HTTPWatch{targets: targets, asked: make([]Asked, len(targets))}
	for i, t := range targets {
		h.asked[i].Name = t.Name
	}
	return h
}

const askTimeout = 5 * time.Second

// Run asks until ctx ends.
func (h *HTTPWatch) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range h.targets {
		wg.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for ctx.Err() == nil {
				h.ask(ctx, i)
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		})
	}
}

func (h *HTTPWatch) ask(ctx context.Context, i int) {
	c, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	begun := time.Now()
	status, err := h.targets[i].Ask(c)
	if ctx.Err() != nil {
		return // cut off by the end of the run, not a failure
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	a := &h.asked[i]
	a.Sent++
	a.Slowest = max(a.Slowest, time.Since(begun))
	a.good = err == nil && status == h.targets[i].Want
	if a.good {
		return
	}
	a.Failed++
	a.LastFailure = fmt.Sprintf("%s: status %d, wanted %d", begun.UTC().Format(time.TimeOnly), status, h.targets[i].Want)
	if err != nil {
		a.LastFailure = fmt.Sprintf("%s: %v", begun.UTC().Format(time.TimeOnly), err)
	}
}

// Asked returns the counts so far, in the targets' order.
func (h *HTTPWatch) Asked() []Asked {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Asked(nil), h.asked...)
}

// AwaitGood waits until the last answer of every target was as wanted.
func (h *HTTPWatch) AwaitGood(ctx context.Context, waiting func(string)) error {
	for {
		bad := ""
		for _, a := range h.Asked() {
			if !a.good {
				bad = a.Name + ": " + a.LastFailure
			}
		}
		if bad == "" {
			return nil
		}
		waiting(bad)
		if err := pause(ctx, time.Second); err != nil {
			return fmt.Errorf("%s: %w", bad, err)
		}
	}
}
