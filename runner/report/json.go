package report

import (
	"encoding/json"
	"io"
	"slices"
)

// JSON writes the report as one document.
func (r Report) JSON(w io.Writer) error { return json.NewEncoder(w).Encode(r.listed()) }

// listed has empty lists where a reader of JSON would find null.
func (r Report) listed() Report {
	fill(&r.Services)
	fill(&r.URLs)
	fill(&r.Nodes)
	fill(&r.Gates)
	fill(&r.Soaks)
	fill(&r.Pickups)
	fill(&r.Messages)
	r.Nodes = slices.Clone(r.Nodes)
	for i := range r.Nodes {
		n := &r.Nodes[i]
		fill(&n.Orders)
		fill(&n.Changes)
		fill(&n.Waits)
		fill(&n.Remarks)
		n.Orders = slices.Clone(n.Orders)
		for k := range n.Orders {
			fill(&n.Orders[k].Phases)
		}
	}
	return r
}

func fill[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}
