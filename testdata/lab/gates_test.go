package lab_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/testdata/lab"
)

// The series that ready gates ask for, each with what it counts every thirty seconds.
func requests(node, code string, n int) string {
	return fmt.Sprintf(`http_requests_total{node=%q, code=%q} 0+%dx30`, node, code, n)
}

func answers(node string, fast, slow int) string { // within 0.1 s, and within a second
	var b strings.Builder
	for le, n := range map[string]int{"0.1": fast, "1": fast + slow, "+Inf": fast + slow} {
		fmt.Fprintf(&b, "http_request_duration_seconds_bucket{node=%q, le=%q} 0+%dx30\n", node, le, n)
	}
	return b.String()
}

func idle(instance string, cores ...int) string { // seconds of thirty
	var b strings.Builder
	for i, n := range cores {
		fmt.Fprintf(&b, "node_cpu_seconds_total{mode=\"idle\", cpu=\"%d\", instance=%q} 0+%dx30\n", i, instance, n)
	}
	return b.String()
}

func memory(instance string, available int) string { // of 100
	return fmt.Sprintf("node_memory_MemAvailable_bytes{instance=%q} %dx30\nnode_memory_MemTotal_bytes{instance=%[1]q} 100x30", instance, available)
}

// TestReadyGatesOfOthers asks Prometheus' own engine the ready gates that hold n1, which is upgraded, against n2 and n3. Nodes that
// serve nothing yet are no trouble; where there is no such series at all, there is no sample, which never passes.
func TestReadyGatesOfOthers(t *testing.T) {
	const none = -1
	var tests []any
	for _, tc := range []struct {
		about, gate string
		series      []string
		want        float64
	}{
		{"a tenth more fails", "error-rate-others", []string{requests("n1", "200", 8), requests("n1", "500", 2), requests("n2", "200", 9), requests("n2", "503", 1)}, 0.1},
		{"nothing fails", "error-rate-others", []string{requests("n1", "200", 8), requests("n3", "200", 9)}, 0},
		{"serves nothing yet", "error-rate-others", []string{requests("n2", "200", 9), requests("n2", "500", 1)}, 0},
		{"nodes without a name", "error-rate-others", []string{`http_requests_total{code="200"} 0+9x30`}, none},
		{"no series", "error-rate-others", nil, none},
		{"ten times as slow", "response-time-others", []string{answers("n1", 0, 10), answers("n2", 10, 0)}, 10.053},
		{"as quick", "response-time-others", []string{answers("n1", 10, 0), answers("n2", 5, 0), answers("n3", 5, 0)}, 1},
		{"has served nothing", "response-time-others", []string{answers("n1", 0, 0), answers("n2", 10, 0)}, 0},
		{"isn't scraped yet", "response-time-others", []string{answers("n2", 10, 0)}, 0},
		{"no series", "response-time-others", nil, none},
		{"busier", "node-cpu-others", []string{idle("n1:9100", 15, 15), idle("n2", 24), idle("n3:9100", 24, 24, 24)}, 0.3},
		{"not scraped yet", "node-cpu-others", []string{idle("n2", 24)}, none},
		{"fuller", "node-memory-others", []string{memory("n1:9100", 20), memory("n2:9100", 60), memory("n10:9100", 0)}, 0.4},
		{"not scraped yet", "node-memory-others", []string{memory("n2", 60)}, none},
	} {
		samples := []any{}
		if tc.want != none {
			samples = append(samples, map[string]any{"labels": "{}", "value": tc.want})
		}
		tests = append(tests, map[string]any{
			"name": tc.gate + ": " + tc.about, "interval": "30s", "input_series": series(tc.series),
			"promql_expr_test": []any{map[string]any{"expr": "round(" + query(t, tc.gate) + ", 0.001)", "eval_time": "10m", "exp_samples": samples}},
		})
	}
	text, err := json.Marshal(map[string]any{"evaluation_interval": "30s", "rule_files": []string{}, "tests": tests})
	must(t, err)
	file := filepath.Join(t.TempDir(), "gates.yml")
	must(t, os.WriteFile(file, text, 0o600))
	if out, err := lab.Promtool("test", "rules", file); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// series are lines "SERIES VALUES" as promtool reads them.
func series(texts []string) []map[string]string {
	all := []map[string]string{}
	for line := range strings.Lines(strings.Join(texts, "\n")) {
		if cut := strings.LastIndex(strings.TrimSpace(line), " "); cut > 0 {
			all = append(all, map[string]string{"series": line[:cut], "values": strings.TrimSpace(line[cut:])})
		}
	}
	return all
}

// query is a ready gate's, about n1 against n2 and n3.
func query(t *testing.T, gate string) string {
	text, err := inventory.ReadyGate(gate)
	must(t, err)
	var f struct{ Gate []struct{ Query string } }
	_, err = toml.Decode(text, &f)
	must(t, err)
	return strings.NewReplacer("{{.Upgraded}}", "(?:n1)", "{{.Others}}", "(?:n2|n3)", "\n", " ").Replace(f.Gate[0].Query)
}
