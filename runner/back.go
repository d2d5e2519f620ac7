package runner

import (
	"slices"

	"github.com/fleetup/fleetup/playbooks"
)

// RollBack makes of a plan the one that puts its nodes back: stage by stage as they were to be taken, each node once, within
// the same limits. Nothing soaks, no gate is asked and no window waited for: whoever goes back is in a hurry to get away
// from where the numbers are bad.
func (p Plan) RollBack() Plan {
	seen := map[string]bool{}
	var stages []Stage
	for _, s := range p.Stages {
		nodes := slices.DeleteFunc(slices.Clone(s.Nodes), func(name string) bool { return seen[name] })
		for _, name := range nodes {
			seen[name] = true
		}
		if len(nodes) > 0 {
			stages = append(stages, Stage{Name: s.Name, Order: OrderRollBack, Nodes: nodes})
		}
	}
	p.Stages, p.Gates, p.Back, p.Windows = stages, nil, nil, nil
	if p.OnFailure == "rollback" {
		p.OnFailure = "stop"
	}
	return p
}

// Stays are what a rollback would leave as it is of what is about to be changed here, and why, as far as that can be known
// beforehand.
func (s *Surveyed) Stays() []playbooks.Stay {
	record := map[string]string{}
	var stays []playbooks.Stay
	for _, i := range s.Items {
		if i.Status.Clean {
			continue
		}
		record[i.Step.ID()] = ""
		for _, why := range i.Status.Stays {
			stays = append(stays, playbooks.Stay{Step: i.Step.Name(), Why: why})
		}
	}
	_, never := playbooks.Back(s.Work.Steps, record)
	return append(never, stays...)
}
