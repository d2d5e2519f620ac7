package inventory

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
)

// most bounds counts, so that sums and percents of them can't overflow.
const most = 1_000_000

var percent = regexp.MustCompile(`^([0-9]{1,4})%$`)

// amount is a count of at least 1 or a percent from 1% to 100%.
func (t *table) amount(name string) (Amount, bool) {
	v, ok := t.get(name)
	if !ok {
		return Amount{}, false
	}
	switch v := v.(type) {
	case int64:
		n, ok := intIn(1, most)(t, name)
		return Amount{N: n}, ok
	case string:
		match := percent.FindStringSubmatch(v)
		if match == nil {
			t.bad(name, `%q is neither a count such as 2 (without quotes) nor a percent such as "20%%"`, v)
			return Amount{}, false
		}
		n, _ := strconv.Atoi(match[1])
		if n < 1 || n > 100 {
			t.bad(name, "%s is not between 1%% and 100%%", v)
			return Amount{}, false
		}
		return Amount{N: n, Percent: true}, true
	}
	t.wrongType(name, `a count such as 2 or a percent such as "20%"`)
	return Amount{}, false
}

// duration is a time from least on, such as "90s", "1h30m" or "30d".
func (t *table) duration(name string, least time.Duration) (time.Duration, bool) {
	v, ok := t.get(name)
	if !ok {
		return 0, false
	}
	s, ok := v.(string)
	if !ok {
		t.wrongType(name, `a duration in quotes such as "90s", "15m" or "30d"`)
		return 0, false
	}
	d, err := ParseDuration(s)
	if err != nil {
		t.bad(name, "%v", err)
		return 0, false
	}
	if d < least {
		t.bad(name, "%q is too short: the least is %s", s, least)
		return 0, false
	}
	return d, true
}

// timeout is a time that something may take; none is no time-out.
func (t *table) timeout(name string) (time.Duration, bool) { return t.duration(name, time.Second) }

// seconds may be none, and is a whole number of seconds because the API counts in those.
func (t *table) seconds(name string) (time.Duration, bool) {
	d, ok := t.duration(name, 0)
	if ok && d%time.Second != 0 {
		t.bad(name, "%s is not a whole number of seconds", d)
		return 0, false
	}
	return d, ok
}

var days = regexp.MustCompile(`^([0-9]{1,9})d(.*)$`)

// ParseDuration reads a duration as the inventory has it: Go's, with days of 24 hours before the rest, without a sign. The error
// quotes what was given, and shows right ones.
func ParseDuration(s string) (time.Duration, error) {
	wrong := fmt.Errorf(`%q is not a duration such as "90s", "15m", "1h30m" or "30d"`, s)
	var whole time.Duration
	rest := s
	if match := days.FindStringSubmatch(s); match != nil {
		n, err := strconv.ParseInt(match[1], 10, 64)
		if err != nil || n > math.MaxInt64/int64(24*time.Hour) {
			return 0, wrong
		}
		whole, rest = time.Duration(n)*24*time.Hour, match[2]
		if rest == "" {
			return whole, nil
		}
	}
	d, err := time.ParseDuration(rest)
	switch {
	case rest != "" && (rest[0] == '-' || rest[0] == '+'):
		return 0, wrong
	case err != nil || whole+d < whole:
		return 0, wrong
	}
	return whole + d, nil
}
