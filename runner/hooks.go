package runner

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// The moments at which hooks run. A node that needs no drain has none of its own; a phase that is entered again after a
// crash, or a node that is drained again, runs its hooks again.
const (
	hookStarted       = "started"        // of the run: a process begins it or goes on with it, before all else
	hookBeforeDrain   = "before-drain"   // the node is cordoned, its pods are still there
	hookAfterDrain    = "after-drain"    // its pods are gone, nothing was stopped yet
	hookBeforeReboot  = "before-reboot"  // each time
	hookAfterUncordon = "after-uncordon" // given back, before it is verified again
	hookFailed        = "failed"         // of a node: it failed, and stays cordoned
	hookFinished      = "finished"       // of the run: nothing is in flight any more, however it ended; not where it was parked
)

// Moment is what a hook may know.
type Moment struct {
	At    string
	Run   string
	Node  string // the Node object's name; "" for those of the run
	Phase string // of the node
	Why   string // of failed, and of a run that didn't do all
	Exit  string // of finished
}

// hook runs the hooks of a moment, one after the other: tell journals each before it begins, say what it prints. A
// failure that counts ends them.
func (r *Runner) hook(ctx context.Context, m Moment, tell func(Event) error, say func(string)) error {
	m.Run = r.Run
	for _, h := range r.Hooks {
		if h.At() != m.At {
			continue
		}
		if err := tell(Event{Event: EventHook, Message: m.At + ": " + h.Name(), Data: map[string]string{"at": m.At}}); err != nil {
			return err
		}
		if err := h.Run(ctx, m, say); err != nil {
			return fmt.Errorf("hook %s: %w", m.At, err)
		}
	}
	return nil
}

// hook runs the node's hooks of a moment.
func (l *life) hook(ctx context.Context, at string) error {
	return l.r.hook(ctx, Moment{At: at, Node: l.w.Node, Phase: l.phase}, l.tell, l.say)
}

// failedHook tells the hooks that the node failed; their own failures are only said.
func (l *life) failedHook(ctx context.Context, why string) {
	if err := l.r.hook(ctx, Moment{At: hookFailed, Node: l.w.Node, Phase: l.phase, Why: why}, l.tell, l.say); err != nil {
		l.say(err.Error())
	}
}

func (r *Runner) say(line string) { _ = r.emit(Event{Event: EventSaid, Message: line}) }

// startedHook runs the hooks of the run's beginning. One that fails halts the run before anything is touched.
func (r *Runner) startedHook(ctx context.Context) error {
	err := r.hook(ctx, Moment{At: hookStarted}, r.emit, r.say)
	if err == nil || fatal(err) != nil {
		return err
	}
	return r.emit(Event{Event: EventHalted, Message: err.Error()})
}

// lastHooks bounds the hooks of the end, whose own times could add up.
const lastHooks = 10 * time.Minute

// finishedHook runs the hooks of the run's end, which they can't change any more.
func (r *Runner) finishedHook(ctx context.Context, end End) error {
	ctx, cancel := context.WithTimeout(ctx, lastHooks)
	defer cancel()
	err := r.hook(ctx, Moment{At: hookFinished, Why: end.Why, Exit: strconv.Itoa(end.Exit)}, r.emit, r.say)
	if err == nil || fatal(err) != nil {
		return err
	}
	r.say(err.Error())
	return nil
}
