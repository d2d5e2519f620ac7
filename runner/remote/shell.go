package remote

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Shell runs an interactive login shell as the login user, with a terminal where in is one: raw, and resized as it is.
// It returns when the shell ends; an exit status other than 0 is an *ExitError.
func (h *Host) Shell(ctx context.Context, in *os.File, out, errw io.Writer) error {
	l, err := h.link(ctx)
	if err != nil {
		return err
	}
	c := command{shell: true, in: in, out: out, errw: errw}
	if fd := int(in.Fd()); term.IsTerminal(fd) {
		restore, err := term.MakeRaw(fd)
		if err != nil {
			return fmt.Errorf("host %s: shell: make the terminal raw: %w", h.login.Name, err)
		}
		defer func() { _ = term.Restore(fd, restore) }()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		c.before = func(ch ssh.Channel) error { return h.terminal(ctx, l, ch, fd) }
	}
	status, err := l.exec(ctx, c)
	switch {
	case err != nil:
		return h.named("shell", err)
	case status != 0:
		return &ExitError{Host: h.login.Name, What: "shell", Status: status}
	}
	return nil
}

// terminal asks for one like ours, and keeps its size like ours until ctx ends.
func (h *Host) terminal(ctx context.Context, l *link, ch ssh.Channel, fd int) error {
	width, height, err := term.GetSize(fd)
	if err != nil {
		width, height = 80, 24
	}
	ask := ssh.Marshal(struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}{orElse(os.Getenv("TERM"), "xterm"), uint32(width), uint32(height), 0, 0, "\x00"})
	if ok, err := ch.SendRequest("pty-req", true, ask); err != nil || !ok {
		return fmt.Errorf("the machine gives no terminal: %w", orErr(err, errLost))
	}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, unix.SIGWINCH)
	l.wg.Go(func() {
		defer signal.Stop(changed)
		for {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-l.dead:
				return
			}
			if w, h, err := term.GetSize(fd); err == nil {
				_, _ = ch.SendRequest("window-change", false, ssh.Marshal(struct{ Columns, Rows, Width, Height uint32 }{uint32(w), uint32(h), 0, 0}))
			}
		}
	})
	return nil
}
