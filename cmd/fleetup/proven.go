package main

import (
	"strconv"
	"time"

	"github.com/fleetup/fleetup/runner"
)

// proven is the proof as the journal keeps it, one event a line, so that a report can be made of the journal alone: the verdict, each
// Service that ever had less than at the start, each target. A command that watched nothing has proven nothing.
func (sum summary) proven() []runner.Event {
	if !sum.watched {
		return nil
	}
	var events []runner.Event
	line := func(data map[string]string) {
		events = append(events, runner.Event{Event: runner.EventProof, Data: data})
	}
	whole := 0
	for _, v := range sum.Services {
		if v.Min >= v.Start {
			whole++
			continue
		}
		data := map[string]string{
			"service": v.Namespace + "/" + v.Name, "min_ready": strconv.Itoa(v.Min), "start_ready": strconv.Itoa(v.Start),
			"at": v.At.UTC().Format(time.RFC3339Nano), "nodes": v.Node,
		}
		if v.Accepted {
			data["accepted"] = "true"
		}
		line(data)
	}
	for _, t := range sum.HTTP {
		line(map[string]string{
			"target": t.Name, "sent": strconv.Itoa(t.Sent), "failed": strconv.Itoa(t.Failed),
			"slowest_seconds": strconv.FormatFloat(t.Slowest, 'f', 3, 64), "last_failure": t.LastFailure,
		})
	}
	line(map[string]string{"zero_downtime": strconv.FormatBool(sum.Zero), "whole": strconv.Itoa(whole)})
	return events
}
