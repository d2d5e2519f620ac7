package bmc

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"
)

// Sensors reads those with a threshold, as the sensor data records tell.
func (b *lanplus) Sensors(ctx context.Context) (found []Sensor, err error) {
	err = b.call(ctx, "sensors", long, func(ctx context.Context, c *client.Client) error {
		all, err := c.GetSensors(ctx)
		if answered, ok := types.IsResponseError(err); ok && answered.CompletionCode() == noRecord {
			return nil // a BMC without sensors has no first record
		}
		for _, s := range all {
			if s.IsThresholdAndReadingValid() {
				found = append(found, Sensor{strings.TrimSpace(s.Name), s.Value, ipmiUnit(s.SensorUnit.String()), ipmiHealth(s.Status())})
			}
		}
		return err
	})
	slices.SortFunc(found, func(a, b Sensor) int { return cmp.Compare(a.Name, b.Name) })
	return found, err
}

// noRecord is the completion code for a record that isn't there (IPMI 2.0, table 5-2).
const noRecord = 0xcb

// ipmiUnit writes a unit of IPMI 2.0, table 43-15, in short.
func ipmiUnit(u string) string {
	switch strings.ToLower(u) {
	case "degrees c", "degress c":
		return "°C"
	case "volts":
		return "V"
	case "amps":
		return "A"
	case "watts":
		return "W"
	case "rpm":
		return "rpm"
	case "percent", "% unspecified":
		return "%"
	}
	return u
}

// ipmiHealth judges by the threshold that is crossed, as ipmitool writes it: nc non-critical, cr critical, nr not recoverable.
func ipmiHealth(status string) string {
	switch s := strings.ToLower(status); {
	case s == "ok":
		return "ok"
	case strings.HasSuffix(s, "nc"):
		return "warning"
	case strings.HasSuffix(s, "cr"), strings.HasSuffix(s, "nr"):
		return "critical"
	}
	return ""
}

// Log reads the whole system event log, which knows no other order than the oldest first.
func (b *lanplus) Log(ctx context.Context, n int) (entries []Entry, err error) {
	err = b.call(ctx, "event log", long, func(ctx context.Context, c *client.Client) error {
		info, err := c.GetSELInfo(ctx)
		if err != nil || info.Entries == 0 {
			return err
		}
		for r := range c.GetSELEntriesStream(ctx, 0) {
			if r.Err != nil {
				return r.Err
			}
			entries = append(entries, selEntry(r.Ok))
		}
		return ctx.Err()
	})
	return entries[max(len(entries)-n, 0):], err
}

// selEntry reads a record of the log (IPMI 2.0, 32). The end of something bad is written down as its begin is, and go-ipmi calls it
// as bad.
func selEntry(s *types.SEL) Entry {
	switch {
	case s.Standard != nil:
		r := s.Standard
		e := Entry{Time: r.Timestamp.UTC(), Severity: severity(string(r.EventSeverity()))}
		e.Text = fmt.Sprintf("%s #%#02x: %s", r.SensorType, uint8(r.SensorNumber), r.EventString())
		if r.EventDir {
			e.Text += " (deasserted)"
			if severity(string(r.EventReadingType.EventSeverity(r.SensorType, r.EventData, false))) != "ok" {
				e.Severity = "ok"
			}
		}
		return e
	case s.OEMTimestamped != nil:
		return Entry{Time: s.OEMTimestamped.Timestamp.UTC(), Severity: "ok", Text: fmt.Sprintf("record %#04x of the vendor's own kind", s.RecordID)}
	}
	return Entry{Severity: "ok", Text: fmt.Sprintf("record %#04x of the vendor's own kind", s.RecordID)}
}

func severity(s string) string {
	switch s = strings.ToLower(s); s {
	case "critical", "non-recoverable", "nonrecoverable":
		return "critical"
	case "warning", "degraded", "non-critical":
		return "warning"
	}
	return "ok"
}

// Parts are the boards that have an inventory of their own (FRU), and the BMC itself. IPMI knows no DIMMs and no disks.
func (b *lanplus) Parts(ctx context.Context) (parts []Part, err error) {
	err = b.call(ctx, "inventory", long, func(ctx context.Context, c *client.Client) error {
		id, err := c.GetDeviceID(ctx)
		if err != nil {
			return err
		}
		parts = []Part{{Kind: "bmc", Slot: "bmc", Firmware: fmt.Sprintf("%d.%02x", id.MajorFirmwareRevision, id.MinorFirmwareRevision)}}
		boards, _ := c.GetFRUs(ctx) // many have none, or a damaged one
		for _, f := range boards {
			if p, ok := board(f); ok {
				parts = append(parts, p)
			}
		}
		return nil
	})
	return parts, err
}

// board is the product that a FRU describes, or else the board: many have an area for a product and nothing in it.
func board(f *types.FRU) (Part, bool) {
	if a := f.ProductInfoArea; a != nil {
		p := Part{
			Kind: "system", Slot: f.DeviceName, Vendor: field(a.Manufacturer), Model: first(field(a.Name), field(a.PartModel)), Serial: field(a.SerialNumber),
		}
		if p.Model+p.Serial != "" {
			return p, true
		}
	}
	if a := f.BoardInfoArea; a != nil {
		return Part{Kind: "system", Slot: f.DeviceName, Vendor: field(a.Manufacturer), Model: field(a.ProductName), Serial: field(a.SerialNumber)}, true
	}
	return Part{}, false
}

func field(b []byte) string { return strings.TrimSpace(strings.Trim(string(b), "\x00")) }
