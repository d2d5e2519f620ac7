package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fleetup/fleetup/runner/remote/remotetest/memnet"
)

// web is what a script's Prometheus and chat answer, on an in-memory network: "prometheus:9090" and "chat:80".
type web struct {
	conns chan net.Conn

	mu     sync.Mutex
	sample string // "": no sample; "down": nobody answers
	asked  []string
	posts  []string
}

type webAddr string

func (a webAddr) Network() string { return "mem" }
func (a webAddr) String() string  { return string(a) }

// Accept, Close and Addr implement net.Listener; it ends with the script.
func (w *web) Accept() (net.Conn, error) {
	c, ok := <-w.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (w *web) Close() error   { return nil }
func (w *web) Addr() net.Addr { return webAddr("prometheus:9090") }

// dial reaches the web, and by the box all else.
func (s *hall) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if s.web == nil || addr != "prometheus:9090" && addr != "chat:80" {
		return s.box.Dial(ctx, network, addr)
	}
	s.web.mu.Lock()
	defer s.web.mu.Unlock()
	if s.web.sample == "down" && addr == "prometheus:9090" {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: webAddr(addr), Err: fmt.Errorf("connection refused")}
	}
	client, server := memnet.Pair(webAddr("fleetup"), webAddr(addr))
	s.web.conns <- server
	return client, nil
}

// prometheus sets the sample that queries are answered with, "none" or "down"; now, or after a time.
func (s *hall) prometheus(args []string) (string, error) {
	if s.web == nil {
		s.web = &web{conns: make(chan net.Conn, 100)}
		server := http.Server{Handler: s.web}
		s.going.Go(func() { _ = server.Serve(s.web) })
		context.AfterFunc(s.context(), func() { close(s.web.conns); _ = server.Close() })
	}
	if len(args) == 1 {
		s.web.set(args[0])
		return "", nil
	}
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return "", err
	}
	s.going.Go(func() {
		select {
		case <-time.After(d):
			s.web.set(args[0])
		case <-s.context().Done():
		}
	})
	return "", nil
}

func (w *web) set(sample string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sample = strings.TrimPrefix(sample, "none")
}

// ServeHTTP answers queries, and keeps what is posted elsewhere.
func (w *web) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.URL.Path != "/api/v1/query" {
		var m map[string]string
		_ = json.NewDecoder(r.Body).Decode(&m)
		w.posts = append(w.posts, fmt.Sprintf("%s %s: %s | %s", r.URL, m["event"], m["title"], strings.ReplaceAll(m["message"], "\n", " / ")))
		return
	}
	w.asked = append(w.asked, r.PostFormValue("query"))
	result := ""
	if w.sample != "" {
		result = fmt.Sprintf(`{"metric":{"instance":"n1:9100"},"value":[1,%q]}`, w.sample)
	}
	fmt.Fprintf(out, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, result)
}

// asked prints the queries, and posts what was posted.
func (s *hall) asked([]string) (string, error) { return s.web.lines(&s.web.asked), nil }
func (s *hall) posts([]string) (string, error) { return s.web.lines(&s.web.posts), nil }

func (w *web) lines(list *[]string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(*list) == 0 {
		return ""
	}
	return strings.Join(*list, "\n") + "\n"
}
