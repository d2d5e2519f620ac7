package inventory

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// readWindows reads [[window]] alone.
func readWindows(t *testing.T, src string, set ...string) (Windows, Problems) {
	t.Helper()
	assignments, err := cutSets(set)
	if err != nil {
		t.Fatal(err)
	}
	root, places, problems := decode("fleet.toml", src)
	if problems != nil {
		t.Fatal(problems)
	}
	r := &reader{places: places, problems: applySets(root, places, assignments)}
	return r.windows(&table{reader: r, m: root}), r.problems
}

func TestReadWindows(t *testing.T) {
	src := "[[window]]\nstart = \" 0  1 * * Sat\"\nduration = \"4h\"\ntimezone = \"Asia/Shanghai\"\n" +
		"except = [\"2026-12-24/2026-12-26\", \"2027-01-01\"]\n[[window]]\nstart = \"*/30 22 * * 1-5\"\nduration = \"30m\"\n"
	got, problems := readWindows(t, src)
	want := Windows{
		{"0 1 * * Sat", 4 * time.Hour, "Asia/Shanghai", []Days{{"2026-12-24", "2026-12-26"}, {"2027-01-01", "2027-01-01"}}},
		{"*/30 22 * * 1-5", 30 * time.Minute, "UTC", nil},
	}
	if diff := cmp.Diff(want, got); diff != "" || problems != nil {
		t.Errorf("%v (-want +got):\n%s", problems, diff)
	}
	got, problems = readWindows(t, src, `window=[{ start = "0 3 * * *", duration = "1h" }]`)
	if diff := cmp.Diff(Windows{{"0 3 * * *", time.Hour, "UTC", nil}}, got); diff != "" || problems != nil {
		t.Errorf("--set: %v (-want +got):\n%s", problems, diff)
	}
	if got, problems = readWindows(t, src, "window=[]"); len(got) != 0 || problems != nil {
		t.Errorf("--set window=[]: %v %v", got, problems)
	}
}

// TestRefusedWindows holds one mistake a row; line 2 is the start, 3 the duration, 4 what else there is.
func TestRefusedWindows(t *testing.T) {
	const fiveFields = `five fields such as "0 1 * * Sat": minute, hour, day of the month, month, day of the week`
	for _, tc := range []struct{ start, duration, more, want string }{
		{"", `"4h"`, "", `fleet.toml:1: window[0]: needs start = "0 1 * * Sat"`},
		{`"0 1 * * Sat"`, "", "", `fleet.toml:1: window[0]: needs duration = "4h"`},
		{`"0 1 * *"`, `"4h"`, "", `fleet.toml:2: window[0].start: "0 1 * *" is not ` + fiveFields},
		{`"@daily"`, `"4h"`, "", `fleet.toml:2: window[0].start: "@daily" is not ` + fiveFields},
		{`"0 0 1 * * Sat"`, `"4h"`, "", `fleet.toml:2: window[0].start: "0 0 1 * * Sat" is not ` + fiveFields},
		{`"TZ=UTC 0 1 * * Sat"`, `"4h"`, "", `fleet.toml:2: window[0].start: "TZ=UTC 0 1 * * Sat": the time zone stands in timezone; the rest is ` + fiveFields},
		{`"0 25 * * Sat"`, `"4h"`, "", `fleet.toml:2: window[0].start: "0 25 * * Sat" is not a cron line: "25" is not an hour: 0 to 23, with * / , - between`},
		{`"0 1 * * Samstag"`, `"4h"`, "", `fleet.toml:2: window[0].start: "0 1 * * Samstag" is not a cron line: "Samstag" is not a day of the week: 0 to 7 or Sun to Sat, with * / , - between`},
		{`"0 1 L * *"`, `"4h"`, "", `fleet.toml:2: window[0].start: "0 1 L * *" is not a cron line: "L" is not a day of the month: 1 to 31, with * / , - between`},
		{`"0 1 30 2 *"`, `"4h"`, "", `fleet.toml:2: window[0].start: "0 1 30 2 *" names no day that ever comes`},
		{`"0 1 * * Sat"`, `4`, "", `fleet.toml:3: window[0].duration: must be a duration in quotes such as "90s", "15m" or "30d", not a whole number`},
		{`"0 1 * * Sat"`, `"4 hours"`, "", `fleet.toml:3: window[0].duration: "4 hours" is not a duration such as "90s", "15m", "1h30m" or "30d"`},
		{`"0 1 * * Sat"`, `"59s"`, "", `fleet.toml:3: window[0].duration: "59s" is too short: the least is 1m0s`},
		{`"0 1 * * Sat"`, `"32d"`, "", `fleet.toml:3: window[0].duration: is too long: the most is 31d; leave [[window]] out where a run may always start work`},
		{`"0 1 * * Sat"`, `"4h"`, `timezone = "Europe/Berlinn"`, `fleet.toml:4: window[0].timezone: unknown time zone "Europe/Berlinn"; did you mean "Europe/Berlin"?`},
		{`"0 1 * * Sat"`, `"4h"`, `timezone = "Middle Earth"`, `fleet.toml:4: window[0].timezone: unknown time zone "Middle Earth"`},
		{`"0 1 * * Sat"`, `"4h"`, `timezone = "Local"`, `fleet.toml:4: window[0].timezone: name a zone such as "Europe/Berlin" or "UTC"`},
		{`"0 1 * * Sat"`, `"4h"`, `timezone = "../../etc/passwd"`, `fleet.toml:4: window[0].timezone: unknown time zone "../../etc/passwd"`},
		{`"0 1 * * Sat"`, `"4h"`, `except = "2026-12-24"`, `fleet.toml:4: window[0].except: must be a list of strings such as ["a", "b"], not a string`},
		{`"0 1 * * Sat"`, `"4h"`, `except = [2026-12-24]`, `fleet.toml:4: window[0].except: must hold strings only, not a date or time`},
		{`"0 1 * * Sat"`, `"4h"`, `except = ["24.12.2026"]`, `fleet.toml:4: window[0].except: "24.12.2026" is neither a date such as "2026-12-24" nor two such as "2026-12-24/2026-12-26"`},
		{`"0 1 * * Sat"`, `"4h"`, `except = ["2026-12-24/"]`, `fleet.toml:4: window[0].except: "2026-12-24/" is neither a date such as "2026-12-24" nor two such as "2026-12-24/2026-12-26"`},
		{`"0 1 * * Sat"`, `"4h"`, `except = ["2026-02-30"]`, `fleet.toml:4: window[0].except: "2026-02-30" is neither a date such as "2026-12-24" nor two such as "2026-12-24/2026-12-26"`},
		{`"0 1 * * Sat"`, `"4h"`, `except = ["2026-12-26/2026-12-24"]`, `fleet.toml:4: window[0].except: "2026-12-26/2026-12-24" ends before it begins`},
		{`"0 1 * * Sat"`, `"4h"`, `time_zone = "UTC"`, `fleet.toml:4: window[0].time_zone: unknown key; did you mean "timezone"?`},
		{`"0 1 * * Sat"`, `"4h"`, "[[window]]\nstart = \"0 1 * * Sat\"\nduration = \"240m\"", `fleet.toml:4: window[1]: the same window stands here twice`},
	} {
		src := "[[window]]\n"
		for _, line := range []struct{ key, value string }{{"start", tc.start}, {"duration", tc.duration}} {
			if line.value != "" {
				src += line.key + " = " + line.value + "\n"
			}
		}
		if _, problems := readWindows(t, src+tc.more+"\n"); len(problems) != 1 || problems.Error() != tc.want {
			t.Errorf("%s\n got %v\nwant %s", src+tc.more, problems, tc.want)
		}
	}
	if _, problems := readWindows(t, "window = { start = \"0 1 * * Sat\" }\n"); problems.Error() != `fleet.toml:1: window: must be a list of tables, not a table` {
		t.Error(problems)
	}
}
