package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Host is one machine, in the name of one run. Its methods may be called from several goroutines. All but Exec, Shell
// and HostKeys dial again when the connection is lost, until ctx ends; the first login is tried once.
type Host struct {
	net   *Net
	login Login
	fence Fence

	mu   sync.Mutex
	peer *peer
	told map[string]bool // steps that a caller of this Host has been told were interrupted
}

// Name returns the login's name.
func (h *Host) Name() string { return h.login.Name }

// Expect says that the machine was reached before, by an earlier process say: also the first login is tried until ctx
// ends, for a machine that may be rebooting.
func (h *Host) Expect() error {
	p, err := h.machine()
	if err == nil {
		p.expect()
	}
	return err
}

// Close closes the connection to the machine. A later call dials again.
func (h *Host) Close() error {
	h.mu.Lock()
	p := h.peer
	h.mu.Unlock()
	if p != nil {
		p.drop(errClosed)
	}
	return nil
}

func (h *Host) machine() (*peer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.peer != nil {
		return h.peer, nil
	}
	p, err := h.net.peer(h.login)
	if err != nil {
		return nil, err
	}
	h.peer = p
	return p, nil
}

// link returns a live connection to the machine.
func (h *Host) link(ctx context.Context) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("host %s: %w", h.login.Name, context.Cause(ctx))
	}
	p, err := h.machine()
	if err != nil {
		return nil, err
	}
	return p.get(ctx)
}

// again calls do with a live connection, and with a new one where that is lost, until ctx ends.
func (h *Host) again(ctx context.Context, what string, do func(*link) error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		l, err := h.link(ctx)
		if err != nil {
			return err
		}
		err = do(l)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("host %s: %s: %w", h.login.Name, what, context.Cause(ctx))
		case !errors.Is(err, errLost) || h.net.ctx.Err() != nil:
			return h.named(what, err)
		}
		h.net.o.Log(fmt.Sprintf("host %s: %s: %v; dialling again", h.login.Name, what, err))
		if pause(ctx, wait) != nil {
			return fmt.Errorf("host %s: %s: %w (%w)", h.login.Name, what, context.Cause(ctx), err)
		}
	}
}

// named adds host and operation to errors that don't name them already.
func (h *Host) named(what string, err error) error {
	if strings.HasPrefix(err.Error(), "host "+h.login.Name+":") {
		return err
	}
	return fmt.Errorf("host %s: %s: %w", h.login.Name, what, err)
}

// Run runs a short script as root and returns its standard output. It is for what is safe to run twice: where the
// connection is lost, the script runs again, until ctx ends. An exit status other than 0 is an *ExitError that holds
// what the script wrote to standard error.
func (h *Host) Run(ctx context.Context, script string) (string, error) {
	return h.run(ctx, "run a script", script)
}

func (h *Host) run(ctx context.Context, what, script string) (string, error) {
	var out bytes.Buffer
	err := h.again(ctx, what, func(l *link) error {
		out.Reset()
		return h.script(ctx, l, what, h.fenced(script), &out)
	})
	return out.String(), err
}

// script runs text as root on l and turns its exit status into an error.
func (h *Host) script(ctx context.Context, l *link, what, text string, out io.Writer) error {
	var errw tailBuffer
	status, err := h.asRoot(ctx, l, text, true, out, &errw)
	if err != nil {
		return err
	}
	if err := h.fencedBy(status, errw.String()); err != nil {
		return err
	}
	if status != 0 {
		return &ExitError{Host: h.login.Name, What: what, Status: status, Stderr: errw.String()}
	}
	return nil
}

// asUser runs a command as the login user and returns what it wrote after the login shell's own words.
func (h *Host) asUser(ctx context.Context, l *link, what, script string) (string, error) {
	var out bytes.Buffer
	var errw tailBuffer
	m := marker()
	started := &afterMarker{marker: m, w: &out}
	status, err := l.exec(ctx, command{line: scriptLine(m), mark: m, in: strings.NewReader(script), out: started, errw: &errw})
	if err == nil && status != 0 {
		err = &ExitError{Host: h.login.Name, What: what, Status: status, Stderr: errw.String() + started.junk()}
	}
	return out.String(), err
}

// BootID returns the id that the kernel made at its start. It needs no root and is not fenced.
func (h *Host) BootID(ctx context.Context) (string, error) {
	var id string
	err := h.again(ctx, "read the boot id", func(l *link) error {
		var err error
		id, err = h.bootID(ctx, l)
		return err
	})
	return id, err
}

func (h *Host) bootID(ctx context.Context, l *link) (string, error) {
	out, err := h.asUser(ctx, l, "read the boot id", "cat /proc/sys/kernel/random/boot_id")
	id := strings.TrimSpace(out)
	if err == nil && id == "" {
		err = errors.New("the machine's boot id is empty")
	}
	return id, err
}

// Exec runs one command as the login user, in the login shell as ssh would: no sudo, no wrapper, no second try once it
// was sent. Its exit status other than 0 is an *ExitError. stdin may be nil; a stdin that blocks outlives the call.
func (h *Host) Exec(ctx context.Context, cmd string, stdin io.Reader, stdout, stderr io.Writer) error {
	l, err := h.link(ctx)
	if err != nil {
		return err
	}
	status, err := l.exec(ctx, command{line: cmd, in: stdin, kill: true, out: stdout, errw: stderr})
	switch {
	case err != nil:
		return h.named(cmd, err)
	case status != 0:
		return &ExitError{Host: h.login.Name, What: cmd, Status: status}
	}
	return nil
}

// Sweep removes what runs other than keep left on the machine, but for those of which a step still runs.
func (h *Host) Sweep(ctx context.Context, keep string) error {
	base := h.net.o.Base
	script := "[ -d " + quote(base) + " ] || exit 0\n" +
		locked(base, stateScript+sweepScript, "sweep", base, safeName(keep), h.net.o.systemdDir)
	_, err := h.run(ctx, "remove old runs' folders", script)
	return err
}
