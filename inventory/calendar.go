package inventory

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/netresearch/go-cron"
)

// calendar is a window's cron line and zone, read. The library reads the line; the days are walked here, because each
// cron library goes wrong somewhere when clocks change: a second start in October, a day skipped in March or at a midnight
// that doesn't exist.
type calendar struct {
	spec *cron.SpecSchedule
	zone *time.Location
}

// fields are those of crontab(5), where a day may match by date or by weekday if neither is "*".
var fields = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom)

// calendars keeps what was read: At is asked thousands of times when a run is predicted, always of the same few windows.
var calendars sync.Map

func (w Window) calendar() (calendar, error) {
	key := [2]string{w.Timezone, w.Start}
	if c, ok := calendars.Load(key); ok {
		return c.(calendar), nil
	}
	spec, err := parseCron(w.Start)
	if err != nil {
		return calendar{}, err
	}
	zone, err := parseZone(w.Timezone)
	if err != nil {
		return calendar{}, err
	}
	c := calendar{spec, zone}
	calendars.Store(key, c)
	return c, nil
}

func parseCron(s string) (*cron.SpecSchedule, error) {
	const example = `five fields such as "0 1 * * Sat": minute, hour, day of the month, month, day of the week`
	switch {
	case strings.Contains(s, "="):
		return nil, fmt.Errorf("%q: the time zone stands in timezone; the rest is %s", s, example)
	case len(strings.Fields(s)) != 5:
		return nil, fmt.Errorf("%q is not %s", s, example)
	}
	parsed, err := fields.Parse(s)
	spec, ok := parsed.(*cron.SpecSchedule)
	if err != nil || !ok {
		return nil, fmt.Errorf("%q is not %s", s, wrongField(s))
	}
	if c := (calendar{spec: spec}); !c.everNames() {
		return nil, fmt.Errorf("%q names no day that ever comes", s)
	}
	return spec, nil
}

// wrongField says what the first field that can't be read ought to be; the library's own words speak of its options.
func wrongField(s string) string {
	want := []string{"a minute: 0 to 59", "an hour: 0 to 23", "a day of the month: 1 to 31", "a month: 1 to 12 or Jan to Dec", "a day of the week: 0 to 7 or Sun to Sat"}
	for i, field := range strings.Fields(s) {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = field
		if _, err := fields.Parse(strings.Join(alone, " ")); err != nil {
			return fmt.Sprintf("a cron line: %q is not %s, with * / , - between", field, want[i])
		}
	}
	return "a cron line"
}

// parseZone refuses "Local": a plan that is made on one machine and carried out on another must mean the same.
func parseZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New(`name a zone such as "Europe/Berlin" or "UTC"`)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %q%s", name, didYouMean(name, zoneNames()))
	}
	return zone, nil
}

// Days are walked as midnights in UTC, which always exist, so that none is skipped or comes twice.
func dateOf(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// names reports whether the cron line names the date.
func (c calendar) names(date time.Time) bool {
	const star = 1 << 63 // how the library marks a field that is "*"
	if !has(c.spec.Month, int(date.Month())) {
		return false
	}
	day, weekday := has(c.spec.Dom, date.Day()), has(c.spec.Dow, int(date.Weekday()))
	if c.spec.Dom&star != 0 || c.spec.Dow&star != 0 {
		return day && weekday
	}
	return day || weekday
}

func has(bits uint64, n int) bool { return bits&(1<<n) != 0 }

// everNames looks at one whole cycle of leap years, so that 30 February is refused and 29 February isn't.
func (c calendar) everNames() bool {
	first := time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)
	for date := first; date.Year() < 2028; date = date.AddDate(0, 0, 1) {
		if c.names(date) {
			return true
		}
	}
	return false
}

// starts are the moments at which the cron line's hours and minutes come on a date, in the calendar's zone.
func (c calendar) starts(date time.Time) []time.Time {
	const allHours = 1<<24 - 1
	everyHour := c.spec.Hour&allHours == allHours
	var all []time.Time
	for hour := range 24 {
		for minute := range 60 {
			if !has(c.spec.Hour, hour) {
				break
			}
			if has(c.spec.Minute, minute) {
				wall := date.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
				all = append(all, moments(wall, c.zone, everyHour)...)
			}
		}
	}
	return all
}

// moments is when clocks in zone show wall, which is written as if it were UTC: once as a rule; twice where they are set
// back, of which the second counts if twice is set; and the end of the jump where they are set forward over it. A date
// that a zone leaves out as a whole (Apia's 30 December 2011) has none.
func moments(wall time.Time, zone *time.Location, twice bool) []time.Time {
	var all []time.Time
	before, after := offset(wall.Add(-24*time.Hour), zone), offset(wall.Add(24*time.Hour), zone)
	early, late := wall.Add(-before).In(zone), wall.Add(-after).In(zone)
	if shows(early, wall) {
		all = append(all, early)
	}
	if shows(late, wall) && before != after && (twice || len(all) == 0) {
		all = append(all, late)
	}
	if len(all) > 0 {
		return all
	}
	if jumped, _ := early.ZoneBounds(); dateOf(jumped).Equal(dateOf(wall)) {
		return []time.Time{jumped}
	}
	return nil
}

// offset is how far clocks in zone are ahead of UTC.
func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

func shows(t, wall time.Time) bool {
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.UTC).Equal(wall)
}

// line writes the cron line anew.
func (c calendar) line() string {
	return strings.Join([]string{
		listed(c.spec.Minute, 0, 59), listed(c.spec.Hour, 0, 23), listed(c.spec.Dom, 1, 31), listed(c.spec.Month, 1, 12), listed(c.spec.Dow, 0, 6),
	}, " ")
}

// listed is one field: "*" where it was that, or its numbers.
func listed(bits uint64, low, high int) string {
	const star = 1 << 63
	if bits&star != 0 {
		return "*"
	}
	var all []string
	for n := low; n <= high; n++ {
		if has(bits, n) {
			all = append(all, strconv.Itoa(n))
		}
	}
	return strings.Join(all, ",")
}
