package inventory

import (
	"slices"
	"time"
)

// Windows are the times in which a run may start work on nodes. None: always. Several may overlap or adjoin; together
// they are as one.
type Windows []Window

// Window opens at each time that its cron line names, for a duration. Plain values: it stands in a saved plan.
type Window struct {
	Start    string        `json:"start"` // cron, five fields: minute, hour, day of the month, month, day of the week
	Duration time.Duration `json:"duration"`
	Timezone string        `json:"timezone"`         // IANA name
	Except   []Days        `json:"except,omitempty"` // freeze days: it doesn't open on these
}

// NewWindow is a window of an hour that isn't the inventory's; the error says what is wrong with its cron line or zone.
func NewWindow(start, timezone string) (Window, error) {
	w := Window{Start: start, Duration: time.Hour, Timezone: timezone}
	_, err := w.calendar()
	return w, err
}

// Days are the days from one date through another, both included, as 2026-12-24, in the zone of their window.
type Days struct {
	From string `json:"from"`
	To   string `json:"to"`
}

const (
	// longestWindow bounds a window's duration, and shortestWindow what one may be.
	longestWindow  = 31 * 24 * time.Hour
	shortestWindow = time.Minute
	// endInSight is how far ahead At looks for the end of windows that adjoin.
	endInSight = 40 * 24 * time.Hour
	// openingInSight is how far ahead At looks for an opening: 29 February may be eight years away.
	openingInSight = 10 * 366 * 24 * time.Hour
)

// At says whether a window is open at now.
//
// until is the end of what is open: of the last of the windows that overlap or adjoin, zero where that is no nearer than
// 40 days, where there are no windows, and where none is open. next is the next opening after now, and after until where
// that is set; zero where none comes within ten years or until is unknown. At until all is closed, at next something is open.
//
// A window belongs to the day on which it starts, in its own zone: freeze days are judged by that day alone, and what
// opened on the evening before goes on to its end. Its duration is elapsed time, whatever clocks are set to meanwhile. A start
// that the clocks jump over in spring is made up for at the moment after the jump; one that comes twice in autumn counts the first
// time, unless the window opens in every hour (as vixie-cron has it for jobs at fixed times).
func (w Windows) At(now time.Time) (open bool, until, next time.Time) {
	if len(w) == 0 {
		return true, time.Time{}, time.Time{}
	}
	openings := w.openings(now, now.Add(endInSight))
	end := now
	for _, o := range openings {
		if !o.from.After(end) && o.to.After(end) {
			open, end = true, o.to
		}
	}
	if open && !end.Before(now.Add(endInSight)) {
		return true, time.Time{}, time.Time{}
	}
	if open {
		until = end
	}
	if next = firstAfter(openings, end); next.IsZero() {
		next = firstAfter(w.openings(end, now.Add(openingInSight)), end)
	}
	return open, until, next
}

// opened is one opening, its end not included, of the window with this number.
type opened struct {
	from, to time.Time
	of       int
}

// openings are the openings that reach into the time after lo and begin before hi, by their begin.
func (w Windows) openings(lo, hi time.Time) []opened {
	var all []opened
	for i, window := range w {
		c, err := window.calendar()
		if err != nil {
			continue // it was refused when the inventory was read
		}
		for _, o := range window.between(c, lo, hi) {
			o.of = i
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b opened) int { return a.from.Compare(b.from) })
	return all
}

// between are the window's own openings, found by walking through the dates of its zone.
func (w Window) between(c calendar, lo, hi time.Time) []opened {
	var all []opened
	last := dateOf(hi.In(c.zone)).AddDate(0, 0, 1)
	for date := dateOf(lo.Add(-w.Duration).In(c.zone)).AddDate(0, 0, -1); !date.After(last); date = date.AddDate(0, 0, 1) {
		if !c.names(date) || w.frozen(date) {
			continue
		}
		for _, from := range c.starts(date) {
			if to := from.Add(w.Duration); to.After(lo) && from.Before(hi) {
				all = append(all, opened{from: from, to: to})
			}
		}
	}
	return all
}

// firstAfter is the first begin after t.
func firstAfter(openings []opened, t time.Time) time.Time {
	for _, o := range openings {
		if o.from.After(t) {
			return o.from
		}
	}
	return time.Time{}
}

func (w Window) frozen(date time.Time) bool {
	day := date.Format(time.DateOnly)
	return slices.ContainsFunc(w.Except, func(d Days) bool { return d.From <= day && day <= d.To })
}

// Cron is the window's start in the words that every cron understands: numbers alone, no range that wraps around, and Sunday
// as 0. "" for a window that was never read.
func (w Window) Cron() string {
	c, err := w.calendar()
	if err != nil {
		return ""
	}
	return c.line()
}
