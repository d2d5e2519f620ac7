package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"al.essio.dev/pkg/shellescape"
)

// scriptLine is a command line that reads the whole of a script first; what runs in it then finds standard input at its end.
func scriptLine(mark string) string { return marked(mark, `eval "$(cat)"`) }

// marked is a command line that runs text, which holds no single quote, between two marks: the first one tells our output
// from what a login shell's startup files print, the last ones tell a whole output from one that was cut short.
func marked(mark, text string) string {
	return fmt.Sprintf(`sh -c 'echo %[1]s; (%[2]s); s=$?; printf "%[3]s"; printf "%[3]s" >&2; exit $s'`, mark, text, endOf(mark))
}

// endOf is the last mark. No end of a prompt looks like its beginning, and would be held back for it.
func endOf(mark string) string { return "~" + mark }

// promptTimeout bounds how long sudo may take to ask or to go on. A PAM module that asks something else would hang.
const promptTimeout = 30 * time.Second

// rootWay is what it takes to become root on a link.
type rootWay struct {
	prefix   string // before the shell; "" for root itself
	password bool   // sudo asks
}

// marker returns a word that no output holds by chance.
func marker() string {
	b := make([]byte, 8)
	rand.Read(b)
	return "fleetup-" + hex.EncodeToString(b)
}

// rootWay finds out, once a connection, how to become root.
func (h *Host) rootWay(ctx context.Context, l *link) (rootWay, error) {
	l.rootMu.Lock()
	defer l.rootMu.Unlock()
	if l.root == nil {
		way, err := h.probeRoot(ctx, l)
		if err != nil {
			return rootWay{}, err
		}
		l.root = &way
	}
	return *l.root, nil
}

func (h *Host) probeRoot(ctx context.Context, l *link) (rootWay, error) {
	sudo := h.login.Sudo
	switch {
	case sudo == "never", sudo != "always" && h.peer.e.user == "root":
		l.uid = "0" // or at least: nothing of ours is between the files and the login
		return rootWay{}, nil
	}
	var out, errw bytes.Buffer
	m := marker()
	if _, err := l.exec(ctx, command{line: marked(m, "id -u; sudo -n sh -c : && echo sudo"), mark: m, out: &out, errw: &errw}); err != nil {
		return rootWay{}, err
	}
	_, text, _ := strings.Cut(out.String(), m)
	words := strings.Fields(text)
	switch {
	case len(words) == 0:
		return rootWay{}, &SudoError{h.login.Name, h.peer.e.user, fmt.Sprintf("its shell runs nothing: %s%s", out.String(), errw.String())}
	case words[0] == "0" && sudo != "always":
		l.uid = "0"
		return rootWay{}, nil
	case len(words) > 1:
		return rootWay{prefix: "sudo -n "}, nil
	case h.login.SudoPassword == nil:
		return rootWay{}, &SudoError{h.login.Name, h.peer.e.user, fmt.Sprintf("%s; set ssh.sudo_password, or allow it without one (NOPASSWD)",
			orElse(strings.TrimSpace(errw.String()), "refused"))}
	}
	return rootWay{password: true}, h.tryPassword(ctx, l)
}

// tryPassword uses the password once before anything else does, so that a wrong one is tried once and not by many.
func (h *Host) tryPassword(ctx context.Context, l *link) error {
	_, err := h.withPassword(ctx, l, ":\n", false, io.Discard, io.Discard)
	return err
}

// asRoot runs a script as root, with output to out and errw, and returns its exit status. Errors are those of link.exec,
// or a SudoError. kill says whether the script may be ended in its middle when ctx ends; else it is left to itself.
func (h *Host) asRoot(ctx context.Context, l *link, script string, kill bool, out, errw io.Writer) (int, error) {
	way, err := h.rootWay(ctx, l)
	if err != nil {
		return 0, err
	}
	if way.password {
		return h.withPassword(ctx, l, script, kill, out, errw)
	}
	m := marker()
	var complaint tailBuffer
	started := &afterMarker{marker: m, w: out}
	status, err := l.exec(ctx, command{line: way.prefix + scriptLine(m), mark: m, in: strings.NewReader(script), kill: kill, out: started,
		errw: io.MultiWriter(errw, &complaint)})
	if err == nil && !started.seen() {
		err = h.notStarted(complaint.String() + started.junk())
	}
	return status, err
}

// notStarted is for a command that ended before our shell began: sudo or the login shell stood in the way.
func (h *Host) notStarted(said string) error {
	return &SudoError{h.login.Name, h.peer.e.user, "the script was not run: " + orElse(strings.TrimSpace(said), "no reason given")}
}

var errWrongPassword = errors.New("wrong sudo password")

// withPassword runs a script below sudo -S. The password is written when the prompt is seen, the script when our shell
// says that it reads: the one never becomes the other. A second prompt ends it.
func (h *Host) withPassword(ctx context.Context, l *link, script string, kill bool, out, errw io.Writer) (int, error) {
	if err := h.peer.deniedBefore(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	in, feed := io.Pipe()
	defer func() { _ = in.Close() }()
	late := time.AfterFunc(promptTimeout, func() { cancel(errNoAnswer(promptTimeout)) })
	defer late.Stop()
	m := marker()
	var complaint tailBuffer
	started := &afterMarker{marker: m, w: out, then: func() {
		late.Stop()
		_, _ = io.WriteString(feed, script)
		_ = feed.Close()
	}}
	prompt := &markWatch{marker: "prompt-" + m, w: io.MultiWriter(errw, &complaint), met: func(n int) {
		h.answer(ctx, n, feed, cancel)
	}}
	line := fmt.Sprintf("sudo -S -p %s ", shellescape.Quote(prompt.marker)) + scriptLine(m)
	status, err := l.exec(ctx, command{line: line, mark: m, in: in, kill: kill, out: started, errw: prompt})
	return status, h.sudoOutcome(err, started.seen(), complaint.String()+started.junk())
}

// answer gives the password to the first prompt, and gives up at the second.
func (h *Host) answer(ctx context.Context, n int, feed io.Writer, cancel context.CancelCauseFunc) {
	if n > 1 {
		cancel(errWrongPassword)
		return
	}
	password, err := h.login.SudoPassword(ctx)
	if err != nil {
		cancel(fmt.Errorf("sudo password: %w", err))
		return
	}
	_, _ = io.WriteString(feed, strings.TrimRight(password, "\r\n")+"\n")
}

func (h *Host) sudoOutcome(err error, started bool, said string) error {
	var slow noAnswer
	switch {
	case errors.Is(err, errWrongPassword), err == nil && !started && strings.Contains(said, "incorrect password"):
		err = &SudoError{h.login.Name, h.peer.e.user, "wrong sudo password (it was tried once); set ssh.sudo_password right"}
		h.peer.deny(err)
	case errors.As(err, &slow) && !started:
		return &SudoError{h.login.Name, h.peer.e.user, fmt.Sprintf("%v, and no prompt that fleetup knows; it said %q", err, said)}
	case err == nil && !started:
		return h.notStarted(said)
	}
	return err
}

func (p *peer) deny(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.denied = err
}

func (p *peer) deniedBefore() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.denied
}

// afterMarker passes on what follows the line of the marker.
type afterMarker struct {
	marker string
	w      io.Writer
	then   func() // called once, when the marker is there

	mu   sync.Mutex
	held []byte
	met  bool
}

func (a *afterMarker) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.met {
		return a.w.Write(b)
	}
	a.held = append(a.held, b...)
	_, rest, found := bytes.Cut(a.held, []byte(a.marker+"\n"))
	if !found {
		if len(a.held) > 2*tailSize { // startup files that print without end
			a.held = append(a.held[:0], a.held[len(a.held)-tailSize:]...)
		}
		return len(b), nil
	}
	a.met = true
	if a.then != nil {
		a.then()
	}
	if len(rest) > 0 {
		if _, err := a.w.Write(rest); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (a *afterMarker) seen() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.met
}

// junk is what came without the marker.
func (a *afterMarker) junk() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.met {
		return ""
	}
	return tail(string(a.held), 1000)
}

// markWatch counts the marks in what passes, prompts say, and keeps them out of the rest.
type markWatch struct {
	marker string
	w      io.Writer
	met    func(n int) // called at each
	held   []byte
	n      int
}

func (p *markWatch) Write(b []byte) (int, error) {
	p.held = append(p.held, b...)
	for {
		before, rest, found := bytes.Cut(p.held, []byte(p.marker))
		if !found {
			break
		}
		if _, err := p.w.Write(before); err != nil {
			return 0, err
		}
		p.held = bytes.Clone(rest)
		p.n++
		p.met(p.n)
	}
	keep := partial(p.held, p.marker)
	if _, err := p.w.Write(p.held[:len(p.held)-keep]); err != nil {
		return 0, err
	}
	p.held = bytes.Clone(p.held[len(p.held)-keep:])
	return len(b), nil
}

// partial returns how many bytes at the end of b may be the beginning of marker.
func partial(b []byte, marker string) int {
	for n := min(len(b), len(marker)-1); n > 0; n-- {
		if strings.HasPrefix(marker, string(b[len(b)-n:])) {
			return n
		}
	}
	return 0
}

// tailBuffer keeps the end of what is written.
type tailBuffer struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 16 << 10

func (t *tailBuffer) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if len(t.b) > 2*tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize:]...)
	}
	return len(b), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return tail(string(t.b), tailSize)
}
