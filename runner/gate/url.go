package gate

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// askURL asks as a user of the application would: a redirect is an answer, and each question has a connection of its own.
// The reading is the status and the time until the body's end.
func (w World) askURL(s Spec) func(context.Context, []string, []string) (string, error) {
	return func(ctx context.Context, _, _ []string) (string, error) {
		client, err := w.client("")
		if err != nil {
			return "", err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			return "", bare(err)
		}
		begun := time.Now()
		res, err := client.Do(req)
		if err != nil {
			return "", bare(err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
			return "", bare(err)
		}
		return fmt.Sprintf("%d in %s", res.StatusCode, time.Since(begun).Round(time.Millisecond)), nil
	}
}
