package diagnose

import (
	_ "embed" // the thresholds
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
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

// LoadThresholds are the defaults, with what stands in file in their place; "" changes none. Its error names all that is wrong, each with its key.
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
	own := map[string]any{}
	if _, err := toml.Decode(string(text), &own); err != nil {
		var wrong toml.ParseError
		if errors.As(err, &wrong) {
			return t, fmt.Errorf("thresholds: %s:%d: %s", file, wrong.Position.Line, wrong.Message)
		}
		return t, fmt.Errorf("thresholds: %s: %w", file, err)
	}
	var problems []string
	for _, key := range slices.Sorted(maps.Keys(own)) {
		if problem := t.replace(key, own[key]); problem != "" {
			problems = append(problems, key+": "+problem)
		}
	}
	if len(problems) > 0 {
		return t, fmt.Errorf("thresholds: %s: %s", file, strings.Join(problems, "; "))
	}
	return t, nil
}

// replace puts a value of one's own in the place of a default, or says what is wrong with it.
func (t *Thresholds) replace(key string, value any) (problem string) {
	v := reflect.ValueOf(t).Elem()
	nearest := ""
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("toml")
		if strings.HasPrefix(name, key) || strings.HasPrefix(key, name) {
			nearest = name
		}
		if name != key {
			continue
		}
		switch field := v.Field(i).Addr().Interface().(type) {
		case *Level:
			return field.read(value)
		case *[]string:
			return readList(field, value)
		}
	}
	if nearest != "" {
		return "there is no such key; did you mean " + nearest + "?"
	}
	return "there is no such key; `fleetup diagnose --show-thresholds` shows them all"
}

func (l *Level) read(value any) (problem string) {
	list, _ := value.([]any)
	var read []float64
	for _, v := range list {
		switch n := v.(type) {
		case float64:
			read = append(read, n)
		case int64:
			read = append(read, float64(n))
		}
	}
	if len(list) != len(l) || len(read) != len(l) {
		return fmt.Sprintf("two numbers, from where on it is a warning and from where on critical, such as [%g, %g]", l[0], l[1])
	}
	copy(l[:], read)
	return ""
}

func readList(into *[]string, value any) (problem string) {
	list, ok := value.([]any)
	read := []string{}
	for _, v := range list {
		if text, is := v.(string); is {
			read = append(read, text)
		}
	}
	if !ok || len(read) != len(list) {
		return `a list of folders such as ["/usr"]`
	}
	*into = read
	return ""
}
