package live

import (
	_ "embed"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fleetup/fleetup/runner/report"
)

// Grafana is a dashboard for these metrics, as Grafana imports it.
//
//go:embed grafana.json
var Grafana []byte

// collector makes the metrics out of the report at each scrape, so that both tell the same.
type collector struct{ s *Server }

// The metrics. Their names are a contract with dashboards and alerts.
var (
	runInfo      = describe("run_info", "The run that this process carries out; always 1.", "run", "inventory", "version")
	runStart     = describe("run_start_timestamp_seconds", "When the run began, in seconds since 1970.")
	lastEvent    = describe("last_event_timestamp_seconds", "When the journal was written last, in seconds since 1970.")
	runState     = describe("run_state", "1 for how the run stands: unfinished, halted, interrupted or finished.", "state")
	runForeseen  = describe("run_foreseen_seconds", "How long the run would take, as foreseen when it began; absent where it can't end.")
	runElapsed   = describe("run_elapsed_seconds", "How long the run has taken so far.")
	nodeStates   = describe("nodes", "Nodes by where they stand.", "state")
	nodesWaiting = describe("nodes_waiting", "Nodes being worked on that wait for something they can name.")
	orders       = describe("orders_total", "Orders that have ended, by how.", "order", "end")
	nodeSeconds  = describe("node_seconds", "How long nodes took that are done, from their begin to their end.")
	phaseSeconds = describe("phase_seconds", "How long nodes were in each phase.", "phase")
	endpoints    = describe("service_ready_endpoints", "Ready endpoints of a Service, at the least in the last ten seconds.", "service")
	least        = describe("service_least_ready_endpoints", "The least ready endpoints that a Service has had in the run.", "service")
	gateGood     = describe("gate_good", "1 where a gate's last answer was good, 0 where it wasn't.", "gate")
)

var all = []*prometheus.Desc{runInfo, runStart, lastEvent, runState, runForeseen, runElapsed, nodeStates, nodesWaiting, orders, nodeSeconds,
	phaseSeconds, endpoints, least, gateGood}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fleetup_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range all {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	r := c.s.report()
	if r.Run == "" {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(runInfo, 1, r.Run, r.Inventory, r.Program)
	gauge(runStart, float64(r.Began.UnixMilli())/1000)
	gauge(lastEvent, float64(r.Last.UnixMilli())/1000)
	gauge(runElapsed, r.Ended.Sub(r.Began).Seconds())
	for _, state := range []string{"unfinished", "halted", "interrupted", "finished"} {
		gauge(runState, is(r.Outcome == state), state)
	}
	if r.Foreseen != nil && r.Foreseen.Ends {
		gauge(runForeseen, r.Foreseen.Seconds)
	}
	ofNodes(r, gauge)
	ended(r, to)
	for _, s := range r.Services {
		if k := len(s.Series); k > 0 {
			gauge(endpoints, float64(s.Series[k-1].Ready), s.Name)
			gauge(least, float64(fewest(s.Series)), s.Name)
		}
	}
	good := map[string]float64{}
	for _, g := range r.Gates {
		good[g.Name] = is(g.Verdict == "good")
	}
	for name, value := range good {
		gauge(gateGood, value, name)
	}
}

func ofNodes(r report.Report, gauge func(d *prometheus.Desc, value float64, labels ...string)) {
	by := map[string]int{}
	for _, state := range []string{"waiting", "running", "done", "failed", "blocked", "skipped", "held"} {
		by[state] = 0
	}
	waiting := 0
	for _, n := range r.Nodes {
		by[n.State]++
		if n.State == "running" && waits(n, r) {
			waiting++
		}
	}
	by["waiting"] += r.Unnamed()
	for state, n := range by {
		gauge(nodeStates, float64(n), state)
	}
	gauge(nodesWaiting, float64(waiting))
}

// waits reports whether the node's last wait goes on.
func waits(n report.Node, r report.Report) bool {
	k := len(n.Waits)
	return k > 0 && n.Waits[k-1].Ended.Equal(r.Ended)
}

func fewest(series []report.Sample) int {
	least := series[0].Ready
	for _, s := range series {
		least = min(least, s.Ready)
	}
	return least
}

// ended are the metrics of what is over: orders, nodes and phases.
func ended(r report.Report, to chan<- prometheus.Metric) {
	ends, nodes, phases := map[[2]string]int{}, newHistogram(), map[string]*histogram{}
	for _, n := range r.Nodes {
		for _, o := range n.Orders {
			if o.End == "" {
				continue
			}
			ends[[2]string{o.Name, o.End}]++
			if o.End == "done" {
				nodes.observe(o.Ended.Sub(o.Began).Seconds())
			}
			for _, p := range o.Phases {
				if phases[p.Name] == nil {
					phases[p.Name] = newHistogram()
				}
				phases[p.Name].observe(p.Took().Seconds())
			}
		}
	}
	for key, n := range ends {
		to <- prometheus.MustNewConstMetric(orders, prometheus.CounterValue, float64(n), key[0], key[1])
	}
	to <- nodes.metric(nodeSeconds)
	for name, h := range phases {
		to <- h.metric(phaseSeconds, name)
	}
}

// buckets are seconds: a phase is over in an instant, or takes a firmware's reboot.
var buckets = []float64{1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600}

type histogram struct {
	count uint64
	sum   float64
	under map[float64]uint64
}

func newHistogram() *histogram {
	h := &histogram{under: map[float64]uint64{}}
	for _, b := range buckets {
		h.under[b] = 0
	}
	return h
}

func (h *histogram) observe(v float64) {
	h.count++
	h.sum += v
	for _, b := range buckets {
		if v <= b {
			h.under[b]++
		}
	}
}

func (h *histogram) metric(d *prometheus.Desc, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstHistogram(d, h.count, h.sum, h.under, labels...)
}

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
