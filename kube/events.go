package kube

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// eventSender sends Events one after the other, off everybody's way.
type eventSender struct {
	queue chan *corev1.Event

	mu   sync.Mutex
	last time.Time // of an Event
}

const waitingEvents = 256

var eventCount atomic.Uint64 // two Events of one instant need two names

func newEventSender() *eventSender {
	return &eventSender{queue: make(chan *corev1.Event, waitingEvents)}
}

// stamp is the time of an Event, never before that of the one before it: kubectl tells them by their times, and what is known
// of the server's clock changes.
func (s *eventSender) stamp(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.last) {
		s.last = now
	}
	return s.last
}

// Event writes a Kubernetes Event on the Node, so that `kubectl describe node` tells the story. Best effort: it returns
// at once, and the Event is lost where the API server doesn't take it.
func (c *Cluster) Event(_ context.Context, node, run, reason, message string, warning bool) {
	e := newEvent(node, run, reason, message, warning, c.told.stamp(c.ServerTime()))
	if n, ok := c.nodes.get(node); ok {
		e.InvolvedObject.UID = n.UID
	}
	select {
	case c.told.queue <- e:
	default: // the API server has been away for long; the journal has it all
	}
}

func newEvent(node, run, reason, message string, warning bool, at time.Time) *corev1.Event {
	kind := corev1.EventTypeNormal
	if warning {
		kind = corev1.EventTypeWarning
	}
	now := metav1.NewTime(at)
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: metav1.NamespaceDefault, // where kubectl looks for a Node's
			Name:      fmt.Sprintf("%s.%x.%x", node, at.UnixNano(), eventCount.Add(1)),
		},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: node},
		Reason:         reason, Message: fmt.Sprintf("run %s: %s", run, message), Type: kind, Count: 1,
		FirstTimestamp: now, LastTimestamp: now,
		Source: corev1.EventSource{Component: "fleetup"}, ReportingController: "fleetup.io/fleetup",
	}
}

func (s *eventSender) run(ctx context.Context, to corev1client.EventsGetter) {
	for {
		select {
		case e := <-s.queue:
			s.send(ctx, to, e)
		case <-ctx.Done():
			s.flush(to)
			return
		}
	}
}

func (s *eventSender) send(ctx context.Context, to corev1client.EventsGetter, e *corev1.Event) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, _ = to.Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{}) // best effort, as promised
}

// flush sends what is left at the end of a run, for a second at most.
func (s *eventSender) flush(to corev1client.EventsGetter) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for {
		select {
		case e := <-s.queue:
			s.send(ctx, to, e)
		default:
			return
		}
	}
}
