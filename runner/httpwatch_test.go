package runner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestHTTPWatchAsksOnceASecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		begun := time.Now()
		h := NewHTTPWatch([]Target{
			{Name: "good", Want: 200, Ask: func(context.Context) (int, error) { return 200, nil }},
			{Name: "away for three seconds", Want: 200, Ask: func(context.Context) (int, error) {
				if since := time.Since(begun); since > 4500*time.Millisecond && since < 7500*time.Millisecond {
					return 503, nil
				}
				return 200, nil
			}},
			{Name: "hangs", Want: 200, Ask: func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }},
		})
		ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
		defer cancel()
		h.Run(ctx)
		got := h.Asked()
		if got[0].Sent != 10 || got[0].Failed != 0 {
			t.Errorf("good: %+v", got[0])
		}
		if got[1].Sent != 10 || got[1].Failed != 3 || !strings.Contains(got[1].LastFailure, "status 503, wanted 200") {
			t.Errorf("away: %+v", got[1])
		}
		if got[2].Sent != 1 || got[2].Failed != 1 || got[2].Slowest != askTimeout {
			t.Errorf("hangs: %+v", got[2])
		}
	})
}

func TestHTTPWatchAwaitGood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		begun := time.Now()
		h := NewHTTPWatch([]Target{{Name: "shop", Want: 200, Ask: func(context.Context) (int, error) {
			if time.Since(begun) < 10*time.Second {
				return 0, errors.New("connection refused")
			}
			return 200, nil
		}}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); h.Run(ctx) }()
		var waits []string
		if err := h.AwaitGood(ctx, func(w string) { waits = append(waits, w) }); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("good after %s", took)
		}
		if len(waits) == 0 || !strings.Contains(waits[len(waits)-1], "shop: ") || !strings.Contains(waits[len(waits)-1], "connection refused") {
			t.Errorf("waits: %q", waits)
		}
		cancel()
		<-done
	})
}
