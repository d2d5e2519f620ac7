package kube

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// systemBoottime is CLOCK_BOOTTIME: Go's own monotonic clock stands still while a laptop sleeps, and a lease doesn't.
func systemBoottime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return time.Duration(time.Now().UnixNano()) // a kernel without it is older than any that Kubernetes runs on
	}
	return time.Duration(t.Nano())
}

// dateClock follows the API server's clock by the Date header of its answers, which has whole seconds.
type dateClock struct {
	mu     sync.Mutex
	offset time.Duration
	known  bool
}

// see takes in one answer: date is cut to the second, so on average the server was half a second further.
func (d *dateClock) see(date, sent, answered time.Time) {
	middle := sent.Add(answered.Sub(sent) / 2)
	d.mu.Lock()
	defer d.mu.Unlock()
	offset := date.Add(time.Second / 2).Sub(middle)
	if difference := (offset - d.offset).Abs(); d.known && difference <= time.Second/2 {
		return // within what a whole second can tell
	}
	d.offset, d.known = offset, true
}

func (d *dateClock) read() (time.Duration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.offset, d.known
}

// ServerTime is the API server's time now, to half a second or so; ours until it has answered once.
func (c *Cluster) ServerTime() time.Time {
	offset, _ := c.date.read()
	return time.Now().Add(offset)
}

// ClockOffset is how far the API server's clock is ahead of this machine's, to half a second; known is false until it
// has answered once.
func (c *Cluster) ClockOffset() (ahead time.Duration, known bool) { return c.date.read() }

// datedTransport reads the Date header of each answer.
type datedTransport struct {
	next http.RoundTripper
	date *dateClock
}

func (t *datedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return response, err
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		t.date.see(date, sent, time.Now())
	}
	return response, nil
}

// WrappedRoundTripper lets client-go find the transport whose idle connections Close drops.
func (t *datedTransport) WrappedRoundTripper() http.RoundTripper { return t.next }
