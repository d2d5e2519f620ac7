package runner

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fleetup/fleetup/inventory"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the tables' want should be; then read it")

// TestDecideTables plays testdata/decide/*.txtar. Each is a fleet, what happens to it by the minute, and all that the
// scheduler did about it; testdata/decide/README says how to read and write one.
func TestDecideTables(t *testing.T) {
	files, err := filepath.Glob("testdata/decide/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d tables: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { playTable(t, file) })
	}
}

func playTable(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, f := range a.Files {
		sections[f.Name] = string(f.Data)
	}
	got := play(t, sections)
	if *update {
		a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
		a.Files = append(a.Files, txtar.File{Name: "want", Data: []byte(got)})
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(lines(sections["want"]), lines(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }

// play returns what happens in a table.
func play(t *testing.T, sections map[string]string) string {
	table := &table{t: t, machines: map[string]*machine{}, observed: map[string]NodeObserved{}}
	table.fleet.Strategy = inventory.Strategy{MaxUnavailable: inventory.Amount{N: 1}, OnFailure: "stop", MaxFailures: inventory.Amount{N: 1},
		Cordoned: "skip", Unreachable: "fail", Spread: map[string]int{}, Domains: map[string]int{}}
	table.fleet.GroupLimits = map[string]inventory.Amount{}
	table.fleet.Strategy.Kind = "rolling"
	table.world = World{Nodes: map[string]WorldNode{}, Unreachable: map[string]string{}, Wakeable: map[string]bool{}, Takes: map[string]time.Duration{}}
	table.onBlocked = "requeue"
	for _, line := range lines(sections["fleet"]) {
		table.line(strings.Fields(line))
	}
	plan, err := Build(&table.fleet, table.fleet.Hosts, table.world)
	if err != nil {
		return "refused: " + err.Error() + "\n"
	}
	s := newSim(t, plan)
	s.show, s.observed.Wait, s.zone = table.show, table.wait, table.zone
	if !table.begin.IsZero() {
		s.begin, s.now = table.begin, table.begin
		s.progress.PickedUp, s.progress.Started = s.now, s.now
	}
	for name, m := range table.machines {
		s.add(name, m, table.observed[name])
	}
	for _, line := range lines(sections["events"]) {
		table.event(s, strings.Fields(line))
	}
	s.run()
	return strings.Join(s.trace, "\n") + "\n"
}

// table is a table's fleet as it is read.
type table struct {
	t         *testing.T
	fleet     inventory.Fleet
	world     World
	machines  map[string]*machine
	observed  map[string]NodeObserved
	onBlocked string
	show      bool // waits too
	wait      bool // run --wait
	begin     time.Time
	zone      *time.Location

	drainTimeout time.Duration
}

func (b *table) line(w []string) {
	s := &b.fleet.Strategy
	switch w[0] {
	case "max_unavailable":
		s.MaxUnavailable = b.amount(w[1])
	case "spread":
		s.Spread[w[1]] = b.amount(w[2]).N
	case "domains":
		s.Domains[w[1]] = b.amount(w[2]).N
	case "group":
		b.fleet.GroupLimits[w[1]] = b.amount(w[2])
	case "on_failure":
		s.OnFailure = w[1]
	case "max_failures":
		s.MaxFailures = b.amount(w[1])
	case "cordoned":
		s.Cordoned = w[1]
	case "unreachable":
		s.Unreachable = w[1]
	case "on_blocked":
		b.onBlocked = w[1]
	case "drain_timeout":
		b.drainTimeout = b.duration(w[1])
	case "kubeadm":
		b.world.KubeadmControlPlane = true
	case "self":
		b.world.Self = w[1:]
	case "waits":
		b.show = true
	case "kind":
		s.Kind = w[1]
	case "waves":
		for _, wave := range w[1:] {
			s.Waves = append(s.Waves, b.amount(wave))
		}
	case "pools":
		s.Pools = w[1:]
	case "soak":
		s.Soak = b.duration(w[1])
	case "min_pods":
		s.MinPods = b.amount(w[1]).N
	case "max_surge":
		s.MaxSurge = b.amount(w[1]).N
	case "gate":
		b.world.Gates = append(b.world.Gates, PlanGate{Name: w[1], Deadline: b.duration(w[2])})
	case "window":
		b.window(w[1:])
	case "begin":
		b.moment(w[1:])
	case "wait":
		b.wait = true
	case "node", "other":
		b.nodes(w[0] == "node", w[1:])
	default:
		b.t.Fatalf("fleet: %q", w)
	}
}

// window reads "0 1 * * Sat 4h Europe/Berlin except=2026-12-24/2026-12-26".
func (b *table) window(w []string) {
	window := inventory.Window{Start: strings.Join(w[:5], " "), Duration: b.duration(w[5]), Timezone: w[6]}
	for _, word := range w[7:] {
		from, to, _ := strings.Cut(strings.TrimPrefix(word, "except="), "/")
		window.Except = append(window.Except, inventory.Days{From: from, To: cmp.Or(to, from)})
	}
	b.fleet.Windows = append(b.fleet.Windows, window)
}

// moment reads "2026-03-28 23:30 Europe/Berlin": when the run begins, and by which clock it is told.
func (b *table) moment(w []string) {
	var err error
	if b.zone, err = time.LoadLocation(w[2]); err != nil {
		b.t.Fatal(err)
	}
	if b.begin, err = time.ParseInLocation("2006-01-02 15:04", w[0]+" "+w[1], b.zone); err != nil {
		b.t.Fatal(err)
	}
	b.begin = b.begin.UTC()
}

func (b *table) amount(s string) inventory.Amount {
	n, err := strconv.Atoi(strings.TrimSuffix(s, "%"))
	if err != nil {
		b.t.Fatal(err)
	}
	return inventory.Amount{N: n, Percent: strings.HasSuffix(s, "%")}
}

// nodes reads "n1 n2 key=value …": all names get all the values.
func (b *table) nodes(selected bool, words []string) {
	values := map[string]string{}
	var names []string
	for _, w := range words {
		if key, value, is := strings.Cut(w, "="); is {
			values[key] = strings.ReplaceAll(value, "_", " ")
		} else {
			names = append(names, w)
		}
	}
	for _, name := range names {
		b.node(selected, name, values)
	}
}

func (b *table) node(selected bool, name string, values map[string]string) {
	h := inventory.Host{Name: name, Node: name, Labels: map[string]string{}, Drain: inventory.Drain{OnBlocked: b.onBlocked, Timeout: b.drainTimeout}}
	m := &machine{takes: 10 * time.Minute, why: "?", off: values["state"] == "off"}
	o := NodeObserved{Ready: true}
	for key, value := range values {
		switch key {
		case "takes":
			m.takes = b.duration(value)
		case "fails":
			m.fails = b.amount(value).N
		case "blocks":
			m.blocks = b.amount(value).N
		case "stuck":
			m.stuck = b.amount(value).N
		case "pods":
			m.pods = b.amount(value).N
		case "spare":
			h.Spare, b.world.Wakeable[name] = true, value == "bmc"
		case "uptodate":
			m.upToDate, b.world.Idle = true, withIdle(b.world.Idle, name)
		case "why":
			m.why = value
		case "group":
			h.Groups = append(h.Groups, value)
		case "unreachable":
			b.world.Unreachable[name] = value
		case "state":
			o.Ready, o.Cordoned = value != "notready" && value != "off", value == "cordoned" || value == "off"
			if m.off {
				b.world.Unreachable[name] = "no route to host"
			}
		case "run":
			o.Run, o.Cordoned = value, true
		case "failed":
			o.Failed, o.Cordoned, o.Run = value, true, "20260101-000000-0000"
		case "absent":
		default:
			h.Labels[key] = value
		}
	}
	if values["absent"] == "" {
		b.world.Nodes[name] = WorldNode{Labels: h.Labels, ControlPlane: slices.Contains(h.Groups, "control-plane"), Cordoned: o.Cordoned && o.Run == ""}
		b.world.Takes[name] = m.takes
		b.machines[name], b.observed[name] = m, o
	}
	if selected {
		b.fleet.Hosts = append(b.fleet.Hosts, h)
	}
}

func withIdle(idle map[string]bool, name string) map[string]bool {
	if idle == nil {
		idle = map[string]bool{}
	}
	idle[name] = true
	return idle
}

func (b *table) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// event puts a line of the timeline, "5m notready n3", into the simulation.
func (b *table) event(s *sim, w []string) {
	if len(w) == 0 {
		return
	}
	rest := strings.Join(w[2:], " ")
	do, known := s.worldEvents(rest)[w[1]]
	if !known {
		b.t.Fatalf("events: %q", w)
	}
	if w[1] == "rerun" {
		s.reruns++
	}
	if w[0] == "before" {
		do()
		return
	}
	s.at(b.duration(w[0]), 0, func() {
		if !slices.Contains([]string{"fail", "crash", "lose", "rerun"}, w[1]) { // they tell themselves
			s.log("%s", strings.TrimSpace("("+w[1]+" "+rest)+")")
		}
		do()
	})
}

// worldEvents are what can happen to a fleet from outside; arg is a node or a pod.
func (s *sim) worldEvents(arg string) map[string]func() {
	node := func(change func(*NodeObserved)) func() {
		return func() {
			o := s.observed.Nodes[arg]
			change(&o)
			s.observed.Nodes[arg] = o
		}
	}
	return map[string]func(){
		"notready": node(func(o *NodeObserved) { o.Ready = false }),
		"ready":    node(func(o *NodeObserved) { o.Ready = true }),
		"cordon":   node(func(o *NodeObserved) { o.Cordoned = true }),
		"uncordon": node(func(o *NodeObserved) { o.Cordoned = false }),
		"claim":    node(func(o *NodeObserved) { o.Run, o.Cordoned = "20270101-000000-0000", true }),
		"unclaim":  node(func(o *NodeObserved) { o.Run, o.Cordoned = "", false }),
		"remove":   func() { delete(s.observed.Nodes, arg) },
		"strand":   func() { s.observed.Stranded = append(s.observed.Stranded, arg) },
		"unstrand": func() { s.observed.Stranded = nil },
		"adopt": func() {
			name, order, _ := strings.Cut(arg, " ")
			o := s.observed.Nodes[name]
			o.Run = simRun
			s.observed.Nodes[name] = o
			s.emit(Event{Event: EventAdopted, Node: name, Order: order, Data: map[string]string{dataFailed: o.Failed}})
		},
		"gate":   func() { s.setGate(arg) },
		"pods":   func() { s.setPods(arg) },
		"stop":   func() { s.observed.Stop = true },
		"pause":  func() { s.observed.Paused = true },
		"resume": func() { s.observed.Paused = false },
		"hold":   func() { s.observed.Hold = arg },
		"unhold": func() { s.observed.Hold = "" },
		"trouble": func() {
			node, what, _ := strings.Cut(arg, " ")
			s.observed.Troubles = append(s.observed.Troubles, Trouble{node, what, s.now})
		},
		"crash": func() { s.restart("crash") },
		"lose":  s.lose,
		"rerun": func() { s.reruns--; s.restart("run again") },
		"fail":  func() { s.fail(arg, "by the timeline") },
		"retry": func() { s.emit(Event{Event: EventRetried, Node: arg}) },
	}
}

// TestDecideIsPure asks the same twice, with maps that Go walks in another order each time.
func TestDecideIsPure(t *testing.T) {
	plan, progress, observed, now := bigFleet(60)
	first := fmt.Sprintf("%+v", Decide(plan, progress, observed, now))
	for range 20 {
		if again := fmt.Sprintf("%+v", Decide(plan, progress, observed, now)); again != first {
			t.Fatalf("two answers to one question:\n%s\n%s", first, again)
		}
	}
}

// TestDecideZero: a run of nothing is over at once, whatever else is missing.
func TestDecideZero(t *testing.T) {
	d := Decide(Plan{}, Progress{}, Observed{}, time.Time{})
	if d.End == nil || d.End.Exit != 0 || !d.End.Finished {
		t.Errorf("decision on nothing: %+v", d)
	}
}

// TestDecideUnknownCluster: an empty list of nodes is a list that hasn't come yet, not a cluster without nodes.
func TestDecideUnknownCluster(t *testing.T) {
	plan := Plan{Nodes: []PlanNode{{Name: "n1"}}}
	d := Decide(plan, Progress{}, Observed{}, time.Time{})
	if len(d.Skip)+len(d.Start) > 0 || d.End != nil || len(d.Waits) != 1 {
		t.Errorf("decision without a list of nodes: %+v", d)
	}
}
