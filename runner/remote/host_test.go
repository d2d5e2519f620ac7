package remote

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRunPromises(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	h := b.host(Login{Name: "n1"})
	ctx := t.Context()
	out, err := h.Run(ctx, "echo it\\'s \"$(echo nested)\"; cat; echo end")
	if err != nil || out != "it's nested\nend\n" {
		t.Fatalf("%q, %v", out, err)
	}
	_, err = h.Run(ctx, "echo why >&2; exit 3")
	var exit *ExitError
	if !errors.As(err, &exit) || exit.ExitStatus() != 3 {
		t.Fatal(err)
	}
	mustContain(t, err.Error(), "host n1", "exit status 3", "why")
	if strings.Contains(s.said(), "nested") {
		t.Errorf("the script is on an argument list: %s", s.said())
	}
	if _, err := h.Run(ctx, "true"); err != nil || s.logins.Load() != 1 {
		t.Errorf("%v; %d logins for one node", err, s.logins.Load())
	}
}

func TestShellStartupFilesAreNotOutput(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	h := b.host(Login{Name: "n1"})
	s.program("sh", "echo welcome to the machine\nexec /bin/sh \"$@\"")
	out, err := h.Run(t.Context(), "echo mine")
	if err != nil || out != "mine\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestBootID(t *testing.T) {
	b := newBench(t)
	b.machine("n1:22")
	id, err := b.host(Login{Name: "n1"}).BootID(t.Context())
	if err != nil || len(id) != 36 {
		t.Errorf("%q, %v", id, err)
	}
}

func TestExecIsPlain(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	h := b.host(Login{Name: "n1", User: "ops"})
	out, errw := buffers()
	err := h.Exec(t.Context(), "cat; echo no >&2; exit 7", strings.NewReader("in\n"), out, errw)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Status != 7 || out.String() != "in\n" || errw.String() != "no\n" {
		t.Errorf("%v %q %q", err, out, errw)
	}
	if got := s.said(); got != "cat; echo no >&2; exit 7" {
		t.Errorf("the machine was asked %q", got)
	}
}

func TestFault37BackgroundChildHoldsOutput(t *testing.T) {
	b := newBench(t)
	b.machine("n1:22")
	begin := time.Now()
	out, err := b.host(Login{Name: "n1"}).Run(t.Context(), "sleep 600 & echo done")
	if err != nil || out != "done\n" || time.Since(begin) > time.Minute {
		t.Errorf("%q, %v after %s", out, err, time.Since(begin))
	}
}

func TestRunAgainAfterALostConnection(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	h := b.host(Login{Name: "n1"})
	count := s.home + "/count"
	if _, err := h.Run(t.Context(), "true"); err != nil {
		t.Fatal(err)
	}
	go func() {
		waitFor(t, func() bool { return exists(count) })
		s.cut()
	}()
	out, err := h.Run(t.Context(), "if [ -e "+count+" ]; then echo twice; exit; fi; touch "+count+"; sleep 600")
	if err != nil || out != "twice\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestContextEndsEverything(t *testing.T) {
	b := newBench(t)
	b.machine("n1:22")
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	begin := time.Now()
	_, err := b.host(Login{Name: "n1"}).Run(ctx, "sleep 600")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > time.Minute {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}

func TestFirstDialFailsAtOnce(t *testing.T) {
	b := newBench(t)
	_, err := b.host(Login{Name: "n1", Address: "10.0.0.1"}).Run(t.Context(), "true")
	var c *ConnectError
	if !errors.As(err, &c) {
		t.Fatal(err)
	}
	mustContain(t, err.Error(), "host n1", "10.0.0.1:22", "refused")
}

func TestFault36HangUpsBeforeTheKeyAreTriedAgain(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	s.refuse = 2
	if err := b.host(Login{Name: "n1"}).Exec(t.Context(), "true", nil, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestFault36NotMoreThanMaxSessions(t *testing.T) {
	b := newBench(t)
	s := b.machine("n1:22")
	h := b.host(Login{Name: "n1"})
	errs := make(chan error)
	for range 30 {
		go func() { errs <- h.Exec(t.Context(), "sleep 0.05", nil, nil, nil) }()
	}
	for range 30 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if s.logins.Load() != 1 {
		t.Errorf("%d logins", s.logins.Load())
	}
}

func TestFault06FenceRefusesAnOlderEpoch(t *testing.T) {
	needs(t, "flock")
	b := newBench(t)
	b.machine("n1:22")
	run := func(epoch int64, script string) error {
		_, err := b.host(Login{Name: "n1"}, Fence{Run: "r", Epoch: epoch}).Run(t.Context(), script)
		return err
	}
	mark := b.home + "/mark"
	for _, epoch := range []int64{3, 3, 5} {
		if err := run(epoch, "true"); err != nil {
			t.Fatal(err)
		}
	}
	err := run(4, "touch "+mark)
	var fenced *FencedError
	if !errors.As(err, &fenced) || !fenced.Fenced() || exists(mark) {
		t.Fatalf("%v; done all the same: %v", err, exists(mark))
	}
	mustContain(t, err.Error(), "host n1", "epoch is 4", "has seen 5")
	if err := run(0, "true"); err != nil {
		t.Errorf("reads aren't fenced: %v", err)
	}
}
