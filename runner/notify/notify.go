// Package notify tells people how a run goes, through chats, pagers and webhooks.
//
//	n := notify.Start(receivers, func(trouble string) { … })
//	n.Send(notify.Message{Event: "halted", Title: "fleetup prod-east: halted", Text: "gate …"})
//	n.Close(20 * time.Second)
//
// Nothing here blocks a run or fails it: Send returns at once, each receiver has a goroutine and a bounded queue of its
// own, and what can't be sent is said once and given up. Close waits for what is under way, but not for long. A receiver's
// URL holds its credentials: no text that leaves this package shows more of it than its scheme.
package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Receiver is whoever wants to hear of some events.
type Receiver struct {
	Name   string                                // for people: notify[0]
	URL    func(context.Context) (string, error) // of a shoutrrr service, or of a webhook; asked before each message
	Events []string
}

// Message is one thing that happened.
type Message struct {
	Event string // started, halted, failed or finished
	Title string // one line
	Text  string
}

// Notifier sends messages to receivers. Close it.
type Notifier struct {
	say     func(string)
	workers []*worker
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// Dialler is net.Dialer's DialContext.
type Dialler func(ctx context.Context, network, addr string) (net.Conn, error)

type worker struct {
	Receiver
	dial Dialler
	mail chan Message
}

const (
	mostWaiting = 32               // messages of one receiver
	sendTimeout = 15 * time.Second // of one attempt
	retryAfter  = 3 * time.Second
	attempts    = 2
)

// Start begins to listen for messages. say gets what can't be sent, from any goroutine, and never a URL.
//
// dial, where not nil, replaces the TCP dialler of webhooks.
func Start(receivers []Receiver, dial Dialler, say func(string)) *Notifier {
	ctx, cancel := context.WithCancel(context.Background())
	n := &Notifier{say: say, cancel: cancel}
	for _, r := range receivers {
		w := &worker{r, dial, make(chan Message, mostWaiting)}
		n.workers = append(n.workers, w)
		n.done.Go(func() {
			for m := range w.mail {
				if err := w.deliver(ctx, m); err != nil {
					say(fmt.Sprintf("%s: %q could not be sent: %v", w.Name, m.Event, err))
				}
			}
		})
	}
	return n
}

// Send queues a message for everybody who wants its event. A full queue loses it, which is said.
func (n *Notifier) Send(m Message) {
	for _, w := range n.workers {
		if !slices.Contains(w.Events, m.Event) {
			continue
		}
		select {
		case w.mail <- m:
		default:
			n.say(fmt.Sprintf("%s: %q could not be sent: %d others still wait", w.Name, m.Event, mostWaiting))
		}
	}
}

// Close sends what is queued, but for no longer than bound, and ends. Nothing may be sent after it.
func (n *Notifier) Close(bound time.Duration) {
	for _, w := range n.workers {
		close(w.mail)
	}
	late := time.AfterFunc(bound, n.cancel)
	defer late.Stop()
	n.done.Wait()
	n.cancel()
}

// deliver sends one message, twice if need be.
func (w *worker) deliver(ctx context.Context, m Message) error {
	var err error
	for n := range attempts {
		if n > 0 {
			select {
			case <-ctx.Done():
				return err
			case <-time.After(retryAfter):
			}
		}
		if ctx.Err() != nil {
			return errors.Join(err, errors.New("there was no time left for it"))
		}
		if err = w.attempt(ctx, m); err == nil {
			return nil
		}
	}
	return err
}

func (w *worker) attempt(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	url, err := w.URL(ctx)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- send(ctx, w.dial, url, m) }() // the services take no context, and end by their own timeouts
	select {
	case err = <-sent:
	case <-ctx.Done():
		return errors.New("no answer in time")
	}
	if err != nil {
		return errors.New(redacted(err.Error(), url))
	}
	return nil
}
