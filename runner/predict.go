package runner

import "time"

// Predict says how long a run of the plan takes if each node takes as long as took says and nothing fails: it plays
// the run through Decide, so limits, stages and skipped nodes count as they will. A node that took doesn't name takes no
// time. ok is false where the run can't end as things stand: a limit that is full, or pods that can't be placed.
func Predict(plan Plan, took map[string]time.Duration, o Observed) (total time.Duration, ok bool) {
	var p Progress
	var now time.Time
	seq := 0
	plan.Gates = nil // they are good, and take no time
	apply := func(kind Kind, node, message string) {
		seq++
		// an event that can't follow the ones before it changes nothing, and the play then ends by itself
		_ = p.Apply(Event{Version: eventVersion, Seq: seq, Time: now, Run: "plan", Event: kind, Node: node, Message: message})
	}
	apply(EventStarted, "", "")
	ends := map[string]time.Time{}
	for range 3*len(plan.Nodes) + 3 {
		d := Decide(plan, p, o, now)
		for _, s := range d.Skip {
			apply(EventSkipped, s.Node, s.Why)
		}
		for _, start := range d.Start {
			apply(EventOrder, start.Node, "")
			ends[start.Node] = now.Add(took[start.Node])
		}
		switch {
		case d.End != nil:
			return now.Sub(time.Time{}), d.End.Exit == 0
		case len(d.Skip)+len(d.Start) > 0:
			continue
		case len(ends) == 0:
			return 0, false
		}
		node := earliest(ends)
		now = ends[node]
		delete(ends, node)
		apply(EventDone, node, "")
	}
	return 0, false
}

// earliest is the node that ends first; of two at once, the first by name.
func earliest(ends map[string]time.Time) string {
	first := ""
	for node, at := range ends {
		if first == "" || at.Before(ends[first]) || at.Equal(ends[first]) && node < first {
			first = node
		}
	}
	return first
}

// Took returns how long each node's last order took that changed something, by the events of a journal.
func Took(events []Event) map[string]time.Duration {
	began, changed, took := map[string]time.Time{}, map[string]bool{}, map[string]time.Duration{}
	for _, e := range events {
		switch e.Event {
		case EventOrder:
			began[e.Node], changed[e.Node] = e.Time, false
		case EventResumed: // an order that a crash cut in two tells of the crash
			clear(began)
		case EventChanged:
			changed[e.Node] = true
		case EventDone:
			if at, known := began[e.Node]; known && changed[e.Node] {
				took[e.Node] = e.Time.Sub(at)
			}
		}
	}
	return took
}
