package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A redirect is an answer, and each request has a connection of its own.
func TestGet(t *testing.T) {
	var agents atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.UserAgent(), "fleetup/") && r.Close {
			agents.Add(1)
		}
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/new", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer s.Close()
	for path, want := range map[string]int{"/old": http.StatusFound, "/x": http.StatusTeapot} {
		if got, err := get(t.Context(), s.URL+path); err != nil || got != want {
			t.Errorf("%s: %d %v", path, got, err)
		}
	}
	if agents.Load() != 2 {
		t.Error("requests that say who asks and close:", agents.Load())
	}
	s.Close()
	if _, err := get(t.Context(), s.URL); err == nil {
		t.Error("a server that isn't there answered")
	}
	if _, err := get(t.Context(), "http://[bad"); err == nil {
		t.Error("a bad URL was asked")
	}
}
