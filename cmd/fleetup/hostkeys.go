package main

import (
	"errors"

	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/remote"
)

// unknownKeys says the same of all machines whose host keys nobody has accepted yet, where they are several: `fleetup trust`
// shows the fingerprints, and a fleet that is new would fill the screen with them.
func unknownKeys(found map[string]*runner.Surveyed, findings []runner.Finding) []runner.Finding {
	var of []int
	for i, f := range findings {
		var key *remote.HostKeyError
		if v := found[f.Node]; v != nil && f.Refuse && f.What == "reach" && errors.As(v.Err, &key) && key.Unknown() {
			of = append(of, i)
		}
	}
	if len(of) < 2 {
		return findings
	}
	for _, i := range of {
		findings[i].Why = "its host key isn't known yet; `fleetup trust INVENTORY` shows it, to be compared and accepted"
	}
	return findings
}
