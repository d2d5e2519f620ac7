package kube

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestUnanswered(t *testing.T) {
	refused := errors.New("connection refused")
	for want, err := range map[string]error{
		"connection refused":    fmt.Errorf("watch nodes: %w", &url.Error{Op: "Get", URL: "https://x/?timeout=5m8s", Err: refused}),
		"watch nodes: too old":  fmt.Errorf("watch nodes: %w", errors.New("too old")),
		"etcdserver: no leader": errors.New("etcdserver: no leader"),
	} {
		if got := unanswered(err); got != "the API server, which doesn't answer: "+want {
			t.Errorf("%v: %s", err, got)
		}
	}
}

// TestAnOutageIsToldOnce: as many requests fail, each its own way, a wait says so when something changes for it.
func TestAnOutageIsToldOnce(t *testing.T) {
	inWorld(t, shop, func(w *world) {
		n := w.node("n1")
		w.claim(n.Name)
		w.Refuse(true)
		later(time.Minute, func() { w.Refuse(false) })
		heard := listen()
		if err := w.c.Drain(w.ctx, "n1", ownPods(), heard.say); err != nil {
			t.Fatal(err)
		}
		if told := strings.Count(heard.all(), "doesn't answer"); told == 0 || told > 8 || strings.Contains(heard.all(), "?") {
			t.Errorf("told %d times:\n%s", told, heard.all())
		}
	})
}
