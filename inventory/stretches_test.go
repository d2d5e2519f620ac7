package inventory

import (
	"testing"
	"time"
)

// TestWindowsFit: whether a window comes that is long enough, however far freeze days put it off, and how much has to be looked
// at to know.
func TestWindowsFit(t *testing.T) {
	const months = "2026-11-01/2027-06-30"
	after := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name    string
		windows Windows
		long    time.Duration
		fits    bool
		most    int // days and openings that may be looked at
	}{
		{"none is always open", nil, 1000 * time.Hour, true, 0},
		{"the next one", Windows{window("0 1 * * Sat", "4h", "UTC")}, 4 * time.Hour, true, 1},
		{"too short", Windows{window("0 1 * * Sat", "4h", "UTC")}, 4*time.Hour + 1, false, 0},
		{"after months of freeze days", Windows{window("0 1 * * *", "4h", "Europe/Berlin", months)}, 3 * time.Hour, true, 250},
		{"hourly, after months of freeze days", Windows{window("0 * * * *", "30m", "Europe/Berlin", months)}, 20 * time.Minute, true, 250},
		{"frozen for good", Windows{window("0 1 * * *", "4h", "UTC", "2000-01-01/2099-12-31")}, time.Hour, false, 3700},
		{"29 February", Windows{window("0 1 29 2 *", "4h", "UTC")}, time.Hour, true, 500},
		{"hourly, each too short", Windows{window("0 * * * *", "30m", "UTC")}, time.Hour, false, 0},
		{"hourly ones that adjoin", Windows{window("0 * * * *", "1h", "UTC")}, 100 * time.Hour, true, 101},
		{"two that adjoin after months of freeze days", Windows{window("0 1 * * *", "2h", "UTC", months), window("0 3 * * *", "2h", "UTC", months)},
			4 * time.Hour, true, 2},
		{"two that adjoin, of which one is frozen", Windows{window("0 1 * * *", "2h", "UTC"), window("0 3 * * *", "2h", "UTC", months)},
			4 * time.Hour, true, 250},
		{"two that never meet", Windows{window("0 1 * * *", "2h", "UTC"), window("0 4 * * *", "2h", "UTC", months)}, 4 * time.Hour, false, 1_100},
		{"two that meet once a year", Windows{window("0 1 * * *", "2h", "UTC"), window("0 3 24 11 *", "2h", "UTC")}, 4 * time.Hour, true, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fits, looked := tc.windows.fits(after, tc.long)
			if fits != tc.fits || fits != tc.windows.Fits(after, tc.long) {
				t.Errorf("fits: %v", fits)
			}
			if looked > tc.most {
				t.Errorf("%d days and openings were looked at, the most is %d", looked, tc.most)
			}
		})
	}
}

// TestWindowsJoined: how long a run that begins with a window may be in windows without a break.
func TestWindowsJoined(t *testing.T) {
	from := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	pair := Windows{window("0 1 * * Sat", "4h", "UTC"), window("0 5 * * Sat", "3h", "UTC")}
	for _, tc := range []struct {
		name    string
		windows Windows
		i       int
		longest time.Duration
		ends    bool
	}{
		{"alone", Windows{window("0 1 * * Sat", "4h", "UTC")}, 0, 4 * time.Hour, true},
		{"the first of two that adjoin", pair, 0, 7 * time.Hour, true},
		{"the second", pair, 1, 3 * time.Hour, true},
		{"within another", Windows{window("0 1 * * Sat", "4h", "UTC"), window("0 2 * * *", "1h", "UTC")}, 1, 3 * time.Hour, true},
		{"in other zones, in summer alone", Windows{window("0 1 * * *", "1h", "Europe/Berlin"), window("0 0 * * *", "2h", "UTC")}, 0, 3 * time.Hour, true},
		{"once in some years", Windows{window("0 1 24 12 *", "4h", "UTC"), window("0 5 * * Fri", "3h", "UTC")}, 0, 7 * time.Hour, true},
		{"freeze days are taken out one day", Windows{window("0 1 * * *", "2h", "UTC"), window("0 3 * * *", "2h", "UTC", "2026-01-01/2099-12-31")}, 0, 4 * time.Hour, true},
		{"without end", Windows{window("0 0 * * *", "24h", "UTC")}, 0, 0, false},
		{"without end, together", Windows{window("0 6 * * *", "12h", "UTC"), window("0 18 * * *", "12h", "UTC")}, 1, 0, false},
		{"but for the hour that comes twice", Windows{window("0 0 * * *", "24h", "Europe/Berlin")}, 0, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if longest, ends := tc.windows.Joined(tc.i, from); longest != tc.longest || ends != tc.ends {
				t.Errorf("%s, ends %v; want %s, %v", longest, ends, tc.longest, tc.ends)
			}
		})
	}
}

func BenchmarkWindowsFit(b *testing.B) {
	windows := Windows{window("0 * * * *", "30m", "Europe/Berlin", "2026-11-01/2027-06-30")}
	after := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		windows.Fits(after, 20*time.Minute)
		windows.Fits(after, time.Hour)
	}
}
