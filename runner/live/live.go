// Package live shows a run while it goes on, read-only: the page that a report makes, figures for Prometheus, and whether
// anything has gone wrong with the process.
//
//	server := live.New()
//	listener, err := live.Listen(ctx, "127.0.0.1:8080", false)
//	go server.Serve(listener)
//	… server.Event(e) for each event of the run …
//	server.Close()
//
// There is no way to change anything here, no login and no encryption. So it listens on this machine alone unless somebody
// says otherwise, and answers there only to who calls it by a name of this machine: a page of somebody else in the operator's
// browser can't read it by giving its own name this address.
package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/report"
)

// Server follows one run. Its methods may be called from any goroutine, and on a nil Server do nothing.
type Server struct {
	http    *http.Server
	anybody bool          // may call it by any name: it listens for others too
	over    chan struct{} // closed once the run is over for this process
	end     sync.Once

	mu      sync.Mutex
	events  []runner.Event
	changed chan struct{} // closed at the next event, and then replaced
	watched int           // pages that are open
}

// New makes a server of a run that hasn't begun.
func New() *Server {
	s := &Server{changed: make(chan struct{}), over: make(chan struct{})}
	s.http = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	return s
}

// ErrBeyond is that an address can be reached from other machines.
var ErrBeyond = errors.New("other machines could reach that address")

// Listen opens an address, "127.0.0.1:8080" or ":8080", which is on this machine alone too. One that others can reach is
// ErrBeyond unless beyond says that this is wanted. Port 0 is any that is free.
func Listen(ctx context.Context, address string, beyond bool) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == "" && !beyond {
		host = "127.0.0.1"
	}
	if !beyond && !ofThisMachine(host) {
		return nil, ErrBeyond
	}
	var c net.ListenConfig
	return c.Listen(ctx, "tcp", net.JoinHostPort(host, port))
}

// ofThisMachine reports whether a name or address is this machine's own, and nobody else's.
func ofThisMachine(host string) bool {
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Serve answers until Close, and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	host, _, _ := net.SplitHostPort(l.Addr().String())
	s.anybody = !ofThisMachine(host)
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// farewell is how long open pages have for a last look, once the run is over.
const farewell = 2 * time.Second

// Close tells open pages that the run is over, gives them a moment to fetch its end, and stops. It may be called twice.
func (s *Server) Close() {
	if s == nil {
		return
	}
	s.end.Do(func() { close(s.over) })
	s.mu.Lock()
	watched := s.watched
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if watched > 0 {
		<-ctx.Done()
	}
	_ = s.http.Close()
}

// Event takes in what happened.
func (s *Server) Event(e runner.Event) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	close(s.changed)
	s.changed = make(chan struct{})
}

// report is the run as it stands.
func (s *Server) report() report.Report {
	s.mu.Lock()
	events := s.events[:len(s.events):len(s.events)]
	s.mu.Unlock()
	return report.At(events, time.Now())
}

func (s *Server) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{s})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /events", s.follow)
	mux.HandleFunc("GET /report.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = s.report().JSON(w)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		_ = s.report().Live(&b) // a buffer takes everything
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(b.Bytes())
	})
	return s.guarded(mux)
}

// guarded answers only to names of this machine where it listens there, and lets nobody keep or frame an answer.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !s.anybody && !ofThisMachine(host) {
			http.Error(w, "this page is for this machine alone: call it 127.0.0.1 or localhost", http.StatusMisdirectedRequest)
			return
		}
		for key, value := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
			w.Header().Set(key, value)
		}
		next.ServeHTTP(w, r)
	})
}

// The pace at which pages are told: no more often than often, and once in a while so that a proxy doesn't hang up.
const (
	often  = time.Second
	seldom = 15 * time.Second
)

// follow is a stream of server-sent events: a message whenever the page has changed, "over" at the end.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	s.count(1)
	defer s.count(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	say := func(text string) bool {
		_, err := fmt.Fprintf(w, "%s\n\n", text)
		return err == nil && out.Flush() == nil
	}
	for {
		s.mu.Lock()
		changed := s.changed // before it is said: what happens meanwhile is news to the page
		s.mu.Unlock()
		if !say("data: changed") {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-s.over:
			say("event: over\ndata: over")
			return
		case <-changed:
			if !wait(r.Context(), s.over, often) {
				return
			}
		case <-time.After(seldom): // the clock goes on, if nothing else
		}
	}
}

// wait lets a moment pass, in which more may happen; false where the page has gone.
func wait(ctx context.Context, over <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-over:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (s *Server) count(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched += by
}
