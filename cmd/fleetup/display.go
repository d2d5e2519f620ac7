package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/fleetup/fleetup/runner"
)

// display shows a run: on a terminal a bar over the fleet with a line a state change above it, else a line an
// event; with --output json one object an event, on stdout.
type display struct {
	app   *app
	total int
	began time.Time

	mu       sync.Mutex
	bar      *progressbar.ProgressBar // nil without a terminal
	done     int
	failed   int
	told     []string          // why nodes failed, as shown
	gates    map[string]string // what each gate said last, as shown
	running  map[string]string // node → what it does or waits for
	heldBack string            // why no other node starts
	held     string            // the last that heldUp was told
	said     string            // heldBack as it was printed last, where there is no bar
	sending  string            // a file that is under way, and how far it is
}

func (a *app) newDisplay(total int) *display {
	d := &display{app: a, total: total, began: time.Now(), running: map[string]string{}}
	if a.terminal() && !a.json() {
		d.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(a.err),
			progressbar.OptionSetWidth(d.barWidth()),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionEnableColorCodes(false),
			progressbar.OptionUseANSICodes(true),
		)
		a.transfer = d.transfer
	}
	a.shown.Store(d)
	return d
}

// aside tells of what isn't the command's own doing, as a write to the cluster that waits: above the bar where one is shown.
func (a *app) aside(text string) {
	if d := a.shown.Load(); d != nil {
		d.note(text)
		return
	}
	fmt.Fprintln(paper(a.err), "note: "+text)
}

// transfer shows how far a file is that goes to a machine, or comes from it: in the bar's line, as what the node does.
func (d *display) transfer(host, file string, done, total int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if total <= 0 {
		return
	}
	what := fmt.Sprintf("%s: %s, %d %% of %s", host, path.Base(file), done*100/total, size(total))
	if done >= total {
		what = ""
	}
	if d.sending != what {
		d.sending = what
		d.render()
	}
}

// size is a number of bytes for people, by the units of IEC 80000-13.
func size(n int64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1024 || unit == "GiB" {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n /= 1024
	}
	return ""
}

// quiet are the events that are not worth a line, unless --verbose.
var quiet = map[runner.Kind]bool{runner.EventOrder: true, runner.EventChanged: true}

// kept are the events that are kept for the report, and that no line tells of.
var kept = map[runner.Kind]bool{runner.EventEndpoints: true, runner.EventProof: true, runner.EventForeseen: true}

// shownPhases are the phases that are worth a line, in the words of the people who read it.
var shownPhases = map[string]string{
	"claim":    "cordon",
	"drain":    "drain",
	"stop":     "stop what is to be replaced",
	"start":    "start the kubelet",
	"uncordon": "uncordon",
}

// event shows one event.
func (d *display) event(e runner.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count(e)
	if d.app.json() {
		if e.Event != runner.EventFinished { // the summary prints that one, with the proof
			d.object(e)
		}
		return
	}
	if line := d.line(e); line != "" {
		if d.bar != nil {
			line = wrap(line, d.width()-10)
		}
		d.print(indent(e.Time.Local().Format(time.TimeOnly)+"  ", line))
	}
	d.render()
}

func (d *display) object(v any) {
	b, err := json.Marshal(v)
	if err == nil {
		fmt.Fprintf(d.app.out, "%s\n", b)
	}
}

// count keeps the numbers behind the bar.
func (d *display) count(e runner.Event) {
	switch e.Event {
	case runner.EventDone, runner.EventSkipped, runner.EventHeld:
		d.done++
		delete(d.running, e.Node)
	case runner.EventFailed:
		d.failed++
		d.told = append(d.told, e.Message)
		delete(d.running, e.Node)
	case runner.EventBlocked, runner.EventThrough, runner.EventBack:
		delete(d.running, e.Node)
	case runner.EventOrder:
		d.running[e.Node] = e.Order
	case runner.EventPhase:
		d.running[e.Node] = e.Phase
	case runner.EventWaiting:
		d.running[e.Node] = e.Phase + ": " + e.Message
	}
}

// line is the event for people; "" where it isn't worth one.
func (d *display) line(e runner.Event) string {
	if kept[e.Event] {
		return ""
	}
	if e.Event == runner.EventPhase {
		verb, ok := shownPhases[e.Phase]
		if !ok && !d.app.flags.verbose {
			return ""
		}
		if !ok {
			verb = e.Phase
		}
		return e.Node + "  " + verb
	}
	wordless := e.Event == runner.EventStep && e.Message == ""
	back := e.Event == runner.EventOrder && e.Order == runner.OrderRollBack
	if (quiet[e.Event] && !back || wordless || e.Event == runner.EventGate && d.oldNews(e)) && !d.app.flags.verbose {
		return ""
	}
	e.Message = brief(e.Node, without(e.Message, d.told...))
	text := d.paint(e)
	if e.Node != "" {
		text = e.Node + "  " + text
	}
	return text
}

// oldNews reports whether a gate is good, or says what it said last: it is asked every few seconds.
func (d *display) oldNews(e runner.Event) bool {
	if d.gates == nil {
		d.gates = map[string]string{}
	}
	name, line := e.Data["gate"], gateLine(e)
	old := d.gates[name] == line
	d.gates[name] = line
	return old || e.Data["verdict"] == runner.GateGood
}

// paint words an event; failures are red and successes green where the terminal has colours, and say so in words too.
func (d *display) paint(e runner.Event) string {
	what := string(e.Event)
	switch e.Event {
	case runner.EventFailed:
		return d.color("31", "FAILED in "+e.Phase) + ": " + e.Message
	case runner.EventBlocked:
		return d.color("33", "blocked") + ", given back: " + e.Message
	case runner.EventDone:
		if e.Message == "up to date" {
			return d.color("32", "up to date")
		}
		if e.Message == "done" { // what was changed, an earlier process did
			return d.color("32", "done")
		}
		return d.color("32", "done") + ": " + e.Message
	case runner.EventHeld:
		if e.Message == "" {
			return d.color("33", "off, and held") + " for hardware work"
		}
	case runner.EventThrough:
		if e.Order == runner.OrderUpgradeClosed && e.Message != "up to date" {
			return d.color("32", "upgraded, stays closed") + ": " + e.Message
		}
		return e.Message
	case runner.EventBack:
		if e.Order == runner.OrderRollBack {
			return d.color("33", "went back") + ": " + e.Message
		}
		return e.Message
	case runner.EventSoak, runner.EventSoaked:
		return e.Message
	case runner.EventTurned:
		return d.color("31", "turning back") + ": " + e.Message
	case runner.EventGate:
		return gateLine(e)
	case runner.EventStarted:
		return "run " + e.Run + " started"
	case runner.EventResumed:
		return "run " + e.Run + " goes on"
	case runner.EventHalted:
		return d.color("31", "halted") + ": " + e.Message
	case runner.EventWaiting:
		return e.Phase + " waits: " + e.Message
	case runner.EventSaid:
		return e.Message
	case runner.EventStep:
		what = "step " + e.Step
	case runner.EventOrder:
		if e.Order == runner.OrderRollBack {
			return "goes back to what it ran before"
		}
	}
	if e.Message == "" {
		return what
	}
	return what + ": " + e.Message
}

// gateLine is what a gate said: "gate "error rate": 0.02, bad: …".
func gateLine(e runner.Event) string {
	line := fmt.Sprintf("gate %q: %s", e.Data["gate"], e.Data["verdict"])
	if reading := e.Data["reading"]; reading != "" && !strings.Contains(e.Message, reading) {
		line += " (" + reading + ")"
	}
	if e.Message != "" {
		line += ": " + e.Message
	}
	return line
}

func (d *display) color(code, text string) string {
	if !d.app.color() {
		return text
	}
	return "\033[" + code + "m" + text + "\033[0m"
}

// decided keeps why nothing more is started, for the bar.
func (d *display) decided(dec runner.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heldBack = ""
	if len(dec.Waits) > 0 {
		d.heldBack = dec.Waits[0].Why
	}
	idle := len(d.running)+len(dec.Start) == 0 && dec.Ask == nil && dec.Halt == "" && dec.End == nil && d.held == ""
	if d.bar == nil && !d.app.json() && idle && d.heldBack != "" && d.heldBack != d.said { // a bar says it all the while
		d.said = d.heldBack
		d.print(time.Now().Local().Format(time.TimeOnly) + "  waits: " + firstLine(d.heldBack))
	}
	d.render()
}

// heldUp says why nothing new begins although no node is the reason, when that changes; "" is that it goes on.
func (d *display) heldUp(why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case why == d.held:
		return
	case why != "":
		d.print(d.broken("nothing new begins: " + why))
	default:
		d.print("going on")
	}
	d.held = why
}

// note tells of trouble beside the run.
func (d *display) note(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.print(d.broken("note: " + text))
	d.render()
}

// broken is text as lines of the terminal.
func (d *display) broken(text string) string {
	if d.bar == nil {
		return text
	}
	return wrap(text, d.width())
}

// print writes a line above the bar.
func (d *display) print(line string) {
	if d.bar != nil {
		line = d.app.freshLine() + line
	}
	fmt.Fprintln(d.app.err, line)
}

// render draws the bar: how many are done, how many failed, when it may end, and what is waited for.
func (d *display) render() {
	if d.bar == nil || d.app.json() {
		return
	}
	d.bar.Describe(clip(d.status(), d.width()-d.barWidth()-25))
	_ = d.bar.Set(d.done)
}

// barWidth leaves the words beside the bar their room on a narrow terminal.
func (d *display) barWidth() int { return min(20, d.width()/6) }

func (d *display) width() int { return cmp.Or(columns(d.app.err), 80) }

func (d *display) status() string {
	var parts []string
	if d.failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", d.failed))
	}
	if eta := d.eta(); eta > 0 {
		parts = append(parts, "about "+eta.Round(time.Second).String()+" left")
	}
	if d.sending != "" {
		parts = append(parts, d.sending)
	}
	for _, n := range slices.Sorted(maps.Keys(d.running))[:min(len(d.running), 1)] {
		parts = append(parts, n+" "+brief(n, d.running[n]))
	}
	if len(d.running) > 1 {
		parts = append(parts, fmt.Sprintf("and %d more", len(d.running)-1))
	}
	if len(d.running) == 0 && d.heldBack != "" {
		parts = append(parts, d.heldBack)
	}
	return strings.Join(parts, ", ")
}

// eta is a guess from the pace so far; 0 while there is none.
func (d *display) eta() time.Duration {
	if d.done == 0 || d.done >= d.total {
		return 0
	}
	return time.Since(d.began) / time.Duration(d.done) * time.Duration(d.total-d.done)
}

// close takes the bar away.
func (d *display) close() {
	d.app.shown.CompareAndSwap(d, nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bar != nil {
		fmt.Fprint(d.app.err, d.app.freshLine())
		d.bar = nil
	}
}
