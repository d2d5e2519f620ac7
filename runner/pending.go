package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Moving the soft taint is given so long, and after a failure tried again only then: it is a hint that no run waits for.
const (
	pendTimeout = 10 * time.Second
	pendPause   = 30 * time.Second
)

// pend keeps the soft taint on the nodes that are still to come, so that evicted pods go where they can stay: on before
// the first drain, off where a node was settled without a claim. What can't be sent now is sent at the next look.
// It returns an error of the journal alone.
func (r *Runner) pend(ctx context.Context) error {
	nodes := r.stillToCome()
	if slices.Equal(nodes, r.pended) || time.Now().Before(r.pendNext) {
		return nil
	}
	if !r.pendSaid {
		r.pendSaid = true
		if err := r.emit(Event{Event: EventSaid, Message: "still to come, and to be avoided by evicted pods: " + someOf(nodes)}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, pendTimeout)
	defer cancel()
	if err := r.Cluster.Pend(ctx, r.Run, nodes); err != nil {
		r.pendNext = time.Now().Add(pendPause)
		return nil
	}
	r.pended = append([]string{}, nodes...)
	return nil
}

// unpend takes the soft taint off every node, however the run ends for this process; not where another one may have the
// lease, whose taints they may be.
func (r *Runner) unpend() {
	if len(r.Pending) == 0 {
		return
	}
	err := r.Held()
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), pendTimeout)
		defer cancel()
		err = r.Cluster.Pend(ctx, r.Run, nil)
	}
	if err != nil {
		_ = r.emit(Event{Event: EventSaid, Message: fmt.Sprintf(
			"nodes still carry the taint fleetup.io/pending, which keeps nothing away; the next run, or `fleetup abort INVENTORY`, takes it off: %v", err)})
	}
}

// stillToCome are the nodes to be closed whose turn hasn't come.
func (r *Runner) stillToCome() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var nodes []string
	for _, n := range r.Pending {
		if s := r.Progress.Nodes[n].State; s == "" || s == Waiting || s == Blocked {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// someOf names the first of many.
func someOf(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
