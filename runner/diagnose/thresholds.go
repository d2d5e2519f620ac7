package diagnose

import (
	_ "embed" // the thresholds
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/fleetup/fleetup/runner/finding"
)

// DefaultThresholds is the file with all of them, each with its reason.
//
//go:embed thresholds.toml
var DefaultThresholds string

// Thresholds say from where on something is a finding. Their meanings and units stand in thresholds.toml.
type Thresholds struct {
	CPUBusy         Level    `toml:"cpu_busy_percent"`
	CPUPressure     Level    `toml:"cpu_pressure_percent"`
	LoadPerCore     Level    `toml:"load_per_core"`
	Steal           Level    `toml:"steal_percent"`
	IOWait          Level    `toml:"iowait_percent"`
	MemoryFree      Level    `toml:"memory_free_percent"`
	SwapUsed        Level    `toml:"swap_used_percent"`
	MemoryPressure  Level    `toml:"memory_pressure_percent"`
	MemoryCorrected Level    `toml:"memory_corrected_errors"`
	OOMHours        Level    `toml:"oom_hours"`
	SpaceUsed       Level    `toml:"space_used_percent"`
	InodesUsed      Level    `toml:"inodes_used_percent"`
	IOPressure      Level    `toml:"io_pressure_percent"`
	DiskAwait       Level    `toml:"disk_await_ms"`
	LinkUse         Level    `toml:"link_use_percent"`
	LinkErrors      Level    `toml:"link_errors_per_second"`
	LinkDrops       Level    `toml:"link_drops_per_second"`
	LinkChanges     Level    `toml:"link_carrier_changes"`
	Retransmits     Level    `toml:"retransmit_percent"`
	Loss            Level    `toml:"loss_percent"`
	SlowLink        Level    `toml:"slow_link_mbit"`
	APISeconds      Level    `toml:"api_seconds"`
	Files           Level    `toml:"files_percent"`
	Threads         Level    `toml:"threads_percent"`
	Conntrack       Level    `toml:"conntrack_percent"`
	Stuck           Level    `toml:"stuck_processes"`
	Skew            Level    `toml:"clock_skew_seconds"`
	UnitRestarts    Level    `toml:"unit_restarts"`
	CertificateDays Level    `toml:"certificate_days"`
	LogErrors       Level    `toml:"log_errors_per_hour"`
	KernelHours     Level    `toml:"kernel_error_hours"`
	PodRestarts     Level    `toml:"pod_restarts"`
	PodPending      Level    `toml:"pod_pending_minutes"`
	PodTerminating  Level    `toml:"pod_terminating_minutes"`
	Flaps           Level    `toml:"not_ready_flaps"`
	EventHours      Level    `toml:"event_hours"`
	CPUDay          Level    `toml:"cpu_day_percent"`
	MemoryDay       Level    `toml:"memory_day_free_percent"`
	LinkErrorsDay   Level    `toml:"link_errors_per_day"`
	FillingDays     Level    `toml:"full_in_days"`
	ReadOnlyMounts  []string `toml:"read_only_mounts"`
}

// Level is from where on a value is a warning, and from where on it is critical. Where the second is less than the first,
// less is worse.
type Level [2]float64

// Of is how bad v is.
func (l Level) Of(v float64) finding.Severity {
	worse := func(limit float64) bool {
		if l[1] < l[0] {
			return v <= limit
		}
		return v >= limit
	}
	switch {
	case worse(l[1]):
		return finding.Critical
	case worse(l[0]):
		return finding.Warning
	}
	return finding.None
}

// crossed words the thresholds by which something is of a severity: "critical from 95 on (space_used_percent)". of are levels of t;
// "" where there are none.
func (t *Thresholds) crossed(s finding.Severity, of ...*Level) string {
	var parts []string
	for _, l := range of {
		if l == nil {
			continue
		}
		limit, how := l[0], "from %g on (%s)"
		if s == finding.Critical {
			limit = l[1]
		}
		if l[1] < l[0] {
			how = "at %g or less (%s)"
		}
		parts = append(parts, fmt.Sprintf(how, limit, t.key(l)))
	}
	if len(parts) == 0 {
		return ""
	}
	return s.String() + " " + strings.Join(parts, " and ")
}

// key is what a level of t is called in the file.
func (t *Thresholds) key(of *Level) string {
	v := reflect.ValueOf(t).Elem()
	for i := range v.NumField() {
		if v.Field(i).Addr().Interface() == any(of) {
			return v.Type().Field(i).Tag.Get("toml")
		}
	}
	return ""
}

// LoadThresholds are the defaults, with what stands in file in their place; "" changes none. An unknown key is an error that
// names it.
func LoadThresholds(file string) (Thresholds, error) {
	var t Thresholds
	if _, err := toml.Decode(DefaultThresholds, &t); err != nil {
		return t, fmt.Errorf("thresholds: %w", err)
	}
	if file == "" {
		return t, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return t, fmt.Errorf("thresholds: %w", err)
	}
	md, err := toml.Decode(string(text), &t)
	if err != nil {
		var wrong toml.ParseError
		if errors.As(err, &wrong) {
			return t, fmt.Errorf("thresholds: %s:%d: %s", file, wrong.Position.Line, wrong.Message)
		}
		return t, fmt.Errorf("thresholds: %s: %w", file, err)
	}
	if keys := md.Undecoded(); len(keys) > 0 {
		var names []string
		for _, k := range keys {
			names = append(names, k.String())
		}
		return t, fmt.Errorf("thresholds: %s: unknown key %s; `fleetup diagnose --show-thresholds` shows them all", file, strings.Join(names, ", "))
	}
	return t, nil
}
