package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner/finding"
)

// watchFleet looks again and again until ctx ends, which is its good end. On a terminal each look takes the place of the one
// before; elsewhere the first is printed whole and then what changed. Events are told as they come. With JSON each look is a line.
func (a *app) watchFleet(ctx context.Context, f *inventory.Fleet, every time.Duration, look func() diagnosis) error {
	w := &watcher{app: a, live: columns(a.out) > 0 && !a.json(), rows: rows(a.out)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.Require(false, true) == nil && !a.json() {
		k, err := kube.Open(kube.Config{Kubeconfig: f.Cluster.Kubeconfig, Context: f.Cluster.Context, Namespace: f.Cluster.Namespace, Dial: a.dial, Boottime: a.boottime})
		if err != nil {
			return exitWith(exitFailed, fmt.Errorf("cluster: %w", err))
		}
		defer k.Close()
		var following sync.WaitGroup
		following.Go(func() { k.FollowEvents(ctx, w.event) })
		defer func() { cancel(); following.Wait() }()
	}
	for {
		d := look()
		if ctx.Err() != nil {
			return nil
		}
		if err := w.show(d); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// watcher shows one look after the other.
type watcher struct {
	app  *app
	live bool // on a terminal, whose screen is ours
	rows int  // of it; 0: no end

	mu     sync.Mutex
	before map[watched]finding.Finding // nil: nothing was shown yet
	shown  *diagnosis                  // on the screen
	events []string                    // the last, for a screen that is cleared
}

// watched is what makes two findings of different looks the same one: numbers in the evidence change all the time.
type watched struct{ rule, object string }

// keptEvents stay on a screen when it is drawn anew.
const keptEvents = 8

func (w *watcher) show(d diagnosis) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := map[watched]finding.Finding{}
	for _, f := range d.findings() {
		now[watched{f.Rule, f.Object}] = f
	}
	before := w.before
	w.before = now
	switch {
	case w.app.json():
		if err := w.app.showDiagnosis(d); err != nil && exitCode(err) != exitFailed { // a machine that is away is in it
			return err
		}
	case w.live:
		w.shown = &d
		w.draw()
	case before == nil:
		w.app.diagnosisOn(w.app.screen(len(d.nodes)), d)
	default:
		w.changes(before, now)
	}
	return nil
}

// draw fills the screen: what is worst stays in sight, at the top; what there is no room for is left out, and said.
func (w *watcher) draw() {
	out := w.app.out
	defer func() { w.app.out = out }()
	fmt.Fprint(out, "\033[H\033[2J")
	upper := &top{Writer: out, left: 1 << 30}
	if w.rows > 0 {
		upper.left = max(w.rows-len(w.events)-4, 3) // below: a blank line, what is left out, the time, the cursor's line
	}
	w.app.out = upper
	w.app.diagnosisOn(w.app.screen(len(w.shown.nodes)), *w.shown)
	if upper.cut > 0 {
		fmt.Fprintf(out, "… %d more in a taller window\n", upper.cut)
	}
	fmt.Fprintf(out, "\n%s, Ctrl-C ends\n", clock(time.Now()))
	for _, e := range w.events {
		if width := columns(out); width > 0 {
			e = clip(e, width)
		}
		fmt.Fprintln(out, e)
	}
}

// top passes on what has room in the first rows of a terminal, and counts the lines that haven't.
type top struct {
	io.Writer
	left, cut int
}

func (t *top) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		whole, takes := bytes.HasSuffix(line, []byte("\n")), 1
		if width := columns(t.Writer); width > 0 { // a command stays whole, and takes two
			takes += max(visible(strings.TrimRight(string(line), "\n"))-1, 0) / width
		}
		if t.left >= takes {
			if _, err := t.Writer.Write(line); err != nil {
				return 0, err
			}
		} else {
			t.left = 0
			t.cut++
		}
		if whole {
			t.left -= takes
		}
	}
	return len(b), nil
}

// changes prints what came and what went since the look before.
func (w *watcher) changes(before, now map[watched]finding.Finding) {
	var came, went []finding.Finding
	for k, f := range now {
		if old, known := before[k]; !known || old.Severity != f.Severity {
			came = append(came, f)
		}
	}
	for k, f := range before {
		if _, still := now[k]; !still {
			went = append(went, f)
		}
	}
	finding.Sort(came)
	finding.Sort(went)
	at := clock(time.Now())
	for _, f := range came {
		fmt.Fprintf(w.app.out, "%s  %s  %s  %s: %s\n", at, marks[f.Severity].word, f.Rule, f.Object, f.Evidence)
	}
	for _, f := range went {
		fmt.Fprintf(w.app.out, "%s  over  %s  %s\n", at, f.Rule, f.Object)
	}
}

// event tells one as it comes.
func (w *watcher) event(e corev1.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	object := e.InvolvedObject.Kind + " " + e.InvolvedObject.Name
	if e.InvolvedObject.Namespace != "" {
		object = e.InvolvedObject.Kind + " " + e.InvolvedObject.Namespace + "/" + e.InvolvedObject.Name
	}
	text := fmt.Sprintf("%s  event  %s  %s: %s", clock(time.Now()), e.Reason, object, firstLine(e.Message))
	w.events = append(w.events, text)
	w.events = w.events[max(len(w.events)-keptEvents, 0):]
	switch {
	case !w.live:
		fmt.Fprintln(w.app.out, text)
	case w.shown != nil:
		w.draw()
	}
}

// interruptible ends with the first signal: what only looks has nothing to finish.
func (a *app) interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	notify := a.notify
	if notify == nil {
		notify = realSignals
	}
	got := make(chan os.Signal, 1)
	deaf := notify(got)
	var listening sync.WaitGroup
	listening.Go(func() {
		select {
		case sig := <-got:
			cancel(fmt.Errorf("%w (%s)", errSignal, sig))
		case <-ctx.Done():
		}
	})
	return ctx, func() { deaf(); cancel(nil); listening.Wait() }
}
