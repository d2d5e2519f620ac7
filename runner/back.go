package runner

import "github.com/fleetup/fleetup/playbooks"

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
