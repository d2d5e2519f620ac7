package inventory

import (
	"strings"
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "30d": 30 * day, "1h30m": 90 * time.Minute, "1d12h": 36 * time.Hour,
		"0": 0, "0s": 0, "0d": 0, "500ms": 500 * time.Millisecond,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "5", "5 m", "-5m", "+5m", "1d-1h", "1d+1h", "m", "1w", "d", "999999999d", "106751d24h", "15 minutes", "5M"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", s, got)
		}
	}
}

func TestAmounts(t *testing.T) {
	for value, want := range map[string]Amount{
		`1`: {N: 1}, `7`: {N: 7}, `"1%"`: {N: 1, Percent: true}, `"20%"`: {N: 20, Percent: true}, `"100%"`: {N: 100, Percent: true},
	} {
		fleet := mustParse(t, "[strategy]\nmax_unavailable = "+value+"\nmax_failures = "+value+"\n"+oneHost)
		if fleet.Strategy.MaxUnavailable != want || fleet.Strategy.MaxFailures != want {
			t.Errorf("%s: %+v, want %+v twice", value, fleet.Strategy, want)
		}
	}
	for _, value := range []string{`0`, `-1`, `9000000`, `1.5`, `true`, `"0%"`, `"101%"`, `"20"`, `"2 0%"`, `"-5%"`, `"%"`, `"99999999999%"`, `[1]`, `{}`} {
		_, err := parse("fleet.toml", []byte("[strategy]\nmax_unavailable = "+value+"\n"+oneHost), nil)
		if got := problemsOf(t, err); len(got) != 1 || got[0].Key != "strategy.max_unavailable" || got[0].Line != 2 {
			t.Errorf("%s: %v", value, got)
		}
	}
}

func TestAmountOf(t *testing.T) {
	for _, tc := range []struct {
		amount      Amount
		total, want int
	}{
		{Amount{N: 3}, 10, 3}, {Amount{N: 3}, 1, 3}, {Amount{N: 20, Percent: true}, 10, 2}, {Amount{N: 25, Percent: true}, 10, 2},
		{Amount{N: 5, Percent: true}, 10, 1}, {Amount{N: 100, Percent: true}, 7, 7}, {Amount{N: 10, Percent: true}, 0, 1},
	} {
		if got := tc.amount.Of(tc.total); got != tc.want {
			t.Errorf("%+v of %d = %d, want %d", tc.amount, tc.total, got, tc.want)
		}
	}
}

func TestDurationKeys(t *testing.T) {
	for _, tc := range []struct{ key, value, want string }{
		{"drain.grace_period", `"0s"`, ""},
		{"drain.grace_period", `"1500ms"`, "not a whole number of seconds"},
		{"drain.grace_period", `"-1s"`, "is not a duration"},
		{"drain.timeout", `"0s"`, "too short: the least is 1s"},
		{"drain.timeout", `"2d"`, ""},
		{"drain.lb_settle", `"0s"`, ""},
		{"reboot.timeout", `30`, `must be a duration in quotes such as "90s", "15m" or "30d", not a whole number`},
		{"verify.timeout", `true`, "must be a duration"},
		{"ssh.connect_timeout", `07:32:00`, "not a date or time"},
	} {
		_, err := parse("fleet.toml", []byte(tc.key+" = "+tc.value+"\n"+oneHost), nil)
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s = %s: %v", tc.key, tc.value, err)
			}
			continue
		}
		if got := problemsOf(t, err); len(got) != 1 || got[0].Key != tc.key || !strings.Contains(got[0].Message, tc.want) {
			t.Errorf("%s = %s: %v, want %q", tc.key, tc.value, got, tc.want)
		}
	}
}
