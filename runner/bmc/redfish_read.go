package bmc

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/common"
	"github.com/stmcginnis/gofish/redfish"
)

// Sensors reads what the machine's chassis measure: Thermal and Power, or the Sensors that newer firmware has instead.
func (b *fish) Sensors(ctx context.Context) (found []Sensor, err error) {
	err = b.on(ctx, "sensors", long, func(c *gofish.APIClient, s *redfish.ComputerSystem) error {
		var last error
		for _, at := range chassisOf(c, s) {
			chassis, err := redfish.GetChassis(c, at)
			if err != nil {
				last = err
				continue
			}
			found = append(found, measured(chassis)...)
		}
		if len(found) == 0 && last != nil {
			return last
		}
		return nil
	})
	slices.SortFunc(found, func(a, b Sensor) int { return cmp.Compare(a.Name, b.Name) })
	return found, err
}

func measured(c *redfish.Chassis) []Sensor {
	var found []Sensor
	add := func(name string, value float32, unit string, st common.Status) {
		if st.State == "" || st.State == common.EnabledState {
			found = append(found, Sensor{name, float64(value), unit, health(st.Health)})
		}
	}
	if t, err := c.Thermal(); err == nil && t != nil {
		for _, m := range t.Temperatures {
			add(m.Name, m.ReadingCelsius, "°C", m.Status)
		}
		for _, m := range t.Fans {
			add(m.Name, float32(m.Reading), unitOf(string(cmp.Or(m.ReadingUnits, redfish.RPMReadingUnits))), m.Status)
		}
	}
	if p, err := c.Power(); err == nil && p != nil {
		for _, m := range p.Voltages {
			add(m.Name, m.ReadingVolts, "V", m.Status)
		}
		for _, m := range p.PowerControl {
			add(cmp.Or(m.Name, "power"), m.PowerConsumedWatts, "W", m.Status)
		}
	}
	if len(found) > 0 {
		return found
	}
	sensors, _ := c.Sensors() // those that can be read, whatever becomes of the others
	for _, m := range sensors {
		add(m.Name, m.Reading, unitOf(m.ReadingUnits), m.Status)
	}
	return found
}

// unitOf writes a unit of UCUM, which Redfish uses, as people do.
func unitOf(u string) string {
	switch u {
	case "Cel":
		return "°C"
	case "{rev}/min", "RPM":
		return "rpm"
	case "Percent":
		return "%"
	}
	return u
}

func health(h common.Health) string { return strings.ToLower(string(h)) }

// Log reads the event log that tells of hardware.
func (b *fish) Log(ctx context.Context, n int) (entries []Entry, err error) {
	err = b.on(ctx, "event log", long, func(c *gofish.APIClient, s *redfish.ComputerSystem) error {
		at, err := eventLog(c, s)
		if err != nil {
			return err
		}
		entries, err = readLog(c, at)
		return err
	})
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	return entries[max(len(entries)-n, 0):], err
}

// eventLog is the address of the log that tells of hardware, by the names that vendors give it: SEL at most, IML at HPE,
// SystemEventLog at Fujitsu, PlatformLog and before it StandardLog at Lenovo, EventLog of OpenBMC, Log1 at Supermicro.
func eventLog(c *gofish.APIClient, s *redfish.ComputerSystem) (string, error) {
	services, err := s.LogServices()
	if managers, merr := c.Service.Managers(); merr == nil {
		for _, m := range managers {
			more, _ := m.LogServices()
			services = append(services, more...)
		}
	}
	for _, want := range []string{"sel", "iml", "systemeventlog", "platformlog", "standardlog", "eventlog", "event", "log1", ""} {
		for _, l := range services {
			if want == "" || strings.EqualFold(l.ID, want) {
				return logEntries(c, l.ODataID)
			}
		}
	}
	return "", cmp.Or(err, errors.New("it keeps no event log"))
}

func logEntries(c *gofish.APIClient, at string) (string, error) {
	var v struct {
		Entries struct {
			At string `json:"@odata.id"`
		}
	}
	_, err := get(c, at, &v)
	return v.Entries.At, err
}

// mostPages bounds a log whose pages lead on and on.
const mostPages = 50

// readLog reads the entries from the pages themselves: one by one, a thousand of them would take a quarter of an hour.
func readLog(c *gofish.APIClient, at string) ([]Entry, error) {
	var entries []Entry
	for range mostPages {
		var page struct {
			Members []logLine
			Next    string `json:"Members@odata.nextLink"`
		}
		if _, err := get(c, at, &page); err != nil {
			return entries, err
		}
		for _, m := range page.Members {
			if m.Message == "" && m.Created == "" && m.At != "" {
				if _, err := get(c, m.At, &m); err != nil {
					return entries, err
				}
			}
			entries = append(entries, m.entry())
		}
		if at = page.Next; at == "" {
			break
		}
	}
	return entries, nil
}

type logLine struct {
	At                         string `json:"@odata.id"`
	Created, Severity, Message string
}

func (l logLine) entry() Entry {
	t, _ := time.Parse(time.RFC3339, l.Created)
	return Entry{Time: t, Severity: strings.ToLower(l.Severity), Text: strings.TrimSpace(l.Message)}
}
