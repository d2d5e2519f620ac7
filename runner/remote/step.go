package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxOutput is how much of a step's output Do returns: its end.
const maxOutput = 4 << 20

// maxLine is how much of one line is passed on: its end. A progress bar that only ever returns the carriage is one line.
const maxLine = 16 << 10

// Do runs a script as root, detached from the connection, under a name that is unique in the run. Both its outputs go,
// as they come, to line (which may be nil), and all together are returned. A lost connection, or the end of this process,
// doesn't stop it: Do with the same name attaches to it, or returns its result where it has ended; line then hears
// everything from the beginning. The end of ctx doesn't stop it either, and the error says so.
//
// An exit status other than 0 is an *ExitError. An *InterruptedError says that the script was begun and ended without a
// result, by a reboot say; the next Do on this Host starts it anew. On another Host, in another process, the first Do
// says so again: whoever decides about repeating must have been told.
func (h *Host) Do(ctx context.Context, name, script string, line func(string)) (string, error) {
	if h.fence.Run == "" {
		return "", fmt.Errorf("host %s: step %q: a detached step needs a run", h.login.Name, name)
	}
	s := &follower{line: line}
	what := fmt.Sprintf("step %q", name)
	var result string
	sent := false
	mode := h.startMode(name)
	err := h.again(ctx, what, func(l *link) error {
		var errw tailBuffer
		sent = true
		status, err := h.asRoot(ctx, l, h.stepScript(name, script, mode, s.offset), false, s, &errw)
		switch {
		case s.offset > 0 || strings.Contains(errw.String(), "fleetup-alive"):
			mode = "attach"
		default:
			mode = "start"
		}
		if err != nil {
			return err
		}
		result = errw.String()
		if err := h.fencedBy(status, result); err != nil {
			return err
		}
		if status != 0 {
			return &ExitError{Host: h.login.Name, What: what + ": start or follow it", Status: status, Stderr: result}
		}
		return nil
	})
	s.flush()
	if err != nil && sent && ctx.Err() != nil {
		return s.text(), fmt.Errorf("%w; it goes on there by itself, in %s", err, h.stepDir(name))
	}
	if err != nil {
		return s.text(), err
	}
	return s.text(), h.stepResult(name, what, result, s.text())
}

func (h *Host) startMode(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told[name] {
		delete(h.told, name)
		return "anew"
	}
	return "start"
}

// stepResult reads what follow.sh said at the end.
func (h *Host) stepResult(name, what, said, output string) error {
	for _, l := range strings.Split(said, "\n") {
		if rc, ok := strings.CutPrefix(l, "fleetup-rc "); ok {
			status, err := strconv.Atoi(strings.TrimSpace(rc))
			switch {
			case err != nil:
				return fmt.Errorf("host %s: %s: its result in %s is %q", h.login.Name, what, h.stepDir(name), rc)
			case status != 0:
				return &ExitError{Host: h.login.Name, What: what, Status: status, Stderr: tail(output, 4000)}
			}
			return nil
		}
		if why, ok := strings.CutPrefix(l, "fleetup-interrupted "); ok {
			h.mu.Lock()
			h.told[name] = true
			h.mu.Unlock()
			return &InterruptedError{Host: h.login.Name, Step: name, Why: why, Output: tail(output, 4000)}
		}
	}
	return fmt.Errorf("host %s: %s: %w", h.login.Name, what, errors.New("its follower ended without a word: "+said))
}

func (h *Host) stepDir(name string) string {
	return h.net.o.Base + "/" + safeName(h.fence.Run) + "/" + safeName(name)
}

// stepScript claims the step, or finds it claimed, and follows its output from offset on. It comes back when the step
// has ended: one round trip, and nothing is asked from here meanwhile.
func (h *Host) stepScript(name, script, mode string, offset int64) string {
	base, run, step := h.net.o.Base, safeName(h.fence.Run), safeName(name)
	unit := "fleetup-" + run + "-" + step
	dir, folder := base+"/"+run+"/"+step, base+"/"+run
	temp := folder + "/." + step + "." + marker()
	var b strings.Builder
	b.WriteString(headScript + "cd /\n" + makeBase(base))
	if mode != "attach" {
		fmt.Fprintf(&b, "mkdir -p %s && chmod 0700 %s || exit %d\n", quote(folder), quote(folder), exitRefused)
		fmt.Fprintf(&b, "printf '%%s\\n' %s >%s && printf '%%s' %s >%s.wrapper || exit %d\n",
			quote(headScript+script), quote(temp), quote(wrapperScript), quote(temp), exitRefused)
	}
	claim := stateScript + claimScript
	if h.fence.Epoch > 0 {
		claim = fenceScript + claim
	}
	b.WriteString(locked(base, claim, "claim", base, strconv.FormatInt(h.fence.Epoch, 10), folder, step, unit, h.net.o.systemdDir, mode, temp))
	fmt.Fprintf(&b, "\ncode=$?\nrm -f %s %s.wrapper\ni=0\ncase $code in\n0) ;;\n%d) i=19 ;;\n*) exit $code ;;\nesac\n",
		quote(temp), quote(temp), exitInterrupted)
	fmt.Fprintf(&b, "dir=%s unit=%s systemd=%s off=%d\n", quote(dir), quote(unit), quote(h.net.o.systemdDir), offset)
	b.WriteString(stateScript + followScript)
	return b.String()
}

// safeName returns name where it can be a folder and part of a unit's name, else what is left of it and a hash.
func safeName(name string) string {
	const most = 80
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r) {
			return r
		}
		return '_'
	}, name)
	if safe == name && len(name) <= most && name != "" && name[0] != '.' && name[0] != '-' {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return strings.TrimLeft(safe[:min(len(safe), most-20)], ".-") + "_" + hex.EncodeToString(sum[:8])
}

// follower takes a step's output as it comes, over as many connections as it takes.
type follower struct {
	line   func(string)
	offset int64 // how much of the step's output has come
	rest   []byte
	all    bytes.Buffer
	cut    bool
}

func (f *follower) Write(b []byte) (int, error) {
	n := len(b)
	f.offset += int64(n)
	f.all.Write(b)
	if f.all.Len() > 2*maxOutput {
		f.cut = true
		f.all.Next(f.all.Len() - maxOutput)
	}
	for {
		line, rest, found := bytes.Cut(b, []byte("\n"))
		if f.rest = append(f.rest, line...); len(f.rest) > maxLine {
			f.rest = append(f.rest[:0], f.rest[len(f.rest)-maxLine:]...)
		}
		if !found {
			return n, nil
		}
		f.say(f.rest)
		f.rest, b = f.rest[:0], rest
	}
}

func (f *follower) say(line []byte) {
	if f.line != nil {
		f.line(strings.TrimSuffix(string(line), "\r"))
	}
}

// flush passes on a last line without an end.
func (f *follower) flush() {
	if len(f.rest) > 0 {
		f.say(f.rest)
		f.rest = nil
	}
}

func (f *follower) text() string {
	text := f.all.String()
	if f.cut {
		text = "… " + tail(text, maxOutput)
	}
	return text
}
