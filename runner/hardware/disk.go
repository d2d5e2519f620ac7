package hardware

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// text is a JSON string, number, bool or null: util-linux before 2.33 writes every value as a string.
type text string

// UnmarshalJSON takes whatever is there.
func (t *text) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		*t = text(strings.TrimSpace(v))
	case bool:
		*t = map[bool]text{true: "1", false: "0"}[v]
	case float64:
		*t = text(strconv.FormatFloat(v, 'f', -1, 64))
	}
	return nil
}

// parseLsblk reads `lsblk -J -b -d`. What isn't a disk of this machine (loop, rom, a disk of no size as an empty card reader is,
// one of iSCSI, which comes and goes with pods) is left out.
func parseLsblk(out string) []Disk {
	var v struct {
		Blockdevices []struct{ Name, Type, Size, Rota, Model, Serial, Wwn, Tran, Rev text }
	}
	if json.Unmarshal([]byte(jsonIn(out)), &v) != nil {
		return nil
	}
	var disks []Disk
	for _, d := range v.Blockdevices {
		bytes, _ := strconv.ParseInt(string(d.Size), 10, 64)
		if d.Type != "disk" || bytes <= 0 || d.Tran == "iscsi" || virtual(string(d.Name)) {
			continue
		}
		disks = append(disks, Disk{
			Name: string(d.Name), Model: string(d.Model), Serial: string(d.Serial), WWN: string(d.Wwn), Bytes: bytes,
			Transport: string(d.Tran), Rotating: d.Rota == "1", Firmware: string(d.Rev),
		})
	}
	return disks
}

// virtual reports whether a block device comes from elsewhere than this machine's bays: it comes and goes with pods.
func virtual(name string) bool {
	for _, prefix := range []string{"rbd", "nbd", "drbd", "zram", "ram", "loop", "md", "dm-", "zd"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// jsonIn is the JSON object in what a tool printed, without what it said before or after.
func jsonIn(out string) string {
	first, last := strings.IndexByte(out, '{'), strings.LastIndexByte(out, '}')
	if first < 0 || last < first {
		return ""
	}
	return out[first : last+1]
}

// worse keeps the worst verdict, and why.
func (d *Disk) worse(health, why string) {
	if rank := map[string]int{"": 0, "ok": 1, "warning": 2, "failed": 3}; rank[health] > rank[d.Health] {
		d.Health = health
	}
	if why != "" {
		d.Complaints = append(d.Complaints, why)
	}
}

// smart is what `smartctl -j -i -H -A -l error` says (smartmontools 7 and later), as far as it matters here. SCSI disks say
// their model and firmware by other names.
type smart struct {
	SerialNumber    string                       `json:"serial_number"`
	ModelName       string                       `json:"model_name"`
	SCSIModel       string                       `json:"scsi_model_name"`
	FirmwareVersion string                       `json:"firmware_version"`
	SCSIRevision    string                       `json:"scsi_revision"`
	SCSIErrors      map[string]scsiErrors        `json:"scsi_error_counter_log"` // read, write, verify
	Status          *struct{ Passed bool }       `json:"smart_status"`
	NVMe            *nvmeLog                     `json:"nvme_smart_health_information_log"`
	Defects         *int                         `json:"scsi_grown_defect_list"`
	Table           struct{ Table []smartValue } `json:"ata_smart_attributes"`
}

type scsiErrors struct {
	Uncorrected int `json:"total_uncorrected_errors"`
}

type smartValue struct {
	ID         int
	Name       string
	WhenFailed string `json:"when_failed"`
	Raw        struct{ Value int64 }
}

// parseSmartctl adds what smartctl knows to a disk.
func parseSmartctl(out string, d *Disk) {
	var s smart
	if json.Unmarshal([]byte(jsonIn(out)), &s) != nil {
		return
	}
	for field, v := range map[*string]string{
		&d.Serial: s.SerialNumber, &d.Model: cmp.Or(s.ModelName, s.SCSIModel), &d.Firmware: cmp.Or(s.FirmwareVersion, s.SCSIRevision),
	} {
		if v = strings.TrimSpace(v); v != "" {
			*field = v
		}
	}
	if s.NVMe != nil && d.Health == "" { // where nvme hasn't told the same already
		s.NVMe.judge(d)
	}
	switch {
	case s.Status == nil:
	case s.Status.Passed:
		d.worse("ok", "")
	default:
		d.worse("failed", "SMART says it is failing")
	}
	for _, a := range s.Table.Table {
		a.judge(d)
	}
	if s.Defects != nil && *s.Defects > 0 {
		d.worse("warning", fmt.Sprintf("%d grown defects", *s.Defects))
	}
	for _, what := range slices.Sorted(maps.Keys(s.SCSIErrors)) {
		if n := s.SCSIErrors[what].Uncorrected; n > 0 {
			d.worse("warning", fmt.Sprintf("%d uncorrected %s errors", n, what))
		}
	}
}

// judge looks at the attributes that foretell a failure best: sectors that were replaced, wait to be, or can't be read.
func (a smartValue) judge(d *Disk) {
	named := map[int]string{5: "reallocated sectors", 187: "uncorrectable errors", 197: "pending sectors", 198: "sectors that can't be read"}
	if what, ok := named[a.ID]; ok && a.Raw.Value > 0 {
		d.worse("warning", fmt.Sprintf("%d %s", a.Raw.Value, what))
	}
	if a.WhenFailed == "now" {
		d.worse("failed", a.Name+" is below its threshold")
	}
}

// nvmeLog is NVMe's SMART log (NVM Express 1.4, 5.14.1.2).
type nvmeLog struct {
	CriticalWarning json.RawMessage `json:"critical_warning"` // a number; nvme-cli 2.x: an object with the number as value
	PercentageUsed  int             `json:"percentage_used"`
	PercentUsed     int             `json:"percent_used"` // nvme-cli's name for it
	MediaErrors     text            `json:"media_errors"` // nvme-cli writes numbers of 128 bits as strings
}

// parseNVMe adds what `nvme smart-log -o json` says.
func parseNVMe(out string, d *Disk) {
	var l nvmeLog
	if text := jsonIn(out); text != "" && json.Unmarshal([]byte(text), &l) == nil && l.CriticalWarning != nil {
		l.judge(d)
	}
}

func (l nvmeLog) judge(d *Disk) {
	d.worse("ok", "")
	if w := l.warning(); w != 0 {
		d.worse("failed", fmt.Sprintf("critical warning %#02x", w))
	}
	if n := string(l.MediaErrors); n != "" && n != "0" {
		d.worse("warning", n+" media errors")
	}
	if used := max(l.PercentageUsed, l.PercentUsed); used >= 100 {
		d.worse("warning", fmt.Sprintf("%d %% of its life used", used))
	}
}

func (l nvmeLog) warning() int {
	var n int
	if json.Unmarshal(l.CriticalWarning, &n) == nil {
		return n
	}
	var v struct{ Value int }
	_ = json.Unmarshal(l.CriticalWarning, &v)
	return v.Value
}
