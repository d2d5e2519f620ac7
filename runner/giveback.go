package runner

import (
	"context"
	"errors"
	"sync"
)

// Leftover is what GiveBack has to leave of a node.
type Leftover struct {
	Why   string
	Given bool // it is given back all the same: it was off, and still has power
	Spare bool // it was lent: it is closed, and what runs there is still there
	Off   bool // and was off
}

// GiveBack takes each of the nodes through the order that gives it back as it was found, all at once, and returns
// those that could not be given back whole, with what is left.
func (r *Runner) GiveBack(ctx context.Context, nodes []string) (map[string]Leftover, error) {
	var flying sync.WaitGroup
	errs := make([]error, len(nodes))
	claims := make([]map[string]string, len(nodes))
	for i, n := range nodes {
		o := Order{Node: n, Name: OrderGiveBack}
		if claims[i], _ = r.Cluster.Recorded(n); claims[i][factLent] != "" {
			o.Name = OrderGiveBackSpare
		}
		if err := r.emit(Event{Event: EventOrder, Node: n, Order: o.Name}); err != nil {
			errs[i] = err
			break
		}
		flying.Go(func() { errs[i] = r.live(ctx, o) })
	}
	flying.Wait()
	left := map[string]Leftover{}
	for i, n := range nodes {
		l := Leftover{Spare: claims[i][factLent] != "", Off: claims[i][factPower] == PowerOff}
		if p := r.Progress.Nodes[n]; p.State != Done {
			l.Why = p.Why
		} else if l.Why, l.Given = r.on[n], true; l.Why == "" {
			continue
		}
		left[n] = l
	}
	return left, errors.Join(errs...)
}

// stillOn notes that a spare that was off has power.
func (r *Runner) stillOn(node string, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.on == nil {
		r.on = map[string]string{}
	}
	r.on[node] = why.Error()
}
