package runner

import (
	"context"
	"fmt"
	"strconv"
)

// attempt is the key of the claim's state that counts the orders which failed on the node, for a run whose journal
// is lost.
const attempt = "attempt"

// attempted is a machine on which earlier orders of the run failed. A detached step keeps its result under its name,
// so that a restart finds it; an order that tries again must not find the failure before it.
type attempted struct {
	Machine
	fails int
}

// Do implements playbooks.Host: each attempt has names of its own.
func (m attempted) Do(ctx context.Context, name, script string, line func(string)) (string, error) {
	if m.fails > 0 {
		name = fmt.Sprintf("%s.%d", name, m.fails)
	}
	return m.Machine.Do(ctx, name, script, line)
}

// tryAgain makes the machine one of this attempt: by the journal, and once the node is claimed by what it says too.
func (l *life) tryAgain() {
	fails, _ := strconv.Atoi(l.state[attempt])
	l.w.Machine = attempted{l.r.Work[l.w.Node].Machine, max(fails, l.fails)}
}

// count notes on the node that one more order has failed on it.
func (l *life) count(ctx context.Context) error {
	if l.state == nil {
		return nil
	}
	fails, _ := strconv.Atoi(l.state[attempt])
	return l.r.Cluster.Note(ctx, l.w.Node, l.r.Run, map[string]string{attempt: strconv.Itoa(max(fails, l.fails) + 1)})
}
