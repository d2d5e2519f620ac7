package inventory

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// windows is [[window]].
func (r *reader) windows(root *table) Windows {
	var all Windows
	for _, t := range root.subs("window") {
		w := t.window()
		t.done()
		if slices.ContainsFunc(all, func(other Window) bool { return reflect.DeepEqual(other, w) }) {
			r.problem(t.path, "the same window stands here twice")
		}
		all = append(all, w)
	}
	return all
}

func (t *table) window() Window {
	w := Window{Timezone: "UTC"}
	t.needs("start", `start = "0 1 * * Sat"`)
	t.needs("duration", `duration = "4h"`)
	if s, ok := t.string("start"); ok {
		w.Start = strings.Join(strings.Fields(s), " ")
		if _, err := parseCron(s); err != nil {
			t.bad("start", "%v", err)
		}
	}
	if s, ok := t.string("timezone"); ok {
		w.Timezone = s
		if _, err := parseZone(s); err != nil {
			t.bad("timezone", "%v", err)
		}
	}
	if d, ok := t.duration("duration", shortestWindow); ok {
		w.Duration = d
		if d > longestWindow {
			t.bad("duration", "is too long: the most is 31d; leave [[window]] out where a run may always start work")
		}
	}
	w.Except = t.days("except")
	return w
}

// needs refuses a table without the key, and shows how it would look.
func (t *table) needs(name, example string) {
	if _, ok := t.m[name]; !ok {
		t.problem(t.path, "needs %s", example)
	}
}

// days is a list of dates, and of two dates with a slash between.
func (t *table) days(name string) []Days {
	list, ok := t.strings(name)
	if !ok {
		return nil
	}
	var all []Days
	for _, s := range list {
		d, err := parseDays(s)
		if err != nil {
			t.bad(name, "%v", err)
			return nil
		}
		all = append(all, d)
	}
	return all
}

func parseDays(s string) (Days, error) {
	from, to, isRange := strings.Cut(s, "/")
	if !isRange {
		to = from
	}
	for _, date := range []string{from, to} {
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			return Days{}, fmt.Errorf(`%q is neither a date such as "2026-12-24" nor two such as "2026-12-24/2026-12-26"`, s)
		}
	}
	if from > to {
		return Days{}, fmt.Errorf("%q ends before it begins", s)
	}
	return Days{from, to}, nil
}
