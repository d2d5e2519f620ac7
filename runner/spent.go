package runner

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Spent is how long an order on a node took, or will, and of that each of its phases.
type Spent struct {
	All    time.Duration
	Phases map[string]time.Duration
}

// Took returns how long each node's last order took that changed something, by the events of a journal.
func Took(events []Event) map[string]Spent {
	t := taking{began: map[string]Event{}, phase: map[string]Event{}, changed: map[string]bool{}, spent: map[string]map[string]time.Duration{}}
	took := map[string]Spent{}
	for _, e := range events {
		switch e.Event {
		case EventOrder:
			t.began[e.Node], t.changed[e.Node], t.spent[e.Node] = e, false, map[string]time.Duration{}
			delete(t.phase, e.Node)
		case EventPhase:
			t.over(e)
			t.phase[e.Node] = e
		case EventResumed: // an order that a crash cut in two tells of the crash
			clear(t.began)
		case EventChanged:
			t.changed[e.Node] = true
		case EventDone, EventThrough:
			t.over(e)
			if began, known := t.began[e.Node]; known && t.changed[e.Node] {
				took[e.Node] = Spent{e.Time.Sub(began.Time), t.spent[e.Node]}
			}
		}
	}
	return took
}

// taking is what is known of each node's order that goes on.
type taking struct {
	began, phase map[string]Event
	changed      map[string]bool
	spent        map[string]map[string]time.Duration
}

// over counts the phase that e ends.
func (t taking) over(e Event) {
	if before, known := t.phase[e.Node]; known && t.spent[e.Node] != nil {
		t.spent[e.Node][before.Phase] += e.Time.Sub(before.Time)
	}
}

// Typical is the median of what nodes took, phase by phase; ok is false where none is known.
func Typical(all map[string]Spent) (typical Spent, ok bool) {
	if len(all) == 0 {
		return Spent{}, false
	}
	typical.Phases = map[string]time.Duration{}
	var whole []time.Duration
	phases := map[string][]time.Duration{}
	for _, s := range all {
		whole = append(whole, s.All)
		for name, d := range s.Phases {
			phases[name] = append(phases[name], d)
		}
	}
	typical.All = median(whole)
	for name, list := range phases {
		typical.Phases[name] = median(list)
	}
	return typical, true
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// Foreseen is what was foreseen of one node when the run began. In JSON: seconds.
type Foreseen struct {
	At      float64            `json:"at"` // since the run's begin
	Takes   float64            `json:"takes"`
	Phases  map[string]float64 `json:"phases,omitempty"`
	Blocked string             `json:"blocked,omitempty"` // why its drain would be
}

// foreseenAtOnce is how many nodes stand in one event: each event is an fsync.
const foreseenAtOnce = 200

// The keys of Data of EventForeseen. The first event holds all of them, those after it more nodes.
const (
	foreseenTotal = "total_seconds"
	foreseenEnds  = "ends"
	foreseenKnown = "known"
	foreseenNodes = "nodes"
)

// ForeseenRun is what was foreseen of the whole run.
type ForeseenRun struct {
	Total time.Duration
	Ends  bool // it could end, as things stood; Total is 0 otherwise
	Known bool // it rests on a run before; else it was guessed
}

// ForeseenEvents are what the journal keeps of a forecast: the whole run, and each node.
func ForeseenEvents(run ForeseenRun, nodes map[string]Foreseen) ([]Event, error) {
	events := []Event{{Event: EventForeseen, Data: map[string]string{
		foreseenTotal: strconv.FormatFloat(run.Total.Seconds(), 'f', 1, 64),
		foreseenEnds:  strconv.FormatBool(run.Ends), foreseenKnown: strconv.FormatBool(run.Known)}}}
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(nodes)), foreseenAtOnce) {
		part := map[string]Foreseen{}
		for _, name := range chunk {
			part[name] = nodes[name]
		}
		text, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		if last := &events[len(events)-1]; last.Data[foreseenNodes] == "" {
			last.Data[foreseenNodes] = string(text)
		} else {
			events = append(events, Event{Event: EventForeseen, Data: map[string]string{foreseenNodes: string(text)}})
		}
	}
	return events, nil
}

// ForeseenIn reads one such event. whole says that it speaks of the whole run too; what can't be read is left out.
func ForeseenIn(e Event) (run ForeseenRun, whole bool, nodes map[string]Foreseen) {
	if text, there := e.Data[foreseenTotal]; there {
		seconds, err := strconv.ParseFloat(text, 64)
		run, whole = ForeseenRun{time.Duration(seconds * float64(time.Second)), e.Data[foreseenEnds] == "true", e.Data[foreseenKnown] == "true"}, err == nil
	}
	_ = json.Unmarshal([]byte(e.Data[foreseenNodes]), &nodes) // absent, or of a later version
	return run, whole, nodes
}
