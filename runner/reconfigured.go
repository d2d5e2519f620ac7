package runner

import (
	"context"
	"fmt"
	"maps"

	"github.com/fleetup/fleetup/playbooks"
)

// reconfigured reports whether this claim changes the kubelet's configuration, or takes a change of it back.
func (l *life) reconfigured() bool {
	for _, s := range l.w.Steps {
		c, is := s.(playbooks.Configurer)
		if !is {
			continue
		}
		if _, due := l.state[beforeKey+s.ID()]; due || c.Configured() == nil {
			return true
		}
	}
	return false
}

// whole is what AwaitWhole is to hold the node against: how it was when it was claimed. Where the kubelet keeps more for
// itself now, what is left for pods says nothing; that the node has what was meant is asked of the kubelet itself.
func (l *life) whole() map[string]string {
	if !l.reconfigured() {
		return l.state
	}
	before := maps.Clone(l.state)
	for _, name := range []string{"cpu", "memory", "ephemeral-storage", "pods"} {
		delete(before, name)
	}
	return before
}

// configured asks the kubelets' API for what the steps have set: a flag or another drop-in may outrank theirs.
func (l *life) configured(ctx context.Context, steps []Item) error {
	for _, i := range steps {
		c, is := i.Step.(playbooks.Configurer)
		if !is || c.Configured() == nil {
			continue
		}
		err := within(ctx, l.w.VerifyTimeout, "the kubelet's configuration", func(ctx context.Context) error {
			return l.r.Cluster.AwaitConfigured(ctx, l.w.Node, c.Configured(), l.waiting)
		})
		if err != nil {
			return fmt.Errorf("step %q: verify: %w", i.Step.Name(), err)
		}
	}
	return nil
}
