package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/cmd/box"
)

// TestBenchDiagnose looks into a hundred simulated machines, in real time: `make bench`.
func TestBenchDiagnose(t *testing.T) {
	if os.Getenv("FLEETUP_BENCH") == "" {
		t.Skip("a bench: make bench")
	}
	const machines, limit = 100, 5 * time.Second
	b, err := box.New(t.Context(), t.TempDir(), box.Options{Nodes: box.Workers(machines)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	file, err := b.Inventory("")
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs, dial: b.Dial, getenv: func(string) string { return "" }}
	began := time.Now()
	code := a.main(t.Context(), []string{"diagnose", file})
	took := time.Since(began)
	t.Logf("diagnose of %d machines: %s, limit %s\n%s", machines, took.Round(time.Millisecond), limit, out.String())
	if code != 0 || !strings.HasPrefix(out.String(), "100 machines looked at: nothing found\n") {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	if took > limit {
		t.Errorf("it took %s", took)
	}
}
