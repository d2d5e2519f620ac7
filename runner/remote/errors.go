package remote

import (
	"errors"
	"fmt"
	"strings"
)

var (
	errClosed = errors.New("the connections were closed")
	errLost   = errors.New("the connection was lost")
)

// ExitError says that a command ran on the machine and failed there.
type ExitError struct {
	Host   string
	What   string // the operation, for people: "run a script", `step "upgrade"`, the command of exec
	Status int    // 128 + the signal's number where one ended it
	Stderr string // the end of what it wrote there; of a step, of its output
}

// Error holds the last of what the command wrote.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("host %s: %s: exit status %d", e.Host, e.What, e.Status)
	if s := strings.TrimSpace(e.Stderr); s != "" {
		text += ": " + s
	}
	return text
}

// ExitStatus returns the command's exit status.
func (e *ExitError) ExitStatus() int { return e.Status }

// FencedError says that the machine has seen a later epoch of the lease than ours: another runner is at work.
type FencedError struct {
	Host       string
	Ours, Seen string
	Base       string // the folder there that holds the epoch
}

// Error names both epochs.
func (e *FencedError) Error() string {
	return fmt.Sprintf("host %s: refused: this run's epoch is %s, the machine has seen %s: another run holds the lease now; "+
		"stop this one and look at `fleetup status INVENTORY`. Where that names no other, a run of another cluster or a clock that was wrong "+
		"left the epoch there: remove %s/epoch on the machine", e.Host, e.Ours, e.Seen, e.Base)
}

// Fenced tells callers that don't import this package what happened.
func (e *FencedError) Fenced() bool { return true }

// InterruptedError says that a detached step was begun and ended without a result.
type InterruptedError struct {
	Host, Step, Why string
	Output          string // the end of what it wrote
}

// Error says why there will be no result.
func (e *InterruptedError) Error() string {
	text := fmt.Sprintf("host %s: step %q: interrupted: %s", e.Host, e.Step, e.Why)
	if s := strings.TrimSpace(e.Output); s != "" {
		text += "; it last wrote: " + s
	}
	return text
}

// Interrupted tells callers that don't import this package what happened.
func (e *InterruptedError) Interrupted() bool { return true }

// SudoError says that we can't become root.
type SudoError struct{ Host, User, Why string }

// Error names the way out.
func (e *SudoError) Error() string {
	return fmt.Sprintf("host %s: sudo as %s: %s", e.Host, e.User, e.Why)
}

// SudoDenied tells callers that don't import this package what happened.
func (e *SudoError) SudoDenied() bool { return true }

// LoginError says that the machine answered and refused every key.
type LoginError struct {
	Host, User, Address string
	Tried               []string // keys, for people
	Notes               []string // keys that couldn't be tried, and why
	Err                 error
}

// Error lists what was tried.
func (e *LoginError) Error() string {
	tried := "no key was found; name one in ssh.identity_files, or ssh-add it"
	if len(e.Tried) > 0 {
		tried = "tried " + strings.Join(e.Tried, ", ") + "; is its public half in the authorized_keys of " + e.User + " there?"
	}
	text := fmt.Sprintf("host %s: login as %s at %s refused: %s", e.Host, e.User, e.Address, tried)
	for _, n := range e.Notes {
		text += "; " + n
	}
	return text + fmt.Sprintf(" (%v)", e.Err)
}

func (e *LoginError) Unwrap() error { return e.Err }

// LoginRefused tells callers that don't import this package what happened.
func (e *LoginError) LoginRefused() bool { return true }

// ConnectError says that a machine could not be reached at all.
type ConnectError struct {
	Host, Address, Via string
	Err                error
	early              bool // it answered, and hung up before it showed its key: MaxStartups, a penalty, or booting
}

// Error names the way that was tried.
func (e *ConnectError) Error() string {
	via := ""
	if e.Via != "" {
		via = " through " + e.Via
	}
	return fmt.Sprintf("host %s: connect to %s%s: %v", e.Host, e.Address, via, e.Err)
}

func (e *ConnectError) Unwrap() error { return e.Err }

// Unreachable tells callers that don't import this package what happened.
func (e *ConnectError) Unreachable() bool { return true }

// permanent reports whether dialling again can't help: a host key that isn't trusted, a config that can't be read.
func permanent(err error) bool {
	var key *HostKeyError
	var setup *setupError
	return errors.As(err, &key) || errors.As(err, &setup) || errors.Is(err, errClosed)
}

// setupError is a mistake on this machine: a file that can't be read, an address that can't be understood.
type setupError struct {
	Host string
	Err  error
}

func (e *setupError) Error() string { return fmt.Sprintf("host %s: %v", e.Host, e.Err) }
func (e *setupError) Unwrap() error { return e.Err }

// tail returns the last lines of text, at most max bytes of them.
func tail(text string, max int) string {
	if len(text) <= max {
		return text
	}
	text = text[len(text)-max:]
	if i := strings.IndexByte(text, '\n'); i >= 0 && i+1 < len(text) {
		text = text[i+1:]
	}
	return "… " + text
}
