package main

import (
	"context"
	"slices"
	"strings"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/diagnose"
)

// dying are the rules of a diagnosis about parts that may not come back from a reboot, or that make it worth to replace them
// while the node is empty anyhow.
var dying = []string{"hardware", "disk-ageing", "disk-errors", "memory-corrected", "read-only-mount"}

// health is how the disks and the memory are of all machines that answered. A machine that isn't asked is one that preflight has
// told of.
func (s *session) health(ctx context.Context, found map[string]*runner.Surveyed) ([]runner.Finding, error) {
	limits, err := diagnose.LoadThresholds("")
	if err != nil {
		return nil, err
	}
	looks := make([]diagnosed, len(s.hosts))
	eachOf(s.hosts, s.fleet.FanOut, func(i int, h inventory.Host) {
		if v := found[h.Node]; v != nil && v.Err == nil {
			looks[i] = lookInside(ctx, s.machines[h.Node], h, diagnose.Questions{}, nil)
			looks[i].judge(limits)
		}
	})
	var all []runner.Finding
	for i, look := range looks {
		all = append(all, dyingParts(s.hosts[i], look)...)
	}
	return all, ctx.Err()
}

func dyingParts(h inventory.Host, look diagnosed) (all []runner.Finding) {
	for _, f := range look.Findings {
		if slices.Contains(dying, f.Rule) {
			why := f.Evidence + ": " + f.Meaning + "; " + f.Action
			if f.Command != "" {
				why += ": " + strings.TrimSpace(f.Command)
			}
			all = append(all, runner.Finding{Node: h.Node, What: "health", Why: why})
		}
	}
	return all
}
