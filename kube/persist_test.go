package kube

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A write that the API server's absence holds up says so within a few seconds, and once, however many wait: the Lease's
// taking, a claim, what a halt writes down.
func TestFault09WritesSayWhatTheyWaitFor(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		heard := listen()
		w.c.OnWait(heard.say)
		outage := func() {
			w.Refuse(true)
			heard = listen()
			w.c.OnWait(heard.say)
			later(time.Minute, func() { w.Refuse(false) })
		}
		said := func(what string) {
			w.Helper()
			all := heard.all()
			if heard.first > 5*time.Second || len(heard.texts) == 0 || len(heard.texts) > 3 ||
				!strings.HasPrefix(all, what+" waits for the API server, which doesn't answer: ") {
				w.Errorf("%s: said after %s:\n%s", what, heard.first, all)
			}
		}
		outage()
		l, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		said("lease kube-system/fleetup")

		outage()
		_, err = w.c.Claim(w.ctx, "n1", "run-a", nil)
		w.must(err)
		said("node n1: claim")

		outage()
		w.must(l.Halt(w.ctx, "node n1 failed"))
		said("lease kube-system/fleetup")

		outage()
		done := make(chan error, 3)
		for _, n := range []string{"n1", "n2", "n3"} {
			go func() { done <- w.c.Remember(w.ctx, n, map[string]string{"run": "run-a"}) }()
		}
		w.must(errors.Join(<-done, <-done, <-done))
		said(strings.SplitAfter(heard.all(), "remember")[0])
		w.must(l.Release(w.ctx))
	})
}

// An API server that takes a request and doesn't answer is one that is waited for, too; one that answers is none.
func TestFault09SlowWritesSaySo(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		heard := listen()
		w.c.OnWait(heard.say)
		w.must(w.c.Remember(w.ctx, "n1", map[string]string{"run": "run-a"}))
		if len(heard.texts) != 0 {
			t.Errorf("said of nothing:\n%s", heard.all())
		}
		w.Delay(func(r *http.Request) time.Duration {
			if r.Method == http.MethodGet {
				return 0
			}
			return 8 * time.Second
		})
		w.must(w.c.Remember(w.ctx, "n1", map[string]string{"run": "run-b"}))
		if heard.all() != "node n1: remember waits for an answer of the API server" {
			t.Errorf("said after %s:\n%s", heard.first, heard.all())
		}
	})
}

// A lease in doubt tells why the last renewal failed, in the same words until that changes, and what becomes of it.
func TestLeaseInDoubtTellsWhy(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		l, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		doubt := func(words ...string) {
			w.Helper()
			texts := map[string]bool{}
			for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(time.Second) {
				if err := l.Held(); err != nil {
					texts[err.Error()] = true
				}
			}
			err := l.Held()
			if !errors.Is(err, ErrDoubt) || len(texts) != 1 {
				w.Fatalf("%v; said %d texts: %v", err, len(texts), texts)
			}
			for _, word := range words {
				if !strings.Contains(err.Error(), word) {
					w.Errorf("%q isn't said, but %v", word, err)
				}
			}
		}
		again := func() {
			w.Helper()
			time.Sleep(3 * time.Second)
			w.must(l.Held())
		}
		w.Refuse(true)
		doubt("the API server, which doesn't answer", "connection refused", "goes on by itself")
		w.Refuse(false)
		again()
		w.Authorize(func(_, verb, _, resource, _, _ string) bool { return resource != "leases" || verb == "get" })
		doubt("forbidden", "`fleetup check INVENTORY` names the rules to add")
		w.Authorize(nil)
		again()
		w.Fail(func(r *http.Request) (int, time.Duration, bool) {
			return http.StatusServiceUnavailable, 0, r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/leases/")
		})
		doubt("the API server, which doesn't answer", "goes on by itself")
		w.Fail(nil)
		again()
		w.must(l.Release(w.ctx))
	})
}

// A claim that the lease's doubt overtakes waits for its end, as all other writes do: an outage is nobody's failure.
func TestFault09ClaimWaitsOutADoubt(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		l, err := w.c.Acquire(w.ctx, alice, nil)
		w.must(err)
		w.c.Guard(l.Held)
		heard := listen()
		w.c.OnWait(heard.say)
		w.Refuse(true)
		time.Sleep(25 * time.Second)
		if !errors.Is(l.Held(), ErrDoubt) {
			w.Fatal("not in doubt: ", l.Held())
		}
		later(time.Minute, func() { w.Refuse(false) })
		_, err = w.c.Claim(w.ctx, "n1", "run-a", nil)
		w.must(err)
		if !strings.Contains(heard.all(), "node n1: claim waits for ") {
			t.Errorf("said:\n%s", heard.all())
		}
		w.must(l.Release(w.ctx))
		if _, err := w.within(time.Minute, func(ctx context.Context) error {
			_, err := w.c.Claim(ctx, "n2", "run-a", nil)
			return err
		}); !errors.Is(err, ErrLost) {
			t.Errorf("claimed without a lease: %v", err)
		}
	})
}
