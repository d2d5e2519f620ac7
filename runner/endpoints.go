package runner

import (
	"strconv"
	"time"
)

// countEvery is how often the journal takes down what Services have: often enough for a chart of a run, seldom enough that a run
// of hours stays a journal of megabytes. Dips in between aren't lost: what is written is the least since the last time.
const countEvery = 10 * time.Second

// counted is what the journal holds of Services' endpoints.
type counted struct {
	at    time.Time
	ready map[string]int
}

// count journals the Services whose ready endpoints have changed.
func (r *Runner) count(now time.Time) error {
	if r.Endpoints == nil || now.Sub(r.counted.at) < countEvery || r.Journal.Full() != nil {
		return nil
	}
	ready := r.Endpoints()
	changed := map[string]string{}
	for service, n := range ready {
		if before, known := r.counted.ready[service]; !known || before != n {
			changed[service] = strconv.Itoa(n)
		}
	}
	r.counted = counted{now, ready}
	if len(changed) == 0 {
		return nil
	}
	return r.emit(Event{Event: EventEndpoints, Data: changed})
}
