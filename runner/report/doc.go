// Package report tells others what a run did, from its journal alone: the same events always make the same bytes.
//
//	events, _, _, err := runner.ReadJournal(path)
//	report.From(events).HTML(w)
//
// From folds events into a Report of plain values; HTML, JSON and Markdown write one. The page is a single file that
// asks nothing of the network and runs no script: its timeline is SVG, whatever is long is folded by the browser itself. What
// was foreseen when the run began is held against what then happened.
//
// A journal that isn't whole, or that a run still writes, makes a report of what it holds: an order that has no end yet
// ends at the last event.
package report

import (
	"time"

	"github.com/fleetup/fleetup/runner"
)

// Report is a run as its journal tells it. Times are UTC.
type Report struct {
	Version   int       `json:"version"` // 1
	Run       string    `json:"run"`
	Inventory string    `json:"inventory"` // its path, as of the run's begin
	Program   string    `json:"fleetup"`   // the version of fleetup that began it
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended"`   // of the last event; of a run that is watched: now
	Last      time.Time `json:"-"`       // of the last event
	Outcome   string    `json:"outcome"` // finished, halted, interrupted or unfinished
	Why       string    `json:"why,omitempty"`

	// Zero says whether the zero-downtime proof held, over every part of the run; nil: the journal holds no proof.
	Zero     *bool     `json:"zero_downtime,omitempty"`
	Services []Service `json:"services"` // those that the proof names, by name
	Whole    int       `json:"services_whole"`
	URLs     []URL     `json:"urls"`

	// Foreseen is what was foreseen of the whole run when it began; nil: the journal holds no forecast.
	Foreseen *Foreseen `json:"foreseen,omitempty"`

	Planned  int      `json:"planned,omitempty"` // how many nodes the run was to take; 0: the journal doesn't tell
	Nodes    []Node   `json:"nodes"`             // those that the journal names, by when they were begun; the untouched ones last, by name
	Gates    []Gate   `json:"gates"`
	Soaks    []Span   `json:"soaks"`
	Pickups  []Pickup `json:"pickups"`  // when and how the run was interrupted, halted and picked up
	Messages []Remark `json:"messages"` // what the run, not a node, said
}

// Foreseen is a forecast of a whole run.
type Foreseen struct {
	Seconds float64 `json:"seconds"`
	Ends    bool    `json:"ends"`  // it could end, as things stood; Seconds is 0 otherwise
	Known   bool    `json:"known"` // it rests on a run before; else it was guessed
}

// Node is what happened to one node.
type Node struct {
	Name    string   `json:"node"`
	State   string   `json:"state"` // waiting, running, done, failed, blocked, skipped, or held for hardware work
	Why     string   `json:"why,omitempty"`
	Orders  []Order  `json:"orders"`
	Changes []Change `json:"changes"`
	Waits   []Wait   `json:"waits"`
	Remarks []Remark `json:"remarks"`
	// Foreseen is what was foreseen of it before it was begun; nil: nothing was.
	Foreseen *runner.Foreseen `json:"foreseen,omitempty"`
}

// Order is one order on a node, with its phases.
type Order struct {
	Name   string    `json:"order"`
	Stage  string    `json:"stage,omitempty"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended"`
	End    string    `json:"end"`           // the event that ended it: done, failed, blocked, held, through, back; "" it was cut off, or runs
	Why    string    `json:"why,omitempty"` // it failed
	Phases []Span    `json:"phases"`
}

// Span is something that took a time.
type Span struct {
	Name  string    `json:"name"`
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
}

// Took is how long it was.
func (s Span) Took() time.Duration { return s.Ended.Sub(s.Began) }

// Change is what a step changed.
type Change struct {
	At   time.Time `json:"at"`
	Step string    `json:"step"`
	Text string    `json:"text"` // from what to what, as the step says it
}

// Wait is something that a node waited for, from when it was said until something else was.
type Wait struct {
	Span
	Phase string `json:"phase"`
}

// Remark is a line that the run kept.
type Remark struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Pickup is a turn in the run's own life.
type Pickup struct {
	At   time.Time `json:"at"`
	What string    `json:"what"` // resumed, halted or interrupted
	Why  string    `json:"why,omitempty"`
}

// Gate is one answer of a gate that differed from the one before.
type Gate struct {
	At       time.Time `json:"at"`
	Name     string    `json:"gate"`
	Verdict  string    `json:"verdict"`
	Reading  string    `json:"reading"`
	Baseline string    `json:"baseline,omitempty"`
	Why      string    `json:"why,omitempty"`
}

// Service is one Service's part of the zero-downtime proof.
type Service struct {
	Name     string    `json:"service"` // namespace/name
	Start    int       `json:"start_ready"`
	Min      int       `json:"min_ready"`
	At       time.Time `json:"at,omitzero"`
	Node     string    `json:"node,omitempty"` // those that were worked on then, comma between
	Accepted bool      `json:"accepted,omitempty"`
	Series   []Sample  `json:"series,omitempty"`
}

// Sample is how many ready endpoints a Service had, at the least, since the sample before.
type Sample struct {
	At    time.Time `json:"at"`
	Ready int       `json:"ready"`
}

// URL is what one target of [verify] http answered.
type URL struct {
	Name        string  `json:"target"`
	Sent        int     `json:"sent"`
	Failed      int     `json:"failed"`
	Slowest     float64 `json:"slowest_seconds"`
	LastFailure string  `json:"last_failure,omitempty"`
}
