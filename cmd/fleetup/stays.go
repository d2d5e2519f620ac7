package main

import (
	"fmt"
	"io"

	"github.com/fleetup/fleetup/runner"
)

// stayed are reasons, each once, with the nodes that they hold for.
type stayed []struct {
	why   string
	nodes []string
}

func (s *stayed) add(why, node string) {
	for i := range *s {
		if (*s)[i].why == why {
			(*s)[i].nodes = append((*s)[i].nodes, node)
			return
		}
	}
	*s = append(*s, struct {
		why   string
		nodes []string
	}{why, []string{node}})
}

func (s stayed) print(w io.Writer, prefix string) {
	for _, r := range s {
		fmt.Fprintf(w, "%s%s (%s)\n", prefix, r.why, fold(r.nodes))
	}
}

// planStays prints what `fleetup rollback` would leave as it is after the run.
func planStays(w io.Writer, plan runner.Plan, found map[string]*runner.Surveyed) {
	var all stayed
	for _, pn := range plan.Nodes {
		v := found[pn.Name]
		if v == nil || v.NothingToDo() {
			continue
		}
		for _, s := range v.Stays() {
			all.add(s.Step+": "+s.Why, pn.Name)
		}
	}
	all.print(w, "no way back: ")
}
