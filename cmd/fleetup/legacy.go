package main

import (
	"slices"
	"strings"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
)

// legacyFindings say which hosts may be spoken to by algorithms that are no longer safe, those with the same ones together.
func legacyFindings(hosts []inventory.Host) []runner.Finding {
	var order []string
	by := map[string][]string{}
	for _, h := range hosts {
		key := strings.Join(slices.Sorted(slices.Values(h.SSH.Legacy)), ", ")
		if key == "" {
			continue
		}
		if by[key] == nil {
			order = append(order, key)
		}
		by[key] = append(by[key], h.Name)
	}
	var all []runner.Finding
	for _, key := range order {
		all = append(all, runner.Finding{What: "ssh", Why: "legacy_algorithms of " + fold(by[key]) + " allows " + key +
			", no longer safe, where a machine has nothing better: update its sshd, and take that out of the inventory"})
	}
	return all
}
