package main

import (
	"strings"
	"testing"
	"time"
)

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		20 * time.Second: "under a minute", 80 * time.Second: "about 1 minute", 4*time.Minute + 40*time.Second: "about 5 minutes",
		60 * time.Minute: "about 1 hour", 2*time.Hour + 29*time.Minute + 50*time.Second: "about 2 hours 30 minutes", 59*time.Minute + 50*time.Second: "about 1 hour",
	} {
		if got := roughly(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestForecastInWords(t *testing.T) {
	for want, fc := range map[string]forecast{
		"about 5 minutes (as the last run took)":             {total: 5 * time.Minute, known: true, ends: true},
		"about 5 minutes (a guess: no run before tells)":     {total: 5 * time.Minute, ends: true},
		"can't be said, for the run would not end as things": {known: true},
	} {
		if got := fc.inAll(); !strings.HasPrefix(got, want) {
			t.Errorf("%+v: %q, want %q", fc, got, want)
		}
	}
}
