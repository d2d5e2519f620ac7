package runner

// Counts are nodes by how they stand; Left are those that wait, run, or are blocked. One that is held counts as skipped.
type Counts struct{ Done, Failed, Skipped, Left int }

// Counts counts the plan's nodes; one that no event has spoken of yet is left.
func (p *Progress) Counts(plan Plan) Counts {
	var c Counts
	for _, n := range plan.Nodes {
		switch p.Nodes[n.Name].State {
		case Done:
			c.Done++
		case Failed:
			c.Failed++
		case Skipped, Held:
			c.Skipped++
		default:
			c.Left++
		}
	}
	return c
}
