package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/runner"
	"github.com/fleetup/fleetup/runner/notify"
)

// teller tells the inventory's receivers how a run goes.
type teller struct {
	*notify.Notifier
	rec   *record
	fleet string
	hint  func(string) string
}

// lastWords is how long the end of a run waits for its messages to be sent.
const lastWords = 20 * time.Second

// teller begins to listen; trouble gets what can't be sent.
func (a *app) teller(f *inventory.Fleet, rec *record, trouble func(string)) *teller {
	var receivers []notify.Receiver
	for _, n := range f.Notify {
		receivers = append(receivers, notify.Receiver{Name: n.Key, Events: n.Events, URL: func(ctx context.Context) (string, error) {
			return a.secret(ctx, n.Key+".url", n.URL)
		}})
	}
	return &teller{notify.Start(receivers, a.dial, trouble), rec, f.Name, a.hint}
}

func (t *teller) close() { t.Close(lastWords) }

func (t *teller) send(event, what, text string) {
	t.Send(notify.Message{Event: event, Title: fmt.Sprintf("fleetup %s: %s", t.fleet, what), Text: t.hint(text)})
}

// event tells of those events of a run that people are called for.
func (t *teller) event(e runner.Event) {
	switch e.Event {
	case runner.EventStarted:
		t.send("started", "run "+e.Run+" started", nodesOf(e))
	case runner.EventResumed:
		t.send("started", "run "+e.Run+" goes on", nodesOf(e))
	case runner.EventFailed:
		t.send("failed", e.Node+" failed in "+e.Phase, brief(e.Node, e.Message))
	case runner.EventHalted:
		t.send("halted", "halted", fmt.Sprintf("%s\n%s", e.Message, t.rec.next(true)))
	}
}

// nodesOf is how many nodes a run is about.
func nodesOf(e runner.Event) string {
	n, _ := strconv.Atoi(e.Data["nodes"])
	return plural(n, "node")
}

// finished tells how the run ended for this process.
func (t *teller) finished(sum summary) {
	n := sum.Nodes
	what := "done"
	if sum.Exit != exitDone {
		what = fmt.Sprintf("ended with work left, exit %d", sum.Exit)
	}
	zero := "yes"
	if !sum.Zero {
		zero = "no"
	}
	text := fmt.Sprintf("%d done, %d failed, %d skipped, %d left\nzero downtime: %s", n.Done, n.Failed, n.Skipped, n.Left, zero)
	if sum.Message != "" {
		text = sum.Message + "\n" + text
	}
	t.send("finished", what, text)
}
