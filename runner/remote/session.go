package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// command is one thing to run on a link.
type command struct {
	line      string // for the login shell
	mark      string // line is marked with it; "" where it isn't ours
	in        io.Reader
	out, errw io.Writer
	before    func(ssh.Channel) error // pty and the like
	subsystem string                  // instead of line
	shell     bool                    // instead of line
	kill      bool                    // it ends with ctx, as far as sshd may end it
}

// gate passes writes on until it is shut, so that nothing is written for a caller that has gone.
type gate struct {
	mu   sync.Mutex
	w    io.Writer
	shut bool
	last *atomic.Int64 // when something came
}

func (g *gate) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last.Store(time.Now().UnixNano())
	if g.shut || g.w == nil {
		return len(b), nil
	}
	return g.w.Write(b)
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
}

// exec runs c and returns its exit status. An error means that there is none: the connection was lost (errLost), ctx
// ended, or the machine refused. It returns at once when ctx ends, and soon after the command's end, also where a child
// that it left in the background holds its output open.
func (l *link) exec(ctx context.Context, c command) (int, error) {
	if !l.begin() {
		return 0, l.why
	}
	defer l.wg.Done()
	ch, reqs, release, err := l.session(ctx)
	if err != nil {
		return 0, err
	}
	exit := make(chan int, 1)
	l.wg.Go(func() { watchExit(reqs, exit) })
	var last atomic.Int64
	whole := c.watchEnd()
	out, errw := &gate{w: c.out, last: &last}, &gate{w: c.errw, last: &last}
	defer out.close()
	defer errw.close()
	defer l.wg.Go(func() { // closing waits for the wire, and this caller may be in a hurry
		defer release()
		if c.kill && ctx.Err() != nil {
			_, _ = ch.SendRequest("signal", false, ssh.Marshal(struct{ Signal string }{"TERM"}))
		}
		_ = ch.Close()
	})
	if err := l.start(ctx, ch, c); err != nil {
		return 0, err
	}
	streams := make(chan struct{})
	l.wg.Go(func() { copyStreams(ch, out, errw, streams) })
	if c.in != nil {
		go feed(ch, c.in) // ends with the channel, or when in does
	} else {
		_ = ch.CloseWrite()
	}
	return l.wait(ctx, exit, output{streams, whole, &last})
}

// watchEnd takes the marks of its end out of c's outputs. What it returns is closed when both have come; nil: it has none.
func (c *command) watchEnd() <-chan struct{} {
	if c.mark == "" {
		return nil
	}
	whole := make(chan struct{})
	var left atomic.Int32
	left.Store(2)
	met := func(int) {
		if left.Add(-1) == 0 {
			close(whole)
		}
	}
	c.out, c.errw = &markWatch{marker: endOf(c.mark), w: c.out, met: met}, &markWatch{marker: endOf(c.mark), w: c.errw, met: met}
	return whole
}

func (l *link) start(ctx context.Context, ch ssh.Channel, c command) error {
	done := make(chan error, 1)
	l.wg.Go(func() { done <- request(ch, c) })
	select {
	case err := <-done:
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %w", errLost, err)
		}
		return err
	case <-l.dead:
		return l.why
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func request(ch ssh.Channel, c command) error {
	if c.before != nil {
		if err := c.before(ch); err != nil {
			return err
		}
	}
	kind, payload := "exec", ssh.Marshal(struct{ Command string }{c.line})
	switch {
	case c.subsystem != "":
		kind, payload = "subsystem", ssh.Marshal(struct{ Name string }{c.subsystem})
	case c.shell:
		kind, payload = "shell", nil
	}
	ok, err := ch.SendRequest(kind, true, payload)
	if err == nil && !ok {
		err = fmt.Errorf("the machine's sshd refused the request %q", kind)
	}
	return err
}

func copyStreams(ch ssh.Channel, out, errw io.Writer, done chan<- struct{}) {
	defer close(done)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(out, ch) })
	wg.Go(func() { _, _ = io.Copy(errw, ch.Stderr()) })
	wg.Wait()
}

func feed(ch ssh.Channel, in io.Reader) {
	_, _ = io.Copy(ch, in)
	_ = ch.CloseWrite()
}

// output is what is known of a command's output.
type output struct {
	ended <-chan struct{} // there is no more of it: said by the other side, or the connection is lost
	whole <-chan struct{} // the marks of its end are there; nil: none will be
	last  *atomic.Int64   // when some of it came
}

// wait returns the exit status once all of the output is there. sshd may send the one before the other, and a connection
// may be lost, or stand still, between the two. The output of a command without marks is all there when it has ended, or
// when it has been still for a second and the machine still answers: a child in the background may hold it open.
func (l *link) wait(ctx context.Context, exit <-chan int, o output) (int, error) {
	var status int
	var ok bool
	select {
	case status, ok = <-exit:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if !ok {
		return 0, l.vanished(ctx)
	}
	still, most := time.Second, 10*time.Second
	if o.whole != nil { // without its marks it was killed, or wasn't begun
		still, most = 10*time.Second, time.Minute
	}
	o.last.Store(time.Now().UnixNano())
	end := time.Now().Add(most)
	for wait := still; wait > 0 && time.Now().Before(end); wait = still - time.Since(time.Unix(0, o.last.Load())) {
		select {
		case <-o.whole:
			return status, nil
		case <-o.ended:
			return l.unless(ctx, o, status)
		case <-time.After(wait):
			if !l.answers(ctx) {
				return 0, l.end(ctx)
			}
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	return status, nil
}

// unless returns the status of a command whose output has ended, unless that is the end of a connection.
func (l *link) unless(ctx context.Context, o output, status int) (int, error) {
	select {
	case <-o.whole: // both at once
		return status, nil
	default:
	}
	if o.whole != nil && !l.answers(ctx) {
		return 0, l.end(ctx)
	}
	return status, nil
}

// vanished says why a command ended without an exit status.
func (l *link) vanished(ctx context.Context) error {
	if l.answers(ctx) {
		return fmt.Errorf("%w: the command's channel was closed without an exit status", errLost)
	}
	return l.end(ctx)
}

// answers reports whether the connection outlives a channel that has ended. Where it is lost its channels end first, and how
// much later that is known depends on how busy this machine is: so the other side is asked. false: it is lost, or ctx ended.
func (l *link) answers(ctx context.Context) bool {
	answer := make(chan error, 1)
	l.wg.Go(func() { answer <- l.ask() })
	select {
	case err := <-answer:
		return err == nil
	case <-l.dead:
	case <-ctx.Done():
	}
	return false
}

// end waits until the connection is known to be lost, and says why; or why ctx ended.
func (l *link) end(ctx context.Context) error {
	select {
	case <-l.dead:
		return l.why
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// watchExit passes the exit status on, and closes exit when the channel has ended.
func watchExit(reqs <-chan *ssh.Request, exit chan<- int) {
	defer close(exit)
	for r := range reqs {
		switch r.Type {
		case "exit-status":
			var m struct{ Status uint32 }
			if ssh.Unmarshal(r.Payload, &m) == nil {
				offer(exit, int(m.Status))
			}
		case "exit-signal":
			var m struct {
				Signal     string
				CoreDumped bool
				Error      string
				Lang       string
			}
			if ssh.Unmarshal(r.Payload, &m) == nil {
				offer(exit, 128+signalNumber(m.Signal))
			}
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
}

func offer(exit chan<- int, status int) {
	select {
	case exit <- status:
	default:
	}
}

func signalNumber(name string) int {
	numbers := map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11,
		"USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15}
	return numbers[name]
}

// subsystem opens a subsystem and runs do with its stream. When ctx ends or the connection is lost the stream is closed,
// and the error says which.
func (l *link) subsystem(ctx context.Context, name string, do func(io.ReadWriteCloser) error) error {
	if !l.begin() {
		return l.why
	}
	defer l.wg.Done()
	ch, reqs, release, err := l.session(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer func() { _ = ch.Close() }()
	l.wg.Go(func() { ssh.DiscardRequests(reqs) })
	defer context.AfterFunc(ctx, func() { _ = ch.Close() })()
	if err := l.start(ctx, ch, command{subsystem: name}); err != nil {
		return err
	}
	if err = do(ch); err == nil || ctx.Err() == nil && l.answers(ctx) {
		return err
	}
	return l.end(ctx)
}
