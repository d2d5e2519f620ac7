package inventory

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const stamp = "2006-01-02 15:04 MST"

func window(start, duration, zone string, except ...string) Window {
	d, err := time.ParseDuration(duration)
	if err != nil {
		panic(err)
	}
	w := Window{Start: start, Duration: d, Timezone: zone}
	for _, days := range except {
		parsed, err := parseDays(days)
		if err != nil {
			panic(err)
		}
		w.Except = append(w.Except, parsed)
	}
	return w
}

// TestWindowsAt: a moment, whether a window is open, until when, and when the next opens. Times in the window's zone.
func TestWindowsAt(t *testing.T) {
	const berlin, shanghai = "Europe/Berlin", "Asia/Shanghai"
	night := Windows{window("0 1 * * Sat", "4h", shanghai)}
	midnight := Windows{window("0 22 * * *", "4h", berlin)}
	halfTwo := Windows{window("30 2 * * *", "1h", berlin)}
	oneToFour := Windows{window("0 1 * * *", "3h", berlin)}
	frozen := Windows{window("0 22 * * *", "4h", berlin, "2026-12-24/2026-12-26", "2026-12-31")}
	pair := Windows{window("0 1 * * *", "2h", berlin), window("0 3 * * *", "1h", berlin), window("30 2 * * Mon", "3h", berlin)}
	zones := Windows{window("0 1 * * *", "4h", "America/New_York"), window("0 1 * * *", "4h", "Asia/Tokyo")}
	for _, tc := range []struct {
		name             string
		windows          Windows
		now, until, next string // until "" where closed
	}{
		{"before", night, "2026-11-27 23:00 CST", "", "2026-11-28 01:00 CST"},
		{"at its start", night, "2026-11-28 01:00 CST", "2026-11-28 05:00 CST", "2026-12-05 01:00 CST"},
		{"in its last minute", night, "2026-11-28 04:59 CST", "2026-11-28 05:00 CST", "2026-12-05 01:00 CST"},
		{"at its end", night, "2026-11-28 05:00 CST", "", "2026-12-05 01:00 CST"},
		{"over midnight, before", midnight, "2026-11-27 23:30 CET", "2026-11-28 02:00 CET", "2026-11-28 22:00 CET"},
		{"over midnight, after", midnight, "2026-11-28 01:59 CET", "2026-11-28 02:00 CET", "2026-11-28 22:00 CET"},
		{"March: over the jump, elapsed time", oneToFour, "2027-03-28 01:30 CET", "2027-03-28 05:00 CEST", "2027-03-29 01:00 CEST"},
		{"March: the start that doesn't exist", halfTwo, "2027-03-28 01:59 CET", "", "2027-03-28 03:00 CEST"},
		{"March: opened after the jump", halfTwo, "2027-03-28 03:15 CEST", "2027-03-28 04:00 CEST", "2027-03-29 02:30 CEST"},
		{"October: over the hour that comes twice", oneToFour, "2026-10-25 01:30 CEST", "2026-10-25 03:00 CET", "2026-10-26 01:00 CET"},
		{"October: the first of two", halfTwo, "2026-10-25 02:00 CEST", "", "2026-10-25 02:30 CEST"},
		{"October: open from the first", halfTwo, "2026-10-25 02:45 CEST", "2026-10-25 02:30 CET", "2026-10-26 02:30 CET"},
		{"October: the second opens nothing", halfTwo, "2026-10-25 02:30 CET", "", "2026-10-26 02:30 CET"},
		{"freeze: the evening before", frozen, "2026-12-23 23:00 CET", "2026-12-24 02:00 CET", "2026-12-27 22:00 CET"},
		{"freeze: what opened before goes on", frozen, "2026-12-24 01:00 CET", "2026-12-24 02:00 CET", "2026-12-27 22:00 CET"},
		{"freeze: the day", frozen, "2026-12-25 22:30 CET", "", "2026-12-27 22:00 CET"},
		{"freeze: one day", frozen, "2026-12-31 23:00 CET", "", "2027-01-01 22:00 CET"},
		{"freeze: the morning after belongs to it", frozen, "2027-01-01 01:00 CET", "", "2027-01-01 22:00 CET"},
		{"several: adjoining are one", pair, "2026-11-28 01:10 CET", "2026-11-28 04:00 CET", "2026-11-29 01:00 CET"},
		{"several: overlapping are one", pair, "2026-11-30 02:10 CET", "2026-11-30 05:30 CET", "2026-12-01 01:00 CET"},
		{"several zones: the first", zones, "2026-11-28 05:00 UTC", "", "2026-11-28 06:00 UTC"},
		{"several zones: the second", zones, "2026-11-28 16:30 UTC", "2026-11-28 20:00 UTC", "2026-11-29 06:00 UTC"},
		{"by date or by weekday", Windows{window("0 1 13 * Fri", "1h", "UTC")}, "2026-11-28 00:00 UTC", "", "2026-12-04 01:00 UTC"},
		{"29 February", Windows{window("0 1 29 2 *", "1h", "UTC")}, "2096-03-01 00:00 UTC", "", "2104-02-29 01:00 UTC"},
		{"a midnight that doesn't exist", Windows{window("0 0 * * *", "1h", "Africa/Cairo")}, "2026-04-23 12:00 EET", "", "2026-04-24 01:00 EEST"},
		{"half an hour of summer time", Windows{window("15 2 * * *", "1h", "Australia/Lord_Howe")}, "2026-10-03 15:00 UTC", "", "2026-10-03 15:30 UTC"},
		{"a date that a zone left out", Windows{window("0 10 30 * *", "1h", "Pacific/Apia")}, "2011-12-01 00:00 UTC", "", "2012-01-29 20:00 UTC"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			zone, err := time.LoadLocation(tc.windows[0].Timezone)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(tc.now, "UTC") {
				zone = time.UTC
			}
			now, err := time.ParseInLocation(stamp, tc.now, zone)
			if err != nil {
				t.Fatal(err)
			}
			open, until, next := tc.windows.At(now)
			got := fmt.Sprintf("%v %s, next %s", open, said(until, zone), said(next, zone))
			want := fmt.Sprintf("%v %s, next %s", tc.until != "", tc.until, tc.next)
			if got != want {
				t.Errorf("at %s\n got %s\nwant %s", tc.now, got, want)
			}
		})
	}
}

func said(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format(stamp)
}

// TestWindowsWithoutEnd: none is always open; so is what adjoins for ever, also over the hour that comes twice.
func TestWindowsWithoutEnd(t *testing.T) {
	hourly := Windows{window("0 * * * *", "1h", "Europe/Berlin")}
	for _, windows := range []Windows{nil, hourly} {
		for now := time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC); now.Day() < 27; now = now.Add(7 * time.Minute) {
			if open, until, next := windows.At(now); !open || !until.IsZero() || !next.IsZero() {
				t.Fatalf("%v at %s: open %v, until %s, next %s", windows, now, open, until, next)
			}
		}
	}
	never := Windows{window("0 1 * * *", "1h", "UTC", "2000-01-01/2099-12-31")}
	if open, until, next := never.At(time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC)); open || !until.IsZero() || !next.IsZero() {
		t.Errorf("frozen for good: open %v, until %s, next %s", open, until, next)
	}
}

// TestWindowsHold: what At promises, for windows and moments by chance: next is later and open; until is closed, and all
// before it open; nothing opens on a freeze day; and a plan that was written down and read says the same.
func TestWindowsHold(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		windows := randomWindows(rng)
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rng.Int64N(int64(3 * 365 * 24 * time.Hour))))
		if i%3 == 0 { // near a change of clocks
			now = time.Date(2026, 10, 24, 20, 0, 0, 0, time.UTC).Add(time.Duration(rng.Int64N(int64(12 * time.Hour))))
		}
		open, until, next := windows.At(now)
		if !until.IsZero() {
			middle := now.Add(time.Duration(rng.Int64N(int64(until.Sub(now)))))
			if wasOpen, same, _ := windows.At(middle); !wasOpen || !same.Equal(until) {
				t.Fatalf("%v: open at %s until %s, but at %s %v until %s", windows, now, until, middle, wasOpen, same)
			}
			if stillOpen, _, _ := windows.At(until); !open || stillOpen || !next.After(until) {
				t.Fatalf("%v: at %s open %v until %s, then open %v, next %s", windows, now, open, until, stillOpen, next)
			}
		}
		if !next.IsZero() {
			checkOpening(t, windows, now, next)
		}
		var read Windows
		if text, err := json.Marshal(windows); err != nil || json.Unmarshal(text, &read) != nil {
			t.Fatalf("%v can't be written and read: %v", windows, err)
		}
		if diff := cmp.Diff(windows, read); diff != "" {
			t.Fatal(diff)
		}
	}
}

func checkOpening(t *testing.T, windows Windows, now, next time.Time) {
	t.Helper()
	if isOpen, _, _ := windows.At(next); !next.After(now) || !isOpen {
		t.Fatalf("%v: after %s the next is %s, where open is %v", windows, now, next, isOpen)
	}
	if before, _, _ := windows.At(next.Add(-time.Nanosecond)); before {
		t.Fatalf("%v: the next after %s is %s, but it was open before", windows, now, next)
	}
	for _, w := range windows {
		zone, err := time.LoadLocation(w.Timezone)
		if err != nil {
			t.Fatal(err)
		}
		if !w.frozen(dateOf(next.In(zone))) {
			return
		}
	}
	t.Fatalf("%v: %s is a freeze day of each", windows, next)
}

func randomWindows(rng *rand.Rand) Windows {
	zones := []string{"Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Africa/Cairo", "UTC"}
	var windows Windows
	for range 1 + rng.IntN(3) {
		start := fmt.Sprintf("%d %d * * %s", rng.IntN(60), rng.IntN(24), []string{"*", "Sat", "1-5", "0"}[rng.IntN(4)])
		w := window(start, fmt.Sprintf("%dm", 1+rng.IntN(30*60)), zones[rng.IntN(len(zones))])
		for range rng.IntN(3) {
			from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rng.IntN(3*365))
			to := from.AddDate(0, 0, rng.IntN(20))
			w.Except = append(w.Except, Days{from.Format(time.DateOnly), to.Format(time.DateOnly)})
		}
		windows = append(windows, w)
	}
	return windows
}

// TestZoneNames: each name that "did you mean" may say is one that is accepted.
func TestZoneNames(t *testing.T) {
	names := zoneNames()
	if len(names) < 400 {
		t.Errorf("only %d names", len(names))
	}
	for _, name := range names {
		if _, err := parseZone(name); err != nil {
			t.Error(err)
		}
	}
}

func TestWindowCron(t *testing.T) {
	for start, want := range map[string]string{
		"0 1 * * Sat": "0 1 * * 6", "*/20 22-2 1-3 Jan,Dec *": "0,20,40 0,1,2,22,23 1,2,3 1,12 *", "0 1 * * 7": "0 1 * * 0",
		"5 * * * Fri-Mon": "5 * * * 0,1,5,6", "nonsense": "",
	} {
		if got := window(start, "1h", "UTC").Cron(); got != want {
			t.Errorf("%s is %q, want %q", start, got, want)
		}
	}
}

func BenchmarkWindowsAt(b *testing.B) {
	windows := Windows{window("0 1 * * Sat", "4h", "Asia/Shanghai"), window("0 22 * * 1-5", "4h", "Europe/Berlin", "2026-12-24/2026-12-26")}
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		windows.At(now)
	}
}
