package diagnose

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

// What Prometheus knows of a day goes to the node that a series is of, however it is called there.
func TestPastDay(t *testing.T) {
	ask := func(_ context.Context, query string) ([]Sample, error) {
		s := func(instance, mount string, v float64) Sample {
			return Sample{Labels: map[string]string{"instance": instance, "mountpoint": mount}, Value: v}
		}
		switch {
		case strings.Contains(query, "node_cpu"):
			return []Sample{s("10.0.0.1:9100", "", 97), s("n2:9100", "", 20), s("stranger:9100", "", 99)}, nil
		case strings.Contains(query, "MemAvailable"): // 0/0 of a node whose exporter has only begun
			return []Sample{s("n2:9100", "", math.NaN()), {Labels: map[string]string{"instance": "10.9.9.9:9100", "node": "n1"}, Value: 2}}, nil
		case strings.Contains(query, "avail_bytes"):
			return []Sample{s("10.0.0.1:9100", "/", 0.5), s("10.0.0.1:9100", "/data", 300), s("n2:9100", "/boot", math.Inf(1))}, nil
		}
		return nil, nil
	}
	names := map[string][]string{"n1": {"n1", "10.0.0.1"}, "n2": {"n2", "10.0.0.2"}, "n3": {"n3"}}
	days, err := PastDay(t.Context(), ask, names)
	if err != nil || len(days) != 2 || *days["n2"].CPU != 20 || days["n2"].Memory != nil || days["n2"].Filling != nil {
		t.Fatalf("%+v, %v", days, err)
	}
	var got []string
	for _, f := range JudgeDay("n1", *days["n1"], defaults(t)) {
		got = append(got, f.Severity.String()+" "+f.Rule+": "+f.Evidence)
	}
	want := "critical cpu-day: 97 % of the cores busy on average over the past day\n" +
		"critical memory-day: only 2 % of memory available at its worst in the past day\ncritical disk-filling: / is full in 0.5 days"
	if strings.Join(got, "\n") != want {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if list := JudgeDay("n2", *days["n2"], defaults(t)); len(list) > 0 {
		t.Errorf("n2: %+v", list)
	}
	away := func(context.Context, string) ([]Sample, error) { return nil, errors.New("connection refused") }
	if _, err := PastDay(t.Context(), away, names); err == nil || err.Error() != "prometheus: connection refused" {
		t.Errorf("away: %v", err)
	}
}
