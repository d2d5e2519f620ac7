package diagnose

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net"
	"slices"

	"github.com/fleetup/fleetup/runner/finding"
)

// Day is what Prometheus knows of a node's past day, from node_exporter. A pointer is nil where it knows nothing.
type Day struct {
	CPU     *float64           `json:"cpu_percent,omitempty"`         // busy, on average
	Memory  *float64           `json:"memory_free_percent,omitempty"` // available, at the least
	Errors  *float64           `json:"link_errors,omitempty"`         // of all links
	Filling map[string]float64 `json:"days_until_full,omitempty"`     // by mount point, where it goes on so
}

// Sample is one of a query's, with its labels.
type Sample = struct {
	Labels map[string]string
	Value  float64
}

// filling leaves out what is in memory, and what containers mount.
const filling = `{fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660",mountpoint!~"/var/lib/kubelet/pods/.*|/run/.*"}`

// dayQueries are what is asked, and where an answer goes. Rates over a whole day are one look at each series: no subqueries, which
// are slow on a large fleet, but for the least of a ratio.
var dayQueries = []struct {
	query string
	put   func(*Day, Sample)
}{
	{`100 * (1 - avg by (instance, node) (rate(node_cpu_seconds_total{mode="idle"}[1d])))`, func(d *Day, s Sample) { d.CPU = &s.Value }},
	{`100 * min_over_time((node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)[1d:10m])`, func(d *Day, s Sample) { d.Memory = &s.Value }},
	{`sum by (instance, node) (increase(node_network_receive_errs_total[1d]) + increase(node_network_transmit_errs_total[1d]))`, func(d *Day, s Sample) { d.Errors = &s.Value }},
	{`(node_filesystem_avail_bytes` + filling + ` / -deriv(node_filesystem_avail_bytes` + filling + `[1d]) / 86400) > 0`, func(d *Day, s Sample) {
		if d.Filling == nil {
			d.Filling = map[string]float64{}
		}
		d.Filling[s.Labels["mountpoint"]] = s.Value
	}},
}

// PastDay asks Prometheus about nodes, each by its names and addresses; those it knows nothing of aren't in the answer. Queries
// without samples are no error: not everybody runs node_exporter.
func PastDay(ctx context.Context, ask func(ctx context.Context, query string) ([]Sample, error), names map[string][]string) (map[string]*Day, error) {
	who := map[string]string{}
	for node, others := range names {
		for _, name := range append(others, node) {
			who[name] = node
		}
	}
	days := map[string]*Day{}
	for _, q := range dayQueries {
		samples, err := ask(ctx, q.query)
		if err != nil {
			return days, fmt.Errorf("prometheus: %w", err)
		}
		for _, s := range samples {
			node, known := nodeOfSeries(who, s.Labels)
			if !known || math.IsNaN(s.Value) || math.IsInf(s.Value, 0) { // what doesn't grow is full never; JSON has no word for either
				continue
			}
			if days[node] == nil {
				days[node] = &Day{}
			}
			q.put(days[node], s)
		}
	}
	return days, nil
}

// nodeOfSeries finds whose a series is: by the label node, else by the instance, with or without its port.
func nodeOfSeries(who, labels map[string]string) (string, bool) {
	instance := labels["instance"]
	if host, _, err := net.SplitHostPort(instance); err == nil {
		instance = host
	}
	for _, name := range []string{labels["node"], instance, "[" + instance + "]"} {
		if node, known := who[name]; known {
			return node, true
		}
	}
	return "", false
}

// JudgeDay is what the past day says against a node.
func JudgeDay(node string, d Day, t Thresholds) []finding.Finding {
	j := judge{node: node, t: t}
	if d.CPU != nil {
		j.add(t.CPUDay.Of(*d.CPU), told{by: &j.t.CPUDay, rule: "cpu-day", meaning: "the node is busy all day: what is drained onto it finds no room", action: "move pods away, or add nodes"},
			"%.0f %% of the cores busy on average over the past day", *d.CPU)
	}
	if d.Memory != nil {
		j.add(t.MemoryDay.Of(*d.Memory), told{by: &j.t.MemoryDay, rule: "memory-day", meaning: "the node was short of memory, even if it isn't now", action: "see what ran then; set memory limits"},
			"only %.0f %% of memory available at its worst in the past day", *d.Memory)
	}
	if d.Errors != nil {
		j.add(t.LinkErrorsDay.Of(*d.Errors), told{by: &j.t.LinkErrorsDay, rule: "link-errors-day", meaning: "packets arrive broken: a cable, a connector, an optic or a port", action: "replace the cable or the optic first"},
			"%.0f errors of its links in the past day", *d.Errors)
	}
	var mounts []string
	for mount := range d.Filling {
		mounts = append(mounts, mount)
	}
	slices.SortFunc(mounts, func(a, b string) int { return cmp.Or(cmp.Compare(d.Filling[a], d.Filling[b]), cmp.Compare(a, b)) })
	for _, mount := range mounts {
		j.add(t.FillingDays.Of(d.Filling[mount]), told{by: &j.t.FillingDays, rule: "disk-filling", meaning: "it is full in some days if it goes on as in the past one", action: "see what grows there", command: largestIn(mount)},
			"%s is full in %.1f days", mount, d.Filling[mount])
	}
	return j.found
}
