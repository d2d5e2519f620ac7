package diagnose

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/parts"
)

// TestClock: what keeps the clock, and by how much it is off, as chrony (4.3) or else systemd tells; of neither nothing is known.
func TestClock(t *testing.T) {
	const tracking = "Reference ID    : C0A80101 (ntp1.example.com)\nStratum         : 3\nRef time (UTC)  : Thu Nov 26 10:00:00 2026\n" +
		"System time     : 0.250000000 seconds slow of NTP time\nLast offset     : +0.000013 seconds\nLeap status     : Normal\n"
	yes, no := true, false
	part := func(name, text string) string { return parts.Mark + name + "\n" + text }
	for _, tc := range []struct {
		name, text string
		synced     *bool
		offset     float64
	}{
		{"chrony, slow", part("chrony", tracking), &yes, -0.25},
		{"chrony, fast", part("chrony", strings.Replace(tracking, "slow", "fast", 1)), &yes, 0.25},
		{"chrony that reaches nobody", part("chrony", strings.Replace(strings.Replace(tracking, "Normal", "Not synchronised", 1), "0.25", "0.00", 1)), &no, 0},
		{"chrony that doesn't run", part("ntp", "NTPSynchronized=no\n") + part("chrony", "506 Cannot talk to daemon\n"), &no, 0},
		{"systemd", part("ntp", "NTPSynchronized=yes\n"), &yes, 0},
		{"systemd, of a clock that chrony keeps", part("ntp", "NTPSynchronized=no\n") + part("chrony", tracking), &yes, -0.25},
		{"neither", part("ntp", "!timedatectl isn't installed\n") + part("chrony", "!chronyc isn't installed\n"), nil, 0},
	} {
		c := Parse(Raw{Text: tc.text}, time.Time{}).Clock
		if diff := cmp.Diff(tc.synced, c.Synced); diff != "" || c.Offset != tc.offset {
			t.Errorf("%s: offset %v, want %v; synced (-want +got):\n%s", tc.name, c.Offset, tc.offset, diff)
		}
	}
}

// TestSkew: a machine is off by what can't be explained by the time that its answer took.
func TestSkew(t *testing.T) {
	asked := time.Unix(1700000000, 0)
	for _, tc := range []struct {
		name, first, second string
		want                time.Duration
	}{
		{"within", "1700000001.5", "1700000003", 0},
		{"behind", "1699999990", "1699999992", -10 * time.Second},
		{"ahead", "1700000001", "1700000065.5", time.Minute + 500*time.Millisecond},
		{"a clock that it doesn't tell", "", "", 0},
		{"no number", "date: invalid", "date: invalid", 0},
	} {
		if got := skew(tc.first, tc.second, asked, asked.Add(5*time.Second)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	if got := skew("1699999990", "1699999992", time.Time{}, time.Time{}); got != 0 {
		t.Errorf("of a sample that was kept: %s", got)
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Minute: "0 s", 59 * time.Second: "59 s", 119 * time.Second: "1 min", 59 * time.Minute: "59 min",
		47 * time.Hour: "47 h", 50 * time.Hour: "2 days"} {
		if got := age(d); got != want {
			t.Errorf("%s is told as %q, want %q", d, got, want)
		}
	}
}

// TestColouredLogs: a container that colours its lines says the same as one that doesn't, and nothing of it reaches a terminal.
func TestColouredLogs(t *testing.T) {
	const line = "2023-11-14T22:13:20.5Z stdout F "
	l := Parse(Raw{Text: parts.Mark + "podlog shop/web-1 app\n" + line + "\x1b[31mERROR\x1b[0m no answer from 10.0.0.7:5432\n" + line + "ERROR no answer from 10.0.0.9:5432\n" +
		line[:len(line)-2] + "\n" + "not a line of a runtime\n"}, time.Time{})
	want := []Shape{{Source: "pod shop/web-1 app", Shape: "ERROR no answer from <address>", Example: "ERROR no answer from 10.0.0.9:5432", Count: 2,
		First: time.Date(2023, 11, 14, 22, 13, 20, 5e8, time.UTC), Last: time.Date(2023, 11, 14, 22, 13, 20, 5e8, time.UTC)}}
	if diff := cmp.Diff(want, l.Logs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
