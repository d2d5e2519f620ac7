package inventory

import (
	"iter"
	"time"
)

// yearInSight is how far ahead Fits looks for windows that are long enough together, freeze days not counted.
const yearInSight = 366 * 24 * time.Hour

// Fits reports whether windows come that are open for d without a break and begin at after or later, when none is open. It
// looks ten years ahead for one that is so long by itself, and a year, freeze days not counted, for several that are together.
// No windows are always open.
func (w Windows) Fits(after time.Time, d time.Duration) bool {
	fits, _ := w.fits(after, d)
	return fits
}

// fits also says how many days and openings were looked at.
func (w Windows) fits(after time.Time, d time.Duration) (fits bool, looked int) {
	if len(w) == 0 {
		return true, 0
	}
	for _, window := range w {
		if window.Duration < d {
			continue
		}
		comes, days := window.comes(after)
		if looked += days; comes {
			return true, looked
		}
	}
	if len(w) == 1 && w[0].Duration < d && !w[0].mayAdjoin() {
		return false, looked
	}
	var begin, end time.Time
	for o := range w.inOrder(after, after.Add(yearInSight+w.frozenFor())) {
		if looked++; o.from.After(end) {
			begin = o.from
		}
		if end = later(end, o.to); end.Sub(begin) >= d {
			return true, looked
		}
	}
	return false, looked
}

// comes reports whether the window opens at after or later; days it doesn't open on are passed over whole.
func (w Window) comes(after time.Time) (comes bool, days int) {
	c, err := w.calendar()
	if err != nil {
		return false, 0 // it was refused when the inventory was read
	}
	last := dateOf(after.Add(openingInSight).In(c.zone))
	for date := dateOf(after.In(c.zone)); !date.After(last); date = date.AddDate(0, 0, 1) {
		if days++; !c.names(date) || w.frozen(date) {
			continue
		}
		for _, from := range c.starts(date) {
			if !from.Before(after) {
				return true, days
			}
		}
	}
	return false, days
}

// Joined is the longest time that is open without a break from an opening of window i on: its own duration or, where others
// overlap or adjoin, the time to the end of the last of those. ends is false where that is 40 days or more: there is no end in
// sight. It looks ten years ahead, and lets no freeze day make it shorter: those are taken out of an inventory.
func (w Windows) Joined(i int, from time.Time) (longest time.Duration, ends bool) {
	all := make(Windows, len(w))
	for k := range w {
		all[k] = w[k]
		all[k].Except = nil
	}
	if len(all) == 1 && !all[0].mayAdjoin() {
		return all[0].Duration, true
	}
	var own, end time.Time // the first opening of i in what is open without a break, and that one's end
	for o := range all.inOrder(from, from.Add(openingInSight)) {
		if o.from.After(end) {
			own = time.Time{}
		}
		if o.of == i && own.IsZero() {
			own = o.from
		}
		if end = later(end, o.to); own.IsZero() {
			continue
		}
		if longest = max(longest, end.Sub(own)); longest >= endInSight {
			return 0, false
		}
	}
	return longest, true
}

// mayAdjoin reports whether the window may still be open when it opens again, on a day as long as any other; one that opens once a
// day, on the shortest.
func (w Window) mayAdjoin() bool {
	c, err := w.calendar()
	if err != nil {
		return false
	}
	starts := calendar{c.spec, time.UTC}.starts(calendarDay)
	if len(starts) < 2 {
		return w.Duration >= 23*time.Hour
	}
	least := 24*time.Hour - starts[len(starts)-1].Sub(starts[0])
	for i := range len(starts) - 1 {
		least = min(least, starts[i+1].Sub(starts[i]))
	}
	return w.Duration >= least
}

// calendarDay is any day.
var calendarDay = time.Date(2026, time.January, 15, 0, 0, 0, 0, time.UTC)

// frozenFor is how long all freeze days are, at most.
func (w Windows) frozenFor() (all time.Duration) {
	for _, window := range w {
		for _, d := range window.Except {
			from, _ := time.Parse(time.DateOnly, d.From)
			to, _ := time.Parse(time.DateOnly, d.To)
			all += to.Sub(from) + 24*time.Hour
		}
	}
	return min(all, openingInSight)
}

// inOrder are the openings that reach into the time after lo and begin before hi, by their begin, found as they are asked for.
func (w Windows) inOrder(lo, hi time.Time) iter.Seq[opened] {
	const part = 28 * 24 * time.Hour
	return func(yield func(opened) bool) {
		for at := lo; at.Before(hi); at = at.Add(part) {
			to := at.Add(part)
			if hi.Before(to) {
				to = hi
			}
			for _, o := range w.openings(at, to) {
				if o.from.Before(at) && at.After(lo) { // it came in the part before
					continue
				}
				if !yield(o) {
					return
				}
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
