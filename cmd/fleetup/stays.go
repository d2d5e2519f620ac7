package main

import (
	"fmt"
	"io"

	"github.com/fleetup/fleetup/runner"
)

// planStays prints what `fleetup rollback` would leave as it is after the run: each reason once, with its nodes.
func planStays(w io.Writer, plan runner.Plan, found map[string]*runner.Surveyed) {
	var order []string
	nodes := map[string][]string{}
	for _, pn := range plan.Nodes {
		v := found[pn.Name]
		if v == nil || v.NothingToDo() {
			continue
		}
		for _, s := range v.Stays() {
			text := s.Step + ": " + s.Why
			if nodes[text] == nil {
				order = append(order, text)
			}
			nodes[text] = append(nodes[text], pn.Name)
		}
	}
	for _, text := range order {
		fmt.Fprintf(w, "no way back: %s (%s)\n", text, fold(nodes[text]))
	}
}
